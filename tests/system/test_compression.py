# SPDX-License-Identifier: BSD-2-Clause
"""COMPRESSION: what goes over a line gets smaller, and arrives as it was."""

import os

import pytest
from harness import CONFIG, OK, OSYNC, UNREACHABLE, Pair, execute
from wire import Wire

KIB = 1024
TEXT = b"".join(b"line %d of a text that says much the same again\n" % n for n in range(20000))


def fill(pair, content=TEXT):
    """Much for either side."""
    for side in ("initiator", "target"):
        pair.write(side, side, content + side.encode())


def by_command(pair, *options):
    pair.options += ["--set", "TRANSPORT=command", "--set", "TRANSPORT_COMMAND=env",
                     "--remote-osync", OSYNC, *options]
    return pair


@pytest.mark.parametrize("mode", ["auto", "on"])
@pytest.mark.parametrize("transport", ["ssh", "command"])
def test_what_gets_smaller_is_sent_small_either_way(tmp_path, server, transport, mode):
    pair = Pair(tmp_path, server) if transport == "ssh" else by_command(Pair(tmp_path))
    pair.options += ["--set", f"COMPRESSION={mode}"]
    fill(pair)
    result = pair.run()
    assert len(result.changes) == 2
    assert result.summary["sent_bytes"] < len(TEXT) / 4
    assert result.summary["received_bytes"] < len(TEXT) / 4


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_what_does_not_get_smaller_arrives_all_the_same(tmp_path, mode):
    pair = by_command(Pair(tmp_path), "--set", f"COMPRESSION={mode}")
    noise = os.urandom(3000 * KIB)
    fill(pair, noise + TEXT + noise)
    result = pair.run()
    most = 2 * len(noise) * 1.01 + len(TEXT)
    assert result.summary["sent_bytes"] < most
    assert result.summary["received_bytes"] < most


def test_off_is_off(tmp_path):
    pair = by_command(Pair(tmp_path), "--set", "COMPRESSION=off")
    fill(pair)
    result = pair.run()
    assert result.summary["sent_bytes"] > len(TEXT)
    assert result.summary["received_bytes"] > len(TEXT)


def test_osync_1_3_s_word_for_it_counts(tmp_path):
    pair = by_command(Pair(tmp_path), "--set", "RSYNC_COMPRESS=no")
    fill(pair)
    assert pair.run().summary["sent_bytes"] > len(TEXT)


def test_ssh_compresses_instead_where_it_is_told_to(tmp_path, server):
    with Wire(server) as wire:
        pair = Pair(tmp_path, wire)
        pair.options = ["--set", "SSH_COMPRESSION=yes"]
        fill(pair)
        result = pair.run()
        assert result.summary["sent_bytes"] > len(TEXT) > 4 * wire.passed["up"]
        twice = pair.args("--set", "COMPRESSION=on")
        assert "would compress twice" in execute(twice, pair.env(), (CONFIG, 64)).err


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("share", [0.35, 0.7, 0.95])
def test_a_line_torn_in_the_middle_of_it_loses_nothing(tmp_path, server, way, share):
    """Noise between the texts, so that the tear is in what was packed, or just behind it."""
    content = b"".join(TEXT[n * 7000:(n + 1) * 7000] + os.urandom(2 * KIB) for n in range(100))
    with Wire(server, cut=(way, int(200 * KIB * share))) as wire:
        pair = Pair(tmp_path, wire)
        pair.options = ["--set", "COMPRESSION=on"]
        fill(pair, content)
        pair.run(expect=UNREACHABLE)
        pair.server = server
        pair.run(expect=OK)

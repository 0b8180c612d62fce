# SPDX-License-Identifier: BSD-2-Clause
"""BANDWIDTH: what passes, and that a slow line is no dead one."""

import os
import time

import pytest
from harness import OK, OSYNC, USAGE, Pair, execute
from wire import Wire

KIB = 1024
# What logging in takes, and what leaves at once after a pause (base/bucket.h).
LOGIN = 12 * KIB


def by_command(pair):
    """The target, reached by a command."""
    pair.options += ["--set", "TRANSPORT=command", "--set", "TRANSPORT_COMMAND=env",
                     "--remote-osync", OSYNC]
    return pair


def bound(kib, seconds):
    return 1.05 * kib * KIB * seconds + kib * KIB / 4


@pytest.mark.parametrize("transport", ["ssh", "command"])
def test_no_more_passes_than_the_limit_allows_either_way(tmp_path, server, transport):
    with Wire(server) as wire:
        pair = Pair(tmp_path, wire) if transport == "ssh" else by_command(Pair(tmp_path))
        for side in ("initiator", "target"):
            for number in range(40):
                pair.write(side, f"{side}{number}", os.urandom(12 * KIB))
        began = time.monotonic()
        result = pair.run("--bandwidth", "300")
        seconds = time.monotonic() - began
        for way in ("sent_bytes", "received_bytes"):
            assert 480 * KIB < result.summary[way] < bound(300, seconds)
        if transport == "ssh":
            for way in ("up", "down"):
                assert 480 * KIB < wire.passed[way] < bound(300, seconds) + LOGIN


@pytest.mark.parametrize("side", ["initiator", "target"])
def test_a_slow_line_is_no_dead_one(tmp_path, side):
    """A KiB a second, for longer than either side waits for a word, or for a holder's heartbeat."""
    pair = by_command(Pair(tmp_path))
    pair.write(side, "a", os.urandom(11 * KIB))
    # PEER_TIMEOUT is 180 s, and 6 s here; a heartbeat is due within 2 s.
    began = time.monotonic()
    pair.run("--set", "BANDWIDTH=1", env={"OSYNC_HURRY": "30"})
    assert time.monotonic() - began > 8
    assert pair.both("a")


def test_a_limit_is_of_no_effect_on_this_machine(local):
    local.write("initiator", "a", os.urandom(300 * KIB))
    result = local.run_human("--bandwidth", "1")
    assert result.says("BANDWIDTH has no effect: the target is on this machine")


def test_a_limit_is_a_number(local):
    for value in ("x", "-1", "5k", "100000001"):
        args = local.args("--set", f"BANDWIDTH={value}")
        assert "BANDWIDTH" in execute(args, local.env(), USAGE).err
    local.run("--set", "BANDWIDTH=0", expect=OK)

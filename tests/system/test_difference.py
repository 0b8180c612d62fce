# SPDX-License-Identifier: BSD-2-Clause
"""A large file that was edited is sent as what has changed in it, and nothing else is trusted."""

import os
import random

import pytest
from harness import FAILED, SIDES, full_bytes
from test_hostile import Lied

MIB = 1 << 20
SIZE = 8 * MIB
BLOCK = 2048  # of a file of this size (src/base/blocks.h)
TALK = 8192  # all else that a run says


def other(side):
    return SIDES[1 - SIDES.index(side)]


def scatter(data):
    """Twenty edits of a kilobyte."""
    chance = random.Random(1)
    for _ in range(20):
        at = chance.randrange(len(data) - 1024)
        data = data[:at] + os.urandom(1024) + data[at + 1024:]
    return data


EDITS = {
    # edit, and how many bytes have to be sent at most
    "scattered": (scatter, 20 * (1024 + 2 * BLOCK)),
    "inserted": (lambda data: data[:3_000_001] + b"twelve bytes" + data[3_000_001:], 4 * BLOCK),
    "removed": (lambda data: data[:3_000_001] + data[3_000_013:], 4 * BLOCK),
    "appended": (lambda data: data + os.urandom(1000), 1000 + 2 * BLOCK),
    "cut": (lambda data: data[:5 * MIB + 1], 2 * BLOCK),
    "moved": (lambda data: data[4 * MIB:] + data[:4 * MIB], 8 * BLOCK),
    "touched": (lambda data: data, 0),
}


def moved_bytes(result):
    return result.summary["sent_bytes"] + result.summary["received_bytes"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_a_large_file_costs_what_it_changes(remote, side, edit):
    change, cost = EDITS[edit]
    data = os.urandom(SIZE)
    remote.write(side, "large", data)
    assert moved_bytes(remote.run()) > SIZE
    data = change(data)
    remote.write(side, "large", data)
    result = remote.run()
    assert moved_bytes(result) <= cost + 4 * SIZE // BLOCK + TALK, result.summary
    assert full_bytes(remote.path(other(side), "large")) == data


def test_a_file_that_was_written_anew_is_sent(remote):
    remote.write("initiator", "large", os.urandom(SIZE))
    remote.run()
    data = os.urandom(SIZE)
    remote.write("initiator", "large", data)
    remote.run()
    assert full_bytes(remote.path("target", "large")) == data


def test_i57_holes_stay_holes_in_a_difference(remote):
    data = os.urandom(MIB)
    path = remote.path("initiator", "large")
    path.write_bytes(data)
    os.truncate(path, 64 * MIB)
    remote.run()
    with open(path, "r+b") as file:
        file.seek(40 * MIB + 123)
        file.write(b"in the middle of nowhere")
    result = remote.run()
    assert moved_bytes(result) <= (64 << 10) + 4 * 64 * MIB // 4096, result.summary
    assert remote.lstat("target", "large").st_blocks * 512 <= 2 * MIB
    assert full_bytes(remote.path("target", "large")) == full_bytes(path)


def test_many_files_differ_at_once_on_both_sides(remote):
    data = {}
    for side in SIDES:
        for number in range(20):
            data[side, number] = os.urandom(MIB)
            remote.write(side, f"{side}-{number}", data[side, number])
    remote.run()
    for (side, number), content in data.items():
        at = number * 50_000
        data[side, number] = content[:at] + b"inserted" + content[at:]
        remote.write(side, f"{side}-{number}", data[side, number])
    assert moved_bytes(remote.run()) < 2 * MIB
    for (side, number), content in data.items():
        assert full_bytes(remote.path(other(side), f"{side}-{number}")) == content


# Who lies --------------------------------------------------------------------------


@pytest.fixture
def lied(local):
    return Lied(local)


def synced(pair, side):
    """A large file that both have, and an edit of it on one side."""
    data = os.urandom(SIZE)
    pair.write(side, "large", data)
    pair.run()
    data = data[:4 * MIB] + b"a few bytes" + data[4 * MIB:]
    pair.write(side, "large", data)
    return data


def test_i19_sums_that_deceive_cost_a_transfer_and_no_more(lied):
    pair = lied.pair
    data = synced(pair, "initiator")
    # Block by block, the sums of others.
    result = lied.run("""
def from_target(kind, data):
    if kind == SUMS:
        start = 1
        sums = [data[i:i + 4] for i in range(start, len(data), 4)]
        data = data[:start] + b"".join(sums[::-1])
    return [(kind, data)]
""", expect=0)
    assert result.summary["sent_bytes"] > SIZE
    assert full_bytes(pair.path("target", "large")) == data


@pytest.mark.parametrize("lie", [
    "uint(SIZE) + uint(1)", "uint(0) + uint(SIZE)", "uint(1 << 63) + uint(1 << 63)", "uint(0) + uint(0)",
    "b''"])
def test_i19_a_copy_of_what_is_not_there_ends_the_run(lied, lie):
    pair = lied.pair
    synced(pair, "target")
    before = full_bytes(pair.path("initiator", "large"))
    result = lied.run(f"""
SIZE = {SIZE}
def from_target(kind, data):
    if kind == COPY:
        data = data[:1] + {lie}
    return [(kind, data)]
""")
    assert result.says("target", "malformed"), repr(result)
    assert full_bytes(pair.path("initiator", "large")) == before


@pytest.mark.parametrize("more", ["data[:1]", "data[:1] + bytes(4)", "data"])
def test_more_sums_than_there_are_blocks_end_the_run(lied, more):
    pair = lied.pair
    synced(pair, "initiator")
    before = full_bytes(pair.path("target", "large"))
    result = lied.run(f"""
def from_target(kind, data):
    if kind == SUMS:
        return [(kind, data), (kind, {more})]
    return [(kind, data)]
""", expect=FAILED)
    assert result.says("target", "malformed"), repr(result)
    assert full_bytes(pair.path("target", "large")) == before


@pytest.mark.parametrize("kind, data", [
    ("COPY", "uint(0) + uint(0) + uint(1)"), ("SUMS", "uint(0) + b'1234'"), ("SUMS_END", "uint(0) + b'\\0'"),
    ("AGAIN", "uint(0)"), ("SUMS", "uint(99) + b'1234'")])
def test_what_nobody_asked_for_ends_the_run(lied, kind, data):
    """The first put of a pair: no side has a version of it."""
    pair = lied.pair
    pair.write("initiator", "new", os.urandom(MIB))
    pair.write("target", "there", os.urandom(MIB))
    result = lied.run(f"""
lied = []
def from_target(kind, data):
    if kind == DATA and not lied:
        lied.append(1)
        return [({kind}, {data}), (kind, data)]
    return [(kind, data)]
""", expect=FAILED)
    assert result.says("target", "malformed"), repr(result)

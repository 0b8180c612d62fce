# SPDX-License-Identifier: BSD-2-Clause
"""A first sync of many files is killed half way: what it had done is not sent once more."""

import os
import re

import pytest
from play import WORKDIR, eventually, playing
from scenarios import Scenario

FILES, SIZE = 3000, 10_000
BATCH = 1000  # files that are made durable, and put into place, at a time (src/run/apply.c)
WINDOW = 4 << 20  # bytes on their way at a time (src/peer/protocol.h)
TALK = 200  # bytes for each file: its name and what it is like, told and answered
MANY = Scenario("many")
# The bytes of files go up to the target, or down.
WAYS = {"up": (0, "target agent"), "down": (1, "initiator agent")}


def fill(root):
    for number in range(FILES):
        folder = root / f"d{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_bytes(os.urandom(SIZE))


def measured(play, way, fault=None):
    """One run, and the bytes that went this way."""
    note = play.base / "note"
    outcome = play.run(fault=fault, relay=f"note={note}")
    return outcome, int(re.search(rf"{way} \d+ (\d+)", note.read_text())[1])


def changes(side, role):
    """How many steps the receiving side takes in all."""
    with playing(MANY) as play:
        play.prepare(relay="whole")
        fill(play.roots[side])
        calls = play.base / "calls"
        assert play.run(fault=f"count:{calls}:{role}").code == 0
        return len(calls.read_text().splitlines())


@pytest.mark.parametrize("way", WAYS)
def test_i38_at_most_a_batch_is_sent_again(way):
    """And what was on its way."""
    side, role = WAYS[way]
    steps = changes(side, role)
    again_at_most = BATCH * SIZE + WINDOW + 2 * FILES * TALK
    for eighths in (4, 7):
        with playing(MANY) as play:
            play.prepare(relay="whole")
            fill(play.roots[side])
            cut, first = measured(play, way, f"kill:{steps * eighths // 8}:{role}")
            assert cut.code == 69 and first > FILES * SIZE // 3, f"not half way: {first} {cut!r}"
            done, second = measured(play, way)
            assert done.code == 0 and play.converged(), repr(done)
            assert first + second <= again_at_most + FILES * SIZE, (first, second)


LARGE = 24 << 20
LOST = 5 << 20  # what was on its way
SUMS = 1 << 19  # of what is there, less than a block that has none, and all else that is said
ENDS = {
    # how a run ends in the middle of a large file, of whose `changes` steps most are writes
    "the line is cut": lambda way, role, changes: {"relay": f"{way}@{LARGE * 2 // 3}"},
    "the receiver is killed": lambda way, role, changes: {"fault": f"kill:{changes * 2 // 3}:{role}"},
    "the run is killed": lambda way, role, changes: {"fault": f"kill:{changes // 2}:initiator:link"},
}


def large_cut(play, side, role, way, end):
    """A run that is to bring a large file from this side is ended in the middle of it."""
    data = os.urandom(LARGE)
    (play.roots[side] / "large").write_bytes(data)
    return data, play.run(**{"relay": "whole", **end})


def what_is_left(root):
    """Of the large file; whoever was killed leaves it in the stage, or his agent is still about to move it."""
    eventually(lambda: not (root / WORKDIR / "lock").read_bytes(), 3)
    return sum(path.stat().st_size for folder in ("partial", "stage")
               for path in (root / WORKDIR / folder).glob("*"))


def count(side, role, door):
    with playing(Scenario("large")) as play:
        play.prepare(relay="whole")
        calls = play.base / "calls"
        outcome = large_cut(play, side, role, None, {"fault": f"count:{calls}:{role}:{door}"})[1]
        assert outcome.code == 0, repr(outcome)
        return len(calls.read_text().splitlines())


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("way", WAYS)
def test_i38_what_has_come_of_a_large_file_is_not_sent_again(way, end):
    side, role = WAYS[way]
    role, door = (role, "change") if "receiver" in end else ("initiator", "link")
    fault = ENDS[end](way, role, count(side, role, door) if "killed" in end else 0)
    with playing(Scenario("large")) as play:
        play.prepare(relay="whole")
        data, cut = large_cut(play, side, role, way, fault)
        assert cut.code in (69, -9), repr(cut)
        left = what_is_left(play.roots[1 - side])
        assert left > LARGE // 6, left
        done, again = measured(play, way)
        assert done.code == 0 and play.converged(), repr(done)
        assert (play.roots[1 - side] / "large").read_bytes() == data
        assert again < LARGE - left + SUMS, (again, left)
        play.check_rest({"relay": "whole"})
        for root in play.roots:
            assert not (root / WORKDIR / "partial").exists()


def test_i39_a_large_file_that_changes_between_its_parts_is_what_it_is_then():
    with playing(Scenario("large")) as play:
        play.prepare(relay="whole")
        data, cut = large_cut(play, 0, None, "up", ENDS["the line is cut"]("up", None, 0))
        assert cut.code == 69, repr(cut)
        data = data[:1000] + b"an edit in what has been sent" + data[1000:]
        (play.roots[0] / "large").write_bytes(data)
        done, again = measured(play, "up")
        assert done.code == 0 and (play.roots[1] / "large").read_bytes() == data, repr(done)
        assert again < LARGE // 2 + LOST, again


def test_i39_what_was_left_is_not_believed():
    with playing(Scenario("large")) as play:
        play.prepare(relay="whole")
        data, cut = large_cut(play, 0, None, "up", ENDS["the line is cut"]("up", None, 0))
        assert cut.code == 69, repr(cut)
        left, = (play.roots[1] / WORKDIR / "partial").iterdir()
        with left.open("r+b") as file:
            file.seek(3 << 20)
            file.write(bytes(100_000))
        assert play.run(relay="whole").code == 0
        assert (play.roots[1] / "large").read_bytes() == data

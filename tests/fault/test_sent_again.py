# SPDX-License-Identifier: BSD-2-Clause
"""A first sync of many files is killed half way: what it had done is not sent once more."""

import os
import re

import pytest
from play import playing
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

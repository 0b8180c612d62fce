# SPDX-License-Identifier: BSD-2-Clause
"""The link ends: in front of every frame, and in the middle of some."""

import random
import re

import pytest
from play import ALL, each, playing, scenario_names
from scenarios import SCENARIOS

# Offsets tried in each direction besides all frames.
BYTES = 40 if ALL else 4
# In the quick tier: of how many frames one is the last.
EVERY = 1 if ALL else 6
# Scenarios that are played with packed frames, too.
PACKED = ["conflict", "first run"]


def passed(scenario, **link):
    """{"up": (frames, bytes), "down": ...} of the run, without a cut."""
    with playing(scenario) as play:
        play.prepare(relay="whole", **link)
        note = play.base / "note"
        play.run(relay=f"note={note}", **link)
        return {way: (int(frames), int(size)) for way, frames, size in
                re.findall(r"(\w+) (\d+) (\d+)", note.read_text())}


def cuts(scenario, **link):
    rng = random.Random(scenario.name)
    for way, (frames, size) in passed(scenario, **link).items():
        assert frames > 5 and size > 100
        for frame in range(rng.randrange(EVERY), frames, EVERY):
            yield {"relay": f"{way}:{frame}", **link}
        for offset in sorted(rng.sample(range(1, size), BYTES)):
            yield {"relay": f"{way}@{offset}", **link}


def cut_everywhere(name, **link):
    scenario = SCENARIOS[name]
    outcomes = each(scenario, list(cuts(scenario, **link)), link={"relay": "whole", **link})
    # Who is cut off in the middle says so; only the last words may be missed.
    assert sum(outcome.code == 69 for outcome in outcomes) > len(outcomes) // 2


@pytest.mark.parametrize("name", scenario_names())
def test_i38_the_link_is_cut_everywhere(name):
    cut_everywhere(name)


def test_what_is_cut_as_a_difference_is_one():
    for frames, size in passed(SCENARIOS["differ"]).values():
        assert frames > 10 and size < 100_000


@pytest.mark.parametrize("name", PACKED)
def test_i38_a_link_with_packed_frames_is_cut_everywhere(name):
    cut_everywhere(name, packed=True)

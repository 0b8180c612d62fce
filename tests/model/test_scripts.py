# SPDX-License-Identifier: BSD-2-Clause
"""Scripts (scripts.py): those of tests/regress, and many that hypothesis makes up.

One that fails is made small and printed as data: put it into a file below tests/regress, and it
is played ever after. OSYNC_EXAMPLES=N plays N new ones in each of the tests instead of the same few
as always, which change only with this file; OSYNC_SCRIPT=FILE plays that alone.
"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from scripts import play

REGRESS = Path(__file__).parents[1] / "regress"
EXAMPLES = int(os.environ.get("OSYNC_EXAMPLES", "0"))
ALWAYS = 15
SHARDS = 4

# Names that the letters a, b and c may stand for; d and e are those that rules are about.
ODD = ["b" * 255, "\udcff\udcfe", "x\ny", "-rf", "ä", "*", "A", "~", " ", "a.conflict-20200101-000000-abcdef"]
TREES = ["i0", "t"]
POINTS = ["after-scan", "before-enter", "before-look", "before-place", "between-exchange-and-look",
          "before-put-back", "before-journal"]
ROLES = ["initiator", "initiator agent", "target agent", "transport"]
# ENOSPC, EIO, EACCES, EXDEV, EMFILE, EDQUOT, EINTR
ERRNOS = [28, 5, 13, 18, 24, 122, 4]

letters = st.sampled_from("aabbcde")
paths = st.lists(letters, min_size=1, max_size=3).map("/".join)
kinds = st.sampled_from(["file", "file", "file", "empty", "large", "sparse"])
# 2020 and a little later; 1960, 2100, and times that fall together
seconds = st.sampled_from([1577836800, 1577836801, -315619200, 4102444800, 0])

ON_PATH = ["edit", "edit", "append", "touch", "delete", "delete", "folder", "link", "remake"]
ON_TWO = ["move", "move", "move", "move", "swap", "copy"]


def steps_of(trees):
    """What a user does."""
    tree = st.sampled_from(trees)

    def step(*words):
        return st.tuples(*words).map(list)

    return [
        step(st.just("write"), tree, paths, kinds), step(st.just("write"), tree, paths),
        step(st.sampled_from(ON_PATH), tree, paths), step(st.sampled_from(ON_PATH), tree, paths),
        step(st.sampled_from(ON_TWO), tree, paths, paths),
        step(st.sampled_from(ON_TWO), tree, paths, paths),
        step(st.just("cycle"), tree, paths, paths, paths),
    ], [
        step(st.just("hardlink"), tree, paths, paths),
        step(st.just("chmod"), tree, paths, st.sampled_from([0o755, 0o700])),
        step(st.just("time"), tree, paths, seconds),
        step(st.just("special"), tree, paths, st.sampled_from(["fifo", "socket"])),
        step(st.sampled_from(["keep", "restore", "restore"]), tree),
        step(st.just("state"), tree, st.sampled_from(["keep", "older", "lost"])),
        step(st.just("lock"), tree, paths),
    ]


faults = st.one_of(
    st.builds("kill:{}:{}".format, st.integers(1, 60), st.sampled_from(ROLES[:3])),
    st.builds("fail:{}:{}:{}".format, st.integers(1, 60), st.sampled_from(ERRNOS),
              st.sampled_from(ROLES[:3])),
    st.builds("fail:{}:{}:{}:look".format, st.integers(1, 200), st.sampled_from(ERRNOS[1:5]),
              st.sampled_from(ROLES[:3])),
    st.builds("cut:{}:{}".format, st.integers(1, 80), st.sampled_from(ROLES[:3])),
    st.builds("short:{}:{}".format, st.integers(1, 60), st.sampled_from(ROLES[:3])))


def syncs(initiators, users):
    acts = st.lists(st.one_of(users), min_size=1, max_size=2)
    points = st.lists(st.tuples(st.sampled_from(POINTS), st.integers(1, 4),
                                st.one_of(acts, st.just("kill"))).map(list),
                      min_size=1, max_size=2)
    how = st.one_of(st.just({}), st.just({}), st.fixed_dictionaries({"fault": faults}),
                    st.fixed_dictionaries({"at": points}), st.just({"plan": True}),
                    st.just({"guard": True}))
    return st.tuples(st.just("sync"), st.sampled_from(initiators), how).map(list)


@st.composite
def scripts(draw):
    initiators = [f"i{n}" for n in range(draw(st.sampled_from([1, 1, 2, 3])))]
    # In half of all scripts only one tree is changed: there, all of it must be what remains.
    trees = draw(st.sampled_from([[*initiators, "t"], [*initiators, "t"], ["i0"], ["t"]]))
    users, seldom = steps_of(trees)
    sync = syncs(initiators, users)
    rules = st.tuples(st.just("rules"), st.sampled_from(initiators),
                      st.sampled_from(["d", "de", ""])).map(list)
    both = st.tuples(st.just("both"), *[st.sampled_from(initiators)] * 2).map(list)
    more = [*seldom, rules, both, st.just(["rest"])]
    names = st.dictionaries(st.sampled_from("abc"), st.sampled_from(ODD), max_size=2)
    script = {
        "initiators": len(initiators),
        "policy": draw(st.sampled_from(["keep-both"] * 4 + ["newer", "initiator", "target", "skip"])),
        "options": draw(st.sampled_from([[], [], [], ["PRESERVE_HARDLINKS=yes"], ["CHECKSUM=yes"]])),
        "names": draw(st.one_of(st.just({}), names)),
        "start": draw(st.lists(st.sampled_from(["a/a", "a/b", "a/c/a", "b/a", "c", "d"]),
                               unique=True, max_size=6)),
        # The first of one_of() are what a failure is made small to.
        "steps": draw(st.lists(st.one_of(*users, sync, sync, sync, sync, st.one_of(more)),
                               min_size=1, max_size=16)),
    }
    if len(set(script["names"].values())) < len(script["names"]):
        script["names"] = {}
    return script


class Failures:
    """What failed on the way to the smallest."""

    def __init__(self):
        self.found = []

    def play(self, script):
        try:
            play(script)
        except Exception as error:
            self.found.append((script, str(error)))
            raise

    def smallest(self):
        script, error = min(self.found, key=lambda one: len(json.dumps(one[0])))
        return f"{error}\nthe script, which may be kept below tests/regress:\n{json.dumps(script)}"


@pytest.mark.skipif("OSYNC_SCRIPT" in os.environ, reason="one script was asked for")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_scripts_lose_nothing_and_come_to_rest(shard):
    failures = Failures()

    @settings(max_examples=EXAMPLES or ALWAYS, database=None, deadline=None, print_blob=False,
              phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))
    @given(script=scripts())
    def look(script):
        failures.play(script)

    try:
        # A seed of its own for each stands for derandomize, which would give all the same.
        (look if EXAMPLES else seed(shard)(look))()
    except Exception as error:
        if not failures.found:
            raise
        raise AssertionError(failures.smallest()) from error


def kept():
    if "OSYNC_SCRIPT" in os.environ:
        return [os.environ["OSYNC_SCRIPT"]]
    return sorted(path.name for path in REGRESS.glob("*.json"))


@pytest.mark.parametrize("name", kept())
def test_a_script_that_once_failed(name):
    play(json.loads((REGRESS / name).read_text()))

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
ODD = ["b" * 255, "\udcff\udcfe", "x\ny", "-rf", "ä", "*", "A", "~", " ",
       "a.conflict-20200101-000000-abcdef"]
POINTS = ["after-scan", "before-enter", "before-look", "before-place", "between-exchange-and-look",
          "before-put-back", "before-journal"]
ROLES = ["initiator", "initiator agent", "target agent"]
# ENOSPC, EIO, EACCES, EXDEV, EMFILE, EDQUOT, EINTR
ERRNOS = [28, 5, 13, 18, 24, 122, 4]

START = ["a/a", "a/b", "a/c/a", "b/a", "c", "d"]
letters = st.sampled_from("abcde")
paths = st.lists(letters, min_size=1, max_size=3).map("/".join)
# Hypothesis tries to make it no.
mostly = st.sampled_from([False, True, True, True])
kinds = st.sampled_from(["file", "file", "file", "empty", "large", "sparse"])
# 2020 and a little later; 1960, 2100, and times that fall together
seconds = st.sampled_from([1577836800, 1577836801, -315619200, 4102444800, 0])

USERS = ["write"] * 4 + ["move"] * 4 + ["edit", "delete"] * 2 + [
    "append", "touch", "folder", "link", "remake", "swap", "copy", "cycle"]
SELDOM = ["hardlink", "chmod", "time", "special", "keep", "restore", "restore", "state", "lock"]
MORE = {"write": kinds, "time": seconds, "chmod": st.sampled_from([0o755, 0o700]),
        "special": st.sampled_from(["fifo", "socket"])}


def below(path, top):
    return (path + "/").startswith(top + "/")


class Likely:
    """What is there, as far as it can be told without playing: steps about nothing are dull."""

    def __init__(self, draw, trees, start):
        self.draw, self.trees, self.files = draw, trees, set(start)

    def pick(self, *taken):
        """Something that is there, apart from those."""
        parts = [path.split("/") for path in self.files]
        there = {"/".join(part[:n]) for part in parts for n in range(1, len(part) + 1)}
        free = [path for path in sorted(there)
                if not any(below(path, one) or below(one, path) for one in taken)]
        return self.draw(st.sampled_from(free or ["a"]))

    def rename(self, old, new):
        self.files = {new + path[len(old):] if below(path, old) else path for path in self.files}

    def step(self, ops):
        """Something that a user does."""
        op, tree = self.draw(st.sampled_from(ops)), self.draw(st.sampled_from(self.trees))
        if op in ("keep", "restore"):
            return [op, tree]
        if op == "state":
            return [op, tree, self.draw(st.sampled_from(["keep", "older", "lost"]))]
        anew = op in ("folder", "link", "special") or (op == "write" and self.draw(st.booleans()))
        old = self.draw(paths) if anew else self.pick()
        more = [self.draw(MORE[op])] if op in MORE else []
        if op in ("move", "copy", "hardlink"):
            over = op == "move" and self.draw(st.booleans())
            more = [self.pick(old) if over else self.draw(paths)]
        elif op in ("swap", "cycle"):
            more = [self.pick(old)]
            more += [self.pick(old, *more)] if op == "cycle" else []
        self.note(op, old, more)
        return [op, tree, old, *more]

    def note(self, op, old, more):
        if op == "delete":
            self.files = {path for path in self.files if not below(path, old)}
        elif op == "move":
            self.rename(old, more[0])
        elif op in ("copy", "hardlink"):
            self.files.add(more[0])
        elif op in ("write", "folder", "link", "special"):
            self.files.add(old)


faults = st.one_of(
    st.builds("kill:{}:{}".format, st.integers(1, 60), st.sampled_from(ROLES)),
    st.builds("fail:{}:{}:{}".format, st.integers(1, 60), st.sampled_from(ERRNOS),
              st.sampled_from(ROLES)),
    st.builds("fail:{}:{}:{}:look".format, st.integers(1, 200), st.sampled_from(ERRNOS[1:5]),
              st.sampled_from(ROLES)),
    st.builds("cut:{}:{}".format, st.integers(1, 80), st.sampled_from(ROLES)),
    st.builds("short:{}:{}".format, st.integers(1, 60), st.sampled_from(ROLES)))


@st.composite
def syncs(draw, initiators, likely):
    how = draw(st.sampled_from(["", "", "", "fault", "fault", "at", "at", "plan", "guard"]))
    what = {how: True} if how else {}
    if how == "fault":
        what = {"fault": draw(faults)}
    elif how == "at":
        what = {"at": [[draw(st.sampled_from(POINTS)), draw(st.integers(1, 4)),
                        [likely.step(USERS)] if draw(mostly) else "kill"]
                       for _ in range(draw(st.sampled_from([1, 1, 2])))]}
    return ["sync", draw(st.sampled_from(initiators)), what]


@st.composite
def steps(draw, initiators, likely):
    kind = draw(st.sampled_from(["none"] + ["user"] * 9 + ["sync"] * 6 +
                                ["seldom"] * 4 + ["rules", "both", "rest"]))
    if kind == "none":
        return None
    if kind in ("user", "seldom"):
        return likely.step(USERS if kind == "user" else SELDOM)
    if kind == "sync":
        return draw(syncs(initiators, likely))
    if kind == "rules":
        return ["rules", draw(st.sampled_from(initiators)), draw(st.sampled_from(["d", "de", ""]))]
    if kind == "both":
        return ["both", *[draw(st.sampled_from(initiators)) for _ in range(2)]]
    return ["rest"]


@st.composite
def scripts(draw):
    initiators = [f"i{n}" for n in range(draw(st.sampled_from([1, 1, 2, 3])))]
    # In half of all scripts only one tree is changed: there, all of it must be what remains.
    trees = draw(st.sampled_from([[*initiators, "t"], [*initiators, "t"], ["i0"], ["t"]]))
    policies = ["keep-both"] * 4 + ["newer", "initiator", "target", "skip"]
    options = [[], [], [], ["PRESERVE_HARDLINKS=yes"], ["CHECKSUM=yes"]]
    names = st.dictionaries(st.sampled_from("abc"), st.sampled_from(ODD), max_size=2)
    script = {
        "initiators": len(initiators),
        "policy": draw(st.sampled_from(policies)),
        "options": draw(st.sampled_from(options)),
        "names": draw(st.one_of(st.just({}), names)),
        "start": [path for path in START if draw(mostly)],
    }
    likely = Likely(draw, trees, script["start"])
    # Many at first, of which those that are not needed become None.
    found = [draw(steps(initiators, likely)) for _ in range(draw(st.integers(8, 16)))]
    script["steps"] = [step for step in found if step]
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

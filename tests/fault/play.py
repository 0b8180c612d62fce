# SPDX-License-Identifier: BSD-2-Clause
"""One scenario, played with one fault in it, and what must hold afterwards.

`attempt` prepares two trees, runs osync with the fault, runs it again without and looks: is
every version there (in a tree or in a trash), are both trees as if there had been no fault,
has a further run nothing to do, is nothing left behind, and was the exit code true.
`steps` counts where a fault can be put in.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from harness import (FETCH_ALL, FETCH_NOTHING, HANG_S, LOOK, OK, WORKDIR,  # noqa: E402
                     differences, environment, eventually, kind_of, snapshot, versions, walk)
from scenarios import SCENARIOS, Player  # noqa: E402

OSYNC = os.environ.get("OSYNC", str(Path(__file__).parents[2] / "build/fault/osync"))
RELAY = str(Path(__file__).with_name("relay.py"))
ROLES = ("initiator", "initiator agent", "target agent")
DOORS = ("change", "look", "link")
# All tiers: every step with every errno, instead of each with one.
ALL = bool(os.environ.get("OSYNC_FAULT_ALL"))
# Runs at a time: each waits more than it works.
AT_ONCE = 5
# In memory: there are thousands of fsyncs.
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# src/run/report.h: done, failed, to look at, unreachable, no permission, locked.
TRUE_CODES = {0, 1, 2, 69, 75, 77}
CONFLICT_NAME = re.compile(r"\.conflict-\d{8}-\d{6}-[0-9a-z]{6}")


def fetches(scenario, role="", door="change"):
    """Whether the agents of a run on this machine take files from the other root themselves, or are sent them.

    Which of both alternates, so that every role meets both, each with half of the scenarios and doors.
    """
    places = [names.index(name) if name in names else 0 for names, name in
              ((scenario_names(), scenario.name), (ROLES, role), (DOORS, door))]
    return sum(places) % 2 == 0


def aimed_at(fault):
    """The role and the door of a fault."""
    words = (fault or "").split(":")
    role = next((word for word in words if word in ROLES), "")
    return role, next((word for word in words if word in DOORS), "change")


def differ_in_time(nodes):
    """Whether these are two folders that only differ in their times."""
    return all(node and node.kind == "folder" for node in nodes) and \
        len({node._replace(mtime_ns=0) for node in nodes}) == 1


class Outcome:
    """How one run ended."""

    def __init__(self, code, out, err):
        self.code = code
        self.out, self.err = out.decode(errors="replace"), err.decode(errors="replace")
        events = []
        with contextlib.suppress(ValueError):
            events = [json.loads(line) for line in self.out.splitlines()]
        self.changes = [event for event in events if event["event"] == "change"]
        self.problems = [event for event in events if event["event"] == "problem"]
        self.summary = events[-1] if events and events[-1]["event"] == "summary" else {}

    def __repr__(self):
        return f"exit {self.code}\n{self.out}{self.err}"


class Play:
    """Two trees, and osync between them."""

    def __init__(self, base, scenario, fetching=True):
        self.base, self.scenario, self.fetching = Path(base), scenario, fetching
        self.roots = [self.base / "initiator", self.base / "target"]
        for folder in (*self.roots, self.base / "home"):
            folder.mkdir()

    def run(self, fault=None, relay=None, server=None, options=(), packed=False):
        """One run to its end, and to that of all its processes: they hold standard error.

        A relay sees frames; `packed`: as they go over a line, several of them in one.
        """
        target = str(self.roots[1])
        if self.scenario.far and not server:
            relay = relay or "whole"
        if server:
            target = server.url(self.roots[1])
            options = (*options, *server.login(OSYNC))
        if relay:
            command = f"/usr/bin/python3 -ISu {RELAY} {relay}"
            target = f"ssh://nowhere/{target}"
            options = (*options, "--set", "TRANSPORT=command", "--set",
                       f"TRANSPORT_COMMAND={command}", "--remote-osync", OSYNC,
                       "--set", f"COMPRESSION={'on' if packed else 'off'}")
        env = environment(self.base / "home", **({"OSYNC_FAULT": fault} if fault else {}),
                          **(FETCH_ALL if self.fetching else FETCH_NOTHING))
        process = subprocess.Popen(
            [OSYNC, "--initiator", str(self.roots[0]), "--target", target, "--instance-id", "play",
             "--json", "--lock-wait", "30", *options], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"hangs: {process.communicate()}") from None
        return Outcome(process.returncode, out, err)

    def prepare(self, **link):
        """All that comes before the run that is tried."""
        scenario = self.scenario
        if scenario.common is not None:
            Player(self.roots[0], "common").play(scenario.common)
            first = self.run(**link)
            assert first.code == OK, f"the first run: {first!r}"
        Player(self.roots[0], "here").play(scenario.here)
        Player(self.roots[1], "there").play(scenario.there)
        if scenario.cut:
            self.run(fault=scenario.cut, **link)

    # -- what is there

    def trees(self):
        return [snapshot(root) for root in self.roots]

    def versions(self):
        return versions(*self.roots)

    def converged(self):
        here, there = self.trees()
        return here == there

    def shape(self):
        """The initiator's tree, to be compared with that of another play."""
        return sorted((CONFLICT_NAME.sub(".conflict", path), node.kind, node.content)
                      for path, node in self.trees()[0].items())

    def state(self):
        return {(root.name, path): Path(full).read_bytes() for root in self.roots
                if (root / WORKDIR / "state").is_dir()
                for path, full, info in walk(root / WORKDIR / "state") if kind_of(info) == "file"}

    # -- what must hold

    def check_kept(self, before):
        lost = before - self.versions()
        assert not lost, f"versions lost: {lost}"

    def check_true(self, outcome, may_set_times=True):
        """Whoever says that all is well is right, and nobody crashes.

        The time of a folder that may not be set is taken for that of somebody else's folder.
        """
        assert outcome.code in TRUE_CODES, f"strange exit: {outcome!r}"
        assert "Assertion" not in outcome.err and "Sanitizer" not in outcome.err, repr(outcome)
        if outcome.code in (OK, LOOK):
            unequal = {path: nodes for path, nodes in self.unequal().items()
                       if may_set_times or not differ_in_time(nodes)}
            assert not unequal, f"exit {outcome.code}, but: {unequal} {outcome!r}"

    def unequal(self):
        return differences(*self.trees())

    def check_repaired(self, shape, link):
        """One run without a fault makes it all good."""
        was_equal = self.converged()
        again = self.run(**link)
        allowed = (OK, LOOK) if self.scenario.conflicts else (OK,)
        assert again.code in allowed, f"the run after it: {again!r}"
        assert self.converged(), f"not converged: {self.unequal()} {again!r}"
        if not self.scenario.conflicts:
            assert again.summary["conflicts"] == 0, f"a conflict of nobody's making: {again!r}"
        # The times of folders are put back in front of each look, and may be set twice.
        more = [change for change in again.changes if change["op"] != "metadata"]
        assert not was_equal or not more, f"all was done, and more was done: {again!r}"
        assert self.shape() == shape, f"not as without a fault: {self.shape()} {shape}"

    def check_rest(self, link):
        """A further run has nothing to do, and nothing is left."""
        trees, state = self.trees(), self.state()
        last = self.run(**link)
        assert last.code == OK and not last.changes and not last.problems, f"no rest: {last!r}"
        assert self.trees() == trees and self.state() == state, "a run without work wrote something"
        for root in self.roots:
            assert not os.listdir(root / WORKDIR / "stage"), f"{root.name}: stage is not empty"
            # The agent may outlive the initiator by a moment.
            assert eventually(lambda lock=root / WORKDIR / "lock": not lock.read_bytes()), \
                f"{root.name}: lock is not released"


@contextlib.contextmanager
def playing(scenario, role="", door="change"):
    base = tempfile.mkdtemp(prefix="osync-fault-", dir=PLACE)
    try:
        yield Play(base, scenario, fetches(scenario, role, door))
    finally:
        shutil.rmtree(base, ignore_errors=True)


def undisturbed(scenario, **link):
    """What becomes of the trees where nothing goes wrong."""
    with playing(scenario) as play:
        play.prepare(**link)
        outcome = play.run(**link)
        play.check_true(outcome)
        return play.shape()


def attempt(scenario, shape, fault=None, link=None, **other):
    """Play the scenario with a fault, or over another link; how the run with it ended."""
    link = link or {}
    try:
        with playing(scenario, *aimed_at(fault)) as play:
            play.prepare(**link)
            before = play.versions()
            outcome = play.run(fault=fault, **{**link, **other})
            if outcome.code != -9:
                play.check_true(outcome, may_set_times=f":{errno.EACCES}:" not in (fault or ""))
            play.check_kept(before)
            play.check_repaired(shape, link)
            play.check_kept(before)
            play.check_rest(link)
            return outcome
    except AssertionError as broken:
        broken.args = (f"{scenario.name}: {fault or other}: {broken}",)
        raise


def steps(scenario, role, door, **link):
    """The calls that pass this door in this role, in their order."""
    with playing(scenario, role, door) as play:
        play.prepare()
        calls = play.base / "calls"
        play.run(fault=f"count:{calls}:{role}:{door}", **link)
        if not calls.exists():
            return []
        return [line.split()[-1] for line in calls.read_text().splitlines()]


def scenario_names():
    return sorted(SCENARIOS)


def each(scenario, attempts, shape=None, link=None):
    """Make all these attempts (keyword arguments of `attempt`), some at once: a run mostly waits."""
    shape = shape or undisturbed(scenario, **(link or {}))
    failures = []

    def one(how):
        try:
            return attempt(scenario, shape, link=link, **how)
        except AssertionError as broken:
            failures.append(str(broken))
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(one, attempts))
    assert not failures, f"{len(failures)} of {len(outcomes)} failed:\n" + "\n\n".join(failures[:5])
    return outcomes

# SPDX-License-Identifier: BSD-2-Clause
"""Two trees, users who change them, osync under strace, and the power cuts that may follow.

For the tests of what osync makes durable, and when: see test_power_loss.py.
"""

import copy
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from harness import FAILED, LOOK, OK, Pair, snapshot, versions  # noqa: E402
from order import names_path, records  # noqa: E402
from powercut import Machine, Op, Sync, choices, rebuild, signature  # noqa: E402
from syscalls import traced  # noqa: E402

SIDES = ("initiator", "target")
MANY = 70  # more than are made durable one by one (CHANGER_SYNC_ALL)

# What the user may do: i/PATH is on the initiator, t/PATH on the target.
HELP = """
import os
def at(path):
    return os.path.join(base, {"i": "initiator", "t": "target"}[path[0]], path[2:])
def write(path, text, times=1):
    os.makedirs(os.path.dirname(at(path)), 0o755, exist_ok=True)
    with open(at(path), "wb") as file:
        file.write(text.encode() * times)
    # Names of conflict copies come from it.
    os.utime(at(path), (2 * 10 ** 9, 2 * 10 ** 9 + len(text)))
def rename(old, new):
    os.rename(at(old), at(new))
def remove(path):
    os.unlink(at(path))
"""


class Scenario:
    """What both trees hold, what the user then does, and how osync runs."""

    def __init__(self, before, edit, copies=False):
        self.before, self.edit = before, edit
        # Whether a cut may cost a conflict copy: a folder's move that was cut before it was
        # recorded leaves files in it without a history.
        self.copies = copies


SOME = {"a": "first a", "b": "first b" * 500, "d/one": "one", "d/two": "two " * 9,
        "d/sub/three": "3"}

SCENARIOS = {
    "first": Scenario(None, """
write("i/a", "a", 999); write("i/d/one", "one"); write("i/empty", ""); write("i/d/sub/x", "x", 50)
write("t/b", "b"); write("t/d/one", "one"); write("t/e/y", "y"); os.symlink("a", at("i/link"))"""),
    "update": Scenario(SOME, """
write("i/a", "second a"); write("i/d/one", "ONE", 77); write("t/b", "second b")"""),
    "create": Scenario(SOME, """
write("i/n", "new", 5000); write("i/new/deep/er/file", "file"); write("t/d/n", "other")"""),
    "delete": Scenario(SOME, """
remove("i/a"); remove("t/d/one"); remove("i/d/sub/three"); os.rmdir(at("i/d/sub"))"""),
    "move": Scenario(SOME, """
rename("i/a", "i/d/moved"); rename("t/b", "t/c"); write("i/a", "another a")"""),
    "folder": Scenario(SOME, """
rename("i/d", "i/e"); write("i/e/two", "edited"); write("i/e/sub/new", "new")
write("t/a", "t")""", copies=True),
    "swap": Scenario(SOME, """
rename("i/a", "i/x"); rename("i/b", "i/a"); rename("i/x", "i/b")"""),
    "types": Scenario(SOME, """
remove("i/a"); write("i/a/inside", "inside"); remove("i/d/sub/three"); os.rmdir(at("i/d/sub"))
write("i/d/sub", "a file now"); remove("t/b"); os.symlink("d/one", at("t/b"))"""),
    "conflict": Scenario(SOME, """
write("i/a", "a of the initiator", 40); write("t/a", "a of the target", 30)
remove("i/d/one"); write("t/d/one", "edited, not deleted")"""),
    "links": Scenario(SOME, """
os.link(at("i/a"), at("i/a2")); write("i/h", "h"); os.link(at("i/h"), at("i/d/h2"))"""),
    "batch": Scenario({f"d{n % 3}/{n}": f"file {n}" for n in range(3 * MANY)}, f"""
for n in range({MANY}): write(f"i/new/{{n}}", f"new {{n}}")
for n in range({MANY}): write(f"i/d{{n % 3}}/{{n}}", f"changed {{n}}")
for n in range({MANY}, {2 * MANY}): remove(f"t/d{{n % 3}}/{{n}}")"""),
}


class World:
    """Two trees on a fast file system, and what has happened to them."""

    def __init__(self, base):
        self.pair = Pair(base)
        self.base = Path(base)
        self.home = self.pair.home

    def osync(self, *options):
        return self.pair.run(*options, expect=(OK, LOOK))

    def trace(self, args, **env):
        log = self.base / "trace"
        code, said, calls = traced(args, self.pair.env(**env), log)
        log.unlink()
        return code, said, calls

    def steps(self, scenario, role):
        """[(number, call)] of what one process of a run does to its file system."""
        log = self.base / "steps"
        self.play(scenario, [{"OSYNC_FAULT": f"count:{log}:{role}"}])
        lines = [line.rsplit(" ", 2) for line in log.read_text().splitlines()]
        self.clear()
        return [(int(number), call) for _, number, call in lines]

    def clear(self):
        for root in self.pair.roots:
            shutil.rmtree(root)
            root.mkdir()

    def play(self, scenario, runs=({},)):
        """Bring the trees to rest, then trace the user's edits and osync's runs, each with more
        in its environment."""
        for name, text in (scenario.before or {}).items():
            self.pair.write("initiator", name, text)
        if scenario.before:
            self.osync()
        before = versions(*self.pair.roots)
        self.machines = {side: Machine(self.pair.root(side)) for side in SIDES}
        script = self.base / "edit.py"
        script.write_text(f"base = {str(self.base)!r}\n{HELP}{scenario.edit}")
        code, said, calls = self.trace([sys.executable, "-I", script])
        assert code == 0, said
        self.take(calls, users=True)
        self.versions = before | versions(*self.pair.roots)
        self.safe = before & versions(*self.pair.roots)
        self.copies = scenario.copies
        for env in runs:
            _, self.said, calls = self.trace(self.pair.args("--json"), **env)
            self.take(calls)
        self.check_model()

    offset = 0

    def take(self, calls, users=False):
        """Add a trace behind what there is."""
        last = max((call.end for call in calls), default=0) + 1
        for machine in self.machines.values():
            machine.user_until = 1 << 60 if users else 0
        for call in calls:
            moved = call._replace(start=call.start + self.offset, end=call.end + self.offset)
            for machine in self.machines.values():
                machine.take(moved)
        self.offset += last

    def without(self, *kinds):
        """The machines as if these syncs had not been made."""
        machines = {side: copy.copy(machine) for side, machine in self.machines.items()}
        for machine in machines.values():
            machine.events = [event for event in machine.events
                              if isinstance(event, Op) or kind_of_sync(machine, event) not in kinds]
        return machines

    def check_model(self):
        """The model of what was done must be what is on the disk, or nothing here is true."""
        for side, machine in self.machines.items():
            again = Machine(self.pair.root(side))
            assert plain(again.start, again.top) == plain(machine.live, machine.top), side

    # -- power cuts

    def first_record(self):
        """The place of the first record about a path that osync wrote after the edits."""
        paths = {event.path for machine in self.machines.values() for event in machine.events
                 if isinstance(event, Op)}
        paths |= contents(self.pair.initiator).keys() | contents(self.pair.target).keys()
        named = [path if isinstance(path, bytes) else path.encode() for path in paths]
        return min((place for place, record in records(self.machines)
                    if any(names_path(record, path) for path in named)), default=1 << 60)

    def moments(self):
        """Where a cut can leave more than at the moment before: just before each sync, and at
        the end."""
        syncs = {event.at for machine in self.machines.values() for event in machine.events
                 if isinstance(event, Sync)}
        return [*sorted(syncs), self.offset]

    def cuts(self, most, moments):
        """(moment, {side: image}) of different states."""
        seen = set()
        recorded = self.first_record()
        for until in moments:
            left = {side: [op for op in machine.pending(until)
                           if until > recorded or not op.user]
                    for side, machine in self.machines.items()}
            for cut in combinations(left, most):
                images = {side: self.machines[side].image(until, lost, torn)
                          for side, (lost, torn) in cut.items()}
                state = tuple(signature(image, self.machines[side].top)
                              for side, image in images.items())
                if state not in seen:
                    seen.add(state)
                    yield until, cut, images

    def restore(self, images):
        for side, image in images.items():
            shutil.rmtree(self.pair.root(side))
            rebuild(image, self.machines[side].top, self.pair.root(side))


def kind_of_sync(machine, sync):
    """"file", "folder", "list" or "syncfs"."""
    if sync.kind != "fsync":
        return "list" if sync.kind == "fdatasync" else "syncfs"
    return machine.node_of(sync.inode).kind


def combinations(left, most):
    """The power is cut on one machine, the other's changes all are there; or on both."""
    for cut in SIDES:
        for choice in choices(left[cut], most):
            yield {side: choice if side == cut else (frozenset(), "none") for side in SIDES}
    for torn in ("none", "zeros", "half"):
        yield {side: (frozenset(op for op in left[side] if op.kind == "data" or torn == "none"),
                      torn) for side in SIDES}


def plain(image, top):
    """{path: (kind, mode, bytes)} of all that osync does not keep for itself alone."""
    found = {}

    def visit(number, path):
        node = image.inodes[number]
        found[path] = (node.kind, node.mode if node.kind != "link" else 0, node.data)
        for name, inode in image.below(number):
            visit(inode, os.path.join(path, name))
    visit(top, b"")
    return found


def contents(root):
    return {path: (node.kind, node.content) for path, node in snapshot(root).items()}


# The machine was started again: what a run noted for one after a kill is not believed.
ANOTHER_BOOT = {"OSYNC_BOOT": "11111111-2222-4333-8444-555555555555"}


def check_cut(world, cut, images, expected):
    """osync on the state that a power cut left: an explanation of what is wrong, or None."""
    world.restore(images)
    result = world.pair.run("--lock-wait", "30", env=ANOTHER_BOOT, expect=None)
    if result.code == FAILED and result.problems:
        result = world.pair.run("--lock-wait", "30", env=ANOTHER_BOOT, expect=None)
    if result.code not in (OK, LOOK):
        return f"the next runs failed: {result!r}"
    lost = world.safe - versions(*world.pair.roots)
    if lost:
        return f"lost: {lost}"
    for side in SIDES:
        there = contents(world.pair.root(side))
        if world.copies:
            there = {path: node for path, node in there.items()
                     if ".conflict-" not in path or node not in world.versions}
        if there != expected:
            wrong = {path: (there.get(path), expected.get(path))
                     for path in there.keys() | expected.keys()
                     if there.get(path) != expected.get(path)}
            return f"the {side} is not as it should be (is, should be): {wrong}\n{result!r}"
    again = world.pair.run("--lock-wait", "30", env=ANOTHER_BOOT, expect=None)
    if again.code not in (OK, LOOK) or again.changes:
        return f"a further run has work: {again!r}"
    return None

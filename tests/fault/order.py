# SPDX-License-Identifier: BSD-2-Clause
"""Whether what a trace shows was done in an order in which nothing can be lost.

  - a file's bytes are durable before the file gets a name in a tree or in the state;
  - a path is recorded in the saved list when everything about it is durable on both sides: its
    names and those of the folders above it, its bytes, and what it displaced in the trash;
  - the saved list is durable before the target is told to commit, and at the end.

The times of a symlink are left out: nothing but a syncfs would make them durable, and what a
power cut may cost is the time of a link.
"""

import re

from powercut import WORKDIR, Op

TRASH = re.compile(rb"\.osync_workdir/trash/[^/]+/")
LIST = b".osync_workdir/state/test.list."
STATE = b".osync_workdir/state/"


def violations(machines):
    """What was done too early, in words; nothing where all is well."""
    return [*named_too_early(machines), *recorded_too_early(machines),
            *committed_too_early(machines), *left_at_the_end(machines)]


def done_by_osync(machine, kind):
    return [op for op in machine.events if isinstance(op, Op) and not op.user and op.kind == kind]


def is_lasting(path):
    """In a tree or in the state, not in the stage or the trash, and no temporary file."""
    if path.startswith(STATE):
        return not path.endswith(b".new") and b".tmp-" not in path
    return not path.startswith(WORKDIR)


def named_too_early(machines):
    for side, machine in machines.items():
        for op in done_by_osync(machine, "name"):
            if not is_lasting(op.path):
                continue
            placed = {inode for _, _, inode in op.what if inode is not None}
            for late in machine.pending(op.at):
                if late.kind == "data" and late.inode in placed and not late.user:
                    yield f"{side}: {op.path!r} was named before its bytes were durable"


def records(machines):
    """(place, bytes) of each time something was appended to the saved list."""
    return [(op.at, op.what[-1]) for op in done_by_osync(machines["initiator"], "data")
            if op.path.startswith(LIST) and len(op.what) == 2]


def names_path(record, path):
    """Never the root: it has no record, and its empty name is in many numbers and sums."""
    return path != b"" and bytes([len(path) + 1]) + path + b"\0" in record


def is_about(machine, image, op, recorded):
    """Whether a name is that of the path, of a folder above it, or of its old version's."""
    found = TRASH.match(op.path)
    trash = found[0] if found else b""
    path = op.path[len(trash):]
    if recorded.startswith(path + b"/"):
        # A folder of the trash matters to what is in it.
        return not trash or machine.find(machine.root + b"/" + trash + recorded, image) is not None
    return path == recorded or (trash and path.startswith(recorded + b"~"))


def recorded_too_early(machines):
    for side, machine in machines.items():
        paths = {op.path for op in done_by_osync(machine, "name")
                 if not op.path.startswith(WORKDIR)} | {op.path for op in machine.events
                                                        if isinstance(op, Op) and op.user}
        for place, record in records(machines):
            there = machine.image(place, frozenset(), "none")
            told = {path: machine.find(machine.root + b"/" + path, there)
                    for path in paths if names_path(record, path)}
            inodes = {inode: path for path, inode in told.items()}
            for op in machine.pending(place):
                if op.kind == "meta" and machine.node_of(op.inode).kind == "link":
                    continue
                if op.kind != "name" and op.inode in inodes:
                    yield f"{side}: {inodes[op.inode]!r} was recorded before its {op.kind}"
                elif op.kind == "name" and any(
                        is_about(machine, there, op, path) for path in told):
                    yield f"{side}: something was recorded before the name {op.path!r}"


def committed_too_early(machines):
    """The target's cache is written at its commit."""
    for op in done_by_osync(machines["target"], "data"):
        if op.path.startswith(STATE):
            for late in machines["initiator"].pending(op.at):
                if late.path.startswith(LIST) or late.path == STATE[:-1]:
                    yield f"the target committed before {late.path!r} was durable"


def left_at_the_end(machines):
    for side, machine in machines.items():
        for op in machine.pending(1 << 60):
            if op.path.startswith(STATE):
                yield f"{side}: {op.path!r} is not durable at the end"

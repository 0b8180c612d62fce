# SPDX-License-Identifier: BSD-2-Clause
"""What the runs are about into which faults are put: a table, and what carries it out.

A scenario is what both sides have in common before, then what somebody does on the
initiator and what somebody does on the target. Each is a list of acts, one a line:

    write PATH [BYTES]   a file with bytes that no other file has and every play writes again
    noise PATH BYTES     the same, with no byte like another's
    same PATH            a file with the bytes that the other side writes there, too
    append PATH
    insert PATH          bytes in the middle
    touch PATH           another mtime
    mode PATH MODE
    folder PATH
    link PATH TO
    remove PATH          a whole folder, too
    move PATH TO         over what is there, too

`mirrored` acts come twice: on the initiator in the folder i, on the target in the folder t,
so that both agents do all there is to do.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Scenario:
    name: str
    common: str = ""  # written on the initiator and synced; None: there never was a run
    here: str = ""
    there: str = ""
    conflicts: bool = False  # somebody has to look afterwards
    cut: str = ""  # a fault in a run before the one that is tried
    far: bool = False  # about what is done only where the target is on another machine


def in_folder(folder, acts):
    """The same acts with all their paths inside a folder."""
    lines = []
    for act in filter(None, map(str.strip, acts.splitlines())):
        verb, path, *more = act.split()
        if verb == "move":
            more = [f"{folder}/{more[0]}"]
        lines.append(" ".join([verb, f"{folder}/{path}", *more]))
    return "\n".join(lines)


def mirrored(name, common, acts, **more):
    return Scenario(name, "\n".join(["folder i\nfolder t\nwrite i/kept\nwrite t/kept",
                                     in_folder("i", common), in_folder("t", common)]),
                    in_folder("i", acts), in_folder("t", acts), **more)


SCENARIOS = {scenario.name: scenario for scenario in (
    mirrored("create", "folder old", """
        write new
        write old/large 150000
        write empty 0
        folder d
        write d/new
        link l nowhere"""),
    mirrored("update", "write f\nwrite large 150000\nwrite mode\nwrite time", """
        write f
        append large
        mode mode 600
        touch time"""),
    mirrored("delete", "write f\nwrite d/f\nwrite d/e/f\nlink l nowhere\nfolder empty", """
        remove f
        remove d
        remove l
        remove empty"""),
    mirrored("move a file", "write f\nwrite g\nfolder d\nwrite edited 40000", """
        move f d/f
        move g renamed
        move edited d/edited
        append d/edited"""),
    mirrored("move a folder", "write d/f\nwrite d/g\nwrite d/e/f\nfolder to", """
        move d to/d
        move to/d/e to/d/h
        write to/d/new
        remove to/d/g"""),
    mirrored("replace", "write f\nwrite over\nwrite swap\nwrite with\nlink l nowhere", """
        move f over
        move swap aside
        move with swap
        move aside with
        remove l
        link l elsewhere"""),
    mirrored("change types", "write f\nwrite d/f\nlink l nowhere\nwrite g\nfolder h\nlink m to", """
        remove f
        write f/inside
        remove d
        write d
        remove l
        write l
        remove g
        link g there
        remove h
        link h there
        remove m
        write m/inside"""),
    Scenario("conflict", "write f\nwrite d/f\nwrite gone\nwrite other\nlink l nowhere", """
        write f
        write d/f
        write new
        remove gone
        write other
        remove l
        link l here""", """
        write f
        remove d
        write new
        write gone
        remove other
        remove l
        link l there""", conflicts=True),
    Scenario("first run", None, """
        same same
        same d/same
        write here
        write d/e/here
        write unlike""", """
        same same
        same d/same
        write there
        write d/t/there
        write unlike""", conflicts=True),
    mirrored("resume", "write f\nwrite gone\nwrite g\nwrite d/f", """
        write f
        remove gone
        write new 150000
        move g moved
        move d e""", cut="kill:40:target agent"),
    # Large enough to be sent as a difference (src/run/transfer.c).
    Scenario("differ", "write kept\nnoise large 300000", there="insert large", far=True),
)}


class Player:
    """Carries acts out in one tree. The same acts always write the same bytes."""

    def __init__(self, root, side):
        self.root, self.side, self.count = os.fspath(root), side, 0

    def play(self, acts):
        for act in filter(None, map(str.strip, acts.splitlines())):
            verb, path, *more = act.split()
            getattr(self, verb)(os.path.join(self.root, path), *more)

    def bytes(self, path, size=None):
        self.count += 1
        token = f"{self.side} {self.count} {os.path.relpath(path, self.root)}\n".encode()
        if size is None:
            return token
        return (token * (int(size) // len(token) + 1))[:int(size)]

    def write(self, path, size=None):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(self.bytes(path, size))

    def noise(self, path, size):
        with open(path, "wb") as file:
            file.write(hashlib.shake_128(self.bytes(path)).digest(int(size)))

    def same(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(os.path.relpath(path, self.root).encode())

    def append(self, path):
        with open(path, "ab") as file:
            file.write(self.bytes(path))

    def insert(self, path):
        with open(path, "r+b") as file:
            data = file.read()
            file.seek(len(data) // 2)
            file.write(self.bytes(path) + data[len(data) // 2:])

    def touch(self, path):
        os.utime(path, (1_000_000_000, 1_000_000_000))

    def mode(self, path, mode):
        os.chmod(path, int(mode, 8))

    def folder(self, path):
        os.makedirs(path, exist_ok=True)

    def link(self, path, to):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(to, path)

    def remove(self, path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def move(self, path, to):
        os.replace(path, os.path.join(self.root, to))

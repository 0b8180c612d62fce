# SPDX-License-Identifier: BSD-2-Clause
"""What a power cut may leave of two trees, worked out from a trace.

A `Machine` is one tree and the disk it is on. From the calls of a trace it takes down
operations, each of which changes names, the bytes of a file, or the mode and times of
one, and syncs, which say that operations are durable from then on. It promises what POSIX
does and no more:

  fsync(file)       the file's bytes, mode and times, not its name
  fdatasync(file)   its bytes and size
  fsync(folder)     the names in this folder, not its own name in the one above
  syncfs            everything on this machine

A sync covers what had been done when it began, and counts when it has ended. What is not
durable may be there or not, in any combination: a name may be there without the bytes, a
later rename without an earlier one. Of bytes, some may be there, or the size with zeros.
Only a rename happens whole or not at all; it is durable with its new folder, an exchange
with both. Power may be cut on both machines, or on one alone.
"""

import os
import re
import stat
from typing import NamedTuple

from syscalls import handle, string

WORKDIR = b".osync_workdir"
# What nobody reads after a crash: no state is worth rebuilding only to vary it.
DULL = re.compile(rb"\.osync_workdir/(lock|stage/probe-[^/]*)$")
TIME = re.compile(r"UTIME_\w+|\{tv_sec=(-?\d+), tv_nsec=(\d+)\}")


class Op(NamedTuple):
    """One change. `unit`: what is there or not as one."""
    at: int
    unit: tuple
    kind: str     # "name", "data", "meta"
    what: tuple   # name: ((folder, name, inode), ...); data: (offset, bytes) or (size,);
                  # meta: (field, value)
    inode: int    # of data and meta
    needs: frozenset  # name: the folders whose sync makes it durable
    path: bytes   # for messages, and to know what is dull
    user: bool    # made by the user, not by osync


class Sync(NamedTuple):
    """One sync: what was done before `start` is durable from `at` on."""
    at: int
    start: int
    kind: str     # "fsync", "fdatasync", "syncfs"
    inode: int
    path: bytes


class Inode:
    """A file, a folder or a link."""

    def __init__(self, kind, data=b"", mode=0o700, mtime_ns=None):
        self.kind, self.data, self.mode, self.mtime_ns = kind, data, mode, mtime_ns

    def copy(self):
        return Inode(self.kind, self.data, self.mode, self.mtime_ns)


class Image:
    """Inodes and the names they have."""

    def __init__(self, inodes, names):
        self.inodes, self.names = inodes, names

    def copy(self):
        return Image({number: node.copy() for number, node in self.inodes.items()},
                     dict(self.names))

    def below(self, folder):
        return sorted((name, inode) for (at, name), inode in self.names.items() if at == folder)

    def apply(self, op, born):
        if op.kind == "name":
            self.rename(op, born)
        elif op.inode in self.inodes or op.inode in born:
            node = self.node(op.inode, born)
            (write if op.kind == "data" else set_meta)(node, op.what)

    def node(self, number, born):
        if number not in self.inodes:
            self.inodes[number] = born[number].copy()
        return self.inodes[number]

    def rename(self, op, born):
        for folder, name, inode in op.what:
            old = self.names.get((folder, name))
            if inode is not None:
                self.node(inode, born)
                self.names[folder, name] = inode
            # A folder with something in it cannot be removed, whatever was to happen before.
            elif old is not None and not (op.unit[1] == "rmdir" and self.below(old)):
                del self.names[folder, name]


def write(node, what):
    if len(what) == 1:
        node.data = node.data[:what[0]].ljust(what[0], b"\0")
    else:
        offset, data = what
        node.data = node.data.ljust(offset, b"\0")
        node.data = node.data[:offset] + data + node.data[offset + len(data):]
    node.mtime_ns = None


def set_meta(node, what):
    field, value = what
    setattr(node, field, value)


class Machine:
    """One tree, as a trace goes on."""

    def __init__(self, root):
        self.root = os.fsencode(root)
        self.events = []
        self.born = {}      # inodes that the trace has made, as they were then
        self.numbers = iter(range(1, 1 << 60))
        self.start = Image({}, {})
        self.top = self.read(self.root, {})
        self.live = self.start.copy()

    def read(self, path, seen):
        """Take down what is on the disk at the start, which counts as durable."""
        info = os.lstat(path)
        if info.st_ino in seen:
            return seen[info.st_ino]
        number = seen[info.st_ino] = next(self.numbers)
        node = Inode("folder", b"", stat.S_IMODE(info.st_mode), info.st_mtime_ns)
        self.start.inodes[number] = node
        if stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                node.kind, node.data = "file", file.read()
        elif stat.S_ISLNK(info.st_mode):
            node.kind, node.data = "link", os.readlink(path)
        else:
            for name in os.listdir(path):
                self.start.names[number, name] = self.read(os.path.join(path, name), seen)
        return number

    # -- taking down a trace

    def inside(self, path):
        """The path below the root; None when it is not there."""
        if path == self.root:
            return b""
        return path[len(self.root) + 1:] if path.startswith(self.root + b"/") else None

    def find(self, path, image=None):
        """The inode of a path of the live tree (or of another image), or None."""
        inode = self.top
        for name in self.inside(path).split(b"/") if self.inside(path) else []:
            inode = (image or self.live).names.get((inode, name))
        return inode

    def node_of(self, inode):
        return self.born.get(inode) or self.start.inodes[inode]

    def name_of(self, path):
        """(folder, name) of a path of the live tree."""
        folder, _, name = path.rpartition(b"/")
        number = self.find(folder)
        assert number is not None, f"{path!r}: its folder is not known"
        return number, name

    def add(self, call, kind, what, path, inode=0, needs=(), unit=None):
        op = Op(call.end, unit or (kind, inode), kind, what, inode, frozenset(needs),
                self.inside(path), call.end < self.user_until)
        self.events.append(op)
        self.live.apply(op, self.born)

    user_until = 0  # calls before this place are the user's

    def set_names(self, call, changes, path, needs):
        self.add(call, "name", tuple(changes), path, needs=needs,
                 unit=(call.end, call.name if call.name != "unlinkat" else
                       "rmdir" if "AT_REMOVEDIR" in call.args[-1] else "unlink"))

    def make(self, call, path, node):
        number = next(self.numbers)
        self.born[number] = node
        folder, name = self.name_of(path)
        self.set_names(call, [(folder, name, number)], path, {folder})

    def take(self, call):
        """One call of the trace; those about other files are left out."""
        paths = [path for path in paths_of(call) if self.inside(path) is not None]
        if not paths:
            return
        assert hasattr(self, "on_" + call.name), f"{call} is not known to the model"
        getattr(self, "on_" + call.name)(call, paths)

    def on_openat(self, call, paths):
        flags = call.args[2].split("|")
        inode = self.find(paths[0])
        if "O_CREAT" in flags and inode is None:
            self.make(call, paths[0], Inode("file", b"", int(call.args[3], 8) & ~0o22))
        elif "O_TRUNC" in flags and self.live.inodes[inode].data:
            self.add(call, "data", (0,), paths[0], inode)

    def on_mkdirat(self, call, paths):
        self.make(call, paths[0], Inode("folder", b"", int(call.args[-1], 8) & ~0o22))

    def on_symlinkat(self, call, paths):
        self.make(call, paths[0], Inode("link", string(call.args[0])))

    def on_write(self, call, paths):
        inode = self.find(paths[0])
        data = string(call.args[1])[:call.result]
        self.add(call, "data", (len(self.live.inodes[inode].data), data), paths[0], inode)

    def on_pwrite64(self, call, paths):
        data = string(call.args[1])[:call.result]
        self.add(call, "data", (int(call.args[3]), data), paths[0], self.find(paths[0]))

    def on_ftruncate(self, call, paths):
        self.add(call, "data", (int(call.args[1]),), paths[0], self.find(paths[0]))

    def on_fchmod(self, call, paths):
        self.add(call, "meta", ("mode", int(call.args[1], 8)), paths[0], self.find(paths[0]))

    def on_utimensat(self, call, paths):
        found = TIME.findall(call.args[2])
        if len(found) == 2 and found[1][0]:
            when = int(found[1][0]) * 1_000_000_000 + int(found[1][1])
            self.add(call, "meta", ("mtime_ns", when), paths[0], self.find(paths[0]))

    def on_linkat(self, call, paths):
        folder, name = self.name_of(paths[1])
        self.set_names(call, [(folder, name, self.find(paths[0]))], paths[1], {folder})

    def on_unlinkat(self, call, paths):
        folder, name = self.name_of(paths[0])
        self.set_names(call, [(folder, name, None)], paths[0], {folder})

    def on_renameat2(self, call, paths):
        old, new = (self.name_of(path) for path in paths)
        moved, there = self.find(paths[0]), self.find(paths[1])
        exchanged = call.args[-1] == "RENAME_EXCHANGE"
        self.set_names(call, [(*old, there if exchanged else None), (*new, moved)], paths[1],
                       {old[0], new[0]} if exchanged else {new[0]})

    def on_fsync(self, call, paths):
        self.events.append(Sync(call.end, call.start, call.name, self.find(paths[0]),
                                self.inside(paths[0])))

    on_fdatasync = on_syncfs = on_fsync
    on_open, on_mkdir, on_rename, on_renameat = on_openat, on_mkdirat, on_renameat2, on_renameat2
    on_unlink = on_rmdir = on_unlinkat
    on_symlink, on_link, on_chmod, on_fchmodat = on_symlinkat, on_linkat, on_fchmod, on_fchmod

    # -- power cuts

    def pending(self, until):
        """The operations done before this place in the trace that are not durable there."""
        left = []
        for event in self.events:
            if event.at >= until:
                break
            if isinstance(event, Op):
                left.append((event, set(event.needs)))
            else:
                left = [(op, needs) for op, needs in left
                        if op.at > event.start or not covers(event, op, needs)]
        return [op for op, _ in left]

    def image(self, until, lost, torn):
        """The tree that a power cut at this place leaves, without the operations in `lost`.
        `torn`: what has become of lost bytes: "none", "zeros" or "half"."""
        image = self.start.copy()
        for op in self.events:
            if op.at >= until:
                break
            if isinstance(op, Op) and op not in lost:
                image.apply(op, self.born)
            elif isinstance(op, Op) and op.kind == "data" and torn != "none":
                image.apply(op._replace(what=damaged(op.what, torn)), self.born)
        return image


def covers(sync, op, needs):
    """Whether this sync makes the operation durable. `needs` loses the folder it was for."""
    if sync.kind == "syncfs":
        return True
    if op.kind != "name":
        return op.inode == sync.inode and (op.kind == "data" or sync.kind == "fsync")
    needs.discard(sync.inode)
    return not needs


def damaged(what, torn):
    if len(what) == 1:
        return what
    offset, data = what
    return (offset, b"\0" * len(data) if torn == "zeros" else data[:len(data) // 2])


def paths_of(call):
    """The absolute paths that a call is about."""
    at, paths = 0, []
    args = call.args[1:] if call.name in ("symlink", "symlinkat") else call.args
    while at < len(args):
        arg = args[at]
        folder = handle(arg)
        if folder is not None and call.name.endswith(("at", "at2")) and at + 1 < len(args) \
                and args[at + 1].startswith('"'):
            name = string(args[at + 1])
            paths.append(os.path.normpath(os.path.join(folder, name)))
            at += 1
        elif folder is not None:
            paths.append(folder)
        elif arg.startswith('"') and call.name not in ("write", "pwrite64"):
            paths.append(os.path.normpath(string(arg)))
        at += 1
    return paths


def rebuild(image, top, root):
    """Make the folder `root` hold this image."""
    made = {}
    build(image, top, os.fsencode(root), made)


def build(image, number, path, made):
    node = image.inodes[number]
    if node.kind == "folder":
        if number in made:
            return
        made[number] = path
        os.mkdir(path, 0o700)
        for name, inode in image.below(number):
            build(image, inode, os.path.join(path, name), made)
    elif number in made:
        os.link(made[number], path, follow_symlinks=False)
    else:
        made[number] = path
        if node.kind == "link":
            os.symlink(node.data, path)
        else:
            with open(path, "wb") as file:
                file.write(node.data)
    if node.kind != "link":
        os.chmod(path, node.mode)
    if node.mtime_ns is not None:
        os.utime(path, ns=(node.mtime_ns, node.mtime_ns), follow_symlinks=False)


def signature(image, top):
    """Equal for images between which no run can tell the difference."""
    found, seen = [], {}

    def visit(number, path):
        node = image.inodes[number]
        if DULL.search(path) or (node.kind == "folder" and number in seen):
            return
        seen.setdefault(number, len(seen))
        found.append((path, seen[number], node.kind, node.mode, node.mtime_ns, node.data))
        if node.kind == "folder":
            for name, inode in image.below(number):
                visit(inode, os.path.join(path, name))
    visit(top, b"")
    return hash(tuple(found))


def choices(ops, most):
    """Which of these operations are lost: (lost, torn). Bounded: `most` of each kind."""
    ops = [op for op in ops if not DULL.search(op.path)]
    units = list(dict.fromkeys(op.unit for op in ops))
    bytes_only = {op.unit for op in ops if op.kind == "data"}

    def lose(lost, torn="none"):
        return frozenset(op for op in ops if op.unit in lost), torn

    yield lose(())
    yield lose(units)
    for torn in ("none", "zeros", "half"):
        yield lose(bytes_only, torn)
        yield lose(units, torn)
    step = max(1, -(-len(units) // most))
    for at in range(0, len(units), step):
        yield lose(units[at:])
        yield lose(units[at:at + 1])
        yield lose(units[:at] + units[at + 1:])
        yield lose(units[:at])

# SPDX-License-Identifier: BSD-2-Clause
"""Trees, and users who do anything in them: the half of histories.py that is not osync."""

import contextlib
import ctypes
import os
import shutil
import stat
from pathlib import Path

WORKDIR = ".osync_workdir"
RENAME_EXCHANGE = 2
NAMES = [b"a", b"b", b"c", b"d", b"e", b"f.txt", b"x y", b"n\nl", b"-o", b"\xff\xfe", b"~", b"A"]

_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, two):
    """Swap two names atomically."""
    at = -100
    if _libc.renameat2(at, os.fsencode(one), at, os.fsencode(two), RENAME_EXCHANGE) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def walk(top, skip=()):
    """Yield (relative path, lstat) of everything below top."""
    pending = [b""]
    while pending:
        under = pending.pop()
        try:
            names = os.listdir(os.path.join(top, under))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        for name in sorted(names):
            path = os.path.join(under, name)
            if path in skip:
                continue
            try:
                info = os.lstat(os.path.join(top, path))
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            yield path, info
            if stat.S_ISDIR(info.st_mode):
                pending.append(path)


def version(full, info):
    """What is to be found again: ("file", bytes) or ("link", target); None for folders."""
    if stat.S_ISREG(info.st_mode):
        with open(full, "rb") as file:
            return ("file", file.read())
    if stat.S_ISLNK(info.st_mode):
        return ("link", os.readlink(full))
    return None


def versions(top, skip=()):
    found = {}
    for path, info in walk(top, skip):
        with contextlib.suppress(FileNotFoundError):
            what = version(os.path.join(top, path), info)
            if what:
                found.setdefault(what, []).append(path)
    return found


def command_lines():
    """Of all processes that are not dead."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            yield Path(f"/proc/{pid}/cmdline").read_bytes()


def write_with_holes(file, data):
    """Whole blocks of zeros take no room."""
    for at in range(0, len(data), 4096):
        block = data[at:at + 4096]
        if block.strip(b"\0"):
            file.seek(at)
            file.write(block)
    file.truncate(len(data))


class Tree:
    """One root and the user who works in it."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.top = os.fsencode(world.base / name)
        self.locked = []
        os.mkdir(self.top)

    def full(self, path):
        return os.path.join(self.top, path)

    def snapshot(self):
        """{path: what all trees must agree on}."""
        seen = {}
        for path, info in walk(self.top, (WORKDIR.encode(),)):
            what = version(self.full(path), info)
            if what is None:
                seen[path] = ("folder", info.st_mode & 0o777)
            elif what[0] == "file":
                seen[path] = (*what, info.st_mode & 0o777, info.st_mtime_ns)
            else:
                seen[path] = what
        return seen

    def paths(self, kind=None):
        tests = {"file": stat.S_ISREG, "folder": stat.S_ISDIR, "link": stat.S_ISLNK}
        return [path for path, info in walk(self.top, (WORKDIR.encode(),))
                if kind is None or tests[kind](info.st_mode)]

    # -- what users do; `self.world.live`: while osync runs

    def pick(self, kind=None):
        paths = self.paths(kind)
        return self.world.rng.choice(paths) if paths else None

    def free_path(self, below=None):
        """A path that is not taken, in a folder not at or below `below`."""
        rng = self.world.rng
        folders = [b"", *self.paths("folder")]
        if below is not None:
            folders = [f for f in folders if f != below and not f.startswith(below + b"/")]
        for _ in range(8):
            path = os.path.join(rng.choice(folders), rng.choice(NAMES))
            if not os.path.lexists(self.full(path)) and path.count(b"/") < 6:
                return path
        return None

    def bury(self, path):
        """Delete as a user; what it was is not osync's to keep any more."""
        self.world.bury(self.full(path))

    def put(self, path, data):
        """New bytes under this name, whatever had it, in one step."""
        temp = self.world.scratch()
        with open(temp, "wb") as file:
            write_with_holes(file, data)
        if os.path.lexists(self.full(path)):
            exchange(temp, self.full(path))
            self.world.placed.add(("file", data))
            self.world.bury(temp)
        else:
            os.link(temp, self.full(path))
            self.world.placed.add(("file", data))
            os.unlink(temp)

    def op_create(self):
        path = self.free_path()
        if path:
            self.put(path, self.world.content())
        return path

    def op_replace(self):
        path = self.pick("file")
        if path:
            self.put(path, self.world.content())
        return path

    def op_edit_unseen(self):
        """The same size, in place, and the old time put back."""
        path = self.pick("file")
        if path is None or self.world.live:
            return self.op_replace()
        self.edit_unseen(path)
        return path

    def edit_unseen(self, path):
        info = os.stat(self.full(path))
        self.world.note_destroyed(self.full(path))
        with open(self.full(path), "r+b") as file:
            file.write(self.world.content(info.st_size))
        os.utime(self.full(path), ns=(info.st_atime_ns, info.st_mtime_ns))

    def op_append(self):
        path = self.pick("file")
        if path is None or self.world.live:
            return self.op_create()
        self.append(path)
        return path

    def append(self, path):
        with open(self.full(path), "rb") as file:
            old = file.read()
        self.world.note_destroyed(self.full(path))
        new = old + self.world.content(24)
        self.world.written.add(("file", new))
        with open(self.full(path), "ab") as file:
            file.write(new[len(old):])

    def op_delete(self):
        path = self.pick()
        if path:
            self.bury(path)
        return path

    def op_delete_file(self):
        path = self.pick("file")
        if path:
            self.bury(path)
        return path

    def op_rename(self, kind=None):
        path = self.pick(kind)
        to = path and self.free_path(below=path)
        if to:
            os.rename(self.full(path), self.full(to))
        return path, to

    def op_rename_folder(self):
        return self.op_rename("folder")

    def op_rename_over(self):
        path, to = self.pick("file"), self.pick("file")
        if path != to:
            self.bury(to)
            os.rename(self.full(path), self.full(to))
        return path, to

    def op_swap(self):
        one, two = self.pick(), self.pick()
        if one is None or one == two or (two + b"/").startswith(one + b"/") or \
                (one + b"/").startswith(two + b"/"):
            return None
        exchange(self.full(one), self.full(two))
        return one, two

    def op_retype(self):
        path = self.pick()
        if path is None:
            return None
        kind = self.world.rng.choice(["file", "folder", "link"])
        self.bury(path)
        if kind == "file":
            self.put(path, self.world.content())
        elif kind == "link":
            os.symlink(self.world.link(), self.full(path))
        else:
            os.mkdir(self.full(path))
            if self.world.rng.random() < 0.7:
                self.put(os.path.join(path, self.world.rng.choice(NAMES)), self.world.content())
        return path, kind

    def op_symlink(self):
        path = self.free_path()
        if path:
            os.symlink(self.world.link(), self.full(path))
        return path

    def op_chmod(self):
        path = self.pick("file") if self.world.rng.random() < 0.7 else self.pick("folder")
        if path:
            os.chmod(self.full(path), self.world.rng.choice([0o755, 0o700, 0o775]))
        return path

    def op_touch(self):
        path = self.pick("file")
        if path:
            os.utime(self.full(path))
        return path

    def op_mkdir(self):
        path = self.free_path()
        if path:
            os.mkdir(self.full(path))
        return path

    def op_mkdir_deep(self):
        path = self.free_path()
        if path:
            os.makedirs(self.full(path + b"/d/c"))
            for at in (path, path + b"/d", path + b"/d/c"):
                self.put(at + b"/" + b"f.txt", self.world.content())
        return path

    def op_copy(self):
        path, to = self.pick("file"), self.free_path()
        if path and to:
            shutil.copy2(self.full(path), self.full(to))
        return path, to

    def op_link(self):
        path, to = self.pick("file"), self.free_path()
        if path and to:
            os.link(self.full(path), self.full(to))
            self.world.linked = True
        return path, to

    def op_lock(self):
        """A folder that cannot be read until the epoch ends."""
        path = self.pick("folder")
        if path is None or os.geteuid() == 0 or self.world.live:
            return None
        self.locked.append(path)
        os.chmod(self.full(path), 0)
        return path

    def unlock(self):
        """Also what was renamed meanwhile."""
        for _ in range(8 if self.locked else 0):
            for path in self.paths("folder"):
                if not os.lstat(self.full(path)).st_mode & 0o777:
                    os.chmod(self.full(path), 0o755)
        self.locked = []

    OPS = [op_create] * 5 + [op_replace] * 3 + [op_edit_unseen] * 3 + [op_append] * 2 + \
        [op_delete] * 2 + [op_delete_file] * 3 + [op_rename] * 3 + [op_rename_folder] * 5 + \
        [op_rename_over] + [op_swap] * 2 + [op_retype] * 2 + [op_symlink] + [op_chmod] + \
        [op_touch] + [op_mkdir] * 2 + [op_mkdir_deep] * 2 + [op_copy]

    def act(self):
        """One random thing a user does."""
        how = self.world.rng.choice(self.OPS + [Tree.op_link] * self.world.with_links)
        if self.world.unnoted and (self in self.world.unnoted or self is self.world.target):
            self.world.overtaken = True
        try:
            self.world.log(f"  {self.name}: {how.__name__} {how(self)}")
        except OSError as error:
            # osync was faster, or the folder is locked.
            if not self.world.live and not self.locked:
                raise
            self.world.log(f"  {self.name}: {how.__name__} {error}")

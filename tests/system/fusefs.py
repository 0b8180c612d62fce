#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A file system for tests that is as poor as some people's disks: fusefs.py KIND FOLDER MOUNTPOINT

Shows FOLDER at MOUNTPOINT, until it is unmounted. KIND:

  vfat   names in any case are one name, kept as they were first written; times in steps of
         two seconds, and no ctime of its own; no links of either kind, no owners, modes or
         attributes; `: * ? " < > | \\`, and a trailing dot or blank, are refused
  anew   as vfat, and its inodes are given anew by each mount, in the order in which they are seen
  renumbered  as plain, and its inodes are given anew: each name has its own
  fold   names in any case, and in any Unicode form, are one name; all else as below it
  nfd    every name is kept decomposed, whatever it was written as (HFS+)
  plain  only what libfuse 2 itself lacks is missing
  xattr  attributes can be read, not set
  boundless  does not say how large it is

In all of them neither RENAME_EXCHANGE nor RENAME_NOREPLACE is there (EINVAL), and renaming
something to another spelling of its own name does nothing, as in Linux.
"""

import errno
import os
import stat
import sys
import time
import unicodedata

import fusepy

STEP_NS = 2 * 10**9
REFUSED = set(b':*?"<>|\\')


def error(number):
    return fusepy.FuseOSError(number)


def text(name):
    return name.decode("utf-8", "surrogateescape")


class Poor(fusepy.Operations):
    """Every method gets a path as bytes in Latin-1, and works on the folder below."""

    use_ns = True
    flag_utime_omit_ok = 1

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, os.fsencode(folder)

    # -- names

    def key(self, name):
        if self.kind == "vfat":
            return text(name).lower()
        if self.kind == "fold":
            return unicodedata.normalize("NFD", text(name)).casefold()
        return unicodedata.normalize("NFD", text(name)) if self.kind == "nfd" else name

    def kept(self, name):
        """The name under which a new file is listed."""
        if self.kind == "nfd":
            return unicodedata.normalize("NFD", text(name)).encode("utf-8", "surrogateescape")
        if self.kind == "vfat" and (REFUSED & set(name) or name.endswith((b".", b" ")) or
                                    min(name) < 32):
            raise error(errno.EINVAL)
        return name

    def find(self, folder, name):
        """Where `name` is in this folder, whatever its spelling, or None."""
        here = os.path.join(folder, name)
        if os.path.lexists(here) and self.kind != "nfd":
            return here
        wanted = self.key(name)
        try:
            names = os.listdir(folder)
        except OSError:
            return None
        for other in names:
            if self.key(other) == wanted:
                return os.path.join(folder, other)
        return None

    def real(self, path):
        """Where something is that is there."""
        here = self.folder
        for name in path.encode("latin-1").split(b"/"):
            here = self.find(here, name) if name else here
            if here is None:
                raise error(errno.ENOENT)
        return here

    def place(self, path):
        """Where something new goes, and what is there already under another spelling."""
        folder, _, name = path.rpartition("/")
        folder, name = self.real(folder), name.encode("latin-1")
        return os.path.join(folder, self.kept(name)), self.find(folder, name)

    def free(self, path):
        place, there = self.place(path)
        if there is not None:
            raise error(errno.EEXIST)
        return place

    def needs(self, what):
        """Refuse what vfat does not have."""
        if self.kind == "vfat":
            raise error(what)

    # -- looking

    def getattr(self, path, fh=None):
        info = os.fstat(fh) if fh else os.lstat(self.real(path))
        shown = {key: getattr(info, key) for key in (
            "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks")}
        for key in ("st_atime", "st_mtime", "st_ctime"):
            shown[key] = getattr(info, key + "_ns")
        if self.kind == "vfat":
            mtime = info.st_mtime_ns // STEP_NS * STEP_NS
            shown.update(st_mode=stat.S_IFMT(info.st_mode) | 0o755, st_nlink=1,
                         st_uid=os.getuid(), st_gid=os.getgid(), st_mtime=mtime, st_ctime=mtime)
        return shown

    def readdir(self, path, fh):
        names = os.listdir(self.real(path))
        return [".", "..", *(name.decode("latin-1") for name in names)]

    def readlink(self, path):
        return os.readlink(self.real(path)).decode("latin-1")

    def statfs(self, path):
        if self.kind == "boundless":
            return {}
        info = os.statvfs(self.folder)
        return {key: getattr(info, key) for key in dir(info) if key.startswith("f_")
                and key not in ("f_fsid", "f_flag")}

    # -- files

    def create(self, path, mode, fi=None):
        return os.open(self.free(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(self.real(path), flags & ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW))

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(fh if fh else self.real(path), length)

    def release(self, path, fh):
        os.close(fh)

    def flush(self, path, fh):
        pass

    def fsync(self, path, datasync, fh):
        pass

    fsyncdir = fsync

    # -- names that come and go

    def mkdir(self, path, mode):
        os.mkdir(self.free(path), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def unlink(self, path):
        os.unlink(self.real(path))

    def rename(self, old, new):
        source = self.real(old)
        place, there = self.place(new)
        if there is not None and os.path.samefile(os.path.dirname(source), os.path.dirname(place)) \
                and os.path.basename(there) == os.path.basename(source):
            return
        os.rename(source, there or place)
        if there not in (None, place):
            os.rename(there, place)

    def symlink(self, target, source):
        self.needs(errno.EPERM)
        os.symlink(source.encode("latin-1"), self.free(target))

    def link(self, target, source):
        self.needs(errno.EPERM)
        os.link(self.real(source), self.free(target), follow_symlinks=False)

    # -- metadata

    def chmod(self, path, mode):
        if self.kind != "vfat":
            os.chmod(self.real(path), mode & 0o7777)
        elif mode & 0o777 != 0o755:
            raise error(errno.EPERM)

    def chown(self, path, uid, gid):
        ids = [-1 if value == 0xffffffff else value for value in (uid, gid)]
        if self.kind != "vfat":
            os.chown(self.real(path), *ids, follow_symlinks=False)
        elif ids[0] not in (-1, os.getuid()) or ids[1] not in (-1, os.getgid()):
            raise error(errno.EPERM)

    def utimens(self, path, times=None):
        """libfuse says "now" and "leave it" in tv_nsec, with tv_sec 0 (UTIME_NOW, UTIME_OMIT)."""
        now, omit = (1 << 30) - 1, (1 << 30) - 2
        real = self.real(path)
        info = os.lstat(real)
        old, clock = (info.st_atime_ns, info.st_mtime_ns), time.clock_gettime_ns(5)
        times = [was if new == omit else clock if new == now else new
                 for new, was in zip(times or (now, now), old)]
        os.utime(real, ns=tuple(times), follow_symlinks=False)

    def listxattr(self, path):
        self.needs(errno.ENOTSUP)
        return os.listxattr(self.real(path), follow_symlinks=False)

    def getxattr(self, path, name, position=0):
        self.needs(errno.ENOTSUP)
        return os.getxattr(self.real(path), name, follow_symlinks=False)

    def setxattr(self, path, name, value, options, position=0):
        self.needs(errno.ENOTSUP)
        if self.kind == "xattr":
            raise error(errno.EPERM)
        os.setxattr(self.real(path), name, value, options, follow_symlinks=False)

    def removexattr(self, path, name):
        self.needs(errno.ENOTSUP)
        if self.kind == "xattr":
            raise error(errno.EPERM)
        os.removexattr(self.real(path), name, follow_symlinks=False)


def main():
    kind, folder, mountpoint = sys.argv[1:]
    os.umask(0)
    poor = Poor({"anew": "vfat", "renumbered": "plain"}.get(kind, kind), folder)
    fusepy.FUSE(poor, mountpoint, encoding="latin-1", foreground=True,
                nothreads=True, use_ino=kind not in ("anew", "renumbered"), hard_remove=True,
                attr_timeout=0, entry_timeout=0, negative_timeout=0, ac_attr_timeout=0,
                fsname=f"fusefs-{kind}")


if __name__ == "__main__":
    main()

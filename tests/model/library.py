# SPDX-License-Identifier: BSD-2-Clause
"""Where each version is: in a tree, in a trash, in a packed trash; and since when it is there."""

import contextlib
import os
import stat
import subprocess
import tempfile
import time

from machines import NS
from users import WORKDIR, version, versions, walk

# A file may be written to again within one tick of its times; then they tell nothing.
TICK_NS = 100_000_000


class Library:
    def __init__(self, periods):
        self.periods = periods
        self.known = {}  # full path: (what it looked like, version)
        self.packs = {}  # the same for archives: versions
        self.places = {}  # version: where it was last seen
        self.in_trees = set()
        self.in_trash = {}  # version: simulated seconds since when, of the last one

    def version_of(self, full, info):
        looks = (info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        known = self.known.get(full)
        if known and known[0] == looks:
            return known[1]
        what = version(full, info)
        if time.time_ns() - info.st_ctime_ns > TICK_NS:
            self.known[full] = (looks, what)
        return what

    def tree(self, top):
        """All versions in a tree."""
        found = set()
        for path, info in walk(top, (WORKDIR.encode(),)):
            with contextlib.suppress(FileNotFoundError):
                what = self.version_of(os.path.join(top, path), info)
                if what:
                    found.add(what)
                    self.places.setdefault(what, set()).add(os.path.join(top, path))
        self.in_trees |= found
        return found

    def trash(self, top):
        """All versions in its trash; notes since when they are there."""
        found = set()
        trash = os.path.join(top, WORKDIR.encode(), b"trash")
        for path, info in walk(trash):
            full = os.path.join(trash, path)
            with contextlib.suppress(FileNotFoundError):
                if path.endswith(b".tar.zst") and b"/" not in path:
                    what = self.packed(full, info)
                    self.note(what, info.st_mtime_ns)
                    found |= what
                elif (path.endswith(b".keep") or b".keep.tmp-" in path) and b"/" not in path:
                    continue
                elif stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode):
                    what = self.version_of(full, info)
                    self.note({what}, info.st_ctime_ns)
                    found.add(what)
                    self.places.setdefault(what, set()).add(full)
        return found

    def note(self, found, since_ns):
        since_s = self.periods.simulated_ns(since_ns) / NS
        for what in found:
            self.in_trash[what] = max(since_s, self.in_trash.get(what, 0))

    def packed(self, full, info):
        looks = (full, info.st_ino, info.st_size)
        if looks not in self.packs:
            with tempfile.TemporaryDirectory(dir="/dev/shm") as room:
                subprocess.run(["tar", "--zstd", "-xf", full, "-C", room], check=True,
                               stderr=subprocess.DEVNULL)
                self.packs[looks] = set(versions(os.fsencode(room)))
        return self.packs[looks]

# SPDX-License-Identifier: BSD-2-Clause
"""File systems that a test mounts for itself, and why it is skipped where it may not."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import eventually

FUSEFS = Path(__file__).with_name("fusefs.py")


def is_mounted(folder):
    return os.path.ismount(folder)


def need(condition, reason):
    if not condition:
        pytest.skip(reason)


@contextlib.contextmanager
def fuse(base, kind):
    """A folder on a file system of this kind (see fusefs.py), which can be mounted again."""
    need(os.access("/dev/fuse", os.R_OK | os.W_OK), "/dev/fuse cannot be used here")
    need(shutil.which("fusermount") or shutil.which("fusermount3"), "there is no fusermount")
    pytest.importorskip("fusepy", reason="there is no python3-fusepy")
    below, mounted = Path(base) / f"{kind}-below", Path(base) / f"{kind}-mounted"
    below.mkdir(exist_ok=True)
    mounted.mkdir(exist_ok=True)
    server = subprocess.Popen([sys.executable, FUSEFS, kind, below, mounted],
                              stderr=subprocess.PIPE)
    try:
        up = eventually(lambda: is_mounted(mounted) or server.poll() is not None)
        need(up and server.poll() is None, "FUSE cannot be mounted here")
        yield mounted
    finally:
        subprocess.run(["umount", "-l", mounted], check=False, stderr=subprocess.DEVNULL)
        server.terminate()
        server.communicate()


@contextlib.contextmanager
def mounted(folder, *what):
    """Something mounted on this folder (arguments of mount)."""
    need(os.geteuid() == 0, "only root can mount")
    up = subprocess.run(["mount", *what, folder], capture_output=True, check=False)
    need(up.returncode == 0, f"it cannot be mounted here: {up.stderr[-200:]!r}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def kernel_has(fstype):
    return fstype in Path("/proc/filesystems").read_text().split()


@contextlib.contextmanager
def loop(base, fstype, *make, megabytes=64, options="loop"):
    """A folder on a new file system of this type, made by `mkfs.TYPE MAKE... IMAGE`."""
    program = shutil.which(f"mkfs.{fstype}") or shutil.which(f"/usr/sbin/mkfs.{fstype}")
    need(os.geteuid() == 0, "only root can mount")
    need(kernel_has(fstype), f"this kernel has no {fstype}")
    need(program, f"there is no mkfs.{fstype}")
    image, mounted = Path(base) / f"{fstype}.image", Path(base) / f"{fstype}-mounted"
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    mounted.mkdir()
    made = subprocess.run([program, *make, image], capture_output=True, check=False)
    need(made.returncode == 0, f"mkfs.{fstype} cannot make it: {made.stderr[-200:]!r}")
    up = subprocess.run(["mount", "-t", fstype, "-o", options, image, mounted],
                        capture_output=True, check=False)
    need(up.returncode == 0, f"{fstype} cannot be mounted here: {up.stderr[-200:]!r}")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", mounted], check=True)
        image.unlink()

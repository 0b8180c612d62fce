# SPDX-License-Identifier: BSD-2-Clause
"""Fifos, sockets and devices: reported once, never opened, never deleted."""

import ctypes
import os
import socket
import stat

import pytest
from harness import LOOK, OK, OTHER, SIDES, kind_of

IN_OPEN = 0x20


class Watch:
    """Notices when anything in a folder is opened."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.fd, os.fsencode(folder), IN_OPEN) >= 0

    def opened(self):
        """The names that were opened so far."""
        names, data = set(), b""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            pass
        while data:
            length = int.from_bytes(data[12:16], "little")
            names.add(data[16:16 + length].rstrip(b"\0").decode())
            data = data[16 + length:]
        return names


def make_socket(path):
    # A socket's path is short of room; the name is given relative to its folder.
    before = os.open(".", os.O_RDONLY)
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path.name)
    finally:
        os.fchdir(before)
        os.close(before)


def make_device(path):
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


SPECIALS = {"fifo": os.mkfifo, "socket": make_socket, "device": make_device}


@pytest.mark.parametrize("kind", SPECIALS)
@pytest.mark.parametrize("side", SIDES)
def test_a_special_file_is_reported_once_and_left_alone(pair, kind, side):
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root may make devices")
    pair.write(side, "file")
    SPECIALS[kind](pair.path(side, "special"))
    first = pair.run(expect=LOOK)
    assert [problem["path"] for problem in first.problems] == ["special"]
    assert first.summary["skipped"] == 1
    second = pair.run(expect=OK)
    assert second.problems == []
    assert pair.exists(side, "special")
    assert not pair.exists(OTHER[side], "special")
    assert pair.both("file")


@pytest.mark.parametrize("side", SIDES)
def test_a_fifo_is_never_opened(local, side):
    os.mkfifo(local.path(side, "fifo"))
    local.write(side, "file")
    watch = Watch(local.root(side))
    local.run(expect=LOOK)
    opened = watch.opened()
    assert "file" in opened, "the watch does not work"
    assert "fifo" not in opened


@pytest.mark.parametrize("side", SIDES)
def test_i59_a_file_that_became_a_fifo_is_not_deleted_on_the_other_side(pair, side):
    content = pair.write(side, "x")
    pair.run()
    pair.remove(side, "x")
    os.mkfifo(pair.path(side, "x"))
    result = pair.run(expect=LOOK)
    assert [problem["path"] for problem in result.problems] == ["x"]
    assert pair.read(OTHER[side], "x") == content
    assert kind_of(pair.lstat(side, "x")) == "special"
    pair.run(expect=OK)
    assert pair.read(OTHER[side], "x") == content
    pair.at_rest = False


def test_a_fifo_that_became_a_file_is_synced(pair):
    os.mkfifo(pair.path("initiator", "x"))
    pair.run(expect=LOOK)
    pair.remove("initiator", "x")
    content = pair.write("initiator", "x")
    pair.run()
    assert pair.both("x") == content


def test_a_file_does_not_replace_a_special_file_of_the_other_side(pair):
    os.mkfifo(pair.path("target", "x"))
    content = pair.write("initiator", "x")
    pair.run(expect=LOOK)
    assert kind_of(pair.lstat("target", "x")) == "special"
    assert pair.read("initiator", "x") == content
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_i8_a_deleted_folder_stays_where_it_holds_a_special_file(pair, side):
    pair.write("initiator", "d/file")
    pair.run()
    os.mkfifo(pair.path(OTHER[side], "d/fifo"))
    pair.run(expect=LOOK)
    pair.remove(side, "d")
    pair.run(expect=None)
    assert pair.exists(OTHER[side], "d/fifo")
    assert not pair.exists(OTHER[side], "d/file")
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_i8_a_special_file_survives_the_rename_of_its_folder(pair, side):
    content = pair.write("initiator", "d/file")
    pair.run()
    os.mkfifo(pair.path(OTHER[side], "d/fifo"))
    pair.run(expect=LOOK)
    pair.rename(side, "d", "e")
    pair.run(expect=None)
    assert pair.both("e/file") == content
    assert pair.exists(OTHER[side], "d/fifo") or pair.exists(OTHER[side], "e/fifo")
    pair.at_rest = False

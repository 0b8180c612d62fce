# SPDX-License-Identifier: BSD-2-Clause
"""Somebody works in the folders while osync runs: no version is torn, none is lost."""

import ctypes
import os
import threading

import pytest
from harness import FAILED, LOOK, OK, OTHER, SIDES, finish, full_bytes, token, versions, walk

AT_FDCWD, RENAME_EXCHANGE = -100, 2
LIBC = ctypes.CDLL(None, use_errno=True)
ANY = (OK, FAILED, LOOK)


def exchange(one, two):
    """Swap two files; False where one of them is not there."""
    return LIBC.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(two),
                          RENAME_EXCHANGE) == 0


def while_running(process, work):
    """Do the work again and again until the program ends; returns its result."""
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            work()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        return finish(process, ANY)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("side", SIDES)
def test_i22_a_file_that_is_replaced_all_the_time_is_never_torn(pair, side):
    size, spare, path = 300_000, pair.base / "spare", pair.path(side, "x")
    letters = [bytes([letter]) * size for letter in b"abcdef"]
    pair.write(side, "x", letters[0])
    count = iter(range(1 << 30))

    def replace():
        spare.write_bytes(letters[next(count) % len(letters)])
        os.replace(spare, path)

    for _ in range(3):
        while_running(pair.start(), replace)
        if pair.exists(OTHER[side], "x"):
            assert pair.read(OTHER[side], "x") in letters, "a torn copy"
    last = pair.write(side, "x")
    pair.run()
    assert pair.both("x") == last


@pytest.mark.parametrize("side", SIDES)
def test_i29_a_version_put_under_the_programs_hands_is_never_dropped(pair, side):
    """The other side edits; here a user swaps in versions of his own and keeps what comes out."""
    names = [f"f{number}" for number in range(20)]
    for name in names:
        pair.write("initiator", name)
    pair.run()
    written, removed = set(), set()
    spare = pair.base / "spare"

    def swap():
        for name in names:
            content = token()
            spare.write_bytes(content)
            if exchange(spare, pair.path(side, name)):
                written.add(content)
                removed.add(full_bytes(spare))

    for _ in range(4):
        for name in names:
            pair.write(OTHER[side], name)
        while_running(pair.start(), swap)
    pair.run(expect=None)
    kept = {content for _, content in versions(*pair.roots)}
    assert written - removed <= kept, f"lost: {written - removed - kept}"
    pair.run(expect=(OK, LOOK))


@pytest.mark.parametrize("side", SIDES)
def test_i31_a_file_is_there_at_every_moment_while_it_is_updated(local, side):
    names = [f"f{number}" for number in range(30)]
    for name in names:
        local.write("initiator", name, "old")
    local.run()
    for name in names:
        local.write(OTHER[side], name, "new")
    missing, seen = [], set()

    def look():
        for name in names:
            try:
                seen.add(local.read(side, name))
            except FileNotFoundError:
                missing.append(name)

    while_running(local.start(), look)
    assert missing == []
    assert seen <= {b"old", b"new"}


@pytest.mark.parametrize("side", SIDES)
def test_i30_a_file_made_while_the_program_creates_one_there_is_kept(local, side):
    names = [f"f{number}" for number in range(40)]
    for name in names:
        local.write(OTHER[side], name)
    mine = set()

    def make():
        for name in names:
            content = token()
            try:
                fd = os.open(local.path(side, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                continue
            os.write(fd, content)
            os.close(fd)
            mine.add(content)

    while_running(local.start(), make)
    local.run(expect=ANY)
    kept = {full_bytes(full) for root in local.roots for _, full, info in walk(root)
            if info.st_size}
    assert mine <= kept


@pytest.mark.parametrize("side", SIDES)
def test_i36_a_file_put_into_a_folder_that_is_being_deleted_stays(local, side):
    for number in range(8):
        for inner in range(5):
            local.write("initiator", f"d{number}/{inner}")
    local.run()
    for number in range(8):
        local.remove(OTHER[side], f"d{number}")
    written = set()
    count = iter(range(400))

    def add():
        number = next(count, None)
        if number is None:
            return
        path = local.path(side, f"d{number % 8}/new{number}")
        content = token()
        try:
            path.write_bytes(content)
        except FileNotFoundError:
            return
        written.add(content)

    while_running(local.start("--allow-deletes"), add)
    local.run("--allow-deletes", expect=ANY)
    assert written <= local.contents("initiator")

# SPDX-License-Identifier: BSD-2-Clause
"""The exit status says what happened, and the summary says the same."""

import contextlib
import fcntl
import os
import signal

import pytest
from harness import (CONFIG, DENIED, FAILED, GUARD, LOCKED, LOOK, OK, UNREACHABLE, USAGE,
                     eventually, execute, finish, snapshot)


def nothing(_pair):
    return ()


def a_change(pair):
    pair.write("initiator", "new")
    return ()


def a_conflict(pair):
    pair.write("initiator", "0", "one")
    pair.write("target", "0", "another")
    return ()


def a_fifo(pair):
    os.mkfifo(pair.path("target", "fifo"))
    return ()


def no_trash(pair):
    """Also for root: the trash is a file."""
    trash = pair.workdir("target") / "trash"
    with contextlib.suppress(FileNotFoundError):
        trash.rmdir()
    trash.write_bytes(b"")
    pair.write("initiator", "0", "not to be had")
    return ()


def all_gone(pair):
    for name in pair.names("initiator"):
        pair.remove("initiator", name)
    return ()


def nobody_there(_pair):
    return ("--transport-command", "false")


# What is done to a pair in sync, the exit status, and whether both sides are the same then.
ENDS = [
    (nothing, OK, True),
    (a_change, OK, True),
    (a_conflict, LOOK, True),
    (a_fifo, LOOK, False),
    (no_trash, FAILED, False),
    (all_gone, GUARD, False),
    (nobody_there, UNREACHABLE, True),
]


@pytest.mark.parametrize("prepare, code, same", ENDS)
def test_i47_the_exit_status_tells_how_a_run_ended(local, prepare, code, same):
    for number in range(12):
        local.write("initiator", f"{number}")
    local.run()
    options = prepare(local)
    result = local.run(*options, expect=code)
    assert result.summary["exit"] == code
    assert (snapshot(local.initiator) == snapshot(local.target)) == same
    assert (result.summary["failed"] > 0) == (code == FAILED)
    assert (result.summary["conflicts"] + result.summary["skipped"] > 0) == (code == LOOK)
    # What is over needs no second look; what is not, does.
    again = local.run(*options, expect=OK if code == LOOK else code)
    assert again.summary["exit"] == again.code
    local.at_rest = False


def test_i47_a_held_lock_has_a_status_of_its_own(local):
    local.run()
    a_change(local)
    with open(local.workdir("target") / "lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert local.run(expect=LOCKED).summary["exit"] == LOCKED
        assert not local.exists("target", "new")
    local.run(expect=OK)


def test_i47_a_login_that_is_refused_has_a_status_of_its_own(remote):
    empty = remote.base / "known_hosts"
    empty.write_text("")
    remote.options = ["--known-hosts", str(empty)]
    assert remote.run(expect=DENIED).summary["exit"] == DENIED
    remote.at_rest = False


@pytest.mark.parametrize("option, code", [
    ("--no-such-option", USAGE),
    ("--set=MAX_DELETE_PERCENT=many", USAGE),
    ("no such file", CONFIG),
])
def test_i47_what_cannot_be_meant_has_a_status_of_its_own(local, option, code):
    args = local.args(option) if option.startswith("-") else [local.args()[0], option]
    assert execute(args, local.env(), code).said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_i47_a_run_that_is_stopped_says_by_which_signal(local, number):
    begun = local.base / "begun"
    far = local.base / "far"
    far.write_text(f"#!/bin/sh\ntouch '{begun}'\nexec sleep 100\n")
    far.chmod(0o755)
    process = local.start("--transport-command", str(far))
    assert eventually(begun.exists)
    process.send_signal(number)
    result = finish(process, 128 + number)
    assert result.summary["exit"] == 128 + number
    local.at_rest = False

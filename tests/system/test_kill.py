# SPDX-License-Identifier: BSD-2-Clause
"""kill -9 of either side in the middle of the first sync: the next run repairs it all."""

import contextlib
import os
import signal
import time

import pytest
from harness import (FAILED, GUARD, HANG_S, LOOK, OK, UNREACHABLE, eventually, finish,
                     holders, nothing_lost, token)

FILES, SIZE = 1000, 8192


def fill(pair, side="initiator"):
    for number in range(FILES):
        pair.write(side, f"d{number % 10}/{number}", token(SIZE))


def placed(pair):
    """Whether the first files have appeared on the target."""
    return any(os.path.isfile(pair.path("target", f"d{number % 10}/{number}"))
               for number in range(FILES))


def staged(pair):
    """Whether the first files are on their way, or were, while nobody looked."""
    stage = pair.workdir("target") / "stage"
    return stage.is_dir() and any(os.scandir(stage)) or placed(pair)


def victims(pair, process, which):
    if which == "initiator":
        return [process.pid]
    return [pid for pid in holders(pair.workdir("target") / "lock") if pid != process.pid]


def kill_in_the_middle(pair, which, moment):
    """Start a run, kill one side; whether the run was cut."""
    process = pair.start()
    deadline = time.monotonic() + HANG_S
    while process.poll() is None and not moment(pair):
        assert time.monotonic() < deadline, "nothing ever appeared"
    with contextlib.suppress(ProcessLookupError):
        for pid in victims(pair, process, which):
            os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=HANG_S)
    # Those that were not killed must end by themselves.
    for side in ("initiator", "target"):
        lock = pair.workdir(side) / "lock"
        assert eventually(lambda lock=lock: not lock.exists() or not holders(lock), 60), \
            f"somebody still holds the {side}'s lock"
    return process.returncode != OK


def missing_bytes(pair):
    """What is on the initiator and not yet on the target, and how many files that are."""
    names = [f"d{number % 10}/{number}" for number in range(FILES)]
    return sum(SIZE for name in names if not pair.exists("target", name))


@pytest.mark.parametrize("moment", [staged, placed], ids=["receiving", "placing"])
@pytest.mark.parametrize("which", ["initiator", "agent"])
def test_i38_a_first_sync_that_was_killed_is_completed_by_the_next(pair, which, moment):
    fill(pair)
    with nothing_lost(*pair.roots):
        cut = kill_in_the_middle(pair, which, moment)
    missing = missing_bytes(pair)
    result = pair.run("--lock-wait", "30")
    assert pair.names("initiator") == pair.names("target")
    assert result.summary["conflicts"] == 0
    assert result.summary["failed"] == 0
    # Names and stat data of every file on top, but no content that was there already.
    assert result.summary["sent_bytes"] <= missing + FILES * 200 + 65536
    assert cut or missing == 0


@pytest.mark.parametrize("which", ["initiator", "agent"])
def test_i38_a_sync_to_the_initiator_that_was_killed_is_completed_by_the_next(local, which):
    fill(local, "target")

    def appeared(pair):
        return any(os.path.isfile(pair.path("initiator", f"d{number % 10}/{number}"))
                   for number in range(0, FILES, 7))

    kill_in_the_middle(local, which, appeared)
    result = local.run("--lock-wait", "30")
    assert result.summary["conflicts"] == 0
    assert local.names("initiator") == local.names("target")


def test_the_loss_of_the_agent_is_told_as_such(pair):
    fill(pair)
    process = pair.start()
    assert eventually(lambda: process.poll() is not None or staged(pair) or placed(pair), HANG_S)
    for pid in victims(pair, process, "agent"):
        os.kill(pid, signal.SIGKILL)
    result = finish(process, (FAILED, UNREACHABLE, OK))
    assert result.code == OK or result.said
    pair.run("--lock-wait", "30")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_run_cleanly(local, number):
    fill(local)
    process = local.start()
    assert eventually(lambda: process.poll() is not None or staged(local) or placed(local), HANG_S)
    process.send_signal(number)
    process.communicate(timeout=HANG_S)
    assert process.returncode in (128 + number, OK), process.returncode
    local.assert_clean()
    local.run("--lock-wait", "30")


def test_edits_made_after_a_killed_run_are_not_undone(local):
    fill(local)
    kill_in_the_middle(local, "initiator", placed)
    name = next(f"d{number % 10}/{number}" for number in range(FILES)
                if local.exists("target", f"d{number % 10}/{number}"))
    edited = local.write("target", name)
    local.write("initiator", "new")
    local.run("--lock-wait", "30", expect=(OK, LOOK))
    assert edited in local.contents("initiator")
    assert edited in local.contents("target")


def test_i18_a_deletion_that_was_killed_is_completed_and_nothing_returns(local):
    for number in range(400):
        local.write("initiator", f"d/{number}")
    local.write("initiator", "stays")
    local.run()
    local.remove("initiator", "d")
    process = local.start("--allow-deletes")
    trash = local.workdir("target") / "trash"
    assert eventually(lambda: process.poll() is not None or trash.is_dir(), HANG_S)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=HANG_S)
    local.run("--allow-deletes", "--lock-wait", "30", expect=OK)
    assert local.names("initiator") == local.names("target") == ["stays"]
    assert local.run("--lock-wait", "30").code != GUARD

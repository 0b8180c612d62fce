# SPDX-License-Identifier: BSD-2-Clause
"""What random histories (tests/model/test_histories.py) and reviews have found, each made small."""

import shlex
import signal

import pytest
from harness import FAILED, OSYNC, eventually, finish, token


def kill_at_flush(pair, number):
    """A run that is killed when one side has made its work durable, before that is recorded."""
    mark = pair.base / f"flush-{number}-"
    command = (f"i=0; while [ -e '{mark}'$i ]; do i=$((i+1)); done; : > '{mark}'$i; "
               f"[ $i -lt {number} ] || kill -9 $PPID")
    pair.run(expect=(-signal.SIGKILL, 0), env={"OSYNC_POINT": f"before-journal={command}"})


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("mover", ["initiator", "target"])
def test_i38_history_of_a_moved_folder_survives_a_kill(local, mover, number):
    """The rename was done and not recorded: what was edited in it was a conflict, and what was
    deleted in it came back."""
    for name in ("edited", "grown", "deleted", "same", "sub/deleted"):
        local.write("initiator", f"old/{name}", token(30))
    local.run()
    local.rename(mover, "old", "new")
    edited = local.write(mover, "new/edited", token(30))
    grown = local.write(mover, "new/grown", token(50))
    local.remove(mover, "new/deleted")
    local.remove(mover, "new/sub")
    local.path(mover, "new").chmod(0o700)
    kill_at_flush(local, number)
    result = local.run()
    assert result.summary["conflicts"] == 0
    assert local.both("new/edited") == edited
    assert local.both("new/grown") == grown
    assert local.gone("new/deleted") and local.gone("new/sub") and local.gone("old")


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("mover", ["initiator", "target"])
def test_i38_history_of_a_moved_file_survives_a_kill(local, mover, number):
    """As above for a file that was edited once more before the next run."""
    local.write("initiator", "old", token(30))
    local.write("initiator", "stays")
    local.run()
    local.rename(mover, "old", "new")
    local.write(mover, "other")
    kill_at_flush(local, number)
    edited = local.write(mover, "new", token(40))
    result = local.run()
    assert result.summary["conflicts"] == 0
    assert local.both("new") == edited
    assert local.gone("old")


def test_i9_a_run_that_ends_while_another_connects_is_not_taken_for_a_restored_backup(local):
    """The list was read before the target told its generation: a run that ended in between
    made the next one forget all history, and what had been deleted came back."""
    for number in range(5):
        local.write("initiator", f"name{number}")
    local.run()
    connecting, go = local.base / "connecting", local.base / "go"
    script = local.base / "script"
    script.write_text(f": > {shlex.quote(str(connecting))}\n"
                      f"while [ ! -e {shlex.quote(str(go))} ]; do sleep 0.05; done\n"
                      f"exec {OSYNC} agent --root {shlex.quote(str(local.target))}\n")
    slow = local.start("--transport-command", f"sh {script}")
    assert eventually(connecting.exists)
    local.write("initiator", "more")
    local.run()
    local.remove("initiator", "name3")
    go.touch()
    result = finish(slow)
    assert not result.says("restored from a backup")
    assert local.gone("name3")


def two_names_go(local, side):
    """Of three that both sides have."""
    for number in range(3):
        local.write(side, f"folder/name{number}")
    local.run()
    local.path(side, "folder/name1").unlink()
    local.path(side, "folder/name2").unlink()


def one_comes_again(local, side):
    """After it was not listed: the run finds it."""
    again = f"echo again > '{local.path(side, 'folder/name1')}'"
    return local.run(expect=FAILED, env={"OSYNC_POINT": f"after-scan={again}"})


@pytest.mark.parametrize("side, other", [("initiator", "target"), ("target", "initiator")])
def test_i5_what_a_listing_has_missed_is_not_deleted(local, side, other):
    """A name that was not listed was believed to be gone without a look at it."""
    two_names_go(local, side)
    result = one_comes_again(local, side)
    assert local.exists(other, "folder/name1")
    assert not local.exists(other, "folder/name2")
    assert result.says("is there, but was not listed")
    local.run()
    assert local.both("folder/name1") == b"again\n"


@pytest.mark.parametrize("side, other", [("initiator", "target"), ("target", "initiator")])
def test_i5_what_is_there_again_below_a_folder_that_is_renamed_is_not_deleted(local, side, other):
    """It was looked for below the new name only, which the folder did not have yet.

    And the folder's time, which that had changed, was taken for agreed.
    """
    two_names_go(local, side)
    local.rename(other, "folder", "new")
    result = one_comes_again(local, side)
    assert local.exists(other, "new/name1")
    assert not local.exists(other, "new/name2")
    assert result.says("is there, but was not listed")
    local.run()
    assert local.both("new/name1") == b"again\n"

# SPDX-License-Identifier: BSD-2-Clause
"""What a killed run has done is not taken for what a user did, whoever changes it next."""

import shutil

import pytest
from harness import LOOK, OK, OTHER, SIDES, eventually

KILLED = -9


def cut_off(pair, time=1):
    """A run whose effects are there, but which dies the n-th time that it is about to record some."""
    kill = f"echo >>{pair.base}/times; [ $(wc -l <{pair.base}/times) -lt {time} ] || kill -9 $PPID"
    pair.run(env={"OSYNC_POINT": f"before-journal={kill}"}, expect=KILLED)
    eventually(lambda: not any((pair.workdir(side) / "stage").glob("*") for side in SIDES))


def run_to_rest(pair):
    result = pair.run()
    assert not result.problems and not pair.conflict_copies("target", "x"), repr(result)
    assert not pair.run().changes
    return result


@pytest.fixture(params=SIDES)
def side(request):
    return request.param


@pytest.fixture(params=["the one who changed it", "the other one"])
def after(request, side):
    """Who acts after the killed run."""
    return side if request.param == "the one who changed it" else OTHER[side]


def test_i18_what_was_created_and_then_deleted_stays_deleted(local, side, after):
    local.write("initiator", "keep")
    local.run()
    local.write(side, "x")
    cut_off(local)
    local.remove(after, "x")
    run_to_rest(local)
    assert local.gone("x")


def test_i18_what_was_edited_and_then_deleted_stays_deleted(local, side, after):
    local.write("initiator", "x")
    local.run()
    local.write(side, "x")
    cut_off(local)
    local.remove(after, "x")
    run_to_rest(local)
    assert local.gone("x")


def test_i18_an_edit_after_the_killed_one_is_no_conflict(local, side, after):
    local.write("initiator", "x")
    local.run()
    local.write(side, "x")
    cut_off(local)
    last = local.write(after, "x")
    run_to_rest(local)
    assert local.both("x") == last


def test_i18_what_was_deleted_and_then_put_back_stays(local, side, after):
    content = local.write("initiator", "x")
    local.write("initiator", "keep")
    local.run()
    local.remove(side, "x")
    cut_off(local)
    local.write(after, "x", content)
    run_to_rest(local)
    assert local.both("x") == content


def test_i18_in_a_folder_that_was_renamed_deletions_and_edits_are_still_known(local, side, after):
    for name in ("d/x", "d/gone", "d/e/deep"):
        local.write("initiator", name)
    local.run()
    local.rename(side, "d", "renamed")
    cut_off(local)
    local.remove(after, "renamed/gone")
    last = local.write(after, "renamed/x")
    run_to_rest(local)
    assert local.gone("renamed/gone") and local.gone("d")
    assert local.both("renamed/x") == last


def test_i18_what_was_renamed_and_then_deleted_stays_deleted(local, side, after):
    local.write("initiator", "x")
    local.write("initiator", "keep")
    local.run()
    local.rename(side, "x", "renamed")
    cut_off(local)
    local.remove(after, "renamed")
    run_to_rest(local)
    assert local.gone("renamed") and local.gone("x")


# With a rename, folders are made before anything is put in them; else they come with their files.
RENAMES = pytest.mark.parametrize("renames", [False, True], ids=["filled", "empty"])


def new_folder(local, side, renames):
    """A new folder on this side, and another one in it."""
    local.write("initiator", "keep")
    local.run()
    local.write(side, "d/x")
    local.write(side, "d/e/y")
    if renames:
        local.rename(side, "keep", "kept")


@RENAMES
def test_i18_a_new_folder_that_was_removed_again_stays_removed(local, side, after, renames):
    new_folder(local, side, renames)
    # With a rename, the first time it is only the folders that were made.
    cut_off(local, time=2)
    shutil.rmtree(local.path(after, "d"))
    run_to_rest(local)
    assert local.gone("d")


@RENAMES
@pytest.mark.parametrize("time", [1, 2], ids=["only noted", "recorded"])
def test_i18_the_metadata_of_a_new_folder_are_still_brought(local, side, time, renames):
    new_folder(local, side, renames)
    # While it is filled, it must be open for writing.
    local.path(side, "d").chmod(0o550)
    cut_off(local, time)
    run_to_rest(local)
    assert local.lstat(OTHER[side], "d").st_mode == local.lstat(side, "d").st_mode
    assert local.lstat(OTHER[side], "d").st_mtime_ns == local.lstat(side, "d").st_mtime_ns


def test_i18_what_was_not_done_yet_is_not_believed_to_be(local, side):
    """Killed before the first operation: the list is as it was."""
    local.write("initiator", "x")
    local.run()
    last = local.write(side, "x")
    local.run(env={"OSYNC_POINT": "after-scan=kill -9 $PPID"}, expect=KILLED)
    run_to_rest(local)
    assert local.both("x") == last


def test_i18_notes_of_another_boot_are_not_believed(local, side):
    """After a power cut they may speak of what never reached the disk."""
    local.write("initiator", "x")
    local.run()
    before = local.path(OTHER[side], "x").read_bytes()
    mine = local.write(side, "x")
    cut_off(local)
    local.write(OTHER[side], "x", before + b"edited after the cut")
    local.run(expect=LOOK, env={"OSYNC_BOOT": "11111111-2222-4333-8444-555555555555"})
    kept = [local.read("target", name) for name in ("x", *local.conflict_copies("target", "x"))]
    assert mine in kept and len(kept) == 2


def test_i18_notes_about_an_older_list_are_not_believed(local, side):
    """They come back with a backup of one side's folder: the list has gone on since."""
    local.write("initiator", "x")
    local.run()
    local.write(side, "x")
    cut_off(local)
    [notes] = local.workdir(OTHER[side]).glob("done-*")
    kept = notes.read_bytes()
    run_to_rest(local)
    local.write(side, "x")
    run_to_rest(local)
    assert not notes.exists()
    # Notes are looked at only where the last run was cut off.
    local.write(side, "y")
    cut_off(local)
    assert notes.exists()
    notes.write_bytes(kept)
    local.remove(side, "x")
    run_to_rest(local)
    assert local.gone("x")


def test_i18_nothing_is_noted_once_it_is_recorded(local):
    local.write("initiator", "x")
    local.write("target", "y")
    local.run()
    local.rename("initiator", "x", "z")
    local.run()
    for side in SIDES:
        assert not list(local.workdir(side).glob("done-*"))
    assert OK == local.run().code

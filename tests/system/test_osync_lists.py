# SPDX-License-Identifier: BSD-2-Clause
"""The first run beside an osync 1.3 state, and --initialize."""

import os
import shutil
import time

import pytest
from harness import FAILED, GUARD, OK, OTHER, SIDES, UNREACHABLE, nothing_lost


def synced_by_osync(pair, *names, age_s=3600):
    """Both sides equal, and osync's lists of that time; the files are older still."""
    then = time.time() - age_s
    for name in names:
        pair.write_both(name, mtime=then - 60)
    (pair.workdir("target") / "state").mkdir(parents=True, exist_ok=True)
    folders = sorted({parent for name in names for parent in parents(name)})
    for side in SIDES:
        path = osync_list(pair, side)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(os.fsencode(name) + b"\n"
                                  for name in sorted([*names, *folders], key=os.fsencode)))


def osync_list(pair, side):
    return pair.state_folder() / f"{side}-tree-after-{pair.name}"


def parents(name):
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def later(pair):
    """Time passes since osync's last sync: ctime cannot be set, so the lists become young."""
    time.sleep(0.02)
    for side in SIDES:
        os.utime(osync_list(pair, side))
    time.sleep(0.02)


@pytest.mark.parametrize("side", SIDES)
def test_what_was_deleted_since_osyncs_last_sync_is_deleted(pair, side):
    synced_by_osync(pair, "a", "d/b", "d/e/c", "stays", "x(", "a -> b", "-rf")
    later(pair)
    for name in ("a", "d", "x(", "a -> b"):
        pair.remove(side, name)
    new = pair.write(side, "new")
    pair.run()
    assert pair.names("initiator") == pair.names("target") == ["-rf", "new", "stays"]
    assert pair.both("new") == new
    assert len(pair.trash(OTHER[side])) == 5


@pytest.mark.parametrize("half", [False, True])
def test_lists_of_osync_1_0_are_taken_over_unless_there_are_newer_ones(local, half):
    synced_by_osync(local, "gone", "stays")
    later(local)
    for side, old in (("target", "slave"), ("initiator", "master"))[:1 if half else 2]:
        osync_list(local, side).rename(local.state_folder() / f"{old}-tree-after-{local.name}")
    local.remove("initiator", "gone")
    local.run()
    assert local.exists("initiator", "gone") == half


@pytest.mark.parametrize("side", SIDES)
def test_what_was_edited_since_lives(local, side):
    synced_by_osync(local, "x", "y", "moded", "stays")
    later(local)
    for name in ("x", "y", "moded"):
        local.remove(side, name)
    edited = local.write(OTHER[side], "x")
    # Of the same size, and with its time put back.
    info = local.lstat(OTHER[side], "y")
    local.write(OTHER[side], "y", local.read(OTHER[side], "y").upper())
    os.utime(local.path(OTHER[side], "y"), ns=(info.st_mtime_ns, info.st_mtime_ns))
    local.run()
    assert local.both("x") == edited
    assert local.gone("moded") and local.both("y")


@pytest.mark.parametrize("side", SIDES)
def test_what_osync_did_not_know_comes_to_the_other_side(local, side):
    synced_by_osync(local, "stays")
    later(local)
    content = local.write(side, "new", mtime=1_500_000_000)
    local.run()
    assert local.both("new") == content


@pytest.mark.parametrize("missing", SIDES)
def test_one_list_alone_proves_nothing(local, missing):
    synced_by_osync(local, "x", "stays")
    later(local)
    osync_list(local, missing).unlink()
    local.remove("target", "x")
    local.run()
    assert local.both("x")


def test_a_dry_run_says_it_and_takes_nothing_over(local):
    synced_by_osync(local, "x", "stays")
    later(local)
    local.remove("target", "x")
    assert local.run("--dry-run").ops("delete") == ["x"]
    assert local.exists("initiator", "x")
    local.run()
    assert local.gone("x")


def test_the_lists_count_once(local):
    synced_by_osync(local, "x", "stays")
    later(local)
    local.run()
    content = local.write("target", "y")
    local.run()
    osync_list(local, "initiator").write_text("stays\nx\ny\n")
    osync_list(local, "target").write_text("stays\nx\ny\n")
    local.remove("initiator", "y")
    local.write("initiator", "y", content)
    local.run()
    assert local.both("y") == content


def test_i7_the_lists_count_once_also_where_the_target_forgets(local):
    """What was left out in our runs has no history, and a cache that is gone gives it none."""
    synced_by_osync(local, "x", "stays")
    local.remove("initiator", "x")
    later(local)
    local.run("--set", "RSYNC_EXCLUDE_PATTERN=x")
    for path in (local.workdir("target") / "state").glob("*.cache*"):
        path.unlink()
    assert local.run().ops("delete") == []
    assert local.exists("initiator", "x") and local.exists("target", "x")


def test_i7_the_lists_do_not_come_back_where_ours_is_gone_and_the_target_forgets(local):
    synced_by_osync(local, "x", "stays")
    local.remove("initiator", "x")
    later(local)
    local.run("--set", "RSYNC_EXCLUDE_PATTERN=x")
    for path in [*(local.workdir("target") / "state").iterdir(),
                 *local.state_folder().glob("*.list*")]:
        path.unlink()
    local.run()
    assert local.exists("initiator", "x") and local.exists("target", "x")


@pytest.mark.parametrize("cut", [None, "before-place", "after-scan"])
def test_i2_lists_say_nothing_of_a_target_that_osync_has_never_synced(local, cut):
    """Another disk, with some of the same files on it."""
    synced_by_osync(local, *(str(number) for number in range(9)))
    later(local)
    for number in range(4):
        local.remove("target", str(number))
    shutil.rmtree(local.workdir("target"))
    if cut:
        local.run(env={"OSYNC_POINT": f"{cut}=kill -9 $PPID"}, expect=(-9, FAILED, UNREACHABLE))
    assert local.run().ops("delete") == []
    assert local.names("initiator") == local.names("target") == [str(n) for n in range(9)]


def test_i3_the_guard_counts_what_osync_had_synced(local):
    synced_by_osync(local, *(f"d/{number}" for number in range(30)), "stays")
    later(local)
    local.remove("target", "d")
    local.run(expect=GUARD)
    assert len(local.names("initiator")) == 32
    local.run("--allow-deletes")
    assert local.names("initiator") == ["stays"]


def test_a_list_in_the_state_folder_of_the_configuration(local):
    state = local.base / "state"
    local.options += ["--initiator-state-dir", str(state)]
    synced_by_osync(local, "x", "stays")
    later(local)
    state.mkdir()
    for side in SIDES:
        osync_list(local, side).rename(state / osync_list(local, side).name)
    local.remove("target", "x")
    local.run()
    assert local.gone("x")


def test_a_list_that_is_something_else_is_as_good_as_none(local):
    synced_by_osync(local, "x", "stays")
    for side in SIDES:
        osync_list(local, side).unlink()
        os.mkfifo(osync_list(local, side))
    local.remove("target", "x")
    local.run()
    assert local.both("x")


@pytest.mark.parametrize("keeper", SIDES)
def test_its_deletions_may_be_skipped_too(local, keeper):
    local.at_rest = False
    synced_by_osync(local, "x", "stays")
    later(local)
    local.remove(OTHER[keeper], "x")
    local.run(f"--skip-deletion={keeper}")
    assert not local.run(f"--skip-deletion={keeper}").changes
    assert local.exists(keeper, "x") and not local.exists(OTHER[keeper], "x")


def test_initialize_records_what_is_equal_and_changes_nothing(pair):
    pair.at_rest = False
    for name in ("same", "d/same"):
        pair.write_both(name, mtime=1_500_000_000)
    pair.write("initiator", "mine")
    pair.write("target", "theirs")
    pair.write("initiator", "differs")
    pair.write("target", "differs")
    before = pair.names("initiator"), pair.names("target")
    result = pair.run("--initialize")
    assert not result.changes and (pair.names("initiator"), pair.names("target")) == before
    assert "same" in pair.list_state() and "mine" not in pair.list_state()
    pair.remove("target", "same")
    pair.run(expect=(OK, 2))
    assert pair.gone("same")
    assert pair.both("mine") and pair.both("theirs") and len(pair.conflict_copies("target", "differs")) == 1


def test_initialize_forgets_nothing(local):
    local.at_rest = False
    local.write("initiator", "x")
    local.run()
    local.remove("initiator", "x")
    local.run("--initialize")
    with nothing_lost(*local.roots):
        local.run(expect=(OK, FAILED))
    assert local.gone("x")

# SPDX-License-Identifier: BSD-2-Clause
"""What would be a disaster is stopped before any change, and the way on is named."""

import shutil

import pytest
from harness import GUARD, LOOK, OK, OTHER, SIDES, WORKDIR, set_mtime


def fill(pair, files=10, folder=""):
    for number in range(files):
        pair.write("initiator", f"{folder}{number}")
    pair.run()


def stopped(pair, *words, options=()):
    """A run that a guard stops: nothing at all changes, and it says what it saw."""
    before = pair.untouched()
    result = pair.run(*options, expect=GUARD)
    assert pair.untouched() == before
    assert result.says(*words), repr(result)
    assert result.changes == []
    return result


@pytest.mark.parametrize("side", SIDES)
def test_i1_a_missing_root_stops_the_run(pair, side):
    fill(pair)
    aside = pair.base / "aside"
    pair.root(side).rename(aside)
    stopped(pair, str(pair.root(side)))
    assert not pair.root(side).exists(), "it was created"
    aside.rename(pair.root(side))
    assert pair.run().changes == []


@pytest.mark.parametrize("side", SIDES)
def test_i1_a_missing_root_is_not_created_when_there_is_history(local, side):
    local.options = ["--set", "CREATE_DIRS=true", "--initiator-state-dir",
                     str(local.base / "state")]
    fill(local)
    local.root(side).rename(local.base / "aside")
    before = local.untouched()[OTHER[side]]
    local.run(expect=GUARD)
    assert local.untouched()[OTHER[side]] == before
    if local.root(side).exists():
        shutil.rmtree(local.root(side))
    (local.base / "aside").rename(local.root(side))
    assert local.run().changes == []


@pytest.mark.parametrize("side", SIDES)
def test_i1_an_emptied_root_stops_the_run(pair, side):
    fill(pair)
    aside = pair.base / "aside"
    pair.root(side).rename(aside)
    pair.root(side).mkdir()
    stopped(pair, "--adopt")
    shutil.rmtree(pair.root(side))
    aside.rename(pair.root(side))
    assert pair.run().changes == []


@pytest.mark.parametrize("side", SIDES)
def test_i1_an_emptied_root_with_the_state_elsewhere_stops_the_run(local, side):
    local.options = ["--initiator-state-dir", str(local.base / "state")]
    fill(local)
    shutil.rmtree(local.root(side))
    local.root(side).mkdir()
    stopped(local, "--adopt")
    local.run("--adopt", expect=(OK, LOOK))
    assert len(local.names("initiator")) == len(local.names("target")) == 10


@pytest.mark.parametrize("side", SIDES)
def test_i1_all_files_deleted_in_place_stops_the_run(local, side):
    """The work folder is still there, as on a share that shows nothing else."""
    fill(local, 5)
    for name in local.names(side):
        local.remove(side, name)
    stopped(local, "--allow-deletes")
    local.run("--allow-deletes")
    assert local.names(OTHER[side]) == []


@pytest.mark.parametrize("side", SIDES)
def test_i2_another_disk_without_identity_stops_the_run(pair, side):
    fill(pair)
    shutil.rmtree(pair.root(side))
    pair.write(side, "another disk's file")
    pair.write(side, "0", "another disk's version")
    stopped(pair, "--adopt")
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_i2_another_disk_with_an_identity_of_its_own_stops_the_run(local, side):
    fill(local)
    aside = local.base / "aside"
    shutil.copytree(local.root(side), aside, symlinks=True)
    identity = local.workdir(side) / "identity"
    text = identity.read_text()
    last = text.rstrip()[-1]
    identity.write_text(text.rstrip()[:-1] + ("1" if last == "0" else "0") + "\n")
    assert identity.read_text() != text
    stopped(local, "--adopt")
    local.run("--adopt", expect=(OK, LOOK))


@pytest.mark.parametrize("side", SIDES)
def test_adopting_another_root_is_a_merge(pair, side):
    fill(pair)
    shutil.rmtree(pair.root(side))
    new = pair.write(side, "another disk's file")
    pair.run(expect=GUARD)
    result = pair.run("--adopt", expect=(OK, LOOK))
    assert result.ops("delete") == []
    assert pair.both("another disk's file") == new
    assert len(pair.names("initiator")) == len(pair.names("target")) == 11


def test_a_second_target_is_told_to_be_another_job(local):
    """Adopted in turn, either would be merged anew in every run, and no deletion ever carried out."""
    fill(local)
    first, local.target = local.target, local.base / "second"
    local.target.mkdir()
    stopped(local, "--adopt", "another INSTANCE_ID")
    local.name = "second"
    local.run()
    assert len(local.names("target")) == 10
    second, local.target, local.name = local.target, first, "test"
    local.remove("initiator", "1")
    local.run()
    local.target, local.name = second, "second"
    local.run()
    assert local.gone("1")


def test_adopting_is_needed_once(local):
    fill(local)
    shutil.rmtree(local.workdir("target"))
    local.run(expect=GUARD)
    local.run("--adopt")
    local.run()


@pytest.mark.parametrize("side", SIDES)
def test_i3_a_mass_deletion_stops_the_run_until_it_is_confirmed(pair, side):
    fill(pair, 30)
    for number in range(20):
        pair.remove(side, f"{number}")
    stopped(pair, "--allow-deletes", "20")
    result = pair.run("--allow-deletes")
    assert len(result.ops("delete")) == 20
    assert len(pair.names(OTHER[side])) == 10


def test_i3_a_confirmation_counts_for_one_run(local):
    fill(local, 60)
    for number in range(40):
        local.remove("initiator", f"{number}")
    local.run("--allow-deletes")
    for number in range(40, 55):
        local.remove("initiator", f"{number}")
    stopped(local, "--allow-deletes")
    local.run("--allow-deletes")


@pytest.mark.parametrize("side", SIDES)
def test_i3_a_stray_file_does_not_disarm_the_guard(local, side):
    fill(local, 30)
    for name in local.names(side):
        local.remove(side, name)
    local.write(side, "lost+found")
    stopped(local, "--allow-deletes")
    local.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_i3_a_mass_deletion_in_one_top_folder_stops_the_run(pair, side):
    for number in range(60):
        pair.write("initiator", f"rest/{number}")
    fill(pair, 20, "album/")
    for number in range(15):
        pair.remove(side, f"album/{number}")
    stopped(pair, "--allow-deletes", "album")
    pair.run("--allow-deletes")
    assert len(pair.names(OTHER[side])) == 60 + 5 + 2


def test_i3_a_whole_top_folder_that_vanished_stops_the_run(local):
    for number in range(60):
        local.write("initiator", f"rest/{number}")
    fill(local, 20, "album/deep/")
    local.remove("initiator", "album")
    stopped(local, "--allow-deletes", "album")
    local.at_rest = False


@pytest.mark.parametrize("files, deleted", [
    (12, 10),   # more than half, but ten are allowed
    (30, 15),   # many, but no more than half
])
def test_i3_what_is_within_one_of_the_limits_goes_through(local, files, deleted):
    fill(local, files)
    for number in range(deleted):
        local.remove("initiator", f"{number}")
    local.run()
    assert len(local.names("target")) == files - deleted


@pytest.mark.parametrize("option", ["MAX_DELETE_PERCENT=100", "MAX_DELETE_COUNT=1000"])
def test_i3_the_limits_can_be_raised(local, option):
    fill(local, 30)
    for number in range(20):
        local.remove("initiator", f"{number}")
    local.run("--set", option)
    assert len(local.names("target")) == 10


def test_i3_the_limits_can_be_lowered(local):
    fill(local, 10)
    for number in range(3):
        local.remove("initiator", f"{number}")
    stopped(local, "--allow-deletes",
            options=("--set", "MAX_DELETE_COUNT=2", "--set", "MAX_DELETE_PERCENT=20"))
    local.run()


@pytest.mark.parametrize("side", SIDES)
def test_i3_a_confirmation_may_say_how_many(local, side):
    fill(local, 100)
    for number in range(99):
        local.remove(side, f"{number}")
    stopped(local, "99 of 100", options=("--allow-deletes=98",))
    result = local.run("--allow-deletes=99")
    assert len(result.ops("delete")) == 99
    assert local.names("initiator") == local.names("target") == ["99"]


def test_i3_a_renamed_folder_of_a_hundred_files_is_no_deletion(pair):
    fill(pair, 100, "old/")
    pair.rename("initiator", "old", "new")
    result = pair.run()
    assert result.ops("delete") == []
    assert len(pair.names("target")) == 101 and pair.exists("target", "new/99")


@pytest.mark.parametrize("side", SIDES)
def test_i3_renaming_a_folder_hides_no_deletions_in_it(local, side):
    for number in range(60):
        local.write("initiator", f"photos/{number}")
    fill(local, 200, "rest/")
    local.rename(side, "photos", "pics")
    for number in range(55):
        local.remove(side, f"pics/{number}")
    stopped(local, "55 of 60", "'photos'")
    local.run("--allow-deletes=55")
    assert len(local.names("initiator")) == len(local.names("target")) == 207


@pytest.mark.parametrize("side", SIDES)
def test_i3_versions_without_history_that_lose_count(local, side):
    fill(local, 5)
    local.options = ["--conflict-policy", OTHER[side]]
    for number in range(11):
        for root in SIDES:
            local.write(root, f"new {number}", f"{number} of the {root}")
    stopped(local, "--allow-deletes", "11 of 16", f"on the {side}")
    local.run("--allow-deletes", expect=(OK, LOOK))


@pytest.mark.parametrize("side", SIDES)
def test_i3_emptying_the_files_is_a_deletion(local, side):
    fill(local, 30)
    for number in range(20):
        local.write(side, f"{number}", "")
    stopped(local, "--allow-deletes", "20 of 30")
    assert len(local.run("--allow-deletes").ops("update")) == 20


@pytest.mark.parametrize("side", SIDES)
def test_i3_replacing_the_files_by_folders_is_a_deletion(local, side):
    fill(local, 30)
    for number in range(20):
        local.remove(side, f"{number}")
        local.folder(side, f"{number}")
    stopped(local, "--allow-deletes", "20 of 30")
    local.run("--allow-deletes")


@pytest.mark.parametrize("side", SIDES)
def test_i3_versions_that_lose_their_conflict_count(local, side):
    fill(local, 30)
    local.options = ["--conflict-policy", OTHER[side]]
    for number in range(20):
        for root in SIDES:
            local.write(root, f"{number}", f"{number} of the {root}")
    stopped(local, "--allow-deletes", "20 of 30", f"on the {side}")
    local.run("--allow-deletes", expect=(OK, LOOK))
    assert local.both("0") == f"0 of the {OTHER[side]}".encode()


def test_i3_conflicts_that_keep_both_are_no_deletion(local):
    fill(local, 30)
    for number in range(20):
        for root in SIDES:
            local.write(root, f"{number}")
    local.run(expect=LOOK)
    assert len(local.names("target")) == 50


def encrypt(pair, side, names):
    for name in names:
        content = pair.read(side, name)
        pair.write(side, name, bytes(byte ^ 0x5a for byte in content))


@pytest.mark.parametrize("side", SIDES)
def test_i4_new_contents_everywhere_stop_the_run_until_it_is_confirmed(pair, side):
    fill(pair, 120, "d/")
    encrypt(pair, side, [f"d/{number}" for number in range(120)])
    new = pair.write(side, "ransom note")
    stopped(pair, "120 of 120", f"on the {side}", "MAX_CHANGE_PERCENT", "--allow-changes")
    stopped(pair, options=("--allow-changes=119",))
    result = pair.run("--allow-changes")
    assert len(result.ops("update")) == 120
    assert pair.both("ransom note") == new


def test_i4_a_user_who_edits_thirty_of_fifty_files_is_not_stopped(local):
    fill(local, 50)
    for number in range(30):
        local.write("initiator", f"{number}")
    assert len(local.run().ops("update")) == 30


@pytest.mark.parametrize("options", [
    ("--set", "MAX_CHANGE_PERCENT=100"),
    ("--set", "MAX_CHANGE_COUNT=500"),
    ("--allow-changes=150",),
])
def test_i4_the_limits_can_be_raised(local, options):
    fill(local, 150)
    encrypt(local, "initiator", map(str, range(150)))
    assert len(local.run(*options).ops("update")) == 150


def test_i4_the_limits_can_be_lowered(local):
    fill(local, 10)
    encrypt(local, "initiator", map(str, range(4)))
    stopped(local, "4 of 10", "--allow-changes",
            options=("--set", "MAX_CHANGE_COUNT=3", "--set", "MAX_CHANGE_PERCENT=30"))
    local.run()


@pytest.mark.parametrize("side", SIDES)
def test_i4_new_times_and_modes_everywhere_are_no_new_contents(local, side):
    local.options = ["--set", "MAX_CHANGE_COUNT=0", "--set", "MAX_CHANGE_PERCENT=0"]
    fill(local, 120)
    for number in range(120):
        local.path(side, f"{number}").chmod(0o600)
        set_mtime(local.path(side, f"{number}"), 1_600_000_000 + number)
    result = local.run()
    assert len(result.ops("metadata")) == 120
    assert result.ops("update") == []


def test_i4_a_dry_run_is_stopped_alike(local):
    fill(local, 120)
    encrypt(local, "target", map(str, range(120)))
    before = local.stamps()
    result = local.run("--dry-run", expect=GUARD)
    assert result.says("--allow-changes")
    assert local.stamps() == before
    local.at_rest = False


def test_i10_one_creation_waits_for_the_answer_about_ninety_deletions(pair):
    fill(pair, 100)
    for number in range(90):
        pair.remove("initiator", f"{number}")
    pair.write("initiator", "new")
    stopped(pair, "90 of 100")
    assert not pair.exists("target", "new")
    pair.run("--allow-deletes=90")
    assert len(pair.names("target")) == 11


def test_i10_a_stopped_run_makes_none_of_its_other_changes(pair):
    fill(pair, 30)
    for number in range(20):
        pair.remove("initiator", f"{number}")
    pair.write("initiator", "new here")
    pair.write("target", "new there")
    pair.write("target", "25", "edited")
    stopped(pair, "--allow-deletes")
    pair.run("--allow-deletes")
    assert pair.both("25") == b"edited"


def test_deletions_that_both_sides_made_are_not_counted(local):
    fill(local, 30)
    for side in SIDES:
        for number in range(20):
            local.remove(side, f"{number}")
    local.run()


def test_a_dry_run_is_stopped_alike(local):
    fill(local, 30)
    for number in range(20):
        local.remove("initiator", f"{number}")
    before = local.stamps()
    local.run("--dry-run", expect=GUARD)
    assert local.stamps() == before
    local.at_rest = False


def test_a_stopped_run_leaves_the_way_free_when_the_files_come_back(local):
    fill(local, 30)
    aside = local.base / "aside"
    shutil.copytree(local.initiator, aside)
    for name in local.names("initiator"):
        local.remove("initiator", name)
    local.run(expect=GUARD)
    for path in aside.iterdir():
        if path.name != WORKDIR:
            shutil.copy2(path, local.initiator)
    result = local.run()
    assert result.ops("delete") == result.ops("create") == []

# SPDX-License-Identifier: BSD-2-Clause
"""What osync 1.3 got wrong, each under the number of its paragraph in the list of its faults."""

import os
import shutil

import pytest
from harness import GUARD, OK, OTHER, SIDES, execute
from test_setups import conf, run_conf


@pytest.mark.parametrize("side", SIDES)
def test_1_a_deleted_folder_is_in_the_trash_after_this_and_after_the_next_run(pair, side):
    held = {f"album/{n}/{n}.jpg": pair.write("initiator", f"album/{n}/{n}.jpg", mtime=1_000_000_000)
            for n in range(3)}
    pair.write("initiator", "stays")
    pair.run()
    pair.remove(OTHER[side], "album")
    pair.run()
    for _ in range(2):
        assert {path: content for _, path, content in pair.trash(side)} == held
        pair.run()


@pytest.mark.parametrize("side", SIDES)
def test_2_siblings_that_sort_between_a_folder_and_its_children_are_all_in_the_trash(pair, side):
    held = {}
    for char in " !#$%&'()+,-.":
        held[f"a{char}txt"] = pair.write("initiator", f"a{char}txt")
    held["a/c"] = pair.write("initiator", "a/c")
    held["a/d/e"] = pair.write("initiator", "a/d/e")
    for number in range(20):
        pair.write("initiator", f"stays{number}")
    pair.run()
    for name in [*held, "a"]:
        pair.remove(OTHER[side], name)
    pair.run("--allow-deletes")
    assert {path: content for _, path, content in pair.trash(side)} == held
    assert len(pair.names(side)) == 20


def test_3_an_unmounted_target_does_not_wipe_the_initiator(pair):
    contents = {pair.write("initiator", f"{number}") for number in range(5)}
    pair.run()
    shutil.rmtree(pair.target)
    pair.target.mkdir()
    pair.run(expect=GUARD)
    assert pair.contents("initiator") == contents
    pair.at_rest = False


def test_3_a_missing_target_is_not_created_empty_and_taken_for_a_deletion(pair):
    contents = {pair.write("initiator", f"{number}") for number in range(5)}
    pair.run()
    shutil.rmtree(pair.target)
    execute(pair.args("--set", "CREATE_DIRS=true"), pair.env(), GUARD)
    assert pair.contents("initiator") == contents
    pair.target.mkdir(exist_ok=True)
    pair.at_rest = False


def test_4_a_new_exclude_pattern_deletes_nothing(pair):
    content = pair.write("initiator", "d/x.tmp")
    other = pair.write("initiator", "d/y")
    pair.run()
    pair.options = ["--set", "RSYNC_EXCLUDE_PATTERN=*.tmp"]
    result = pair.run()
    assert result.ops("delete") == []
    assert pair.both("d/x.tmp") == content
    assert pair.both("d/y") == other


@pytest.mark.parametrize("side", SIDES)
def test_4_i7_what_is_excluded_is_forgotten_and_comes_back_without_a_deletion(pair, side):
    content = pair.write("initiator", "x.tmp")
    pair.run()
    excluded = ["--set", "RSYNC_EXCLUDE_PATTERN=*.tmp"]
    pair.run(*excluded)
    pair.remove(side, "x.tmp")
    pair.run(*excluded)
    assert pair.read(OTHER[side], "x.tmp") == content
    pair.run()
    assert pair.both("x.tmp") == content


@pytest.mark.parametrize("side", SIDES)
def test_4_i8_an_excluded_file_survives_the_deletion_of_its_folder(pair, side):
    pair.options = ["--set", "RSYNC_EXCLUDE_PATTERN=*.o"]
    pair.write("initiator", "d/source")
    pair.run()
    mine = pair.write(OTHER[side], "d/built.o")
    pair.remove(side, "d")
    pair.run(expect=None)
    assert pair.read(OTHER[side], "d/built.o") == mine
    assert not pair.exists(OTHER[side], "d/source")
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_4_i8_an_excluded_file_survives_the_rename_of_its_folder(pair, side):
    pair.options = ["--set", "RSYNC_EXCLUDE_PATTERN=*.o"]
    content = pair.write("initiator", "d/source")
    pair.run()
    mine = pair.write(OTHER[side], "d/built.o")
    pair.rename(side, "d", "e")
    pair.run(expect=None)
    assert pair.both("e/source") == content
    assert mine in pair.contents(OTHER[side])
    pair.at_rest = False


@pytest.mark.parametrize("name", ["x(", "[", "a|", "*", "^", "\\", "x{", "+"])
def test_5_an_odd_name_does_not_stop_the_deletions_of_this_or_a_later_run(local, name):
    for path in (name, "d/one", "d/two", "stays"):
        local.write("initiator", path)
    local.run()
    local.remove("initiator", name)
    local.remove("initiator", "d/one")
    local.run()
    local.remove("target", "d/two")
    local.run()
    assert local.names("initiator") == local.names("target") == ["d", "stays"]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("deleted, neighbour", [
    ("foo ", "foo"), (" foo", "foo"), ("foo", "foo "), ("a -> b", "a"), ("a", "a -> b"),
    ("a\nb", "a"), ("a\tb", "a"), ("foo\\", "foo"), ("'x'", "x"), ("$HOME", "HOME"),
])
def test_6_exactly_the_deleted_file_is_deleted(local, side, deleted, neighbour):
    local.write("initiator", deleted)
    kept = local.write("initiator", neighbour)
    local.run()
    local.remove(side, deleted)
    local.run()
    assert local.names("initiator") == local.names("target") == [neighbour]
    assert local.both(neighbour) == kept


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", ["README", "*", "**", "#foo", ";foo", "?"])
def test_7_a_deleted_file_is_no_pattern_for_the_rest_of_the_run(local, side, name):
    local.write("initiator", name)
    local.write("initiator", f"sub/{name}")
    local.write("initiator", "sub/other")
    local.run()
    local.remove(side, name)
    edited = local.write(side, f"sub/{name}")
    other = local.write(OTHER[side], "sub/other")
    new = local.write(side, f"new/{name}")
    local.run()
    assert local.gone(name)
    assert local.both(f"sub/{name}") == edited
    assert local.both("sub/other") == other
    assert local.both(f"new/{name}") == new


@pytest.mark.parametrize("side", SIDES)
def test_7_a_deletion_goes_through_although_an_include_pattern_matches(pair, side):
    pair.options = ["--set", "RSYNC_INCLUDE_PATTERN=*.txt"]
    pair.write("initiator", "x.txt")
    pair.run()
    pair.remove(side, "x.txt")
    pair.run()
    assert pair.gone("x.txt")
    assert pair.run().changes == []
    assert pair.gone("x.txt")


@pytest.mark.parametrize("side", SIDES)
def test_8_a_change_of_attributes_is_not_reverted(pair, side):
    pair.write("initiator", "file", mode=0o644)
    pair.folder("initiator", "folder")
    pair.run()
    pair.path(side, "file").chmod(0o751)
    pair.path(side, "folder").chmod(0o711)
    if os.geteuid() == 0:
        os.chown(pair.path(side, "file"), 1234, 1234)
    pair.run()
    for other in SIDES:
        assert pair.lstat(other, "file").st_mode & 0o777 == 0o751
        assert pair.lstat(other, "folder").st_mode & 0o777 == 0o711
        if os.geteuid() == 0:
            assert pair.lstat(other, "file").st_uid == 1234


def test_a_configuration_of_osync_works(pair):
    path = conf(pair, 'CONFIG_FILE_REVISION=1.3.0', 'CREATE_DIRS=true', 'PRESERVE_PERMISSIONS=yes',
                "CONFLICT_PREVALANCE=initiator", 'PATH_SEPARATOR_CHAR=";"',
                'RSYNC_EXCLUDE_PATTERN="*.tmp;cache"')
    content = pair.write("initiator", "x")
    pair.write("initiator", "y.tmp")
    pair.write("initiator", "cache/z")
    run_conf(pair, path, expect=OK)
    assert pair.both("x") == content
    assert pair.names("target") == ["x"]
    pair.at_rest = False


def test_a_work_folder_of_osync_is_left_alone_and_not_synced(local):
    """Both programs call it .osync_workdir; what osync keeps there stays."""
    old = local.workdir("initiator")
    for name in ("deleted/x", "backup/y", "state/initiator-tree-after-old"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text("of osync 1.3")
    local.write("initiator", "x")
    local.run()
    assert local.names("target") == ["x"]
    for name in ("deleted/x", "backup/y", "state/initiator-tree-after-old"):
        assert (old / name).read_text() == "of osync 1.3"


@pytest.mark.parametrize("where", ["", "d/"])
def test_a_work_folder_anywhere_below_is_never_synced(local, where):
    (local.initiator / where / ".osync_workdir").mkdir(parents=True)
    (local.initiator / where / ".osync_workdir/mine").write_text("not for the other side")
    local.write("initiator", f"{where}x")
    local.run()
    assert not (local.target / where / ".osync_workdir/mine").exists()
    local.at_rest = where == ""

# SPDX-License-Identifier: BSD-2-Clause
"""Deletion against edit: the edit lives. And what is below a deleted folder."""

import pytest
from harness import LOOK, OK, OTHER, SIDES, Pair, set_mtime


@pytest.mark.parametrize("deleter", SIDES)
@pytest.mark.parametrize("first", ["the deletion", "the edit"])
def test_i15_an_edit_lives_when_the_other_side_deletes(pair, deleter, first):
    pair.write("initiator", "d/x", "as agreed")
    pair.run()
    if first == "the deletion":
        pair.remove(deleter, "d/x")
    edited = pair.write(OTHER[deleter], "d/x")
    if first == "the edit":
        pair.remove(deleter, "d/x")
    result = pair.run(expect=(OK, LOOK))
    assert pair.both("d/x") == edited
    assert pair.names("target") == ["d", "d/x"]
    assert "d/x" in [event.get("path") for event in result.events], "nothing was said"


@pytest.mark.parametrize("deleter", SIDES)
@pytest.mark.parametrize("what", ["touched", "its mode changed"])
def test_i15_a_deletion_may_win_over_a_change_of_metadata_but_nothing_is_lost(local, deleter, what):
    content = local.write("initiator", "x", mode=0o644)
    local.run()
    local.remove(deleter, "x")
    if what == "touched":
        set_mtime(local.path(OTHER[deleter], "x"), 1_500_000_000)
    else:
        local.path(OTHER[deleter], "x").chmod(0o600)
    local.run(expect=(OK, LOOK))
    assert local.gone("x") or local.both("x") == content


@pytest.mark.parametrize("deleter", SIDES)
def test_a_deletion_on_both_sides_is_silent(pair, deleter):
    pair.write("initiator", "d/x")
    pair.run()
    pair.remove(deleter, "d")
    pair.remove(OTHER[deleter], "d/x")
    result = pair.run()
    assert pair.gone("d")
    assert result.ops("delete") in ([], ["d"])


@pytest.mark.parametrize("deleter", SIDES)
def test_i16_a_new_file_in_a_deleted_folder_survives_and_the_rest_goes(pair, deleter):
    for name in ("d/one", "d/sub/two", "d/sub/deep/three", "stays"):
        pair.write("initiator", name)
    pair.run()
    pair.remove(deleter, "d")
    new = pair.write(OTHER[deleter], "d/sub/new")
    pair.run(expect=(OK, LOOK))
    assert pair.both("d/sub/new") == new
    assert pair.names("initiator") == pair.names("target") == ["d", "d/sub", "d/sub/new", "stays"]


@pytest.mark.parametrize("deleter", SIDES)
def test_i16_an_edited_file_in_a_deleted_folder_survives_and_the_rest_goes(pair, deleter):
    for name in ("d/one", "d/sub/two", "d/sub/three", "stays"):
        pair.write("initiator", name)
    pair.run()
    pair.remove(deleter, "d")
    edited = pair.write(OTHER[deleter], "d/sub/two")
    pair.run(expect=(OK, LOOK))
    assert pair.both("d/sub/two") == edited
    assert pair.names("initiator") == pair.names("target") == ["d", "d/sub", "d/sub/two", "stays"]


@pytest.mark.parametrize("deleter", SIDES)
def test_a_new_empty_folder_in_a_deleted_folder_survives(local, deleter):
    local.write("initiator", "d/one")
    local.run()
    local.remove(deleter, "d")
    local.folder(OTHER[deleter], "d/new")
    local.run(expect=(OK, LOOK))
    assert local.path(deleter, "d/new").is_dir()
    assert local.gone("d/one")


def test_a_deleted_folder_is_in_the_trash_with_all_it_held(pair):
    held = {name: pair.write("initiator", name) for name in ("d/a", "d/b/c", "d/b/d/e")}
    pair.link("initiator", "d/link", "b/c")
    pair.write("initiator", "stays")
    pair.folder("initiator", "d/empty")
    pair.run()
    pair.remove("initiator", "d")
    run = pair.run().summary["run"]
    assert {path: content for _, path, content in pair.trash("target")} == held
    trash = pair.workdir("target") / "trash" / run
    assert (trash / "d/link").is_symlink()
    assert (trash / "d/empty").is_dir()


def test_i66_three_deletions_of_one_name_are_all_in_the_trash(local):
    contents = set()
    for _ in range(3):
        contents.add(local.write("initiator", "x"))
        local.run()
        local.remove("initiator", "x")
        local.run()
    assert {content for _, path, content in local.trash("target") if path == "x"} == contents


def test_the_trash_keeps_the_mode_and_time_of_what_it_holds(local):
    local.write("initiator", "x", mode=0o640, mtime=1_234_567_890)
    local.run()
    local.remove("initiator", "x")
    run = local.run().summary["run"]
    info = (local.workdir("target") / "trash" / run / "x").stat()
    assert (info.st_mode & 0o777, info.st_mtime) == (0o640, 1_234_567_890)


def test_i18_what_was_deleted_stays_deleted(local):
    local.write("initiator", "x")
    local.run()
    local.remove("target", "x")
    local.run()
    for _ in range(2):
        assert local.run().changes == []
        assert local.gone("x")


@pytest.mark.parametrize("side", SIDES)
def test_a_file_deleted_and_made_again_with_other_bytes_is_an_update(pair, side):
    pair.write("initiator", "x", "one")
    pair.run()
    pair.remove(side, "x")
    pair.write(side, "x", "two")
    result = pair.run()
    assert pair.both("x") == b"two"
    assert result.change("x").op == "update"


@pytest.mark.parametrize("side", SIDES)
def test_a_file_deleted_synced_and_made_again_is_created(pair, side):
    content = pair.write("initiator", "x")
    pair.run()
    pair.remove(side, "x")
    pair.run()
    pair.write(side, "x", content)
    assert pair.run().change("x").op == "create"
    assert pair.both("x") == content


def test_i12_without_a_trash_nothing_is_replaced_or_deleted(local):
    """The trash is a file: no folder can be made in it, whoever asks."""
    old = local.write("initiator", "replaced")
    gone = local.write("initiator", "deleted")
    local.run()
    trash = local.workdir("target") / "trash"
    if trash.is_dir():
        trash.rmdir()
    trash.write_bytes(b"")
    local.write("initiator", "replaced", "new")
    local.remove("initiator", "deleted")
    local.run(expect=1)
    assert local.read("target", "replaced") == old
    assert local.read("target", "deleted") == gone
    trash.unlink()
    local.run()
    assert local.both("replaced") == b"new"
    assert local.gone("deleted")


def test_a_deletion_does_not_reach_through_a_symlink(tmp_path):
    pair = Pair(tmp_path)
    outside = pair.base / "outside"
    outside.mkdir()
    (outside / "x").write_text("not yours")
    pair.write("initiator", "d/x", "yours")
    pair.run()
    pair.remove("target", "d")
    pair.link("target", "d", outside)
    pair.remove("initiator", "d/x")
    pair.run(expect=None)
    pair.run(expect=None)
    assert (outside / "x").read_text() == "not yours"
    pair.verify()

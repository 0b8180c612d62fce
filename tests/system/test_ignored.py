# SPDX-License-Identifier: BSD-2-Clause
"""What a rule ignores belongs to the user: no run deletes, overwrites or forgets it wrongly."""

import pytest
from harness import LOOK, OK, OTHER, SIDES

RULE = ("--set", "RSYNC_EXCLUDE_PATTERN=*.o")


@pytest.mark.parametrize("side", SIDES)
def test_i7_what_was_deleted_while_ignored_comes_back(local, side):
    content = local.write("initiator", "d/x.o")
    local.write("initiator", "d/y")
    local.run()
    assert local.run(*RULE).changes == []
    assert local.both("d/x.o") == content
    local.remove(side, "d/x.o")
    assert [change.path for change in local.run(*RULE).changes if change.path != "d"] == []
    assert local.read(OTHER[side], "d/x.o") == content
    result = local.run()
    assert result.ops("delete") == []
    assert local.both("d/x.o") == content


@pytest.mark.parametrize("side", SIDES)
def test_i7_what_was_edited_while_ignored_is_not_overwritten(local, side):
    local.write("initiator", "x.o", "old")
    local.write("initiator", "y")
    local.run()
    local.write(side, "x.o", "edited while ignored")
    local.run(*RULE)
    assert local.read(OTHER[side], "x.o") == b"old"
    local.run(expect=(OK, LOOK))
    assert b"edited while ignored" in local.contents("initiator") & local.contents("target")
    assert b"old" in local.contents("initiator") & local.contents("target") or \
        local.both("x.o") == b"edited while ignored"


def test_i7_many_files_that_become_ignored_stop_no_run(local):
    for number in range(30):
        local.write("initiator", f"{number}.o")
    local.write("initiator", "kept")
    local.run()
    for _ in range(2):
        assert local.run(*RULE).changes == []
    # Known again, without a word.
    assert local.run().changes == []
    assert len(local.names("target")) == 31


def test_i7_different_files_that_were_always_ignored_become_a_conflict(local):
    local.options = [*RULE]
    versions = {local.write("initiator", "x.o"), local.write("target", "x.o")}
    local.run()
    local.options = []
    local.run(expect=LOOK)
    assert local.contents("initiator") == local.contents("target") == versions


@pytest.mark.parametrize("kind", ["delete", "rename", "replace"])
@pytest.mark.parametrize("side", SIDES)
def test_i8_an_ignored_file_survives_what_is_done_to_its_folder(local, side, kind):
    local.options = [*RULE]
    local.write("initiator", "d/sub/file")
    local.run()
    ignored = local.write(OTHER[side], "d/sub/p.o")
    if kind == "rename":
        local.rename(side, "d", "e")
    else:
        local.remove(side, "d")
    if kind == "replace":
        local.write(side, "d", "a file now")
    local.run(expect=None)
    local.run(expect=None)
    assert ignored in local.contents(OTHER[side]), "the ignored file is gone"
    assert not local.exists(side, "d/sub/p.o") and not local.exists(side, "e/sub/p.o")
    assert not local.exists(OTHER[side], "d/sub/file")
    local.at_rest = False


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("side", SIDES)
def test_i8_a_folder_with_something_ignored_that_became_a_file_stays_as_planned(local, side, moved):
    """Also one that is to be renamed at the same time, with the folder that holds it."""
    local.options = [*RULE]
    local.write("initiator", "top/d/file")
    local.write("initiator", "top/d/sub/file")
    local.write("initiator", "top/more", b"so that it is the same folder")
    local.run()
    ignored = local.write(OTHER[side], "top/d/sub/p.o")
    local.remove(side, "top/d")
    instead = local.write(side, "top/d", "a file now")
    if moved:
        local.rename(side, "top", "new")
    top = "new" if moved else "top"
    plan, done = local.run("--dry-run", expect=LOOK), local.run(expect=LOOK)
    assert [(change.op, change.to) for change in plan.changes] == \
        [(change.op, change.to) for change in done.changes]
    assert "files that are not synced, so it stays" in done.out
    assert local.read(OTHER[side], f"{top}/d/sub/p.o") == ignored
    assert local.names(side).count(f"{top}/d/sub") == 1
    assert instead in local.contents("initiator") & local.contents("target")
    assert local.run().changes == []
    local.at_rest = False


@pytest.mark.parametrize("what", ["p.o", ".osync_workdir/p"])
@pytest.mark.parametrize("side", SIDES)
def test_i8_a_deleted_folder_with_something_ignored_comes_back_and_is_at_rest(local, side, what):
    local.options = [*RULE]
    local.write("initiator", "d/sub/file")
    local.write("initiator", "d/other/file")
    local.run()
    local.write(OTHER[side], f"d/sub/{what}")
    local.remove(side, "d")
    plan = local.run("--dry-run")
    result = local.run()
    assert [str(change) for change in result.changes] == [str(change) for change in plan.changes]
    assert result.ops("create") == ["d", "d/sub"]
    assert "files that are not synced, so it stays" in result.out
    assert local.names(side) == ["d", "d/sub"]
    assert local.run().changes == []
    local.remove(OTHER[side], f"d/sub/{what}")
    if "/" in what:
        local.remove(OTHER[side], "d/sub/.osync_workdir")
    local.run()

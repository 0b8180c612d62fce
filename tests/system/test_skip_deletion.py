# SPDX-License-Identifier: BSD-2-Clause
"""SKIP_DELETION: what one side deletes stays on the other, lastingly, and does not come back."""

import pytest
from harness import LOOK, OK, OTHER, SIDES, USAGE, set_mtime


def skipping(pair, side):
    """Deletions are not carried out on this side. Runs twice: the second has nothing to do."""
    pair.at_rest = False
    option = f"--skip-deletion={side}"

    def run(**more):
        result = pair.run(option, **more)
        again = pair.run(option)
        assert not again.changes, f"not at rest: {again!r}"
        return result
    return run


@pytest.mark.parametrize("keeper", SIDES)
def test_a_skipped_deletion_stays_skipped(pair, keeper):
    run = skipping(pair, keeper)
    for name in ("x", "d/y", "d/e/z", "stays"):
        pair.write("initiator", name)
    run()
    for name in ("x", "d"):
        pair.remove(OTHER[keeper], name)
    result = run()
    assert not result.changes
    run()
    assert pair.names(OTHER[keeper]) == ["stays"]
    assert pair.names(keeper) == ["d", "d/e", "d/e/z", "d/y", "stays", "x"]
    # Nor does anything come back, or go, when the key is dropped.
    assert not pair.run().changes


@pytest.mark.parametrize("keeper", SIDES)
def test_the_other_side_still_loses_what_is_deleted_here(local, keeper):
    run = skipping(local, keeper)
    content = local.write("initiator", "x")
    run()
    local.remove(keeper, "x")
    run()
    assert local.gone("x")
    assert [bytes_ for _, _, bytes_ in local.trash(OTHER[keeper])] == [content]


@pytest.mark.parametrize("keeper", SIDES)
def test_what_is_kept_apart_is_forgotten_when_it_goes_too(local, keeper):
    run = skipping(local, keeper)
    local.write("initiator", "x")
    run()
    local.remove(OTHER[keeper], "x")
    run()
    local.remove(keeper, "x")
    run()
    new = local.write(OTHER[keeper], "x")
    run()
    assert local.both("x") == new


@pytest.mark.parametrize("keeper", SIDES)
def test_an_edit_of_what_is_kept_apart_brings_it_back(local, keeper):
    run = skipping(local, keeper)
    local.write("initiator", "d/x")
    run()
    local.remove(OTHER[keeper], "d")
    run()
    edited = local.write(keeper, "d/x")
    run()
    assert local.both("d/x") == edited


@pytest.mark.parametrize("keeper", SIDES)
def test_a_touch_of_what_is_kept_apart_does_not(local, keeper):
    run = skipping(local, keeper)
    local.write("initiator", "x")
    run()
    local.remove(OTHER[keeper], "x")
    run()
    set_mtime(local.path(keeper, "x"), 1_500_000_000)
    local.path(keeper, "x").chmod(0o600)
    run()
    assert not local.exists(OTHER[keeper], "x")


@pytest.mark.parametrize("keeper", SIDES)
@pytest.mark.parametrize("what", ["the same", "something else"])
def test_what_is_made_anew_is_synced_again(local, keeper, what):
    run = skipping(local, keeper)
    content = local.write("initiator", "x")
    run()
    local.remove(OTHER[keeper], "x")
    run()
    if what == "the same":
        local.write(OTHER[keeper], "x", content)
    else:
        content = local.write(OTHER[keeper], "x")
    run(expect=(OK, LOOK))
    assert local.both("x") == content
    local.remove(keeper, "x")
    run()
    assert local.gone("x")


@pytest.mark.parametrize("keeper", SIDES)
def test_made_anew_here_and_deleted_there_it_lives(local, keeper):
    run = skipping(local, keeper)
    content = local.write("initiator", "x")
    run()
    local.remove(OTHER[keeper], "x")
    run()
    local.remove(keeper, "x")
    local.write(OTHER[keeper], "x", content)
    run()
    assert local.both("x") == content


@pytest.mark.parametrize("keeper", SIDES)
def test_a_new_file_in_a_folder_kept_apart_brings_the_folder_and_nothing_else(pair, keeper):
    run = skipping(pair, keeper)
    for name in ("d/e/x", "d/y"):
        pair.write("initiator", name)
    run()
    pair.remove(OTHER[keeper], "d")
    run()
    new = pair.write(keeper, "d/e/new")
    run()
    assert pair.names(OTHER[keeper]) == ["d", "d/e", "d/e/new"]
    assert pair.both("d/e/new") == new
    assert pair.names(keeper) == ["d", "d/e", "d/e/new", "d/e/x", "d/y"]


@pytest.mark.parametrize("keeper", SIDES)
@pytest.mark.parametrize("what", ["x", "d"])
def test_what_is_kept_apart_may_be_renamed(local, keeper, what):
    run = skipping(local, keeper)
    for name in ("x", "d/y", "d/e/z", "stays"):
        local.write("initiator", name)
    run()
    local.remove(OTHER[keeper], what)
    run()
    local.rename(keeper, what, "renamed")
    run()
    assert not local.exists(OTHER[keeper], "renamed") and local.exists(keeper, "renamed")


@pytest.mark.parametrize("keeper", SIDES)
def test_a_folder_that_holds_something_kept_apart_may_be_renamed(local, keeper):
    run = skipping(local, keeper)
    for name in ("d/x", "d/y"):
        local.write("initiator", name)
    run()
    local.remove(OTHER[keeper], "d/x")
    run()
    for side, here, there in ((keeper, "d", "e"), (OTHER[keeper], "e", "f")):
        local.rename(side, here, there)
        run()
        assert local.names(OTHER[keeper]) == [there, f"{there}/y"]
        assert local.names(keeper) == [there, f"{there}/x", f"{there}/y"]


@pytest.mark.parametrize("keeper", SIDES)
def test_rename_is_no_deletion(local, keeper):
    run = skipping(local, keeper)
    content = local.write("initiator", "x")
    run()
    local.rename(OTHER[keeper], "x", "y")
    run()
    assert local.both("y") == content
    assert local.names(keeper) == ["y"]


def test_both_sides_keep(local):
    run = skipping(local, "initiator,target")
    for name in ("x", "y"):
        local.write("initiator", name)
    run()
    local.remove("initiator", "x")
    local.remove("target", "y")
    run()
    assert local.names("initiator") == ["y"] and local.names("target") == ["x"]


def test_a_side_that_is_not_one_is_named(local):
    local.at_rest = False
    result = local.run_human("--skip-deletion=server", expect=USAGE)
    assert "SKIP_DELETION" in result.err and "initiator,target" in result.err

# SPDX-License-Identifier: BSD-2-Clause
"""SYNC_TYPE: one side gives, the other becomes like it; what it had goes to its trash."""

import pytest
from harness import GUARD, OTHER, SIDES, WORKDIR, set_mtime, stamps

TYPES = {"initiator": "initiator2target", "target": "target2initiator"}


def giving(pair, giver):
    pair.at_rest = False
    option = f"--sync-type={TYPES[giver]}"

    def given():
        """All but osync's own folder, and so the time of the root that it lies in."""
        return {path: stamp for path, stamp in stamps(pair.root(giver), (WORKDIR,)).items() if path}

    def run(*options, **more):
        before = given()
        result = pair.run(option, *options, **more)
        assert given() == before, "the side that gives was changed"
        if not more and not options:
            again = pair.run(option)
            assert not again.changes, f"not at rest: {again!r}"
        return result
    return run


@pytest.mark.parametrize("giver", SIDES)
def test_changes_go_one_way(pair, giver):
    run = giving(pair, giver)
    for name in ("edited", "deleted", "d/x", "stays"):
        pair.write(giver, name)
    run()
    edited = pair.write(giver, "edited")
    pair.remove(giver, "deleted")
    pair.rename(giver, "d", "e")
    new = pair.write(giver, "new")
    result = run()
    assert pair.names("initiator") == pair.names("target") == ["e", "e/x", "edited", "new", "stays"]
    assert pair.both("edited") == edited and pair.both("new") == new
    assert result.ops("move") == ["e"]


@pytest.mark.parametrize("giver", SIDES)
def test_what_only_the_other_has_goes_to_its_trash(pair, giver):
    run = giving(pair, giver)
    for name in ("x", "d/y", "stays"):
        pair.write(giver, name)
    run()
    taker = OTHER[giver]
    gone = {"x": pair.read(taker, "x")}
    pair.remove(taker, "x")
    extra = [pair.write(taker, "extra"), pair.write(taker, "f/extra")]
    pair.rename(taker, "d/y", "d/z")
    run()
    assert pair.names(taker) == pair.names(giver) == ["d", "d/y", "stays", "x"]
    assert pair.both("x") == gone["x"]
    assert {bytes_ for _, _, bytes_ in pair.trash(taker)} >= set(extra)


@pytest.mark.parametrize("giver", SIDES)
@pytest.mark.parametrize("known", [True, False])
def test_a_newer_file_on_the_other_side_stays(local, giver, known):
    run = giving(local, giver)
    taker = OTHER[giver]
    if known:
        local.write(giver, "newer")
        local.write(giver, "older")
        run()
    newer = local.write(taker, "newer", mtime=1_700_000_000)
    older = local.write(taker, "older", mtime=1_500_000_000)
    mine = {name: local.write(giver, name, mtime=1_600_000_000) for name in ("newer", "older")}
    run()
    assert local.read(taker, "newer") == newer and local.read(giver, "newer") == mine["newer"]
    assert local.both("older") == mine["older"]
    assert older in [bytes_ for _, _, bytes_ in local.trash(taker)]


@pytest.mark.parametrize("giver", SIDES)
def test_metadata_go_one_way(local, giver):
    run = giving(local, giver)
    local.write(giver, "x", mode=0o640)
    run()
    local.path(OTHER[giver], "x").chmod(0o600)
    set_mtime(local.path(OTHER[giver], "x"), 1_500_000_000)
    run()
    assert local.lstat(OTHER[giver], "x").st_mode & 0o777 == 0o640
    assert local.lstat(OTHER[giver], "x").st_mtime_ns == local.lstat(giver, "x").st_mtime_ns


@pytest.mark.parametrize("giver", SIDES)
def test_another_type_is_replaced(local, giver):
    run = giving(local, giver)
    local.write(giver, "file")
    local.write(giver, "folder/x")
    local.folder(OTHER[giver], "file")
    kept = local.write(OTHER[giver], "file/inside"), local.write(OTHER[giver], "folder")
    run("--allow-deletes")
    assert local.names("initiator") == local.names("target") == ["file", "folder", "folder/x"]
    assert {bytes_ for _, _, bytes_ in local.trash(OTHER[giver])} == set(kept)


@pytest.mark.parametrize("giver", SIDES)
def test_what_is_not_synced_below_keeps_its_folder(local, giver):
    run = giving(local, giver)
    local.write(giver, "file")
    local.write(OTHER[giver], "file/ignored.tmp")
    local.write(OTHER[giver], "folder/ignored.tmp")
    run("--set", "RSYNC_EXCLUDE_PATTERN=*.tmp", expect=(0, 1, 2))
    assert local.exists(OTHER[giver], "file/ignored.tmp")
    assert local.exists(OTHER[giver], "folder/ignored.tmp")


@pytest.mark.parametrize("giver", SIDES)
def test_i3_many_files_that_only_the_other_has_stop_the_run(local, giver):
    run = giving(local, giver)
    local.write(giver, "x")
    for number in range(20):
        local.write(OTHER[giver], f"d/{number}")
    run(expect=GUARD)
    assert len(local.names(OTHER[giver])) == 21
    run("--allow-deletes")
    assert local.names(OTHER[giver]) == ["x"]


@pytest.mark.parametrize("giver", SIDES)
def test_back_to_both_ways_the_other_sides_changes_are_synced(local, giver):
    run = giving(local, giver)
    local.write(giver, "x", mtime=1_500_000_000)
    run()
    newer = local.write(OTHER[giver], "x")
    run()
    local.at_rest = True
    local.run()
    assert local.both("x") == newer


@pytest.mark.parametrize("giver", SIDES)
def test_a_newer_file_that_stays_in_a_renamed_folder_is_not_agreed_on(local, giver):
    """An older file has taken its place on the side that gives, and then its folder a new name."""
    run = giving(local, giver)
    local.write(giver, "d/x", mtime=1_600_000_000)
    local.write(giver, "d/y")
    mine = local.write(giver, "x", mtime=1_500_000_000)
    run()
    local.rename(giver, "x", "d/x")
    local.rename(giver, "d", "e")
    result = run()
    assert result.ops("move") == ["e"]
    local.at_rest = True
    local.run()
    assert local.both("e/x") == mine


@pytest.mark.parametrize("giver", SIDES)
def test_an_edit_that_stays_in_a_renamed_folder_is_not_agreed_on(local, giver):
    """It was deleted on the side that gives, and deletions are not carried out."""
    run = giving(local, giver)
    for name in ("d/x", "d/y"):
        local.write(giver, name)
    run()
    local.rename(giver, "d", "e")
    local.remove(giver, "e/x")
    edited = local.write(OTHER[giver], "d/x")
    result = run(f"--skip-deletion={OTHER[giver]}")
    assert result.ops("move") == ["e"]
    local.at_rest = True
    assert "the edit lives" in local.run_human().out
    assert local.both("e/x") == edited


@pytest.mark.parametrize("giver", SIDES)
def test_one_way_without_deletions(local, giver):
    run = giving(local, giver)
    for name in ("x", "y"):
        local.write(giver, name)
    run()
    local.remove(giver, "x")
    local.write(OTHER[giver], "extra")
    option = f"--skip-deletion={OTHER[giver]}"
    run(option)
    run(option)
    assert local.names(OTHER[giver]) == ["extra", "x", "y"]
    assert local.names(giver) == ["y"]

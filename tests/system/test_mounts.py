# SPDX-License-Identifier: BSD-2-Clause
"""A folder on which something is mounted is unknown, not empty: nothing below it is touched."""

import os

import pytest
from harness import LOOK, OK, OTHER, SIDES
from mounts import mounted


def another_file_system(_pair, folder):
    return mounted(folder, "-t", "tmpfs", "none")


def another_folder(pair, folder):
    aside = pair.base / "aside"
    aside.mkdir()
    return mounted(folder, "--bind", aside)


KINDS = {"tmpfs": another_file_system, "bind": another_folder}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_i6_what_a_mount_hides_is_not_deleted(local, side, kind):
    contents = {name: local.write("initiator", name)
                for name in ("d/m/one", "d/m/sub/two", "d/three", "four")}
    local.run()
    with KINDS[kind](local, local.path(side, "d/m")):
        edited = local.write(OTHER[side], "d/m/one")
        first = local.run(expect=LOOK)
        assert [problem["path"] for problem in first.problems] == ["d/m"]
        assert first.changes == []
        assert os.listdir(local.path(side, "d/m")) == [], "something was put into the mount"
        again = local.run(expect=OK)
        assert (again.changes, again.problems) == ([], [])
        assert local.read(OTHER[side], "d/m/sub/two") == contents["d/m/sub/two"]
        # What lies beside it goes on.
        beside = local.write(side, "d/three")
        local.run()
        assert local.both("d/three") == beside
    result = local.run()
    assert result.ops("delete") == []
    assert local.both("d/m/one") == edited
    assert local.both("d/m/sub/two") == contents["d/m/sub/two"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", SIDES)
def test_i6_what_is_in_a_mount_stays_there_and_its_end_is_no_deletion(local, side, kind):
    local.write(side, "file")
    local.folder(side, "m")
    with KINDS[kind](local, local.path(side, "m")):
        own = local.write(side, "m/own")
        local.run(expect=LOOK)
        assert not local.exists(OTHER[side], "m/own")
        assert local.read(side, "m/own") == own
        # Somebody removes it where it is not mounted: what is mounted is not looked for.
        if local.exists(OTHER[side], "m"):
            local.remove(OTHER[side], "m")
        local.run(expect=None)
        assert local.read(side, "m/own") == own
    local.run(expect=(OK, LOOK))
    assert local.both("file")


def test_i6_a_root_that_is_itself_a_mount_point_is_synced(local):
    with mounted(local.target, "-t", "tmpfs", "none"):
        content = local.write("initiator", "d/x")
        local.run()
        assert local.both("d/x") == content
        local.assert_idempotent()
    # Without its disk the folder is empty: that is for another guard to stop.
    local.run(expect=3)
    local.at_rest = False

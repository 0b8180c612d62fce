# SPDX-License-Identifier: BSD-2-Clause
"""Room on the disks is judged before the first change: all of the plan and MINIMUM_SPACE must fit."""

import contextlib
import os

import pytest
from harness import GUARD, LOOK, OTHER, SIDES, Pair, execute, snapshot, token
from mounts import fuse, mounted

MIB = 1 << 20
DISK = 8 * MIB
KEEP = ["--set", "MINIMUM_SPACE=2048"]  # KiB


@contextlib.contextmanager
def disk_for(folder):
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", f"size={DISK}", "none"):
        yield folder


@pytest.fixture(params=SIDES)
def cramped(request, tmp_path, server):
    """A pair, over ssh, of which one side is on a small disk: `.side`, `.far`, `.disk`."""
    with disk_for(tmp_path / "disk") as disk:
        pair = Pair(tmp_path, server, **{request.param: f"disk/{request.param}"})
        pair.side, pair.far, pair.disk = request.param, OTHER[request.param], disk
        pair.options = KEEP
        yield pair


def stopped(pair, *options):
    """The run stops before any change; what it says."""
    before = [snapshot(root) for root in pair.roots], pair.state()
    result = pair.run(*options, expect=GUARD)
    assert ([snapshot(root) for root in pair.roots], pair.state()) == before
    assert result.changes == [] and result.says("nothing was changed", "MINIMUM_SPACE"), result
    return result


def test_i40_a_plan_that_does_not_fit_is_stopped_before_any_change(cramped):
    kept = cramped.write("initiator", "kept")
    cramped.run()
    large, also = (cramped.write(cramped.far, name, token(3 * MIB + 9)) for name in ("a", "b"))
    small = cramped.write(cramped.side, "small")
    result = stopped(cramped)
    assert result.says(f"the {cramped.side}'s disk is too full", "needs 6.0 MiB",
                       "keeps 2.0 MiB", "free 0."), result
    stopped(cramped, "--dry-run")
    # All of it would fit, were nothing to stay free.
    cramped.run("--set", "MINIMUM_SPACE=512")
    assert (cramped.both("a"), cramped.both("b")) == (large, also)
    assert (cramped.both("small"), cramped.both("kept")) == (small, kept)
    cramped.options = []
    cramped.run(expect=LOOK)
    cramped.options = ["--set", "MINIMUM_SPACE=512"]


def test_a_new_version_takes_its_full_size_since_the_old_one_stays(cramped):
    cramped.write(cramped.far, "file", token(4 * MIB))
    cramped.run()
    new = cramped.write(cramped.far, "file", token(4 * MIB))
    stopped(cramped)
    cramped.write(cramped.far, "file", new[:MIB])
    cramped.run()


def test_what_takes_no_room_is_done_on_a_full_disk(cramped):
    """And the lack of it is said in every run."""
    names = [f"file {number}" for number in range(6)]
    for name in names:
        cramped.write(cramped.far, name)
    cramped.run()
    (cramped.disk / "other").write_bytes(b"x" * (7 * MIB))
    cramped.remove(cramped.far, names[0])
    cramped.rename(cramped.far, names[1], "renamed")
    (cramped.path(cramped.far, names[2])).chmod(0o640)
    result = cramped.run(expect=LOOK)
    assert cramped.gone(names[0]) and cramped.exists(cramped.side, "renamed"), result
    assert cramped.lstat(cramped.side, names[2]).st_mode & 0o777 == 0o640
    assert result.says(f"little room is left on the {cramped.side}'s disk"), result
    again = cramped.run(expect=LOOK)
    assert again.changes == [] and again.says("little room is left"), again
    (cramped.disk / "other").unlink()


def test_holes_take_no_room(cramped):
    """Far larger than the disk, and next to nothing in it."""
    path = cramped.path(cramped.far, "sparse")
    with open(path, "wb") as file:
        file.truncate(24 * MIB)
        file.write(token(MIB))
    cramped.run()
    there = cramped.lstat(cramped.side, "sparse")
    assert there.st_size == 24 * MIB and there.st_blocks * 512 < 3 * MIB
    cramped.write(cramped.far, "solid", token(6 * MIB))
    stopped(cramped)
    cramped.remove(cramped.far, "solid")


def test_many_small_files_take_a_block_each(cramped):
    for number in range(1800):
        cramped.write(cramped.far, f"many/{number}", b"x")
    assert stopped(cramped).says("needs 7.0 MiB")
    for number in range(600, 1800):
        cramped.remove(cramped.far, f"many/{number}")
    cramped.run()


def test_what_a_dead_run_has_left_counts_as_free(cramped):
    cramped.write("initiator", "file")
    cramped.run()
    large = cramped.write(cramped.far, "large", token(5 * MIB))
    left = cramped.workdir(cramped.side) / "stage" / "left"
    left.write_bytes(large[:4 * MIB])
    cramped.run()
    assert cramped.both("large") == large and not left.exists()


def test_what_a_dead_run_was_filling_counts_as_free(cramped):
    cramped.write("initiator", "file")
    cramped.run()
    large = cramped.write(cramped.far, "large", token(5 * MIB))
    left = cramped.workdir(cramped.side) / "stage" / "f-17"
    left.mkdir()
    (left / "small").write_bytes(large[:4 * MIB])
    cramped.run()
    assert cramped.both("large") == large and not left.exists()


def test_two_folders_on_one_disk_count_together(tmp_path):
    with disk_for(tmp_path / "disk"):
        pair = Pair(tmp_path, initiator="disk/initiator", target="disk/target")
        pair.options = ["--set", "MINIMUM_SPACE=1024"]
        here, _ = (pair.write(side, side, token(3 * MIB // 2)) for side in SIDES)
        # There is room for either of them.
        other = tmp_path / "disk" / "other"
        other.write_bytes(b"x" * (2 * MIB))
        assert stopped(pair).says("the disk of both folders", "needs 3.0 MiB")
        other.unlink()
        pair.run()
        assert pair.both("initiator") == here
        pair.verify()


@pytest.mark.parametrize("side", SIDES)
def test_the_disk_of_a_state_folder_is_looked_at_too(remote, tmp_path, side):
    with disk_for(tmp_path / "disk") as disk:
        key = f"{side.upper()}_CUSTOM_STATE_DIR"
        remote.options = ["--set", f"{key}={disk}/state", "--set", "MINIMUM_SPACE=4096"]
        remote.write("initiator", "file")
        remote.run()
        (disk / "other").write_bytes(b"x" * (5 * MIB))
        new = remote.write("target", "file")
        assert stopped(remote).says(f"the disk of {key} is too full")
        (disk / "other").unlink()
        remote.run()
        assert remote.both("file") == new
        remote.verify()
        remote.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_a_file_system_that_knows_no_size_is_not_judged(tmp_path, side):
    with fuse(tmp_path, "boundless") as folder:
        assert os.statvfs(folder).f_blocks == 0
        pair = Pair(tmp_path, **{side: f"boundless-mounted/{side}"})
        content = pair.write(OTHER[side], "file", token(MIB))
        execute(pair.args("--json"), pair.env(), (0, LOOK))
        assert pair.both("file") == content

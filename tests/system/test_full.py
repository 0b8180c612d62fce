# SPDX-License-Identifier: BSD-2-Clause
"""A disk that is full, and a trash that may not be written: the path fails, and the rest goes on."""

import contextlib
import os
import shutil
import subprocess

import pytest
from harness import FAILED, OTHER, SIDES, Pair, token
from mounts import mounted, need
from test_unprivileged import user  # noqa: F401  (a fixture)

SMALL = 1 << 20  # bytes of the small disk
MUCH = 2 * SMALL
SIZE = 10_000  # bytes of each of many files


@pytest.fixture(params=SIDES)
def cramped(request, tmp_path):
    """A pair of which one side is on a very small disk, `.side`, next to a file of somebody else's."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", f"size={SMALL}", "none"):
        pair = Pair(tmp_path, **{request.param: f"disk/{request.param}"})
        pair.side, pair.disk = request.param, disk
        # Nobody looks beforehand whether there is room.
        pair.options = ["--set", "MINIMUM_SPACE=0"]
        yield pair


def fill(disk, spare=0):
    """Somebody else takes all the room there is, but for some bytes; the file to be removed."""
    other = disk / "other"
    with open(other, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    os.truncate(other, other.stat().st_size - spare)
    return other


def test_i40_i12_what_does_not_fit_fails_alone(cramped):
    """Larger than the disk: the old version stays in place, and so does all else that is new."""
    side, far = cramped.side, OTHER[cramped.side]
    for name in ("replaced", "edited", "deleted"):
        cramped.write("initiator", name)
    cramped.run()
    old = cramped.read(side, "replaced")
    cramped.write(far, "replaced", token(MUCH))
    cramped.write(far, "created", token(MUCH))
    edited, back = cramped.write(far, "edited"), cramped.write(side, "back")
    cramped.remove(far, "deleted")
    result = cramped.run(expect=FAILED)
    assert sorted(problem["path"] for problem in result.problems) == ["created", "replaced"]
    assert all("No space left" in problem["message"] for problem in result.problems), repr(result)
    assert cramped.read(side, "replaced") == old and not cramped.exists(side, "created")
    assert cramped.both("edited") == edited and cramped.both("back") == back
    assert cramped.gone("deleted")
    cramped.assert_clean()
    cramped.write(far, "replaced")
    cramped.write(far, "created")
    cramped.run()


def test_i40_a_disk_that_somebody_else_has_filled(cramped):
    """Not a byte is free: what needs none is done, and the rest once there is room."""
    side, far = cramped.side, OTHER[cramped.side]
    for name in ("replaced", "deleted"):
        cramped.write("initiator", name)
    cramped.run()
    old = cramped.read(side, "replaced")
    new = cramped.write(far, "replaced", token(5000))
    back = cramped.write(side, "back")
    cramped.remove(far, "deleted")
    other = fill(cramped.disk)
    result = cramped.run(expect=FAILED)
    assert cramped.read(side, "replaced") == old, repr(result)
    assert cramped.read(far, "replaced") == new, repr(result)
    cramped.assert_clean()
    other.unlink()
    cramped.run()
    assert cramped.both("replaced") == new and cramped.both("back") == back
    assert cramped.gone("deleted")


def leave(pair, size):
    """What a run that was cut off in the middle of a large file leaves (src/tree/partial.h)."""
    folder = pair.workdir(pair.side) / "partial"
    folder.mkdir(mode=0o700)
    (folder / ("0" * 32)).write_bytes(os.urandom(size))
    return folder


def test_i40_what_a_cut_run_has_left_does_not_keep_the_next_from_beginning(cramped):
    cramped.write("initiator", "old")
    cramped.run()
    left = leave(cramped, SMALL // 2)
    fill(cramped.disk)
    new = cramped.write(OTHER[cramped.side], "new")
    cramped.run()
    assert cramped.both("new") == new and not left.exists()


def test_i40_what_a_cut_run_has_left_makes_way_for_another_file(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", f"size={40 << 20}", "none"):
        pair = Pair(tmp_path, target="disk/target")
        pair.side = "target"
        pair.write("initiator", "old")
        pair.run()
        left = leave(pair, 14 << 20)
        pair.write("initiator", "new", token(28 << 20))
        pair.run()
        assert pair.path("target", "new").stat().st_size == 28 << 20 and not left.exists()
        pair.verify()


@contextlib.contextmanager
def on_a_disk_of_its_own(trash):
    """A rename does not reach it, and it may not be written."""
    with mounted(trash, "--bind", trash):
        subprocess.run(["mount", "-o", "remount,bind,ro", trash], check=True)
        yield


@contextlib.contextmanager
def immutable(trash):
    """Root may not write it either."""
    need(os.geteuid() == 0 and shutil.which("chattr"), "only root can, with chattr")
    made = subprocess.run(["chattr", "+i", trash], capture_output=True, check=False)
    need(made.returncode == 0, "this file system has no such attribute")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", trash], check=True)


def refused(pair, side, closed):
    """With the trash of this side closed nothing is replaced or deleted there, and all else is done."""
    far = OTHER[side]
    for name in ("replaced", "deleted", "other"):
        pair.write("initiator", name)
    pair.run()
    old = {name: pair.read(side, name) for name in ("replaced", "deleted")}
    trash = pair.workdir(side) / "trash"
    trash.mkdir(mode=0o700, exist_ok=True)
    new = pair.write(far, "replaced")
    pair.remove(far, "deleted")
    created, back = pair.write(far, "created"), pair.write(side, "other")
    with closed(trash):
        result = pair.run(expect=FAILED)
        assert sorted(problem["path"] for problem in result.problems) == ["deleted", "replaced"]
        assert {name: pair.read(side, name) for name in old} == old
        assert pair.both("created") == created and pair.both("other") == back
        pair.assert_clean()
    pair.run()
    assert pair.both("replaced") == new and pair.gone("deleted")


@pytest.mark.parametrize("closed", [on_a_disk_of_its_own, immutable])
@pytest.mark.parametrize("side", SIDES)
def test_i12_a_trash_that_nobody_can_write(local, side, closed):
    refused(local, side, closed)


@pytest.mark.parametrize("side", SIDES)
def test_i12_a_trash_that_the_user_may_not_write(user, side):  # noqa: F811
    @contextlib.contextmanager
    def taken(trash):
        user.take(side, trash.relative_to(user.root(side)))
        trash.chmod(0o755)
        yield
        user.give_back()

    refused(user, side, taken)


@pytest.mark.parametrize("side", SIDES)
def test_i37_one_of_a_hundred_waits_alone(user, side):  # noqa: F811
    """The others are recorded: the next run does that one and sends no other."""
    far = OTHER[side]
    names = [f"d{number}/file" for number in range(100)]
    for name in names:
        user.write("initiator", name)
        user.path("initiator", name).parent.chmod(0o755)
    user.run()
    new = {name: user.write(far, name, token(SIZE)) for name in names}
    user.take(side, "d50")
    result = user.run("--allow-deletes", expect=FAILED)
    assert [problem["path"] for problem in result.problems] == ["d50/file"]
    assert len(result.changes) == 99
    assert user.read(side, "d50/file") != user.read(far, "d50/file")
    user.give_back()
    again = user.run()
    assert [(change.op, change.path) for change in again.changes
            if change.op != "metadata"] == [("update", "d50/file")]
    sent = again.summary["sent_bytes" if side == "target" else "received_bytes"]
    # What the folders are like by now is told of all of them, the content of one.
    assert SIZE < sent < 3 * SIZE, again.summary
    assert user.both("d50/file") == new["d50/file"]

# SPDX-License-Identifier: BSD-2-Clause
"""Contents that changed with nothing to show for it are found in time, reported, and not spread."""

import os
import subprocess

import pytest
from harness import FAILED, OTHER, SIDES, Pair
from mounts import loop

DAY_S = 24 * 60 * 60


def schedule(pair):
    return pair.state_folder() / "test.verify"


def days_pass(pair, days):
    """As if the last files had been read so much earlier."""
    time_s, _, after = schedule(pair).read_text().partition("\n")
    schedule(pair).write_text(f"{int(time_s) - int(days * DAY_S)}\n{after}")


def begin(pair, files=4, size=300):
    """A tree in sync, old enough for its time stamps to be believed."""
    contents = {f"d/{n}": pair.write("initiator", f"d/{n}", os.urandom(size)) for n in range(files)}
    pair.run()
    # What was young when it was recorded is read once more.
    pair.run()
    return contents


@pytest.fixture(params=SIDES)
def disk(request, tmp_path):
    """A pair of which one side is on a disk that can be made to rot."""
    side = request.param
    with loop(tmp_path, "ext4") as mounted:
        pair = Pair(tmp_path, **{side: mounted.name})
        pair.image, pair.bad = tmp_path / "ext4.image", side
        yield pair


def rot(pair, content):
    """Turn a bit of these bytes on the disk itself, below the file system."""
    root = pair.root(pair.bad)
    subprocess.run(["umount", root], check=True)
    try:
        data = pair.image.read_bytes()
        assert data.count(content) == 1, "the bytes are not on the disk, or more than once"
        at = data.index(content)
        with open(pair.image, "r+b") as image:
            image.seek(at)
            image.write(bytes([content[0] ^ 1]))
            image.flush()
            os.fsync(image.fileno())
    finally:
        subprocess.run(["mount", "-o", "loop", pair.image, root], check=True)
    return bytes([content[0] ^ 1]) + content[1:]


def test_i25_rot_is_reported_and_neither_copy_is_touched(disk):
    contents = begin(disk)
    before = disk.lstat(disk.bad, "d/2")
    rotten = rot(disk, contents["d/2"])
    after = disk.lstat(disk.bad, "d/2")
    assert (before.st_ino, before.st_mtime_ns, before.st_ctime_ns, before.st_size) == \
        (after.st_ino, after.st_mtime_ns, after.st_ctime_ns, after.st_size)
    assert disk.read(disk.bad, "d/2") == rotten
    assert disk.run().changes == []
    days_pass(disk, 200)
    result = disk.run(expect=FAILED)
    assert [problem["path"] for problem in result.problems] == ["d/2"]
    assert result.changes == []
    assert result.says(f"on the {disk.bad}", f"the {OTHER[disk.bad]}'s copy is as it was agreed",
                       "copy it over this one")
    assert disk.read(OTHER[disk.bad], "d/2") == contents["d/2"]
    assert disk.read(disk.bad, "d/2") == rotten
    assert disk.run().changes == []
    # What the message says restores it.
    disk.path(disk.bad, "d/2").write_bytes(contents["d/2"])
    assert disk.run().ops("update") == []
    days_pass(disk, 200)
    assert disk.run().problems == []
    assert disk.both("d/2") == contents["d/2"]


def test_i25_a_good_copy_of_a_rotten_file_is_sent(disk):
    """The bytes that the other side seems to have already are not there."""
    contents = begin(disk, size=20_000)
    rotten = rot(disk, contents["d/2"])
    side = OTHER[disk.bad]
    disk.write(side, "copy", contents["d/2"])
    disk.write(side, "another copy", contents["d/3"])
    disk.write(side, "d/new", contents["d/2"])
    assert disk.run().ops("create") == ["another copy", "copy", "d/new"]
    assert disk.both("copy") == disk.both("d/new") == contents["d/2"]
    assert disk.read(disk.bad, "d/2") == rotten
    disk.write(disk.bad, "d/2", contents["d/2"])
    disk.run()


def test_i25_what_is_to_be_kept_is_an_edit_once_it_is_touched(disk):
    contents = begin(disk)
    rotten = rot(disk, contents["d/2"])
    days_pass(disk, 200)
    disk.run(expect=FAILED)
    os.utime(disk.path(disk.bad, "d/2"))
    assert disk.run().ops("update") == ["d/2"]
    assert disk.both("d/2") == rotten


def test_i25_without_days_nothing_is_read(disk):
    contents = begin(disk)
    rotten = rot(disk, contents["d/2"])
    days_pass(disk, 200)
    disk.options = ["--set", "VERIFY_DAYS=0"]
    assert disk.run().summary["hashed_bytes"] == 0
    assert disk.read(disk.bad, "d/2") == rotten
    disk.at_rest = False


def test_i25_a_share_is_read_each_day_and_all_within_the_days(pair):
    files, size = 20, 10_000
    pair.options = ["--set", "VERIFY_DAYS=10"]
    begin(pair, files, size)
    assert pair.run().summary["hashed_bytes"] == 0
    read = []
    for _ in range(10):
        days_pass(pair, 1.01)
        read.append(pair.run().summary["hashed_bytes"])
    assert sum(read) >= 2 * files * size
    assert max(read) <= 2 * 4 * size
    assert pair.run().summary["hashed_bytes"] == 0


def test_i25_a_file_that_is_edited_is_not_taken_for_rotten(local):
    contents = begin(local)
    days_pass(local, 200)
    new = local.write("initiator", "d/1", os.urandom(300))
    result = local.run()
    assert (result.ops("update"), result.problems) == (["d/1"], [])
    assert local.both("d/1") == new
    assert local.both("d/2") == contents["d/2"]


@pytest.mark.parametrize("text", ["", "nonsense", "99999999999999\n", "1\nd/no such path", "\n"])
def test_i25_a_schedule_that_makes_no_sense_stops_nothing(local, text):
    begin(local)
    schedule(local).write_text(text)
    assert local.run().problems == []
    local.write("initiator", "new")
    local.run()
    assert abs(int(schedule(local).read_text().partition("\n")[0])
               - os.stat(schedule(local)).st_mtime) < 60


def test_i25_a_dry_run_reads_and_writes_nothing(local):
    begin(local)
    days_pass(local, 200)
    before = local.stamps()
    assert local.run("--dry-run").summary["hashed_bytes"] == 0
    assert local.stamps() == before
    local.run()

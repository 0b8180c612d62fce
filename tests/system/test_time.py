# SPDX-License-Identifier: BSD-2-Clause
"""Clocks that are wrong, differ or jump: the same decisions, and nothing expires.

libfaketime stands between the program and the clock; it does not go with a sanitizer, so these
run what is released. The kernel's clock, from which files get their times, stays right.
"""

import contextlib
import fcntl
import os
import re
import threading
import time
from pathlib import Path

import harness
import mounts
import pytest
from harness import LOCKED, OK, SIDES, WORKDIR, Pair, environment, execute, set_mtime

LIBRARY = next((path for path in (
    f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in
    ("x86_64", "aarch64", "i386", "arm")) if os.path.exists(path)), None)
RELEASE = os.environ.get("OSYNC_RELEASE")
YEAR = 31_556_952

pytestmark = pytest.mark.skipif(not LIBRARY or not RELEASE or not os.path.exists(RELEASE or ""),
                                reason="needs libfaketime and the release build")


def clock(offset):
    """The environment of a process whose clock is wrong by this ("+10y", "-10y", "+0 x1000")."""
    return {"LD_PRELOAD": LIBRARY, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1"}


@pytest.fixture(autouse=True, scope="module")
def sweep():
    """libfaketime leaves its shared memory behind where a process ends by _exit()."""
    yield
    for path in [*Path("/dev/shm").glob("faketime_shm_*"),
                 *Path("/dev/shm").glob("sem.faketime_sem_*")]:
        if not Path("/proc", path.name.rpartition("_")[2]).exists():
            path.unlink(missing_ok=True)


class Timed(Pair):
    """Each side with a clock of its own."""

    def __init__(self, base, initiator=None, target=None):
        super().__init__(base)
        self.clocks = {"initiator": initiator, "target": target}

    def args(self, *options):
        there = " ".join(f"{key}='{value}'" for key, value in
                         (clock(self.clocks["target"]) if self.clocks["target"] else {}).items())
        return [RELEASE, "--initiator", str(self.initiator),
                "--target", f"ssh://nobody@nowhere/{self.target}", "--instance-id", self.name,
                "--set", "TRANSPORT=command", "--remote-osync", RELEASE,
                "--set", f"TRANSPORT_COMMAND=env -u LD_PRELOAD -u FAKETIME {there}",
                *self.options, *options]

    def env(self, **more):
        here = clock(self.clocks["initiator"]) if self.clocks["initiator"] else {}
        return environment(self.home, **here, **more)


CLOCKS = {"right": {}, "target ahead": {"target": "+10y"}, "target behind": {"target": "-10y"},
          "initiator ahead": {"initiator": "+10y"}, "initiator behind": {"initiator": "-10y"},
          "far apart": {"initiator": "-30y", "target": "+40y"},
          "racing": {"initiator": "+0 x100000", "target": "-5y x3000"}}


def history(pair):
    """What a life brings; what was done to whom, run by run."""
    said = []

    def run():
        # Not the time of a folder in which both have changed something, perhaps in one tick.
        said.append(sorted(change.key() for change in pair.run().changes
                           if change.op != "metadata"))

    for number in range(5):
        pair.write("initiator", f"d/{number}", f"version 1 of {number}")
    run()
    pair.write("initiator", "d/0", "version 2 of 0")
    pair.write("target", "d/1", "version 2 of 1", mtime=1_000_000_000)
    pair.remove("initiator", "d/2")
    pair.rename("target", "d/3", "d/moved")
    pair.write("target", "new", "new", mtime=4_102_444_800)
    run()
    # The same second, the same size, an old date put back: still an edit.
    stamp = pair.lstat("target", "d/4").st_mtime_ns
    pair.write("target", "d/4", "VERSION 1 of 4")
    os.utime(pair.path("target", "d/4"), ns=(stamp, stamp))
    pair.remove("target", "new")
    pair.write("initiator", "new", "edit lives")
    run()
    run()
    return said


@pytest.mark.parametrize("clocks", CLOCKS)
def test_i23_clocks_years_apart_change_no_decision(tmp_path, clocks):
    expected = history(Timed(tmp_path / "right"))
    pair = Timed(tmp_path / "wrong", **CLOCKS[clocks])
    assert history(pair) == expected
    assert expected[-1] == [] and pair.both("d/4") == b"VERSION 1 of 4"
    assert pair.both("new") == b"edit lives"


@pytest.mark.parametrize("older", SIDES)
@pytest.mark.parametrize("clocks", CLOCKS)
def test_i23_whoever_loses_a_conflict_nothing_is_lost_and_all_agree(tmp_path, clocks, older):
    pair = Timed(tmp_path, **CLOCKS[clocks])
    pair.write("initiator", "file", "one")
    pair.run()
    for side in SIDES:
        pair.write(side, "file", side, mtime=1_500_000_000 if side == older else 1_600_000_000)
    pair.run(expect=harness.LOOK)
    assert pair.contents("initiator") == pair.contents("target") == {b"initiator", b"target"}
    assert len(pair.conflict_copies("initiator", "file")) == 1


def test_the_clocks_here_are_really_wrong(tmp_path):
    pair = Timed(tmp_path, target="+10y")
    pair.write("initiator", "file")
    apart = re.search(r"the clocks differ by (-?[0-9.]+) s", pair.run("-v").err)
    assert apart and abs(float(apart[1]) - 10 * YEAR) < YEAR / 10


@contextlib.contextmanager
def jumping(path):
    """A clock that is set to another year again and again, until the end."""
    stop = threading.Event()

    def jump():
        offsets = ["+10y", "-10y", "+0", "+60y", "-30y"]
        while not stop.is_set():
            offsets.append(offsets.pop(0))
            path.with_suffix(".new").write_text(offsets[0])
            path.with_suffix(".new").rename(path)
            time.sleep(0.001)

    thread = threading.Thread(target=jump)
    path.write_text("+0")
    thread.start()
    yield {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
    stop.set()
    thread.join()


class Jumping(Timed):
    def __init__(self, base, jumps):
        super().__init__(base)
        self.jumps = jumps

    def args(self, *options):
        return [arg.replace("env -u LD_PRELOAD -u FAKETIME ", "env ") for arg in
                super().args(*options)]

    def env(self, **more):
        return environment(self.home, **self.jumps, **more)


def test_i63_a_clock_that_jumps_during_runs_changes_nothing(tmp_path):
    expected = history(Timed(tmp_path / "right"))
    with jumping(tmp_path / "clock") as jumps:
        for number in range(3):
            pair = Jumping(tmp_path / f"jumps{number}", jumps)
            assert history(pair) == expected
            pair.assert_converged()
            pair.assert_clean()


@pytest.mark.parametrize("clocks", CLOCKS)
def test_i21_edits_within_a_coarse_step_are_seen_under_a_wrong_clock(tmp_path, clocks):
    with mounts.fuse(tmp_path, "vfat") as disk:
        pair = Timed(tmp_path, **CLOCKS[clocks])
        pair.target = disk
        pair.at_rest = False
        pair.write("initiator", "file", "00")
        pair.run()
        for edit in range(1, 12):
            # Written on both sides it needs no copying: what was listed is what is recorded.
            for side in SIDES if edit % 2 else ("target",):
                pair.write(side, "file", f"{edit:02}")
            pair.run()
            assert pair.both("file") == f"{edit:02}".encode(), edit


def test_i63_a_jump_empties_no_trash(tmp_path):
    pair = Timed(tmp_path)
    pair.write("initiator", "file", "one")
    pair.write("initiator", "other")
    pair.run()
    pair.write("initiator", "file", "two")
    pair.run()
    kept = pair.trash("target")
    assert [content for _, _, content in kept] == [b"one"]
    for offset in ("+60y", "-30y", "+10y x100000"):
        pair.clocks = {"initiator": offset, "target": offset}
        pair.write("initiator", "other")
        pair.run()
        assert set(kept) <= set(pair.trash("target")), offset


@pytest.mark.parametrize("offset", ["+60y", "-30y"])
def test_i63_a_lock_is_judged_by_its_holder_not_by_its_age(tmp_path, offset):
    pair = Timed(tmp_path)
    pair.write("initiator", "file")
    pair.run()
    lock = pair.workdir("target") / "lock"
    # Left behind by who died in another year: nobody holds it.
    lock.write_text("7@elsewhere since 19990101-000000 UTC\n")
    set_mtime(lock, 915_148_800)
    pair.write("initiator", "file")
    pair.clocks = {"initiator": offset, "target": offset}
    pair.run()
    # Held by who lives, however old it looks to a clock that is decades ahead.
    with open(lock, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        pair.run("--lock-wait", "0", expect=LOCKED)
    pair.run()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "XXX+12YYY,J1,J365"])
def test_i63_a_change_of_time_zone_or_daylight_saving_is_no_change(tmp_path, zone):
    pair = Timed(tmp_path)
    pair.write("initiator", "file")
    pair.run(env={"TZ": "America/New_York"})
    for side in SIDES:
        assert pair.run(env={"TZ": zone}).changes == [], side
    assert not os.path.lexists(pair.target / WORKDIR / "trash") or pair.trash("target") == []
    assert execute(pair.args(), pair.env(TZ=zone), OK).code == OK

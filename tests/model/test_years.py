# SPDX-License-Identifier: BSD-2-Clause
"""A short time of years.py: three machines, a server, and a little of everything.

`make years` plays five machines for 200 rounds. OSYNC_YEARS=SEED plays another one here.
"""

import os
import shutil

import pytest
from machines import SHIM, Log
from years import years

SEEDS = [int(os.environ["OSYNC_YEARS"])] if "OSYNC_YEARS" in os.environ else [3]


@pytest.mark.skipif(not os.path.exists(SHIM), reason="there is no shim for the clock")
@pytest.mark.skipif(not shutil.which("zstd"), reason="there is no zstd to unpack the trash")
@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_has_to_do_anything_whatever_happens(seed):
    played = years(seed, machines=3, rounds=8)
    assert played.counts["runs"] >= 24 and played.counts["rounds to rest"] <= 8
    assert played.counts["mails"] + played.counts["exit 0"] > 0
    assert sum(count for what, count in played.counts.items() if what.startswith("hit by ")) >= 5


def test_each_run_has_what_it_wrote_itself(tmp_path):
    log = Log(tmp_path / "log")

    def write(run, text):
        with open(log.path, "a") as file:
            file.write(f"2026-11-21T18:52:13+0000 {run} warn  {text}\n")

    write("first", "before " * 9)
    before_second = log.names()
    write("first", "awake")
    write("second", "locked")
    log.path.rename(tmp_path / "log.old")
    write("second", "ended")
    assert log.claim(before_second) == [("warn", "locked"), ("warn", "ended")]
    assert log.claim(before_second) == []
    assert log.claim(set()) == [("warn", "before " * 9), ("warn", "awake")]

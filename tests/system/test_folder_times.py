# SPDX-License-Identifier: BSD-2-Clause
"""Folders keep their times, whatever happens to the runs that fill them."""

import os

UNREACHABLE = 69


def test_i61_folder_times_survive_a_first_sync_that_is_killed_again_and_again(local):
    """A folder that a killed run had filled kept the run's time, which then came to the source."""
    folders = [f"folder{number}" for number in range(4)]
    for number, folder in enumerate(folders):
        for name in ("one", "two", "three"):
            local.write("initiator", f"{folder}/{name}")
        os.utime(local.path("initiator", folder), ns=(0, 10**18 + number))
    for call in range(20, 240, 9):
        local.run(expect=(0, UNREACHABLE), env={"OSYNC_FAULT": f"kill:{call}:target agent"})
    local.run()
    for side in ("initiator", "target"):
        times = [local.lstat(side, folder).st_mtime_ns for folder in folders]
        assert times == [10**18 + number for number in range(4)]

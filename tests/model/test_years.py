# SPDX-License-Identifier: BSD-2-Clause
"""A short time of years.py: three machines, a server, and a little of everything.

`make years` plays five machines for 200 rounds. OSYNC_YEARS=SEED plays another one here.
"""

import os
import shutil

import pytest
from machines import SHIM
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

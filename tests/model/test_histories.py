# SPDX-License-Identifier: BSD-2-Clause
"""Random histories (histories.py) against the real program.

Some seeds are always played. OSYNC_HISTORIES=N plays N more, from seed OSYNC_HISTORY_FROM
(1000000) on: a failure names its seed, OSYNC_HISTORY=SEED plays that alone. What is killed,
and edited into, depends on the scheduler too: where one replay passes, try some more.
"""

import os

import pytest
from histories import history

# Those between 1 and 40 that last longest, and a few that once failed.
ALWAYS = (1, 2, 3, 5, 8, 13, 21, 34, 2021, 2028, 2037, 10028, 20052, 30125, 50017, 50023)


def seeds():
    if "OSYNC_HISTORY" in os.environ:
        return [int(os.environ["OSYNC_HISTORY"])]
    first = int(os.environ.get("OSYNC_HISTORY_FROM", "1000000"))
    return [*ALWAYS, *range(first, first + int(os.environ.get("OSYNC_HISTORIES", "0")))]


@pytest.mark.parametrize("seed", seeds())
def test_a_random_history_loses_nothing_and_comes_to_rest(seed):
    history(seed)

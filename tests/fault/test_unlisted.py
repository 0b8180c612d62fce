# SPDX-License-Identifier: BSD-2-Clause
"""Each call that lists a tree fails: what was not seen is unknown, and nothing is deleted."""

import errno

import pytest
from play import ROLES, playing
from scenarios import Scenario

ERRNOS = (errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.ENOMEM, errno.EMFILE, errno.EACCES)
STILL = Scenario("still", "\n".join(f"write d{folder}/f{file}" for folder in range(3)
                                    for file in range(3)) + "\nlink l nowhere\nfolder empty")
FOLDERS = 5  # the root among them; of each there are names, and their end
AGENTS = [role for role in ROLES if role.endswith("agent")]


def listing_calls(play, role):
    """{number: call} of those calls of a run that list the tree, until the room is looked up."""
    calls = play.base / "calls"
    play.run(fault=f"count:{calls}:{role}:look")
    names = [line.split()[-1] for line in calls.read_text().splitlines()]
    first = names.index("readdir")
    end = names.index("fstatvfs", first)
    return {number: name for number, name in enumerate(names, 1) if first < number < end}


def fails_alone(play, fault, trees):
    """One listing is disturbed, and that is all that happens, though deletions are allowed."""
    outcome = play.run(fault=fault, options=("--allow-deletes",))
    assert play.trees() == trees, f"{fault}: a tree was changed: {outcome!r}"
    assert outcome.code == 1 and not outcome.changes, f"{fault}: {outcome!r}"
    again = play.run()
    assert again.code == 0 and not again.changes, f"after {fault}: {again!r}"
    assert play.trees() == trees, f"after {fault}: a tree was changed"


@pytest.mark.parametrize("role", AGENTS)
def test_i5_a_listing_that_fails_anywhere_deletes_nothing(role):
    """At every call for names, at every stat, and in each of the ways a disk may fail."""
    with playing(STILL) as play:
        play.prepare()
        play.run()
        calls, trees = listing_calls(play, role), play.trees()
        readdirs = [number for number, name in calls.items() if name == "readdir"]
        stats = [number for number, name in calls.items() if name == "fstatat"]
        assert len(readdirs) == 2 * FOLDERS and len(stats) > 10, calls
        faults = [(number, errno.EIO) for number in calls]
        faults += [(kind[len(kind) // 2], error) for kind in (readdirs, stats) for error in ERRNOS]
        for number, error in faults:
            fails_alone(play, f"fail:{number}:{error}:{role}:look", trees)

# SPDX-License-Identifier: BSD-2-Clause
"""Every call of every process fails once, in some way.

In `make check` each call fails with one of the errors, which one goes round; with
OSYNC_FAULT_ALL=1 (`make fault-all`) each call fails with each of them.
"""

import errno
import os
import zlib

import pytest
from play import ALL, DOORS, ROLES, each, scenario_names, steps
from scenarios import SCENARIOS

ERRNOS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EINTR, errno.EMFILE)
LINK_ERRNOS = (errno.EINTR, errno.EAGAIN, errno.EIO, errno.ECONNRESET, errno.EMFILE)
# Calls that move a number of bytes, which may be smaller than what was asked for.
MAY_BE_SHORT = {"read", "pread", "write", "pwrite", "send"}
# In the quick tier: of how many calls one fails. What reads is called often, and much the same.
EVERY = {"change": 4, "look": 12, "link": 4}


def faults(calls, role, door):
    """All that may befall each of these calls."""
    for number, call in enumerate(calls, 1):
        for error in LINK_ERRNOS if door == "link" else ERRNOS:
            yield f"fail:{number}:{error}:{role}:{door}"
        if call in MAY_BE_SHORT:
            yield f"short:{number}:{role}:{door}"


def chosen(name, calls, role, door):
    """All of them, or for every few calls one that goes round."""
    if ALL:
        return list(faults(calls, role, door))
    start = zlib.crc32(f"{name} {role}".encode())
    wanted = []
    for number in range(1 + start % EVERY[door], len(calls) + 1, EVERY[door]):
        of_this = [fault for fault in faults(calls, role, door)
                   if fault.split(":")[1] == str(number)]
        wanted.append(of_this[(start // 7 + number // EVERY[door]) % len(of_this)])
    return wanted


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", scenario_names())
def test_i5_i40_every_call_fails_once(name, role, door):
    scenario = SCENARIOS[name]
    calls = steps(scenario, role, door)
    assert calls
    each(scenario, [{"fault": fault} for fault in chosen(name, calls, role, door)])


@pytest.mark.parametrize("role", [role for role in ROLES if "agent" in role])
def test_i37_every_rename_fails_once(role):
    """What one rename has carried is known there when the next one, of what is in it, has failed."""
    scenario = SCENARIOS["move a folder"]
    renames = [number for number, call in enumerate(steps(scenario, role, "change"), 1)
               if call.startswith("rename")]
    assert len(renames) > 2
    each(scenario, [{"fault": f"fail:{number}:{errno.EDQUOT}:{role}:change"}
                    for number in renames])


def test_the_errors_go_round():
    """Over the scenarios each error is tried at some call of each door."""
    tried = {(fault.split(":")[2], door) for name in scenario_names() for door in DOORS
             for fault in chosen(name, ["write"] * 60, "initiator", door)
             if fault.startswith("fail")}
    wanted = {(str(error), door) for door in DOORS
              for error in (LINK_ERRNOS if door == "link" else ERRNOS)}
    assert tried == wanted, [os.strerror(int(error)) for error, _ in wanted - tried]

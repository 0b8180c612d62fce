# SPDX-License-Identifier: BSD-2-Clause
"""One run at a time for each root: who holds it is named, and one may wait."""

import fcntl
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from harness import LOCKED, OK, OSYNC, SIDES, UNREACHABLE, Pair, eventually, finish, start

HOLDER = "4711@elsewhere other since 2020-01-01"


class Held:
    """A root's lock, held by somebody else."""

    def __init__(self, pair, side):
        self.path = pair.workdir(side) / "lock"
        self.path.parent.mkdir(mode=0o700, exist_ok=True)

    def __enter__(self):
        self.file = open(self.path, "w", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self.file.write(HOLDER + "\n")
        self.file.flush()
        return self

    def __exit__(self, *_):
        self.file.truncate(0)
        self.file.close()


@pytest.mark.parametrize("side", SIDES)
def test_a_held_lock_ends_the_run_and_names_the_holder(pair, side):
    pair.write("initiator", "x")
    pair.run()
    new = pair.write("initiator", "new")
    with Held(pair, side):
        before = pair.untouched()
        result = pair.run("--lock-wait", "0", expect=LOCKED)
        assert pair.untouched() == before
    assert result.says("4711@elsewhere"), repr(result)
    pair.run()
    assert pair.both("new") == new


@pytest.mark.parametrize("side", SIDES)
def test_not_waiting_is_the_default(local, side):
    local.write("initiator", "x")
    local.run()
    with Held(local, side):
        local.run(expect=LOCKED)


@pytest.mark.parametrize("side", SIDES)
def test_a_run_waits_for_a_lock_as_long_as_it_is_told(pair, side):
    pair.write("initiator", "x")
    pair.run()
    new = pair.write("target", "new")
    with Held(pair, side):
        process = pair.start("--lock-wait", "60")
        # Long enough for a run that does not wait to have ended.
        with pytest.raises(Exception, match="timed out"):
            process.wait(1.5)
    finish(process, OK)
    assert pair.both("new") == new


@pytest.mark.parametrize("side", SIDES)
def test_waiting_ends_when_its_time_is_over(local, side):
    local.write("initiator", "x")
    local.run()
    with Held(local, side):
        local.run("--lock-wait", "1", expect=LOCKED)


@pytest.mark.parametrize("side", SIDES)
def test_a_lock_file_that_nobody_holds_is_no_lock(local, side):
    local.write("initiator", "x")
    local.run()
    (local.workdir(side) / "lock").write_text(HOLDER + "\n")
    local.run()


def test_a_locked_run_is_quiet_when_asked(local):
    local.write("initiator", "x")
    local.run()
    with Held(local, "target"):
        result = local.run_human("--quiet", expect=LOCKED)
    assert result.out == ""


def test_two_runs_at_once_both_succeed_when_they_wait(pair):
    contents = {pair.write("initiator", f"here/{number}") for number in range(50)}
    contents |= {pair.write("target", f"there/{number}") for number in range(50)}
    both = [pair.start("--lock-wait", "60") for _ in range(2)]
    results = [None, None]

    def wait(number):
        results[number] = finish(both[number], None)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.code for result in results] == [OK, OK], "\n".join(map(repr, results))
    assert pair.contents("initiator") == pair.contents("target") == contents
    assert sorted(len(result.ops("create")) > 0 for result in results) == [False, True]


def test_a_dry_run_is_not_in_the_way_of_the_lock_of_another_profile(local):
    local.write("initiator", "x")
    local.run()
    with Held(local, "initiator"):
        before = local.stamps()
        result = local.run("--dry-run", expect=(OK, LOCKED))
        assert local.stamps() == before
    assert result.changes == [] or result.code == OK


# Holders that do not let go -----------------------------------------------------------

LIAR = Path(__file__).with_name("liar.py")
# Three minutes of silence become three seconds, ten minutes become ten.
HURRY = {"OSYNC_HURRY": "60"}


def beside(pair, name):
    """Another initiator of the same target."""
    other = Pair(pair.base / name, name=name)
    other.target = pair.target
    return other


def test_i42_five_initiators_of_one_target_at_once(local):
    pairs = [local, *(beside(local, f"other{number}") for number in range(4))]
    contents = {pair.write("initiator", f"{pair.name}/{number}") for pair in pairs
                for number in range(10)}
    for process in [pair.start("--lock-wait", "100") for pair in pairs]:
        finish(process)
    assert local.contents("target") == contents
    for pair in pairs:
        pair.run()
        assert pair.contents("initiator") == contents


def test_i42_a_stopped_run_lets_others_go_on_and_commits_nothing_later(local):
    """Its agents hear nothing any more and drop the locks; awake, it finds them gone."""
    local.write("initiator", "x", "one")
    local.run()
    state = local.list_state()
    local.write("initiator", "x", "two")
    asleep = local.base / "asleep"
    process = start(local.args("--json"),
                    local.env(OSYNC_POINT=f"after-scan=touch {asleep}; kill -STOP $PPID", **HURRY))
    try:
        assert eventually(asleep.exists)
        local.run("--lock-wait", "0", expect=LOCKED)
        assert local.list_state() == state
        local.run("--lock-wait", "100")
        assert local.both("x") == b"two"
        local.write("initiator", "x", "three")
        local.run()
        state = local.list_state()
    finally:
        os.kill(process.pid, signal.SIGCONT)
    finish(process, (1, UNREACHABLE))
    assert local.both("x") == b"three"
    assert local.list_state() == state


def test_i42_a_connection_that_goes_nowhere_lets_others_go_on(local):
    """Half-open: nothing arrives on either side, and neither is told that the other has gone."""
    stalls = local.base / "stalls.py"
    stalled = local.base / "stalled"
    stalls.write_text(f"""
import time
def from_initiator(kind, data):
    if kind == OP:
        state["stalled"] = True
        open({str(stalled)!r}, "w").close()
    while "stalled" in state:
        time.sleep(1)
    return [(kind, data)]

def from_target(kind, data):
    while "stalled" in state:
        time.sleep(1)
    return [(kind, data)]
""")
    mine = local.write("initiator", "mine")
    process = start([OSYNC, "--initiator", str(local.initiator), "--instance-id", "test",
                     "--target", f"ssh://nobody@nowhere/{local.target}", "--remote-osync", OSYNC,
                     "--set", "TRANSPORT=command", "--set",
                     f"TRANSPORT_COMMAND={sys.executable} {LIAR} {stalls}"], local.env(**HURRY))
    other = beside(local, "other")
    theirs = other.write("initiator", "theirs")
    try:
        assert eventually(stalled.exists)
        other.run("--lock-wait", "0", expect=LOCKED)
        other.run("--lock-wait", "100")
        assert local.read("target", "theirs") == theirs
    finally:
        finish(process, UNREACHABLE)
    assert not local.exists("target", "mine")
    local.run()
    assert local.both("mine") == mine


def test_i42_an_agent_that_is_busy_for_long_is_not_given_up(local):
    """Six seconds are the end of one that says nothing; one that works says that it lives."""
    local.write("initiator", "x", "one")
    local.run()
    local.write("initiator", "x", "two")
    local.run(env={"OSYNC_POINT": "between-exchange-and-look=sleep 8", "OSYNC_HURRY": "100"})
    assert local.both("x") == b"two"


# Starting at other times than the others ------------------------------------------------

def test_a_run_started_by_hand_does_not_wait_for_its_turn_to_start(local):
    local.write("initiator", "x")
    local.run("--set", "START_JITTER=86400")
    assert local.both("x")


def test_a_run_started_by_cron_waits_and_can_be_stopped(local):
    """One start in 86,400 comes within a second, and ends before it can be stopped."""
    local.write("initiator", "x")
    args = [OSYNC, "cron", *local.args("-v", "--set", "START_JITTER=86400")[1:]]
    process = start(args, local.env())
    line = process.stderr.readline()
    assert b"START_JITTER" in line, line
    assert not local.exists("target", "x")
    process.terminate()
    finish(process, 128 + signal.SIGTERM)
    assert not local.exists("target", "x")
    local.at_rest = False

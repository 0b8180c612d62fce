# SPDX-License-Identifier: BSD-2-Clause
"""One run at a time for each root: who holds it is named, and one may wait."""

import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from harness import (LOCKED, OK, OSYNC, SIDES, UNREACHABLE, Pair, eventually, finish,
                     holders, start)

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
                     "--set", "COMPRESSION=off", "--set", "TRANSPORT=command", "--set",
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


@pytest.mark.parametrize("frames", [2, 6])
def test_i42_both_ends_notice_a_black_hole_within_peer_timeout(local, frames):
    """Nothing arrives on either side; the agent cannot even be told that nobody listens."""
    relay = Path(__file__).parents[1] / "fault/relay.py"
    mine = local.write("initiator", "mine")
    lock = local.workdir("target") / "lock"
    args = [OSYNC, "--initiator", str(local.initiator), "--instance-id", "test", "--json",
            "--target", f"ssh://nobody@nowhere/{local.target}", "--remote-osync", OSYNC,
            "--set", "TRANSPORT=command", "--set", "PEER_TIMEOUT=120", "--set",
            f"TRANSPORT_COMMAND={sys.executable} {relay} hole:{frames}"]
    process = start(args, local.env(OSYNC_HURRY="30"))
    other = beside(local, "other")
    assert eventually(lambda: lock.exists() and holders(lock))
    # The agent ends by itself, although its end of the line stays open.
    other.run("--lock-wait", "60")
    result = finish(process, UNREACHABLE)
    assert result.says("said nothing for 120 s"), repr(result)
    assert eventually(lambda: not holders(lock))
    local.run()
    other.run()
    assert local.both("mine") == other.read("initiator", "mine") == mine


def test_i42_an_agent_that_is_busy_for_long_is_not_given_up(local):
    """Less than five seconds are the end of one that says nothing; one that works says that it lives."""
    local.write("initiator", "x", "one")
    local.run()
    local.write("initiator", "x", "two")
    local.run(env={"OSYNC_POINT": "between-exchange-and-look=sleep 8", "OSYNC_HURRY": "40"})
    assert local.both("x") == b"two"


class Busy:
    """A root's lock, held by somebody else who shows, or does not show, that he lives."""

    def __init__(self, pair, side, beats):
        self.held, self.beats = Held(pair, side), beats
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.beat)

    def beat(self):
        while not self.over.wait(0.05):
            os.utime(self.held.path)

    def __enter__(self):
        self.held.__enter__()
        if self.beats:
            self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        if self.beats:
            self.thread.join()
        self.held.file.close()


@pytest.mark.parametrize("side", SIDES)
def test_i42_force_unlock_takes_the_lock_of_one_that_is_silent_and_names_him(local, side):
    local.write("initiator", "x")
    local.run()
    new = local.write("initiator", "new")
    with Busy(local, side, beats=False):
        local.run(expect=LOCKED, env=HURRY)
        result = local.run("--force-unlock", env=HURRY)
        assert result.says("4711@elsewhere", "taken over", side), repr(result)
        assert local.both("new") == new
        local.run()


@pytest.mark.parametrize("side", SIDES)
def test_i42_force_unlock_does_not_take_the_lock_of_one_that_lives(local, side):
    local.write("initiator", "x")
    local.run()
    with Busy(local, side, beats=True):
        before = local.untouched()
        result = local.run("--force-unlock", "--lock-wait", "4", expect=LOCKED, env=HURRY)
        seen = {where: {path: what for path, what in paths.items() if "/queue" not in path}
                for where, paths in local.untouched().items()}
        assert seen == before
    assert result.says("4711@elsewhere"), repr(result)


def test_i42_runs_that_do_not_wait_take_a_silent_lock_between_them(local):
    """Every five minutes one looks, and remembers what it has seen."""
    local.write("initiator", "x")
    local.run()
    new = local.write("initiator", "new")
    with Busy(local, "target", beats=False):
        os.utime(local.workdir("target") / "lock", (1, 1))
        codes = [local.run("--set", "LOCK_TTL=90", expect=(OK, LOCKED), env=HURRY).code]
        while codes[-1] == LOCKED and len(codes) < 100:
            codes.append(local.run("--set", "LOCK_TTL=90", expect=(OK, LOCKED), env=HURRY).code)
            time.sleep(0.1)
        assert codes[0] == LOCKED and codes[-1] == OK
    assert local.both("new") == new


def wakes(local, point, before_it_wakes):
    """A target agent is stopped at a point of its run, another initiator takes over, it wakes up."""
    asleep = local.base / "asleep"
    process = start([OSYNC, "--initiator", str(local.initiator), "--instance-id", "test", "--json",
                     "--target", f"ssh://nobody@nowhere/{local.target}", "--remote-osync", OSYNC,
                     "--set", "TRANSPORT=command", "--set",
                     f"TRANSPORT_COMMAND=env OSYNC_POINT='{point}=kill -STOP $PPID; true' sh -c '"
                     f'echo $$ > {asleep}.pid; exec "$@"\' sh'], local.env())
    other = beside(local, "other")
    pid = 0
    try:
        assert eventually(lambda: is_stopped(asleep))
        pid = int(Path(f"{asleep}.pid").read_text())
        other.run("--lock-wait", "0", expect=LOCKED)
        other.run("--lock-wait", "100", "--set", "LOCK_TTL=60", env=HURRY)
        before_it_wakes(other)
    finally:
        if pid:
            os.kill(pid, signal.SIGCONT)
    result = finish(process, LOCKED)
    assert result.says("taken over"), repr(result)
    return other


def is_stopped(asleep):
    try:
        pid = int(Path(f"{asleep}.pid").read_text())
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, ValueError):
        return False


def test_i42_a_holder_that_wakes_does_the_one_thing_it_was_at_and_no_more(local):
    for name in "abc":
        local.write("initiator", name, f"old {name}")
    local.run()
    for name in "abc":
        local.write("initiator", name, f"new {name}")
    other = wakes(local, "before-place", lambda other: None)
    there = sorted(local.read("target", name) for name in "abc")
    assert [content.split()[0] for content in there].count(b"new") == 1
    local.run()
    other.run()
    for name in "abc":
        assert local.both(name) == other.read("initiator", name) == f"new {name}".encode()


def test_i42_what_was_changed_while_a_holder_slept_is_not_overwritten_by_it(local):
    local.write("initiator", "x", "old")
    local.run()
    local.write("initiator", "x", "mine")

    def change(other):
        other.write("initiator", "x", "theirs")
        other.run()
        assert local.read("target", "x") == b"theirs"

    other = wakes(local, "before-place", change)
    assert local.read("target", "x") == b"theirs"
    local.run(expect=2)
    other.run()
    kept = {local.read("target", name) for name in local.names("target")}
    assert kept == {b"mine", b"theirs"}
    local.run()


def test_killed_runs_leave_no_lock_however_they_die(local):
    """A file that says who it was: nobody holds it, and nobody waits for it."""
    local.write("initiator", "x", "one")
    local.run()
    for number in range(3):
        new = local.write("initiator", "x", f"two {number}")
        there = local.base / f"there-{number}"
        process = start(local.args("--json"), local.env(OSYNC_POINT=f"after-scan=touch {there}; "
                                                        "sleep 60"))
        assert eventually(there.exists)
        for side in SIDES:
            for pid in holders(local.workdir(side) / "lock"):
                os.kill(pid, signal.SIGKILL)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert eventually(lambda: not any(holders(local.workdir(side) / "lock") for side in SIDES))
        assert (local.workdir("target") / "lock").read_bytes()
        local.run("--lock-wait", "0")
        assert local.both("x") == new


def test_those_who_wait_are_served_in_the_order_in_which_they_came(local):
    """Also where one of them is killed meanwhile, and one comes that does not want to wait."""
    local.write("initiator", "x")
    local.run()
    order = local.base / "order"
    pairs = [beside(local, f"waits{number}") for number in range(5)]
    queue = local.workdir("target") / "queue"
    waiting = []
    with Held(local, "target"):
        for number, pair in enumerate(pairs):
            env = pair.env(OSYNC_POINT=f"after-scan=echo {number} >> {order}")
            waiting.append(start(pair.args("--json", "--lock-wait", "100"), env))
            assert eventually(lambda count=number + 1: queue.is_dir()
                              and len(os.listdir(queue)) == count)
        os.killpg(waiting[2].pid, signal.SIGKILL)
        local.run("--lock-wait", "0", expect=LOCKED)
    for number in (0, 1, 3, 4):
        finish(waiting[number])
    assert order.read_text().split() == ["0", "1", "3", "4"]
    finish(waiting[2], None)
    # The place of the killed one is kept for it; those of the others are gone.
    assert len(os.listdir(queue)) == 1
    pairs[2].run("--lock-wait", "1")
    local.run()


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

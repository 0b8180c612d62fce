# SPDX-License-Identifier: BSD-2-Clause
"""Runs that take long: what ends them, what is said of them, and what is run meanwhile."""

import os
import socket
import threading

import pytest
from harness import FAILED, LOCKED, LOOK, OK, SIDES, eventually, finish, holders, token
from test_hooks import Notes, Stubborn, hook, setting
from test_locks import Held

HARD = "HARD_MAX_EXEC_TIME"


class Stalling:
    """A way to a server that carries `most` bytes there, and then nothing more."""

    def __init__(self, server, most):
        self.server, self.left, self.stalled = server, most, threading.Event()
        self.listener = socket.create_server((server.host, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        with client, socket.create_connection((self.server.host, self.server.port)) as far:
            threading.Thread(target=self.back, args=(far, client), daemon=True).start()
            while self.left > 0 and (data := client.recv(65536)):
                far.sendall(data)
                self.left -= len(data)
            self.stalled.set()
            while client.recv(65536):
                pass
            far.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    @staticmethod
    def back(far, client):
        try:
            while data := far.recv(65536):
                client.sendall(data)
        except OSError:
            pass

    def known_hosts(self, path):
        path.write_text("".join(f"[{self.server.host}]:{self.port} {self.server.public(key)}\n"
                                for key in self.server.host_keys))
        return path


def test_the_hard_limit_ends_a_transfer_and_the_next_run_goes_on(remote):
    contents = {name: remote.write("initiator", name, token(3 << 20)) for name in "abcd"}
    way = Stalling(remote.server, 5 << 20)
    known = way.known_hosts(remote.base / "known")
    direct = remote.target_url
    remote.target_url = lambda: direct().replace(f":{remote.server.port}/", f":{way.port}/")
    result = remote.run("--known-hosts", str(known), *setting(HARD, 12), expect=FAILED)
    assert way.stalled.is_set(), repr(result)
    assert result.says("stopped after HARD_MAX_EXEC_TIME=12 s"), repr(result)
    lock = remote.workdir("target") / "lock"
    assert eventually(lambda: not holders(lock), 60), "the agent of the server is still there"
    remote.target_url = direct
    remote.run()
    assert all(remote.both(name) == content for name, content in contents.items())


def test_the_hard_limit_counts_while_waiting_for_a_lock(pair):
    pair.run()
    with Held(pair, "target"):
        result = pair.run("--lock-wait", "100", *setting(HARD, 1), expect=FAILED)
    assert result.says(HARD), repr(result)


def test_the_hard_limit_ends_a_hook(pair):
    stubborn, notes = Stubborn(pair), Notes(pair)
    after = hook("initiator", "AFTER", notes.command("$OSYNC_STATUS $OSYNC_ERROR"))
    result = pair.run(*hook("target", "BEFORE", f"{stubborn.command()}; sleep 1000"), *after,
                      *setting("RUN_AFTER_CMD_ON_ERROR", "yes"), *setting(HARD, 8), expect=FAILED)
    assert result.says(HARD) and notes.lines == [
        "1 stopped after HARD_MAX_EXEC_TIME=8 s; the next run goes on from here"], repr(result)
    assert eventually(stubborn.is_gone, 60)


def test_the_hard_limit_ends_an_after_hook_and_keeps_what_is_done(local):
    x = local.write("initiator", "x")
    local.run(*hook("initiator", "AFTER", "sleep 1000"), *setting(HARD, 8), expect=FAILED)
    assert local.both("x") == x


def test_a_run_in_time_is_not_touched_and_no_maxtime_lifts_the_limits(local):
    x = local.write("initiator", "x")
    limits = [*setting(HARD, 1), *setting("SOFT_MAX_EXEC_TIME", 1)]
    local.run(*hook("initiator", "BEFORE", "sleep 1.5"), *limits, "--no-maxtime")
    assert local.both("x") == x
    local.run(*setting(HARD, 1000), *setting("SOFT_MAX_EXEC_TIME", 1000))


def test_the_soft_limit_warns_once_and_lets_the_run_go_on(pair):
    x = pair.write("initiator", "x")
    result = pair.run(*hook("initiator", "BEFORE", "sleep 2.5"),
                      *setting("SOFT_MAX_EXEC_TIME", 1), expect=LOOK)
    assert pair.both("x") == x
    warnings = [event["message"] for event in result.events if event["event"] == "warning"]
    assert len(warnings) == 1 and "SOFT_MAX_EXEC_TIME=1" in warnings[0], repr(result)


def test_a_long_run_says_what_it_is_doing(local):
    slow = hook("target", "BEFORE", "sleep 3.5")
    result = local.run("-v", *slow, *setting("KEEP_LOGGING", 1))
    said = [line for line in result.err.splitlines() if "still running after" in line]
    assert len(said) >= 2 and all("REMOTE_RUN_BEFORE_CMD" in line for line in said), repr(result)
    assert "still running" not in local.run("-v", *slow, *setting("KEEP_LOGGING", 0)).err


def slow_pair(notes, seconds):
    return [*setting("SLOW_SYNC_TIME", seconds),
            *setting("SLOW_SYNC_START_CMD", notes.command("$OSYNC_COMMAND")),
            *setting("SLOW_SYNC_STOP_CMD", notes.command("$OSYNC_COMMAND"))]


def test_commands_are_run_around_a_slow_sync_only(local):
    notes = Notes(local)
    local.run(*slow_pair(notes, 1000))
    assert not notes.lines
    local.run("--dry-run", *slow_pair(notes, 1))
    slow = hook("initiator", "BEFORE", f"while [ ! -s {notes.path} ]; do sleep 0.05; done; sleep 0.3")
    local.run(*slow, *slow_pair(notes, 1))
    assert notes.lines == ["SLOW_SYNC_START_CMD", "SLOW_SYNC_STOP_CMD"]
    # Also where the run fails meanwhile.
    local.run(*hook("initiator", "BEFORE", "sleep 1000"), *slow_pair(notes, 1), *setting(HARD, 8),
              expect=FAILED)
    assert notes.lines == ["SLOW_SYNC_START_CMD", "SLOW_SYNC_STOP_CMD"] * 2


def test_a_start_command_that_hangs_holds_nothing_up(local):
    stubborn, notes = Stubborn(local), Notes(local)
    wait = hook("initiator", "BEFORE", f"while [ ! -s {stubborn.pids} ]; do sleep 0.05; done")
    x = local.write("initiator", "x")
    local.run(*wait, *setting("SLOW_SYNC_TIME", 1),
              *setting("SLOW_SYNC_START_CMD", f"{stubborn.command()}; sleep 1000"),
              *setting("SLOW_SYNC_STOP_CMD", notes.command("stop")))
    assert stubborn.is_gone() and notes.lines == ["stop"] and local.both("x") == x


def test_a_command_gets_the_conflicts_of_a_run_once(local):
    listed = local.base / "listed"
    command = setting("ON_CONFLICT_CMD", f'cat > {listed}; echo "$OSYNC_CONFLICTS $OSYNC_STATUS" '
                                         f">> {listed}.facts")
    names = ["a", "with\nline end", "d/\udcff"]
    for name in names:
        local.write_both(name)
    local.run(*command)
    assert not listed.exists()
    for name in names:
        for side in SIDES:
            local.write(side, name)
    local.run("--dry-run", *command, expect=LOOK)
    assert not listed.exists()
    local.run(*command, expect=LOOK)
    paths = listed.read_bytes().split(b"\0")
    assert sorted(paths) == sorted([b"", *map(os.fsencode, names)])
    assert (local.base / "listed.facts").read_text() == "3 2\n"
    local.run(*command)
    assert (local.base / "listed.facts").read_text() == "3 2\n"


@pytest.mark.parametrize("failure", [OK, FAILED, LOCKED])
def test_a_command_is_run_when_a_run_fails(local, failure):
    notes = Notes(local)
    command = setting("ON_ERROR_CMD", notes.command("$OSYNC_STATUS $OSYNC_ERROR"))
    local.run()
    if failure == FAILED:
        local.run(*hook("initiator", "BEFORE", "exit 9"), *command, expect=FAILED)
        assert notes.lines == ["1 LOCAL_RUN_BEFORE_CMD ended with status 9"]
        return
    if failure == LOCKED:
        with Held(local, "target"):
            local.run(*command, expect=LOCKED)
    else:
        local.run(*command)
    assert not notes.lines


def test_a_command_that_fails_itself_is_reported(local):
    local.write_both("x")
    local.run()
    for side in SIDES:
        local.write(side, "x")
    result = local.run(*setting("ON_CONFLICT_CMD", "exit 5"), expect=LOOK)
    assert result.says("ON_CONFLICT_CMD ended with status 5"), repr(result)


def test_kill_9_of_osync_ends_the_commands_of_a_slow_sync(local):
    stubborn = Stubborn(local)
    process = local.start(*hook("initiator", "BEFORE", "sleep 1000"), *setting("SLOW_SYNC_TIME", 1),
                          *setting("SLOW_SYNC_START_CMD", f"{stubborn.command()}; sleep 1000"))
    assert eventually(stubborn.is_up, 60)
    process.kill()
    finish(process, None)
    assert eventually(stubborn.is_gone, 60)

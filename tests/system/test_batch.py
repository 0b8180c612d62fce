# SPDX-License-Identifier: BSD-2-Clause
"""`osync batch`: several profiles, further tries of what failed in passing, one summary."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from harness import (CONFIG, DENIED, FAILED, GUARD, LOCKED, LOOK, OK, OSYNC, UNREACHABLE, USAGE,
                     Pair, Result, environment, eventually, execute, finish, holders, start)
from test_cron import another, cron, profile, silent
from test_locks import Held
from test_log import as_nobody
from test_mail import ME, Mta

SOON = ("--retry-wait", "0")


def batch(home, *args, expect=OK, **more):
    return execute([OSYNC, "batch", *args], environment(home, **more), expect)


def by_profile(result):
    """{name: its line of the summary} of --json."""
    return {event["profile"]: event for event in result.events if event["event"] == "profile"}


def tries(result):
    return {name: event["tries"] for name, event in by_profile(result).items()}


def codes(result):
    return {name: event["exit"] for name, event in by_profile(result).items()}


def agent_when(pair, condition):
    """Keys for a target that is reached where this shell command succeeds."""
    script = pair.base / f"reach-{pair.name}"
    script.write_text(f"#!/bin/sh\n{condition} || exit 255\n"
                      f"exec '{OSYNC}' agent --root '{pair.target}'\n")
    script.chmod(0o755)
    return [f'TRANSPORT_COMMAND="{script}"']


def on_try(pair, number):
    """A shell command that succeeds from its n-th call on."""
    calls = pair.base / f"calls-{pair.name}"
    return f"{{ echo >>'{calls}'; [ $(wc -l <'{calls}') -ge {number} ]; }}"


def hook(command):
    """A key: this command with both folders locked."""
    escaped = re.sub(r'([\\"$`])', r"\\\1", command)
    return f'LOCAL_RUN_BEFORE_CMD="{escaped}"'


@pytest.fixture(name="two")
def fixture_two(local, tmp_path):
    """Two pairs with something to sync, "test" and "other", each with a profile."""
    other = another(tmp_path, "other")
    for pair in (local, other):
        profile(pair, pair.name)
    local.write("initiator", "x")
    return local, other


# Which profiles, and what is said ---------------------------------------------------


def test_without_names_all_profiles_of_the_user_run(two):
    local, other = two
    result = batch(local.home)
    assert local.both("x") and other.both("file of other")
    assert re.search(r"^  test +in sync +1 try +\d+\.\d s$", result.out, re.M), repr(result)
    assert "2 of 2 profiles in sync" in result.out and result.err == ""
    # Whose line it is stands in front.
    assert "test: >> target     create    x  (new)" in result.out.splitlines(), repr(result)


def test_the_crontab_line_of_old_works_and_is_silent(two, tmp_path):
    local, other = two
    log, folder = tmp_path / "batch.log", local.home / ".config/osync"
    profile(local, "test", f"LOGFILE={tmp_path / 'run.log'}")
    line = f"osync batch --path={folder} --max-runs=2 --max-exec-time=36000 --silent --no-maxtime"
    assert silent(cron(local.home, f"LOGFILE={log} {line}"))
    assert local.both("x") and other.both("file of other")
    assert "create" in (tmp_path / "run.log").read_text()
    assert re.search(r" batch info  test: in sync after ", log.read_text())
    assert "2 of 2 profiles in sync" in log.read_text()


@pytest.mark.parametrize("names", [["other"], ["--path", "PATH"], ["PATH"], ["./other.conf"],
                                   ["-j2", "--jobs=2", "-j", "2", "other", "other.conf"]])
def test_named_profiles_run_and_no_others(two, names):
    local, other = two
    os.chdir(local.home / ".config/osync")
    path = str(local.home / ".config/osync/other.conf")
    result = batch(local.home, *(path if name == "PATH" else name for name in names), "--json")
    assert codes(result) == {"other": OK}, repr(result)
    assert other.both("file of other") and not local.exists("target", "x")
    local.run()


def test_options_of_sync_go_to_every_run(two):
    local, other = two
    result = batch(local.home, "test", "other", "--dry-run", "--set", "VERIFY_DAYS=0", "--json")
    assert codes(result) == {"test": OK, "other": OK}
    assert all(event["dry_run"] for event in result.events if event["event"] == "summary")
    assert not local.exists("target", "x") and not other.exists("target", "file of other")
    text = batch(local.home, "--dry-run").out
    assert "only looked at" in text and "create    x" in text and "in sync" not in text
    local.run()
    other.run()


def test_json_says_whose_each_line_is(two):
    local, _ = two
    result = batch(local.home, "--json", "--jobs", "2")
    changes = {(event["profile"], event["path"]) for event in result.events
               if event["event"] == "change"}
    assert changes == {("test", "x"), ("other", "file of other")}
    assert result.events[-1] | {"duration_ms": 0} == {
        "event": "batch", "exit": 0, "profiles": 2, "in_sync": 2, "duration_ms": 0}
    assert all("profile" in event for event in result.events[:-1])


@pytest.mark.parametrize("args", [
    ["--no-such-option"], ["--jobs", "0"], ["--jobs=65"], ["--jobs"], ["--max-runs=x"],
    ["--max-exec-time=-1"], ["--dry-run", "test"], ["--config", "test"], ["--attempt", "hand", "x"]])
def test_a_wrong_command_line_runs_nothing(two, args):
    local, other = two
    assert batch(local.home, *args, expect=USAGE).err
    assert not local.workdir("initiator").exists() and not other.workdir("initiator").exists()
    local.at_rest = False


def test_the_environment_may_say_the_time(two):
    local, _ = two
    assert "MAX_BATCH_TIME" in batch(local.home, expect=USAGE, MAX_BATCH_TIME="ten").err
    batch(local.home, MAX_BATCH_TIME="10")


def test_where_there_is_no_profile_that_is_said(local):
    if list(Path("/etc/osync").glob("*.conf")):
        pytest.skip("this machine has profiles")
    result = batch(local.home, expect=CONFIG)
    assert "/etc/osync" in result.err and str(local.home) in result.err, repr(result)
    local.at_rest = False


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_the_log_of_a_batch_is_in_the_home_folder_or_never_synced(local):
    folder = local.base / "profiles"
    folder.mkdir()
    profile(local, "test").rename(folder / "test.conf")
    (folder / "test.conf").chmod(0o644)
    local.write("initiator", "x")
    args = [OSYNC, "batch", "--silent", "--path", str(folder)]
    assert silent(as_nobody(local, args=args))
    assert "1 of 1 profiles in sync" in (local.home / "osync-batch.log").read_text()
    # Who syncs the home folder would have a change in every batch.
    local.home = local.initiator
    for _ in range(2):
        assert silent(as_nobody(local, args=args, cwd=local.home))
    log = local.state_folder() / "osync-batch.log"
    assert log.read_text().count("1 of 1 profiles in sync") == 2
    assert local.names("target") == ["x"]
    local.at_rest = False


# What failed -------------------------------------------------------------------------


def test_a_broken_configuration_keeps_no_other_from_running(two):
    local, other = two
    profile(local, "broken", "CONFLICT_POLICY=nonsense")
    result = batch(local.home, "broken", "nowhere", "test", "other", "--json", expect=CONFIG)
    assert codes(result) == {"broken": CONFIG, "nowhere": CONFIG, "test": OK, "other": OK}
    assert tries(result) == {"broken": 1, "nowhere": 0, "test": 1, "other": 1}
    assert "CONFLICT_POLICY" in by_profile(result)["broken"]["error"]
    assert "no profile of that name" in by_profile(result)["nowhere"]["error"]
    assert "broken: " in result.err and "osync: nowhere: " in result.err
    assert local.both("x") and other.both("file of other")


def test_what_fails_in_passing_is_tried_again_and_the_others_do_not_wait(two):
    local, other = two
    profile(local, "test", *agent_when(local, on_try(local, 3)))
    result = batch(local.home, "test", "other", "--retry-wait", "1")
    assert local.both("x")
    lines = [line for line in result.out.splitlines() if re.search("begins|tried again", line)]
    assert [re.sub(r" after .*", "", line) for line in lines] == [
        "test: begins", "test: target not reachable", "other: begins",
        "test: begins again", "test: target not reachable", "test: begins again"], repr(result)
    assert re.search(r"test +in sync +3 tries", result.out)
    assert other.both("file of other")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_after_the_last_try_the_exit_code_tells_the_truth(two, jobs):
    local, other = two
    profile(local, "test", *agent_when(local, "false"))
    result = batch(local.home, "--json", "--max-runs", "2", "--jobs", jobs, *SOON,
                   expect=UNREACHABLE)
    assert codes(result) == {"test": UNREACHABLE, "other": OK}
    assert tries(result) == {"test": 2, "other": 1} and by_profile(result)["test"]["error"]
    assert result.events[-1]["exit"] == UNREACHABLE and result.events[-1]["in_sync"] == 1
    assert other.both("file of other")
    local.run()


class Gate:
    """An address where nobody answers until it is opened; then it leads to a server."""

    def __init__(self, server):
        self.server = server
        self.listener = socket.socket()
        self.listener.bind((server.host, 0))
        self.port = self.listener.getsockname()[1]

    def open(self):
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        far = socket.create_connection((self.server.host, self.server.port))
        threading.Thread(target=self.pump, args=(far, client), daemon=True).start()
        self.pump(client, far)
        self.listener.close()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def keys(self, pair):
        known = pair.base / "known"
        known.write_text("".join(f"[{self.server.host}]:{self.port} {self.server.public(key)}\n"
                                 for key in self.server.host_keys))
        url = self.server.url(pair.target).replace(f":{self.server.port}/", f":{self.port}/")
        return [f'TARGET_SYNC_DIR="{url}"', f"SSH_KNOWN_HOSTS_FILE={known}",
                f"SSH_RSA_PRIVATE_KEY={self.server.key}",
                f"SSH_CONFIG_FILE={self.server.config}", f'REMOTE_OSYNC_PATH="{OSYNC}"']


def test_a_server_that_comes_back_is_synced_with(remote):
    gate = Gate(remote.server)
    profile(remote, "test", *gate.keys(remote))
    remote.write("initiator", "x")
    run = start([OSYNC, "batch", "test", "--retry-wait", "2", "--max-runs", "9"], remote.env())
    said = []
    for line in run.stdout:
        said.append(line.decode())
        if "tried again" in said[-1]:
            gate.open()
            break
    result = finish(run)
    assert "target not reachable" in said[-1] and "in sync" in result.out, repr(result)
    assert remote.both("x")


def test_a_lock_that_is_given_back_is_waited_for(two):
    local, _ = two
    local.run()
    local.write("initiator", "y")
    run = None
    with Held(local, "target"):
        run = start([OSYNC, "batch", "test", "--retry-wait", "1", "--max-runs", "9"], local.env())
        for line in run.stdout:
            if b"tried again" in line:
                assert b"locked by another run" in line
                break
    finish(run)
    assert local.both("y")


def test_what_takes_a_person_is_not_tried_again(two, tmp_path, server):
    local, other = two
    other.run()
    other.initiator.rename(other.base / "away")
    profile(local, "test", hook("false"), "STOP_ON_CMD_ERROR=yes")
    denied = another(tmp_path, "denied")
    gate = Gate(server)
    gate.open()
    profile(denied, "denied", *gate.keys(denied), "SSH_KNOWN_HOSTS_FILE=/dev/null")
    result = batch(local.home, "--json", *SOON, expect=GUARD)
    assert codes(result) == {"denied": DENIED, "other": GUARD, "test": FAILED}, repr(result)
    assert set(tries(result).values()) == {1}
    (other.base / "away").rename(other.initiator)
    local.run()


def racing(pair, name):
    """The environment for runs that lose this file of the initiator in their middle, once."""
    mark = pair.base / "raced"
    command = f"[ -e '{mark}' ] || {{ : >'{mark}'; rm '{pair.path('initiator', name)}'; }}"
    return {"OSYNC_POINT": f"before-look={command}"}


@pytest.mark.parametrize("conflict", [False, True])
def test_pending_paths_are_tried_again_and_what_wanted_a_look_is_not_forgotten(two, conflict):
    local, _ = two
    local.write_both("same", b"one")
    local.write_both("z", b"old")
    local.run()
    local.write("target", "z", b"new of the target")
    if conflict:
        local.write("initiator", "same", b"two")
        local.write("target", "same", b"three")
    result = batch(local.home, "test", "--json", *SOON, expect=LOOK if conflict else OK,
                   **racing(local, "z"))
    ends = [event["exit"] for event in result.events if event["event"] == "summary"]
    assert ends == [FAILED, OK], repr(result)
    assert tries(result) == {"test": 2} and codes(result) == {"test": LOOK if conflict else OK}


def test_a_run_that_somebody_kills_is_said_also_in_a_crontab(two):
    local, other = two
    pids = local.base / "pids"
    profile(local, "test", hook(f"echo >>{pids}; while :; do sleep 1; done"))
    run = start([OSYNC, "batch", "--silent", *SOON], local.env())
    assert eventually(pids.exists)
    victim, = (pid for pid in children(run.pid))
    os.kill(victim, signal.SIGKILL)
    result = finish(run, FAILED)
    assert "osync: test: the run went away without a word: ended by signal 9" in result.err
    assert len(pids.read_text().splitlines()) == 1, "it was tried again"
    assert not other.exists("target", "file of other") or other.both("file of other")
    profile(local, "test")
    batch(local.home)


def children(pid):
    """The children of a process."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()]


def test_nobody_is_mailed_of_what_was_over_by_the_next_try(two, tmp_path):
    local, _ = two
    mta = Mta(tmp_path)
    profile(local, "test", f"DESTINATION_MAILS={ME}", *mta.keys(), "OFFLINE_ALERT_AFTER=0",
            *agent_when(local, on_try(local, 4)))
    batch(local.home, "test", "--max-runs", "4", *SOON)
    assert local.both("x") and not mta.subjects
    # The same tries without a batch are worth a mail.
    (local.base / "calls-test").unlink()
    for _ in range(3):
        cron(local.home, "osync cron test", UNREACHABLE)
    assert len(mta.subjects) == 1


# At the same time --------------------------------------------------------------------


def test_jobs_run_at_the_same_time(two):
    local, other = two
    one, two_ = local.base / "one", local.base / "two"
    wait = "while [ ! -e {} ]; do sleep 0.05; done"
    profile(local, "test", hook(f": >{one}; {wait.format(two_)}"))
    profile(other, "other", hook(f": >{two_}; {wait.format(one)}"))
    assert codes(batch(local.home, "--json", "--jobs", "2")) == {"test": OK, "other": OK}


@pytest.mark.parametrize("remotely", [False, True])
def test_two_on_one_target_never_run_at_the_same_time(two, tmp_path, server, remotely):
    local, other = two
    third = another(tmp_path, "third")
    third.target = local.target
    alone = local.base / "alone"
    done = local.base / "done"
    slow = f"mkdir {alone} || exit 1; while [ ! -e {done} ]; do sleep 0.05; done; rmdir {alone}"
    for pair, path in (local, local.target), (third, f"{local.target}/"):
        keys = [hook(slow), "STOP_ON_CMD_ERROR=yes"]
        if remotely:
            pair.server = server
            keys += Gate.keys(type("Way", (), {"server": server, "port": server.port}), pair)
            keys.append(f'TARGET_SYNC_DIR="{server.url(path)}"')
        profile(pair, pair.name, *keys)
        pair.server = None
    # It gives the one that must not begin all the time it needs to.
    profile(other, "other", hook(f"while [ ! -e {alone} ]; do sleep 0.05; done; sleep 0.5; "
                                 f": >{done}"))
    result = batch(local.home, "--json", "--jobs", "3")
    # One that had met the other would have found it locked, and come again.
    assert tries(result) == {"other": 1, "test": 1, "third": 1}, repr(result)
    assert set(codes(result).values()) == {OK}
    profile(other, "other")
    batch(local.home)
    third.at_rest = local.at_rest = False
    assert local.both("file of third") and third.both("x")


# Time and signals --------------------------------------------------------------------


def test_when_the_time_is_over_nothing_is_tried_again_and_everything_once(two):
    local, other = two
    profile(local, "slow", "INSTANCE_ID=test", hook("sleep 1.2"))
    profile(local, "test", *agent_when(local, "false"))
    # It is due again before the time is over; when its turn comes, it is.
    result = batch(local.home, "test", "slow", "other", "--json", "--max-exec-time", "1", *SOON,
                   expect=UNREACHABLE)
    assert tries(result) == {"slow": 1, "test": 1, "other": 1}
    assert codes(result) == {"slow": OK, "test": UNREACHABLE, "other": OK}
    # It does not wait for a time at which it would not begin any more.
    result = batch(local.home, "test", "--json", "--max-exec-time=100", "--retry-wait=300",
                   expect=UNREACHABLE)
    assert tries(result) == {"test": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_batch_that_is_stopped_ends_its_runs_in_order(two, number):
    local, other = two
    begun = local.base / "begun"
    local.run()
    profile(local, "test", hook(f"echo >>{begun}; sleep 1000"))
    run = start([OSYNC, "batch", "test", "other", "--json"], local.env())
    assert eventually(begun.exists)
    # A terminal sends it to all of a job: to the run it comes once all the same.
    os.killpg(run.pid, number)
    result = finish(run, 128 + number)
    summary = next(event for event in result.events if event["event"] == "summary")
    assert summary["exit"] == 128 + number, repr(result)
    assert by_profile(result)["other"] == {"event": "profile", "profile": "other", "done": False,
                                           "exit": None, "tries": 0, "busy_ms": 0}
    assert result.events[-1]["exit"] == 128 + number
    assert len(begun.read_text().splitlines()) == 1
    profile(local, "test")
    batch(local.home)
    assert other.both("file of other")


def test_a_batch_that_waits_for_the_next_try_stops_at_once(two):
    local, _ = two
    profile(local, "test", *agent_when(local, "false"))
    run = start([OSYNC, "batch", "test", "--retry-wait", "10000"], local.env())
    for line in run.stdout:
        if b"tried again" in line:
            break
    os.kill(run.pid, signal.SIGTERM)
    assert "target not reachable" in finish(run, 128 + signal.SIGTERM).out
    local.run()


def test_kill_9_of_a_batch_leaves_no_run_behind(two):
    local, _ = two
    begun = local.base / "begun"
    profile(local, "test", hook(f"echo >>{begun}; sleep 1000"))
    run = start([OSYNC, "batch", "test"], local.env())
    assert eventually(begun.exists)
    below = children(run.pid)
    assert below
    os.kill(run.pid, signal.SIGKILL)
    finish(run, -signal.SIGKILL)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below), 30)
    assert eventually(lambda: not holders(local.workdir("target") / "lock"), 30)
    profile(local, "test")
    batch(local.home)
    assert local.both("x")


def test_another_program_in_its_place_is_not_run(two, tmp_path):
    """An upgrade in the middle of a batch that takes a night."""
    local, other = two
    program = tmp_path / "osync"
    program.write_bytes(Path(OSYNC).read_bytes())
    program.chmod(0o755)
    replaced = local.base / "replaced"
    profile(local, "a-first", "INSTANCE_ID=test", hook(f"printf '#!/bin/sh\\nexit 99\\n' >{replaced}; "
                                   f"chmod 755 {replaced}; mv {replaced} {program}"))
    result = execute([str(program), "batch", "a-first", "other", "--json"], local.env())
    assert codes(result) == {"a-first": OK, "other": OK}
    assert program.read_bytes().startswith(b"#!/bin/sh") and other.both("file of other")

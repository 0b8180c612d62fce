# SPDX-License-Identifier: BSD-2-Clause
"""The log of runs that nobody watches, and `osync log`, which prints it."""

import os
import pwd
import re
import shutil
import socket
import stat
import subprocess
import threading

import pytest
from harness import (GUARD, LOOK, OK, OSYNC, USAGE, eventually, execute, finish,
                     start, token)
from test_cron import cron, profile

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}) (\S+) (error|warn|info|debug) +(.*)")


def lines(path):
    """[(run, rank, text)] of a log; every line has the one form."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        found.append(match.groups()[1:])
    return found


def texts(path, *ranks):
    return [text for _, rank, text in lines(path) if not ranks or rank in ranks]


@pytest.fixture(name="log")
def fixture_log(local):
    """The log of a pair whose runs write one."""
    path = local.base / "the.log"
    local.options = ["--set", f"LOGFILE={path}"]
    return path


def show(pair, *options, expect=OK):
    args = [OSYNC, "log", "--initiator", str(pair.initiator), "--target", str(pair.target),
            "--instance-id", pair.name, *pair.options, *options]
    return execute(args, pair.env(), expect)


def test_a_run_writes_what_it_did_into_the_log(local, log):
    local.write("initiator", "new\nline \x1b")
    local.write("initiator", "both", "one")
    local.write("target", "both", "two")
    os.mkfifo(local.path("initiator", "pipe"))
    run = local.run(expect=LOOK).summary["run"]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert {name for name, _, _ in lines(log)} == {run}
    told = texts(log)
    assert any(str(local.initiator) in text and str(local.target) in text for text in told)
    assert [text for text in told if "create    new\\nline \\x1b" in text]
    assert [text for text in texts(log, "warn") if "conflict" in text and "both" in text]
    assert [text for text in texts(log, "warn") if "'pipe'" in text]
    assert [text for text in told if text.startswith("done: ") and "1 conflicts" in text]
    assert told[-1] == "ended with exit code 2"


def test_what_is_printed_makes_no_difference_to_the_log(local, log):
    seen = []
    local.write("initiator", "x")
    local.run()
    log.unlink()
    for options in ([], ["--quiet"], ["--json"], ["--summary"], ["-v"]):
        local.write("initiator", "x")
        execute([*local.args(), *options], local.env())
        told = [text for text in texts(log) if not text.startswith("this run is ")]
        seen.append(re.sub(r"\d", "", "\n".join(told)))
        log.unlink()
    assert len(set(seen)) == 1, seen


def test_each_run_opens_the_log_anew(local, log):
    first = local.run().summary["run"]
    log.rename(local.base / "the.log.1")
    second = local.run().summary["run"]
    assert {run for run, _, _ in lines(local.base / "the.log.1")} == {first}
    assert {run for run, _, _ in lines(log)} == {second}


def test_an_error_is_in_the_log(local, log):
    local.run()
    local.initiator.rename(local.base / "away")
    said = local.run(expect=GUARD).summary["error"]
    (local.base / "away").rename(local.initiator)
    assert texts(log, "error") == [said]


def test_what_the_server_says_is_in_the_log(local, log):
    """A child process of the run hears it, and nobody else."""
    far = local.base / "far"
    far.write_text("#!/bin/sh\necho 'osync: mind the gap' >&2\necho 'banner' >&2\n"
                   "exec sh -c \"$*\"\n")
    far.chmod(0o755)
    local.write("initiator", "x")
    local.run("--transport-command", str(far), "--remote-osync", OSYNC)
    assert [text for text in texts(log, "warn") if "mind the gap" in text]
    assert [text for text in texts(log, "info") if "banner" in text]
    local.options = []


def test_a_dry_run_writes_no_log(local, log):
    local.write("initiator", "x")
    local.run("--dry-run")
    assert not log.exists()
    local.run()


@pytest.mark.parametrize("bad", ["/dev/full", "/no/such/folder/log", "link"])
def test_a_log_that_cannot_be_written_is_said_and_keeps_no_run_from_its_work(local, bad):
    content = local.write("initiator", "x")
    if bad == "link":
        precious = local.base / "precious"
        precious.write_text("precious")
        (local.base / "link").symlink_to(precious)
        bad = str(local.base / "link")
    result = execute(local.args("--quiet", "--set", f"LOGFILE={bad}"), local.env())
    assert result.err.count("cannot write the log") == 1 and bad in result.err
    assert local.both("x") == content
    if (local.base / "precious").exists():
        assert (local.base / "precious").read_text() == "precious"


@pytest.mark.parametrize("side", ["initiator", "target"])
def test_a_log_inside_a_synced_folder_is_refused(local, side):
    result = execute(local.args("--set", f"LOGFILE={local.root(side)}/sub/log"), local.env(), USAGE)
    assert "LOGFILE lies inside the synced folder" in result.err
    local.at_rest = False


def default_log(pair, folder):
    return folder / f"osync.{pair.name}.log"


def as_nobody(pair, cwd="/", args=None):
    """A run of an ordinary user, who may not write to /var/log."""
    user = pwd.getpwnam("nobody")
    for folder in (pair.base, pair.home, *pair.roots):
        os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in pair.base.parents:
        if parent.stat().st_uid == os.geteuid() and parent != parent.parent:
            parent.chmod(parent.stat().st_mode | 0o055)
    env = pair.env()
    del env["LOGFILE"]
    return execute(args or pair.args("--quiet"), env, cwd=cwd, user=user.pw_uid,
                   group=user.pw_gid, extra_groups=[])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_without_a_name_the_log_is_where_osync_has_it(local):
    local.name = f"places-{token().decode().strip()}"
    system = default_log(local, local.base.__class__("/var/log"))
    env = local.env()
    del env["LOGFILE"]
    try:
        execute(local.args("--quiet"), env)
        assert texts(system)[-1] == "ended with exit code 0"
    finally:
        system.unlink(missing_ok=True)
    shutil.rmtree(local.workdir("initiator"))
    shutil.rmtree(local.workdir("target"))
    as_nobody(local)
    assert texts(default_log(local, local.home))[-1] == "ended with exit code 0"
    local.at_rest = False


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_folder_that_is_synced_is_no_place_for_a_log(local):
    """Who syncs the home folder would have a change in every run."""
    local.home = local.initiator
    as_nobody(local, cwd=local.initiator)
    local.write("initiator", "x")
    as_nobody(local, cwd=local.initiator)
    as_nobody(local, cwd=local.initiator)
    assert local.names("target") == ["x"]
    # The first run had no folder for it yet.
    assert texts(local.state_folder() / "test.log")[-1] == "ended with exit code 0"
    local.at_rest = False


def test_a_run_on_a_terminal_writes_a_log_only_where_one_is_named(local):
    env = local.env()
    del env["LOGFILE"]
    local.name = f"byhand-{token().decode().strip()}"
    local.write("initiator", "x")
    execute(local.args(), env, cwd=local.base)
    for folder in ("/var/log", local.home, local.base, local.state_folder()):
        assert not [name for name in os.listdir(folder) if local.name in name and "log" in name]
    local.at_rest = False


def test_osync_cron_writes_a_log(local):
    log = local.base / "cron.log"
    profile(local, "test", f"LOGFILE={log}")
    local.write("initiator", "x")
    cron(local.home, "osync cron test")
    assert texts(log)[-1] == "ended with exit code 0"
    assert execute([OSYNC, "log", "test"], local.env()).out == log.read_text()


def test_osync_log_prints_the_last_lines(local, log):
    for _ in range(3):
        local.run()
    whole = log.read_text()
    assert show(local).out == whole
    assert show(local, "-n", "2").out == "".join(whole.splitlines(True)[-2:])
    assert show(local, "--lines=0").out == ""


def test_osync_log_needs_no_name_where_there_is_only_one(local):
    log = local.base / "cron.log"
    profile(local, "test", f"LOGFILE={log}")
    local.write("initiator", "x")
    cron(local.home, "osync cron test")
    assert cron(local.home, "osync log -n 3").out.splitlines() == log.read_text().splitlines()[-3:]
    profile(local, "other")
    said = cron(local.home, "osync log", USAGE).err
    assert "other" in said and "test" in said


def test_osync_log_says_where_there_would_be_one(local, log):
    result = show(local, expect=1)
    assert str(log) in result.err and result.out == ""
    show(local, "-n", "many", expect=USAGE)
    local.at_rest = False


def test_osync_log_follows_over_a_rotation(local, log):
    first = local.run().summary["run"]
    process = start([OSYNC, "log", "--initiator", str(local.initiator), "--target",
                     str(local.target), "--instance-id", local.name, *local.options, "-f"],
                    local.env())
    said = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout), daemon=True)
    reader.start()

    def has(run):
        return any(run.encode() in line and b"exit code" in line for line in list(said))

    try:
        assert eventually(lambda: has(first))
        second = local.run().summary["run"]
        assert eventually(lambda: has(second))
        log.rename(local.base / "the.log.1")
        third = local.run().summary["run"]
        assert eventually(lambda: has(third))
    finally:
        process.terminate()
        process.wait(20)
        reader.join(20)
    assert len(said) == len(set(said)), "a line came twice"
    process.stdout.close()
    process.stderr.close()


def test_syslog_gets_the_same_lines(local):
    """The real interface: a datagram socket at /dev/log, in a mount namespace of its own."""
    if subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace to be had")
    path = local.base / "devlog"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(10)
        script = f"touch /dev/log; mount --bind '{path}' /dev/log && exec \"$@\""
        local.write("initiator", "x")
        made = not os.path.lexists("/dev/log")
        try:
            result = finish(start(["unshare", "-m", "sh", "-c", script, "sh",
                                   *local.args("--quiet", "--set", "SYSLOG=yes")], local.env()))
        finally:
            if made:
                os.unlink("/dev/log")
        assert (result.out, result.err) == ("", "")
        got = [server.recv(65536).decode()]
        while "exit code" not in got[-1]:
            got.append(server.recv(65536).decode())
    assert all(re.match(r"<\d+>.* osync\[\d+\]: ", line) for line in got), got
    assert any("create    x" in line for line in got)

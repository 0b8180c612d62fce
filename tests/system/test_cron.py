# SPDX-License-Identifier: BSD-2-Clause
"""`osync cron`: what a crontab starts, with a bare environment and nobody watching."""

import fcntl
import subprocess

import pytest
from harness import CONFIG, GUARD, HANG_S, LOCKED, OK, OSYNC, USAGE, Pair, Result, eventually


def profile(pair, name, *lines):
    """A profile of this pair where osync looks for it. Of a key that comes again the last counts."""
    folder = pair.home / ".config/osync"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.conf"
    keys = [f'INITIATOR_SYNC_DIR="{pair.initiator}"', f'TARGET_SYNC_DIR="{pair.target}"',
            f"INSTANCE_ID={name}", "LOGFILE=/dev/null"]
    last = {line.partition("=")[0]: line for line in [*keys, *lines]}
    path.write_text("\n".join([*last.values(), ""]))
    path.chmod(0o600)
    return path


def cron(home, line, expect=OK, cwd=None):
    """Run a line as cron does: /bin/sh, a bare environment, no terminal, at home."""
    command = ["env", "-i", f"HOME={home}", "LOGNAME=root", "PATH=/usr/bin:/bin", "SHELL=/bin/sh",
               "/bin/sh", "-c", line.replace("osync", OSYNC, 1)]
    done = subprocess.run(command, cwd=cwd or home, stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=HANG_S, check=False)
    result = Result(done.returncode, done.stdout, done.stderr)
    assert result.code == expect, repr(result)
    return result


def silent(result):
    return (result.out, result.err) == ("", "")


def another(tmp_path, name):
    """A second pair with the same home."""
    pair = Pair(tmp_path, None, f"{name}-initiator", f"{name}-target", name)
    pair.write("initiator", f"file of {name}")
    return pair


def test_a_cron_line_syncs_and_says_nothing(local):
    profile(local, "test")
    content = local.write("initiator", "x")
    assert silent(cron(local.home, "osync cron test"))
    assert local.both("x") == content


def test_a_run_that_finds_another_at_work_is_quiet_under_cron(local):
    profile(local, "test")
    local.run()
    local.write("initiator", "x")
    with open(local.workdir("target") / "lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert silent(cron(local.home, "osync cron test", LOCKED))
    assert silent(cron(local.home, "osync cron test"))


def test_several_profiles_run_one_after_the_other(local, tmp_path):
    other = another(tmp_path, "other")
    profile(local, "test")
    profile(other, "other")
    local.write("initiator", "x")
    assert silent(cron(local.home, "osync cron test other --set VERIFY_DAYS=0"))
    assert local.exists("target", "x") and other.exists("target", "file of other")


def test_one_that_fails_keeps_no_other_from_running(local, tmp_path):
    other = another(tmp_path, "other")
    profile(local, "test")
    profile(other, "other")
    local.write("initiator", "x")
    local.initiator.rename(local.base / "away")
    result = cron(local.home, "osync cron test other", GUARD)
    assert str(local.initiator) in result.err and result.out == ""
    assert other.exists("target", "file of other")
    (local.base / "away").rename(local.initiator)
    cron(local.home, "osync cron test other")


def test_a_profile_that_is_not_there_is_said(local):
    assert "nowhere" in cron(local.home, "osync cron nowhere", CONFIG).err
    local.at_rest = False


@pytest.mark.parametrize("line, code", [("osync cron", USAGE), ("osync cron --quiet", USAGE)])
def test_without_a_profile_there_is_nothing_to_do(local, line, code):
    assert cron(local.home, line, code).err


def test_a_dry_run_shows_what_a_line_would_do(local):
    profile(local, "test", "CHECKSOM=yes")
    local.write("initiator", "x")
    result = cron(local.home, "osync cron test --dry-run")
    assert "create    x" in result.out and "CHECKSUM" in result.err
    local.initiator.rename(local.base / "away")
    assert str(local.initiator) in cron(local.home, "osync cron test --dry-run", GUARD).err
    (local.base / "away").rename(local.initiator)
    assert not local.exists("target", "x")
    local.run()


def test_folders_may_be_named_instead(local):
    content = local.write("initiator", "x")
    line = f"osync cron --initiator {local.initiator} --target {local.target} --instance-id test"
    assert silent(cron(local.home, f"{line} --set LOGFILE=/dev/null"))
    assert eventually(lambda: local.both("x") == content)

# SPDX-License-Identifier: BSD-2-Clause
"""`osync init`: from an empty set-up to a folder that is synced, over a real sshd.

Everything is run as somebody who has just installed osync would: a bare environment, a home
with nothing in it.
"""

import os
import pty
import shlex
import stat
import subprocess

import pytest
from harness import CONFIG, DENIED, HANG_S, OK, OSYNC, UNREACHABLE, USAGE, stamps, token
from sshd import Sshd, make_key
from test_cron import cron


class Folder:
    """A folder of somebody, and what it takes to keep the tests apart from the machine's own ssh."""

    def __init__(self, base, server=None):
        self.base, self.server = base, server
        self.home, self.path, self.target = base / "home", base / "home/work", base / "target"
        self.known = self.home / "known/hosts"
        self.path.mkdir(parents=True)
        self.config = base / "ssh_config"
        self.config.write_text("IdentitiesOnly yes\nIdentityAgent none\nGlobalKnownHostsFile none\n")

    @property
    def profile(self):
        return self.home / ".config/osync/work.conf"

    @property
    def keys(self):
        return sorted(path for path in (self.home / ".ssh").glob("*") if path.suffix != ".pub") \
            if (self.home / ".ssh").is_dir() else []

    def options(self):
        return f"--known-hosts '{self.known}' --set SSH_CONFIG_FILE='{self.config}' " \
            f"--remote-osync '{OSYNC}'"

    def line(self, more="", target=None):
        where = shlex.quote(str(target or self.target))
        if not self.server:
            return f"osync init {where} {more}"
        return f"osync init {self.server.user}@{self.server.host}:{self.server.port} {where} " \
            f"{self.options()} {more}"

    def run(self, line, expect=OK, cwd=None):
        return cron(self.home, line, expect, cwd=cwd or self.path)

    def init(self, more="", expect=OK, **where):
        return self.run(self.line(more, **where), expect)

    def trusted(self, more="", **where):
        return self.init(f"--accept-hostkey={self.server.fingerprint()[0]} {more}", **where)

    def authorize(self, result):
        """Do on the server what init says: the line for its authorized_keys."""
        (line,) = [line for line in result.out.splitlines() if line.startswith("restrict,")]
        with open(self.server.authorized_keys, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        return line

    def write(self, name):
        content = token()
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(content)
        return content

    def nothing_made(self):
        return not self.profile.exists() and not self.keys and not self.known.exists()


@pytest.fixture(name="remote")
def fixture_remote(tmp_path, server):
    return Folder(tmp_path, server)


@pytest.fixture(name="local")
def fixture_local(tmp_path):
    folder = Folder(tmp_path)
    folder.target.mkdir()
    return folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_from_nothing_to_a_folder_that_is_synced(remote):
    content = remote.write("d/x")
    remote.authorize(remote.trusted())
    assert not remote.target.exists(), "init itself syncs nothing"
    remote.run("osync", cwd=remote.path / "d")
    assert (remote.target / "d/x").read_bytes() == content
    (remote.target / "d/x").unlink()
    assert remote.run("osync cron work", cwd=remote.home).out == ""
    assert not (remote.path / "d/x").exists()


def test_what_it_makes_is_for_its_owner_alone(remote):
    remote.trusted()
    (key,) = remote.keys
    host = os.uname().nodename.partition(".")[0]
    assert key.name == f"osync-work@{host}"
    public = (key.parent / f"{key.name}.pub").read_text().split()
    assert public[0] == "ssh-ed25519" and public[2] == f"osync-work@{host}"
    assert [mode(path) for path in (key, remote.profile, key.parent, remote.known,
                                    remote.profile.parent)] == [0o600, 0o600, 0o700, 0o600, 0o700]
    name = f"[{remote.server.host}]:{remote.server.port}"
    subprocess.run(["ssh-keygen", "-F", name, "-f", remote.known], check=True, capture_output=True)


def test_the_key_opens_this_folder_and_nothing_else(remote):
    remote.authorize(remote.trusted())
    (key,) = remote.keys
    remote.target.mkdir()
    done = subprocess.run(
        ["ssh", "-F", remote.config, "-i", key, "-p", str(remote.server.port), "-o",
         f"UserKnownHostsFile={remote.known}", f"{remote.server.user}@{remote.server.host}",
         f"touch '{remote.base}/owned'"], input=b"", capture_output=True, timeout=HANG_S,
        check=False)
    assert not (remote.base / "owned").exists(), done
    content = remote.write("x")
    remote.run(f"osync work --target '{remote.server.url(remote.base / 'elsewhere')}'",
               expect=OK)
    assert not (remote.base / "elsewhere").exists()
    assert (remote.target / "x").read_bytes() == content


@pytest.mark.parametrize("name", ["it's", 'with "quotes" \\', "a  b", "$HOME `x` ;", "ü"])
def test_any_name_of_a_folder_reaches_the_server(remote, name):
    content = remote.write("x")
    target = remote.base / name
    remote.authorize(remote.trusted(target=target))
    remote.run("osync")
    assert (target / "x").read_bytes() == content


def test_a_path_without_a_slash_in_front_is_below_the_login_folder(remote):
    line = remote.authorize(remote.trusted(target="far/away"))
    assert "--root 'far/away'" in line


def test_a_host_that_nobody_vouches_for_is_not_trusted(remote):
    fingerprint, kind = remote.server.fingerprint()
    said = remote.init(expect=DENIED).err
    assert fingerprint in said and kind in said and "--accept-hostkey=" in said
    said = remote.init(f"--accept-hostkey={fingerprint[:-1]}x", DENIED).err
    assert fingerprint in said
    assert remote.nothing_made()


def test_it_can_be_trusted_as_it_is(remote):
    said = remote.init("--accept-hostkey").out
    assert remote.server.fingerprint()[0] in said
    assert remote.known.read_text().count("\n") == 1


def test_a_host_that_is_known_is_not_asked_about(remote):
    remote.known.parent.mkdir()
    remote.known.write_text(remote.server.known_hosts.read_text())
    before = remote.known.read_bytes()
    remote.init()
    assert remote.known.read_bytes() == before


def test_a_changed_key_is_refused_whatever_is_accepted(remote, tmp_path):
    other = Sshd.public(make_key(tmp_path / "other"))
    remote.known.parent.mkdir()
    remote.known.write_text(f"[{remote.server.host}]:{remote.server.port} {other}\n")
    before = remote.known.read_bytes()
    assert "HAS CHANGED" in remote.init("--accept-hostkey", DENIED).err
    assert remote.known.read_bytes() == before and not remote.profile.exists()


def ask(folder, answer):
    """Run init at a terminal, where somebody gives this answer: (exit code, what was shown)."""
    command = ["env", "-i", f"HOME={folder.home}", "PATH=/usr/bin:/bin", "/bin/sh", "-c",
               folder.line().replace("osync", OSYNC, 1)]
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(folder.path)
        os.execvp(command[0], command)
    os.write(fd, answer.encode() + b"\n")
    shown = b""
    try:
        while chunk := os.read(fd, 4096):
            shown += chunk
    except OSError:  # the terminal is gone with the last that had it open
        pass
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_at_a_terminal_the_person_is_asked(remote):
    fingerprint = remote.server.fingerprint()[0]
    for answer in ("no", "y", fingerprint[:-2]):
        code, shown = ask(remote, answer)
        assert code == DENIED and fingerprint in shown and remote.nothing_made()
    code, shown = ask(remote, fingerprint)
    assert code == OK and remote.profile.exists(), shown


def test_yes_is_an_answer(remote):
    code, shown = ask(remote, "yes")
    assert code == OK and remote.known.exists(), shown


def test_a_second_time_says_what_is_there_and_changes_nothing(remote):
    first = remote.authorize(remote.trusted())
    before = stamps(remote.home)
    for line in ("osync init", remote.line(), remote.line("--name work")):
        again = remote.run(line)
        assert first in again.out.splitlines()
        assert str(remote.profile) in again.out and str(remote.keys[0]) in again.out
    said = remote.init(target="/elsewhere", expect=CONFIG).err
    assert str(remote.profile) in said and "--name" in said
    assert stamps(remote.home) == before


def test_a_known_host_that_was_lost_is_noted_again_where_asked(remote):
    remote.trusted()
    remote.known.unlink()
    remote.run("osync init")
    assert not remote.known.exists()
    remote.run("osync init --accept-hostkey")
    assert remote.server.host in remote.known.read_text()


def test_a_key_that_is_there_is_used_and_not_replaced(remote):
    (remote.home / ".ssh").mkdir(mode=0o700)
    host = os.uname().nodename.partition(".")[0]
    key = make_key(remote.home / f".ssh/osync-work@{host}")
    before = key.read_bytes()
    (remote.home / f".ssh/osync-work@{host}.pub").unlink()
    line = remote.authorize(remote.trusted())
    assert key.read_bytes() == before
    content = remote.write("x")
    remote.run("osync")
    assert (remote.target / "x").read_bytes() == content, line


def test_a_key_of_ones_own_can_be_named(remote, tmp_path):
    key = make_key(tmp_path / "mine")
    remote.authorize(remote.trusted(f"--ssh-key '{key}'"))
    assert not remote.keys
    content = remote.write("x")
    remote.run("osync")
    assert (remote.target / "x").read_bytes() == content


def test_a_server_that_is_not_there_leaves_nothing_behind(remote):
    line = remote.line().replace(f":{remote.server.port}", ":1")
    assert remote.run(line, UNREACHABLE).err
    assert remote.nothing_made()


def test_a_folder_of_this_machine(local):
    content = local.write("d/x")
    local.init()
    local.run("osync", cwd=local.path / "d")
    assert (local.target / "d/x").read_bytes() == content
    assert "CREATE_DIRS" not in local.profile.read_text() and not local.keys


def test_a_folder_that_is_not_there_may_be_a_disk_that_is_not_mounted(local):
    away = local.base / "disk/away"
    said = local.init(target=away, expect=CONFIG).err
    assert str(away) in said and "--create-dirs" in said and local.nothing_made()
    local.init("--create-dirs", target=away)
    assert not away.exists()
    content = local.write("x")
    local.run("osync")
    assert (away / "x").read_bytes() == content


@pytest.mark.parametrize("cwd, target, word", [
    ("HOME", "TARGET", "profiles and keys"),
    ("HOME/.config/osync", "TARGET", "profiles and keys"),
    ("HOME/work", "HOME", "inside"),
    ("HOME/work", "HOME/work", "same folder"),
    ("HOME/work", "HOME/work/sub", "inside"),
    ("HOME/work/sub", "HOME/work", "inside"),
    ("HOME/other/.osync_workdir", "TARGET", "synchronizer"),
    ("HOME/other/sub", "TARGET", "is synced already"),
    ("HOME/outer", "TARGET", "is synced already"),
    ("TARGET", "HOME/other/sub", "is synced already"),
    ("HOME/work", "/proc/version", "no folder"),
])
def test_places_that_make_no_sense_are_refused(local, cwd, target, word):
    for folder in (".config/osync", "work/sub", "other/.osync_workdir", "other/sub",
                   "outer/in/er/.osync_workdir"):
        (local.home / folder).mkdir(parents=True, exist_ok=True)

    def real(path):
        return path.replace("HOME", str(local.home)).replace("TARGET", str(local.target))
    before = stamps(local.home)
    said = local.run(f"osync init '{real(target)}'", CONFIG, cwd=real(cwd)).err
    assert word in said
    assert stamps(local.home) == before


@pytest.mark.parametrize("place", ["/", "HOME", "HOME/.ssh"])
def test_keys_are_not_sent_to_a_server(local, place):
    (local.home / ".ssh").mkdir()
    said = local.run("osync init alice@server work", CONFIG,
                     cwd=place.replace("HOME", str(local.home))).err
    assert "profiles and keys" in said
    assert not local.profile.parent.exists() and not local.keys


@pytest.mark.parametrize("inner", [True, False])
def test_one_synced_folder_in_another_is_refused(local, inner):
    (local.path / "sub/deep").mkdir(parents=True)
    (local.base / "second").mkdir()
    local.run(f"osync init '{local.target}' --name first",
              cwd=local.path if inner else local.path / "sub/deep")
    said = local.run(f"osync init '{local.base}/second' --name second", CONFIG,
                     cwd=local.path / "sub" if inner else local.path).err
    assert "the profile first" in said
    assert not (local.profile.parent / "second.conf").exists()


def test_without_a_home_there_is_no_place_for_a_profile(local):
    said = local.run(f"unset HOME; osync init '{local.target}'", CONFIG).err
    assert "HOME" in said


def test_a_profile_of_that_name_is_not_overwritten(local):
    local.init()
    before = local.profile.read_bytes()
    second = local.home / "elsewhere/work"
    second.mkdir(parents=True)
    (local.base / "second").mkdir()
    said = local.run(f"osync init '{local.base}/second'", CONFIG, cwd=second).err
    assert "--name" in said and str(local.profile) in said
    local.run(f"osync init '{local.base}/second' --name 'second'", cwd=second)
    assert local.profile.read_bytes() == before
    (second / "x").write_text("x")
    local.run("osync", cwd=second)
    assert (local.base / "second/x").exists() and not (local.target / "x").exists()


def test_a_folder_of_any_name_gets_a_profile(local):
    odd = local.home / ".Müll & 'Co' $x"
    odd.mkdir()
    (odd / "x").write_text("x")
    local.run(f"osync init '{local.target}'", cwd=odd)
    local.run("osync", cwd=odd)
    assert (local.target / "x").exists()


def test_options_of_a_run_are_kept(local):
    local.init("--set EXCLUDE_NOTHING=1 -n", USAGE)
    relative = local.path / "patterns"
    relative.write_text("*.tmp\n")
    local.init("--lock-wait 7 --conflict-policy newer --set RSYNC_EXCLUDE_FROM=./patterns "
               "--set \"LOCAL_RUN_BEFORE_CMD=echo 'it'\\\\''s' \\$HOME > ../ran\"")
    text = local.profile.read_text()
    assert "LOCK_WAIT=7\n" in text and "CONFLICT_POLICY=newer\n" in text
    local.write("a.tmp"), local.write("b")
    local.run("osync cron work", cwd=local.path)
    assert not (local.target / "a.tmp").exists() and (local.target / "b").exists()
    assert (local.home / "ran").read_text() == f"it's {local.home}\n"


def test_a_dry_run_shows_the_profile_and_writes_none(remote):
    before = stamps(remote.base)
    shown = remote.init("-n").out
    assert f"INITIATOR_SYNC_DIR={remote.path}\n" in shown
    assert stamps(remote.base) == before


@pytest.mark.parametrize("line, code", [
    ("osync init", USAGE), ("osync init a b c", USAGE), ("osync init a/b c", USAGE),
    ("osync init --frobnicate x", USAGE), ("osync init x --frobnicate", USAGE),
    ("osync init 'a b' c", USAGE), ("osync init -- x", USAGE), ("osync init h ''", USAGE),
    ("osync init alice@server:work", USAGE), ("osync init --name a/b x", USAGE),
])
def test_a_wrong_command_line_is_said(local, line, code):
    before = stamps(local.home)
    assert local.run(line, code).err
    assert stamps(local.home) == before

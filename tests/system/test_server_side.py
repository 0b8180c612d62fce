# SPDX-License-Identifier: BSD-2-Clause
"""What a server asks for before it starts an agent, and what it lets one do."""

import shlex
import shutil

import pytest
from harness import (DENIED, GUARD, LOCKED, LOOK, OK, OSYNC, USAGE, Pair, environment, execute,
                     stamps, token)
from sshd import Sshd, make_key
from test_locks import Held

TOKEN = "SomeAlphaNumericToken9"

# As the filter of osync 1.3 behaves: its token stands behind it in authorized_keys, commands that
# carry it are given to a shell, and whether these may hold the word sudo is written in it.
FILTER = """\
#!/bin/bash
allow_sudo={allow_sudo}
refuse() {{
	echo "$SSH_ORIGINAL_COMMAND" >> {log}
	echo "Syntax error $1"
	exit 1
}}
case "$SSH_ORIGINAL_COMMAND" in
*"env _REMOTE_TOKEN=$1"*) ;;
*) refuse "near unexpected token" ;;
esac
case "$allow_sudo $SSH_ORIGINAL_COMMAND" in
no*"sudo "*) refuse "unexpected end of file" ;;
esac
eval "$SSH_ORIGINAL_COMMAND"
"""

# As sudo behaves that knows one command of this user, by each of its words.
SUDO = """\
#!/bin/sh
echo "$*" >> {log}
if [ "$*" != {allowed} ]; then
	echo "sudo: a password is required" >&2
	exit 1
fi
shift
exec env -u _REMOTE_TOKEN AS_ROOT=yes "$@"
"""


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def forced(pair, name, command):
    """Have a key that can start nothing but this; the options to log in with it."""
    key = make_key(pair.base / name)
    pair.server.authorize(key, f'restrict,command="{command}" ')
    return ["--ssh-key", str(key)]


@pytest.fixture
def filtered(remote):
    """A folder behind a key that has osync's old filter."""
    path = script(remote.base / "ssh_filter.sh",
                  FILTER.format(allow_sudo="no", log=remote.base / "filter.log"))
    remote.options = forced(remote, "filtered", f"{path} {TOKEN}")
    remote.at_rest = False
    return remote


def test_a_key_behind_the_filter_of_osync_works_with_its_token(filtered):
    content = filtered.write("initiator", "x")
    filtered.options += ["--set", f"_REMOTE_TOKEN={TOKEN}"]
    filtered.run()
    assert filtered.both("x") == content
    # Over the OpenSSH client, too.
    again = filtered.write("target", "y")
    client = (f"ssh -F {filtered.base / 'ssh_config'} -o UserKnownHostsFile={filtered.server.known_hosts}"
              f" -i {filtered.base / 'filtered'} -p {filtered.server.port} {filtered.server.host}")
    filtered.run("--set", f"TRANSPORT_COMMAND={client}")
    assert filtered.both("y") == again
    filtered.at_rest = True


@pytest.mark.parametrize("token", ["", "another"])
def test_without_its_token_the_filter_is_named_and_nothing_is_changed(filtered, token):
    filtered.write("initiator", "x")
    before = filtered.untouched()
    result = filtered.run(*(["--remote-token", token] if token else []), expect=DENIED)
    assert result.says("_REMOTE_TOKEN"), repr(result)
    assert filtered.untouched() == before
    asked = (filtered.base / "filter.log").read_text()
    assert asked.startswith(f"env _REMOTE_TOKEN={token} " if token else shlex.quote(OSYNC)), asked


def test_a_filter_that_allows_no_sudo_is_not_got_around(filtered):
    filtered.options += ["--set", f"_REMOTE_TOKEN={TOKEN}", "--set", "SUDO_EXEC=yes"]
    result = filtered.run(expect=DENIED)
    assert result.says("ssh_filter.sh"), repr(result)


def test_the_token_is_shown_to_nobody(filtered):
    result = filtered.run("-vv", "--set", f"_REMOTE_TOKEN={TOKEN}")
    assert "_REMOTE_TOKEN=..." in result.err and TOKEN not in result.said, repr(result)


@pytest.fixture
def sudoer(tmp_path):
    """A folder on a server where sudo knows its agent and nothing else."""
    (tmp_path / "server").mkdir()
    (tmp_path / "bin").mkdir()
    with Sshd(tmp_path / "server",
              options=[f"SetEnv PATH={tmp_path}/bin:/usr/bin:/bin"]) as server:
        pair = Pair(tmp_path, server)
        pair.options = ["--set", "SUDO_EXEC=yes"]
        pair.sudo_log = tmp_path / "sudo.log"
        pair.at_rest = False
        yield pair


def allow(pair, words):
    script(pair.base / "bin" / "sudo", SUDO.format(log=pair.sudo_log, allowed=shlex.quote(words)))


def test_sudo_exec_runs_the_agent_by_one_fixed_line(sudoer):
    words = f"-n {OSYNC} agent --root {sudoer.target}"
    allow(sudoer, words)
    content = sudoer.write("initiator", "x")
    sudoer.run()
    sudoer.run("--dry-run")
    sudoer.run("--set", "_REMOTE_TOKEN=T9")
    assert sudoer.both("x") == content
    assert sudoer.sudo_log.read_text().splitlines() == [words] * 3


@pytest.mark.parametrize("asks", ["another folder", "hooks", "another state"])
def test_what_sudo_does_not_know_ends_at_once_and_clearly(sudoer, asks):
    allow(sudoer, f"-n {OSYNC} agent --root {sudoer.target}")
    more = {"another folder": ["--target", sudoer.server.url(sudoer.base)],
            "hooks": ["--set", "REMOTE_RUN_BEFORE_CMD=touch /nowhere"],
            "another state": ["--target-state-dir", "/nowhere"]}[asks]
    sudoer.write("initiator", "x")
    before = sudoer.untouched()
    result = sudoer.run(*more, expect=DENIED)
    assert result.says("sudo", "a password is required", "packaging/sudoers.d/osync"), repr(result)
    assert sudoer.untouched() == before




def test_a_forced_command_has_its_own_root_whatever_the_client_asks_for(remote):
    other = remote.base / "other"
    other.mkdir()
    options = forced(remote, "tied", f"{OSYNC} agent --root={remote.target}")
    content = remote.write("initiator", "x")
    # What a client may try: another root, options behind it, a program of its own, a shell.
    for target, more in ((other, []), ("/", []), (f"{other}' --allow-hooks '", []),
                         (other, ["--remote-osync", "/bin/sh"]),
                         (other, ["--set", "SUDO_EXEC=yes"]), (other, ["--remote-token", "T9"])):
        remote.run("--target", remote.server.url(target), *options, *more)
    assert remote.both("x") == content and list(other.iterdir()) == []
    assert not any(remote.base.glob("other?*"))


def test_a_forced_command_keeps_state_where_the_server_says(remote):
    state, other = remote.base / "state", remote.base / "other"
    tied = forced(remote, "tied", f"{OSYNC} agent --root={remote.target} --state-dir={state}")
    remote.write("initiator", "x")
    before = remote.untouched()
    result = remote.run("--target-state-dir", str(other), *tied, expect=DENIED)
    assert result.says("--state-dir", str(other)), repr(result)
    assert remote.untouched() == before and not other.exists() and not state.exists()
    remote.run("--target-state-dir", str(state), *tied)
    assert any(state.iterdir()) and not (remote.workdir("target") / "state").exists()
    # Who asks for nothing gets the same.
    remote.options = tied


PULL = ["--sync-type", "target2initiator"]


@pytest.fixture
def readable(remote):
    """A folder behind a key that may only read it."""
    remote.reading = forced(remote, "reading", f"{OSYNC} agent --read-only --root={remote.target}")
    remote.options = [*remote.reading, *PULL]
    return remote


def test_a_folder_that_can_only_be_read_gives_and_is_never_touched(readable):
    content = readable.write("target", "d/x")
    gone = readable.write("target", "gone")
    readable.write("target", "old name", token(200000))
    for number in range(8):
        readable.write("target", f"stays{number}")
    before = stamps(readable.target)
    readable.run()
    assert readable.both("d/x") == content and stamps(readable.target) == before
    edited = readable.write("target", "d/x")
    readable.remove("target", "gone")
    readable.rename("target", "old name", "d/new name")
    mine = readable.write("initiator", "mine")
    before = stamps(readable.target)
    result = readable.run("-vv", expect=(OK, LOOK))
    assert readable.both("d/x") == edited and readable.gone("gone")
    assert "target's cache" not in result.err
    # One way: what is only here goes to the trash, as what was deleted there.
    assert {gone, mine} <= {content for _, _, content in readable.trash("initiator")}
    assert stamps(readable.target) == before
    state = readable.state()
    assert readable.run().changes == [] and readable.state() == state


@pytest.mark.parametrize("options", [["--sync-type", "both"], ["--sync-type", "initiator2target"],
                                     ["--initialize", "--sync-type", "both"],
                                     ["--set", "REMOTE_RUN_BEFORE_CMD=touch here"]])
def test_who_needs_to_write_there_is_told_before_anything_is_changed(readable, options):
    readable.write("target", "x")
    readable.write("initiator", "y")
    before = readable.stamps()
    result = readable.run("--set", "CREATE_DIRS=yes", *options, expect=DENIED)
    assert result.says("--read-only" if "--sync-type" in options else "--allow-hooks"), repr(result)
    assert readable.stamps() == before
    readable.at_rest = False


def test_a_dry_run_shows_what_a_folder_that_can_only_be_read_lacks(readable):
    readable.options = readable.reading
    readable.write("target", "x")
    readable.write("initiator", "y")
    before = readable.stamps()
    result = readable.run("--dry-run")
    assert (result.change("x").to, result.change("y").to) == ("initiator", "target")
    assert readable.stamps() == before
    readable.at_rest = False


def test_a_folder_that_was_synced_both_ways_can_be_read_and_then_written_again(readable):
    reading, readable.options = readable.options, []
    readable.write("target", "x")
    readable.run()
    readable.options = reading
    edited = readable.write("target", "x")
    before = stamps(readable.target)
    readable.run()
    assert readable.both("x") == edited and stamps(readable.target) == before
    # It was not told how far this went: as after a backup was put back, nothing is deleted.
    readable.options = []
    readable.write("initiator", "y")
    readable.remove("initiator", "x")
    assert readable.run().says("going on without history")
    assert readable.both("x") == edited and readable.exists("target", "y")


def test_a_folder_that_can_only_be_read_and_is_empty_all_at_once_is_not_believed(readable):
    for number in range(3):
        readable.write("target", f"{number}")
    readable.run()
    kept = readable.contents("initiator")
    shutil.rmtree(readable.target)
    readable.run("--set", "CREATE_DIRS=yes", expect=GUARD)
    readable.target.mkdir()
    readable.run(expect=GUARD)
    assert readable.contents("initiator") == kept
    readable.at_rest = False


def test_i2_another_disk_where_there_can_be_no_identity_is_not_believed(readable):
    for number in range(8):
        readable.write("target", f"{number}")
    readable.run()
    kept = readable.contents("initiator")
    for number in range(8):
        readable.remove("target", f"{number}")
    readable.write("target", "stray")
    readable.run(expect=GUARD)
    assert readable.contents("initiator") == kept
    readable.run("--allow-deletes")


def test_a_reader_waits_for_who_writes(readable):
    readable.write("target", "x")
    writer = Pair(readable.base, name="writer", initiator="other")
    writer.run()
    with Held(writer, "target"):
        readable.run(expect=LOCKED)
    readable.run()


def test_commands_and_read_only_exclude_each_other():
    for words in (["--read-only", "--allow-hooks"], ["--allow-hooks", "--read-only"]):
        execute([OSYNC, "agent", *words, "--root", "/"], environment("/"), USAGE)

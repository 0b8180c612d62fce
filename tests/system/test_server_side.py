# SPDX-License-Identifier: BSD-2-Clause
"""What a server asks for before it starts an agent, and what it lets one do."""

import shlex

import pytest
from harness import DENIED, OSYNC, Pair
from sshd import Sshd, make_key

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

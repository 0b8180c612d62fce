# SPDX-License-Identifier: BSD-2-Clause
"""REMOTE_HOST_PING and REMOTE_3RD_PARTY_HOSTS, with a ping whose answers are known."""

import os
import shutil

import pytest
from harness import OK, UNREACHABLE, execute
from sshd import free_port

# By the host's name; 127.0.0.1 is the server.
PING = """#!/bin/sh
for host in "$@"; do :; done
echo "$*" >> {folder}/asked
case $host in
{cases}
esac
case $host in
silent*) echo "1 packets transmitted, 0 received, 100% packet loss"; exit 1 ;;
answers*) echo "1 packets transmitted, 1 received, 0% packet loss"; exit 0 ;;
esac
echo "ping: socket: Operation not permitted" >&2
exit 2
"""


@pytest.fixture
def pinged(remote):
    """A pair whose ping says what pinged.server_is tells it to."""
    folder = remote.base / "bin"
    folder.mkdir()
    os.symlink(shutil.which("ssh"), folder / "ssh")
    remote.write("initiator", "file")
    remote.asked = lambda: (remote.base / "asked").read_text().splitlines() \
        if (remote.base / "asked").exists() else []

    def server_is(what):
        cases = {"silent": '127.0.0.1) host=silent ;;',
                 "there": '127.0.0.1) host=answers ;;', "unknown": ""}[what]
        (folder / "ping").write_text(PING.format(folder=remote.base, cases=cases))
        (folder / "ping").chmod(0o755)

    remote.server_is = server_is
    remote.search = f"{folder}:/usr/bin:/bin"
    remote.bare = str(folder)
    return remote


def run(pair, *settings, expect=OK, path=None, command="--json", name=None):
    args = pair.args(command)
    if name:
        args[args.index("--target") + 1] = name
    for setting in settings:
        args += ["--set", setting]
    return execute(args, pair.env(PATH=path or pair.search), expect)


def test_a_server_that_is_not_there_is_not_called(pinged):
    pinged.server_is("silent")
    before = pinged.server.log.stat().st_size
    result = run(pinged, "REMOTE_HOST_PING=yes", expect=UNREACHABLE)
    assert result.says("'127.0.0.1' does not answer a ping"), result
    assert pinged.server.log.stat().st_size == before, "it was called"
    assert "-c 1" in pinged.asked()[0] and pinged.asked()[0].endswith("-- 127.0.0.1")
    quiet = run(pinged, "REMOTE_HOST_PING=yes", expect=UNREACHABLE, command="--quiet")
    assert len(quiet.err.splitlines()) == 1 and not quiet.out, quiet
    # Who does not ask for it has nothing of it.
    count = len(pinged.asked())
    run(pinged)
    assert len(pinged.asked()) == count


@pytest.mark.parametrize("answer", ["there", "unknown"])
def test_a_server_that_answers_or_cannot_be_pinged_is_called(pinged, answer):
    pinged.server_is(answer)
    result = run(pinged, "REMOTE_HOST_PING=yes")
    assert pinged.asked() and pinged.both("file")
    assert (answer == "there") != result.says("cannot be pinged", "Operation not permitted")


def test_where_there_is_no_ping_the_server_is_called(pinged):
    result = run(pinged, "REMOTE_HOST_PING=yes", path=pinged.bare)
    assert result.says("cannot be pinged", "there is no ping here"), result
    assert pinged.both("file")


def test_the_name_behind_an_alias_is_pinged(pinged):
    """And none behind a jump host, which knows the way better."""
    pinged.server_is("silent")
    config = pinged.base / "ssh_config"
    url = pinged.target_url().replace("127.0.0.1", "alias")
    pinged.args()
    for more, expect in (("", UNREACHABLE), ("ProxyCommand exec false\n", UNREACHABLE)):
        mine = pinged.base / "mine"
        mine.write_text(f"Host alias\nHostName 127.0.0.1\n{more}{config.read_text()}")
        result = run(pinged, "REMOTE_HOST_PING=yes", f"SSH_CONFIG_FILE={mine}", expect=expect,
                     name=url)
        assert result.says("does not answer a ping") == (more == ""), result
    assert len(pinged.asked()) == 1
    pinged.at_rest = False


@pytest.mark.parametrize("hosts, says, asked", [
    ("silent-1 answers-2 silent-3", "this machine is on-line ('answers-2' answers), but", 2),
    ("silent-1 silent-2", "this machine is off-line", 2),
    ("strange", None, 1),
    ("", None, 0),
])
def test_others_tell_a_server_that_is_down_from_being_off_line(pinged, hosts, says, asked):
    pinged.server_is("there")
    url = pinged.target_url().replace(f":{pinged.server.port}/", f":{free_port()}/")
    result = run(pinged, f"REMOTE_3RD_PARTY_HOSTS={hosts}", expect=UNREACHABLE, name=url)
    assert len(pinged.asked()) == asked
    if says:
        assert result.says(says, "127.0.0.1"), result
    else:
        assert "-line" not in result.said, result
    # Nobody is asked while the server can be reached.
    run(pinged, f"REMOTE_3RD_PARTY_HOSTS={hosts}")
    assert len(pinged.asked()) == asked


@pytest.mark.parametrize("host, told", [("answers", True), ("silent", False)])
def test_a_server_that_is_down_is_told_sooner_than_being_off_line(pinged, host, told):
    pinged.server_is("there")
    run(pinged)
    conf = pinged.base / "job.conf"
    settings = [f"INITIATOR_SYNC_DIR={pinged.initiator}", "INSTANCE_ID=test",
                f"TARGET_SYNC_DIR={pinged.target_url()}".replace(
                    f":{pinged.server.port}/", f":{free_port()}/"),
                f"REMOTE_3RD_PARTY_HOSTS={host}", "LOCK_ALERT_AFTER=0", "LOGFILE=/dev/null",
                f"SSH_CONFIG_FILE={pinged.base}/ssh_config"]
    conf.write_text("\n".join(settings) + "\n")
    result = execute([pinged.args()[0], "cron", str(conf)], pinged.env(PATH=pinged.search),
                     UNREACHABLE)
    assert ("the server is down" in result.out + result.err) == told, result

# SPDX-License-Identifier: BSD-2-Clause
"""The transports alone: a socket to something at the far end, and a clear account of why not.

Every test that fails to connect on purpose looks at the kind of error, which
becomes the exit status of a run, and at what the line tells the user to do.
Host keys and logins have files of their own.
"""

import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from farend import (CONFIG, DENIED, HANG_S, UNREACHABLE, Far, Result, eventually, far,  # noqa: F401
                    known_hosts, line, server, tool)
from sshd import Sshd

MIB = 1 << 20


def noise(path, size):
    """A file of random bytes; its digest."""
    block = os.urandom(MIB)
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(size // MIB):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def both_ways(far, size, **changes):
    """Send one stream and receive another at the same time."""
    sent = noise(far.folder / "up", size)
    received = noise(far.folder / "big", size)
    far.becomes(f"exec 3<&0; sha256sum <&3 >{far.folder}/sum & cat {far.folder}/big; wait")
    with open(far.folder / "up", "rb") as up, open(far.folder / "down", "wb") as down:
        done = subprocess.run(far.args(changes), stdin=up, stdout=down, stderr=subprocess.PIPE,
                              timeout=HANG_S, env=far.env())
    assert Result(b"", done.stderr).ended, done.stderr
    assert (far.folder / "sum").read_text().split()[0] == sent
    with open(far.folder / "down", "rb") as down:
        assert hashlib.file_digest(down, "sha256").hexdigest() == received


# Bytes ----------------------------------------------------------------------------


def test_bytes_reach_the_far_end_and_come_back(far):
    done = far.run(b"hello\0world\n")
    assert done.out == b"hello\0world\n"
    assert done.ended


def test_much_goes_both_ways_at_once(far):
    both_ways(far, 200 * MIB)


def test_much_comes_back_as_it_was_sent(far):
    data = os.urandom(MIB) * 64
    done = far.run(data)
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()


def test_compression_carries_the_same_bytes(far):
    data = b"compressible " * MIB
    done = far.run(data, compression="yes", log=3)
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()
    assert "compression zlib" in done.err


def test_new_keys_in_the_middle_do_not_disturb(tool, tmp_path):
    (tmp_path / "server").mkdir()
    with Sshd(tmp_path / "server", options=["RekeyLimit 2M", "LogLevel DEBUG1"]) as server:
        both_ways(Far(tool, server, tmp_path), 32 * MIB)
        assert server.log.read_text(errors="replace").count("rekeying") >= 8


def test_the_far_end_may_answer_after_our_end_of_file(far):
    far.becomes("cat >/dev/null; sleep 0.2; echo answer")
    done = far.run(b"question")
    assert done.out == b"answer\n"
    assert done.ended


def test_the_far_end_may_end_first(far):
    far.becomes("echo bye")
    with far.started() as process:
        assert process.stdout.read() == b"bye\n"
        assert Result(b"", process.stderr.read()).ended


def test_what_start_files_print_comes_first(tool, tmp_path):
    force = 'ForceCommand echo noise; exec sh -c "$SSH_ORIGINAL_COMMAND"'
    (tmp_path / "server").mkdir()
    with Sshd(tmp_path / "server", options=[force]) as server:
        assert Far(tool, server, tmp_path).run(b"data").out == b"noise\ndata"


@pytest.mark.parametrize("path", ["/plain", "/with blank", "/it's", "/$HOME`id`", '/"\\', "rel/a",
                                  "/a\nb", "/!x", "-x", "/\udcff"])
def test_the_path_arrives_as_it_is(far, path):
    far.becomes('printf "%s|" "$@"')
    expected = f"./{path}" if path.startswith("-") else path
    assert far.run(path=path).out == os.fsencode(f"agent|--root|{expected}|")


def test_sudo_stands_before_the_agent(tool, tmp_path):
    (tmp_path / "server").mkdir()
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\necho "sudo $*"\n')
    sudo.chmod(0o755)
    with Sshd(tmp_path / "server", options=[f"SetEnv PATH={tmp_path}:/usr/bin:/bin"]) as server:
        done = Far(tool, server, tmp_path).run(sudo="yes", osync="osync")
        assert done.out == b"sudo -n osync agent --root /srv/tree\n"


def test_the_far_ends_errors_are_relayed_and_escaped(far):
    far.becomes("echo 'osync: look \033[1m' >&2; echo motd >&2; cat")
    done = far.run()
    assert "osync: 127.0.0.1: osync: look \\x1b[1m" in done.err
    assert "motd" not in done.err, "noise is for -v"
    assert "osync: 127.0.0.1: motd" in far.run(log=2).err


def test_a_reader_that_takes_its_time_is_not_a_dead_server(far):
    """More passes than a dead server is given, and nothing can be handed to the reader."""
    far.becomes("head -c 8000000 /dev/zero")
    with far.started(keepalive=1) as process:
        time.sleep(9)
        received = len(process.stdout.read())
        assert Result(b"", process.stderr.read()).message.endswith("has ended the connection")
        assert received == 8000000


def test_a_quiet_server_is_kept(far):
    far.becomes("sleep 9; echo late")
    assert far.run(keepalive=1).out == b"late\n"


# The far end ------------------------------------------------------------------------


def test_a_server_without_osync_is_told_what_to_do(far):
    done = far.run(osync="no-such-osync")
    assert done.kind == UNREACHABLE
    assert "no osync agent on '127.0.0.1': 'no-such-osync' not found" in done.message
    assert "install osync there or set REMOTE_OSYNC_PATH" in done.message


def test_an_osync_that_cannot_be_executed_is_told(far):
    far.script.chmod(0o644)
    done = far.run()
    assert done.kind == UNREACHABLE
    assert "REMOTE_OSYNC_PATH" in done.message


def test_a_failing_agents_last_words_are_told(far):
    far.becomes("echo 'osync: first' >&2; echo 'disk full' >&2; exit 78")
    done = far.run()
    assert done.kind == UNREACHABLE
    assert "ended with status 78" in done.message
    assert "disk full" in done.message


def test_an_agent_ended_by_a_signal_is_told(far):
    far.becomes("exec sh -c 'kill -KILL $$'")
    done = far.run()
    assert done.kind == UNREACHABLE
    assert re.search(r"signal KILL|status 137", done.message)


def test_a_refused_port_is_told(far):
    done = far.run(port=1)
    assert done.kind == UNREACHABLE
    assert done.message == "cannot connect to '127.0.0.1' port 1: Connection refused"


def test_a_name_that_does_not_exist_is_told(far):
    done = far.run(host="no-such-host.invalid")
    assert done.kind == UNREACHABLE
    assert "cannot find the host 'no-such-host.invalid'" in done.message


@contextlib.contextmanager
def listener(answer):
    """A server that says this and no more."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = sock.accept()
                    connection.sendall(answer)
                    held.append(connection)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield sock.getsockname()[1]
        sock.shutdown(socket.SHUT_RDWR)
        thread.join(HANG_S)
        for connection in held:
            connection.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 no\r\n", b"SSH-2.0-x\r\n"])
def test_a_server_that_does_not_speak_ssh_is_given_up(far, answer):
    with listener(answer) as port:
        done = far.run(port=port, connect_timeout=1)
    assert done.kind == UNREACHABLE
    assert "127.0.0.1" in done.message


def test_a_server_that_falls_silent_is_taken_for_dead(far):
    """The link is a proxy that stops in the middle, as a cable does."""
    script = far.folder / "proxy.py"
    script.write_text(PROXY)
    config = far.config(f"ProxyCommand {sys.executable} {script} %h %p {far.folder}/pid\n")
    far.becomes("echo up; exec cat")
    with far.started(config_file=config, keepalive=1) as process:
        assert process.stdout.readline() == b"up\n"
        proxy = int((far.folder / "pid").read_text())
        os.kill(proxy, signal.SIGSTOP)
        try:
            done = Result(process.stdout.read(), process.stderr.read())
        finally:
            os.kill(proxy, signal.SIGKILL)
        assert done.kind == UNREACHABLE
        assert re.search(r"has not answered for \d+ s", done.message)


# Proxies ----------------------------------------------------------------------------

PROXY = """
import os, select, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
if len(sys.argv) > 3:
    open(sys.argv[3], "w").write(str(os.getpid()))
ends = {0: sock.fileno(), sock.fileno(): 1}
while True:
    for fd in select.select(list(ends), [], [])[0]:
        data = os.read(fd, 65536)
        if not data:
            sys.exit(0)
        while data:
            data = data[os.write(ends[fd], data):]
"""


def test_a_proxy_command_carries_the_session(far):
    script = far.folder / "proxy.py"
    script.write_text(PROXY)
    config = far.config(f"Host short\n  HostName 127.0.0.1\n"
                        f"  ProxyCommand {sys.executable} {script} %h %p\n")
    known = known_hosts(far, line(far))
    data = os.urandom(MIB) * 8
    assert far.run(data, host="short", config_file=config, known_hosts=known).out == data


def test_a_failing_proxy_command_is_quoted(far):
    config = far.config("ProxyCommand sh -c 'echo no way out >&2; exit 1'\n")
    done = far.run(config_file=config)
    assert done.kind == UNREACHABLE
    assert "the proxy to '127.0.0.1' failed: no way out" in done.message


def test_a_jump_host_carries_the_session(far, tmp_path):
    (tmp_path / "jump").mkdir()
    with Sshd(tmp_path / "jump") as jump:
        config = far.config(
            f"Host jump\n  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.key}\n"
            f"  UserKnownHostsFile {jump.known_hosts}\n"
            f"Host short\n  HostName 127.0.0.1\n  ProxyJump {jump.user}@jump\n"
            f"Host *\n  IdentityAgent none\n  IdentityFile {far.server.key}\n"
            f"  UserKnownHostsFile {far.server.known_hosts}\n")
        done = far.run(b"through", host="short", key_file=None, known_hosts=None,
                       config_file=config)
        assert done.out == b"through"
        assert "direct-tcpip" in jump.log.read_text(errors="replace") or \
            f"Accepted publickey for {jump.user}" in jump.log.read_text(errors="replace")


def test_a_jump_host_that_refuses_is_quoted(far, tmp_path):
    (tmp_path / "jump").mkdir()
    with Sshd(tmp_path / "jump") as jump:
        config = far.config(f"Host jump\n  HostName 127.0.0.1\n  Port {jump.port}\n"
                            f"  UserKnownHostsFile {jump.known_hosts}\n  IdentityAgent none\n"
                            f"  IdentityFile {far.folder}/none\n  IdentitiesOnly yes\n"
                            f"Host short\n  HostName 127.0.0.1\n  ProxyJump jump\n")
        done = far.run(host="short", config_file=config)
    assert done.kind == UNREACHABLE
    assert "Permission denied" in done.message


# Without the OpenSSH client ------------------------------------------------------------


def test_osync_needs_no_ssh_client(far):
    assert far.run(b"x", config_file=None, env={"PATH": "/nonexistent"}).out == b"x"


def test_an_ssh_configuration_needs_the_client(far):
    done = far.run(env={"PATH": "/nonexistent"})
    assert done.kind == CONFIG
    assert "SSH_CONFIG_FILE" in done.message


def test_a_bad_ssh_configuration_is_quoted(far):
    done = far.run(config_file=far.config("NoSuchOption yes\n"))
    assert done.kind == CONFIG
    assert "nosuchoption" in done.message.lower()


# TRANSPORT=command ---------------------------------------------------------------------


def ssh_command(far):
    return (f"ssh -F {far.server.config} -o BatchMode=yes -p {far.server.port} "
            f"{far.server.user}@{far.server.host}")


@pytest.mark.parametrize("path", ["/plain", "/with blank", "/it's", "/$HOME"])
def test_the_openssh_client_will_do_as_a_command(far, path):
    far.becomes('printf "%s|" "$@"; cat')
    done = far.run(b"data", transport="command", command=ssh_command(far), path=path)
    assert done.out == f"agent|--root|{path}|data".encode()
    assert done.ended


def test_a_command_carries_much_both_ways(far):
    both_ways(far, 64 * MIB, transport="command", command="env --")


def test_a_command_without_osync_is_told_what_to_do(far):
    done = far.run(transport="command", command=ssh_command(far), osync="no-such-osync")
    assert done.kind == UNREACHABLE
    assert "set REMOTE_OSYNC_PATH" in done.message


def test_a_command_that_is_refused_is_told(far):
    command = ssh_command(far).replace(f" {far.server.user}@", " nobody-of-that-name@")
    done = far.run(transport="command", command=command)
    assert done.kind == DENIED
    assert "Permission denied" in done.message


def test_a_commands_last_words_are_told(far):
    done = far.run(transport="command", command="sh -c 'echo no way out >&2; exit 9'")
    assert done.kind == UNREACHABLE
    assert "status 9: no way out" in done.message


def test_a_command_may_leave_a_process_behind(far):
    """An ssh control master keeps standard error open."""
    command = f"sh -c 'sleep 1000 >/dev/null </dev/null & echo $! >{far.folder}/pid; exit 3'"
    done = far.run(transport="command", command=command)
    assert "status 3" in done.message
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((far.folder / "pid").read_text()), signal.SIGKILL)


# Processes -------------------------------------------------------------------------------


def children(pid):
    return [int(child) for child in
            Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.M)
    return False


def kinds(far):
    return {"ssh": {}, "local": {"remote": "no"},
            "command": {"transport": "command", "command": ssh_command(far)}}


@pytest.mark.parametrize("kind", ["ssh", "local", "command"])
def test_children_end_with_the_parent(far, kind):
    far.becomes("echo up; exec cat")
    with far.started(**kinds(far)[kind]) as process:
        process.stdin.write(b"up\n")
        process.stdin.flush()
        assert process.stdout.readline().lower() == b"up\n"
        family = children(process.pid)
        family += [grandchild for child in family for grandchild in children(child)]
        assert family
        process.kill()
        eventually(lambda: not any(is_alive(pid) for pid in family))


@pytest.mark.parametrize("kind", ["ssh", "local", "command"])
def test_children_are_out_of_reach_of_the_terminal_and_hold_nothing(far, kind):
    far.becomes("echo up; exec cat")
    with far.started(**kinds(far)[kind]) as process:
        process.stdin.write(b"up\n")
        process.stdin.flush()
        assert process.stdout.readline().lower() == b"up\n"
        child, = children(process.pid)
        assert os.getsid(child) == child, "a session of its own"
        fds = {int(fd): os.readlink(f"/proc/{child}/fd/{fd}")
               for fd in os.listdir(f"/proc/{child}/fd")}
        pipes = {os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 1)}
        assert not pipes & set(fds.values()), "the parent's own input and output"
        assert len(fds) <= 7, fds


@pytest.mark.parametrize("kind", ["ssh", "local", "command"])
def test_closing_in_the_middle_leaves_nothing_behind(far, kind):
    far.becomes("exec cat /dev/zero")
    data = b"x" * MIB if kind == "local" else b""
    process = subprocess.run(far.args({**kinds(far)[kind], "stop": 100000}), input=data,
                             capture_output=True, timeout=HANG_S, env=far.env())
    assert process.returncode == 0, process.stderr
    assert len(process.stdout) >= 100000


def test_a_local_agents_stream_and_status_come_through(far):
    assert far.run(b"shout", remote="no").out == b"SHOUT"
    done = far.run(remote="no", path="/fail")
    assert done.kind == UNREACHABLE
    assert done.message == "the connection to the agent for '/fail' ended with status 42"


def test_a_word_of_the_server_reaches_the_terminal_escaped(far):
    far.becomes("printf '\\033]0;evil\\007' >&2; exit 5")
    assert "\x1b" not in far.run(log=2).err

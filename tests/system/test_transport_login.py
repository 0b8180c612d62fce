# SPDX-License-Identifier: BSD-2-Clause
"""Logging in with nobody at the keyboard: key files, the ssh-agent, a password file."""

import base64
import os
import subprocess

import pytest
from farend import DENIED, HANG_S, Far, eventually, far, server, tool  # noqa: F401
from sshd import Sshd, make_key


@pytest.mark.parametrize("kind, options", [
    ("rsa", ()), ("ed25519", ()), ("ecdsa", ("-b", "256")), ("ecdsa", ("-b", "384")),
    ("ecdsa", ("-b", "521")), ("rsa", ("-b", "4096")), ("rsa", ("-m", "PEM")),
    ("rsa", ("-m", "PKCS8")), ("ecdsa", ("-m", "PEM")), ("ecdsa", ("-m", "PKCS8"))])
def test_every_kind_of_key_file_logs_in(far, kind, options):
    key = make_key(far.folder / "key", kind, "", *options)
    far.server.authorize(key)
    # With a configuration that offers no other key.
    assert far.run(b"x", key_file=key, config_file="/dev/null").out == b"x"


def test_a_refused_login_names_what_was_tried(far):
    key = make_key(far.folder / "stranger")
    done = far.run(key_file=key, config_file="/dev/null")
    assert done.kind == DENIED
    assert f"'127.0.0.1' refused the login of '{far.server.user}'" in done.message
    assert str(key) in done.message
    assert "the server takes publickey" in done.message


def test_a_wrong_user_is_refused(far):
    done = far.run(user="nobody-of-that-name")
    assert done.kind == DENIED
    assert "'nobody-of-that-name'" in done.message


def test_a_missing_key_file_is_named(far):
    config = far.config("IdentityFile none\nIdentityAgent none\n")
    done = far.run(key_file=far.folder / "none", config_file=config)
    assert done.kind == DENIED
    assert f"{far.folder}/none (no such file)" in done.message


def test_an_encrypted_key_needs_an_agent(far):
    key = make_key(far.folder / "locked", passphrase="secret")
    far.server.authorize(key)
    done = far.run(key_file=key, config_file="/dev/null")
    assert done.kind == DENIED
    assert "locked (encrypted: needs ssh-agent)" in done.message


def test_a_key_on_hardware_is_told_what_helps(far):
    """An sk- key cannot be made without its hardware: this is the file of one."""
    def text(value):
        return len(value).to_bytes(4, "big") + value
    section = b"\0\0\0\7" * 2 + text(b"sk-ssh-ed25519@openssh.com") + text(b"x" * 32)
    body = b"openssh-key-v1\0" + text(b"none") * 2 + text(b"") + b"\0\0\0\1" + text(b"") + \
        text(section)
    key = far.folder / "sk"
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n" + base64.b64encode(body).decode() +
                   "\n-----END OPENSSH PRIVATE KEY-----\n")
    key.chmod(0o600)
    done = far.run(key_file=key, config_file="/dev/null")
    assert done.kind == DENIED
    assert "TRANSPORT=command" in done.message


@pytest.fixture
def agent(tmp_path):
    """An empty ssh-agent; a function that adds a key to it."""
    path = tmp_path / "agent-socket"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    eventually(path.exists)

    def add(key, **env):
        subprocess.run(["ssh-add", "-q", key], check=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "SSH_AUTH_SOCK": str(path), **env})
    add.socket = path
    yield add
    process.terminate()
    process.wait(timeout=HANG_S)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_in_the_agent_logs_in(far, agent, kind):
    key = make_key(far.folder / "key", kind)
    far.server.authorize(key)
    agent(key)
    key.unlink()
    far.server.authorize(key)
    config = far.config(f"IdentityAgent {agent.socket}\nIdentityFile {far.folder}/none\n")
    assert far.run(b"x", key_file=None, config_file=config).out == b"x"
    by_variable = far.config(f"IdentityFile {far.folder}/none\n")
    assert far.run(b"x", key_file=None, config_file=by_variable,
                   env={"SSH_AUTH_SOCK": str(agent.socket)}).out == b"x"


def test_an_encrypted_key_in_the_agent_logs_in(far, agent):
    key = make_key(far.folder / "locked", passphrase="secret")
    ask = far.folder / "ask"
    ask.write_text("#!/bin/sh\necho secret\n")
    ask.chmod(0o755)
    far.server.authorize(key)
    agent(key, SSH_ASKPASS=str(ask), SSH_ASKPASS_REQUIRE="force")
    other = make_key(far.folder / "other")
    agent(other)
    config = far.config(f"IdentityAgent {agent.socket}\nIdentitiesOnly yes\n")
    done = far.run(b"x", key_file=key, config_file=config)
    assert done.out == b"x"
    assert "other" not in done.err, "with IdentitiesOnly no other key is offered"


def test_too_many_keys_are_reported_as_such(far, agent):
    for number in range(8):
        agent(make_key(far.folder / f"stranger{number}"))
    config = far.config(f"IdentityAgent {agent.socket}\nIdentityFile {far.folder}/none\n")
    done = far.run(key_file=None, config_file=config)
    assert done.kind == DENIED
    assert "Too many authentication failures" in done.message
    assert "stranger0" in done.message


def test_an_agent_that_is_gone_is_survived(far):
    assert far.run(b"x", config_file="/dev/null",
                   env={"SSH_AUTH_SOCK": str(far.folder / "none")}).out == b"x"


def password_file(far, text):
    path = far.folder / "password"
    path.write_text(text)
    return path


def test_a_server_that_takes_no_passwords_says_so(far):
    key = make_key(far.folder / "stranger")
    done = far.run(key_file=key, config_file="/dev/null",
                   password_file=password_file(far, "secret\n"))
    assert done.kind == DENIED
    assert "SSH_PASSWORD_FILE (the server takes no passwords)" in done.message


SHADOW = """
#include <shadow.h>
#include <string.h>
/* Everybody's password is "correct horse". */
struct spwd *getspnam(const char *name)
{
    static char user[64], hash[] = "%s";
    static struct spwd entry = { .sp_pwdp = hash, .sp_lstchg = 19000, .sp_min = 0,
                                 .sp_max = 99999, .sp_warn = 7, .sp_inact = -1, .sp_expire = -1 };
    strncpy(user, name, sizeof(user) - 1);
    entry.sp_namp = user;
    return &entry;
}
"""


@pytest.fixture
def password_server(tmp_path):
    """sshd with an /etc/shadow of its own, as far as it can tell."""
    made = subprocess.run(["openssl", "passwd", "-6", "correct horse"], check=True,
                          capture_output=True, text=True).stdout.strip()
    (tmp_path / "shadow.c").write_text(SHADOW % made)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "shadow.so",
                    tmp_path / "shadow.c"], check=True)
    (tmp_path / "server").mkdir()
    with Sshd(tmp_path / "server", options=["PasswordAuthentication yes"],
              env={"LD_PRELOAD": str(tmp_path / "shadow.so")}) as server:
        yield server


@pytest.mark.skipif(os.geteuid() != 0, reason="sshd checks passwords only as root")
def test_a_password_logs_in(tool, password_server, tmp_path):
    far = Far(tool, password_server, tmp_path)
    none = {"key_file": None, "config_file": far.config("IdentityFile none\nIdentityAgent none\n")}
    right = password_file(far, "correct horse\nsecond line\n")
    assert far.run(b"x", password_file=right, **none).out == b"x"
    wrong = far.run(password_file=password_file(far, "wrong"), **none)
    assert wrong.kind == DENIED
    assert "SSH_PASSWORD_FILE (refused)" in wrong.message
    assert "password" in wrong.message.split("the server takes ")[1]
    assert "wrong" not in wrong.message, "a password is never shown"

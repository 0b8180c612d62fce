# SPDX-License-Identifier: BSD-2-Clause
"""A server whose key is not known is refused, with the way out.

known_hosts is read as ssh reads it, and never written.
"""

import shlex
import subprocess

import pytest
from farend import (DENIED, HANG_S, UNREACHABLE, Far, far, known_hosts, line,  # noqa: F401
                    server, tool)
from sshd import Sshd, make_key


def test_an_unknown_host_is_refused_with_the_command_that_adds_it(far):
    known = far.folder / "known hosts"
    done = far.run(known_hosts=known)
    fingerprint, kind = far.server.fingerprint()
    assert done.kind == DENIED
    assert f"its {kind} key is {fingerprint};" in done.message
    assert not known.exists(), "osync never writes known_hosts"
    command = done.message.split("then run: ")[1]
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=HANG_S)
    assert far.run(b"now", known_hosts=known).out == b"now"


def other_key(far, kind="ed25519"):
    return Sshd.public(make_key(far.folder / "other", kind))


def test_a_changed_key_is_refused_with_file_and_line(far):
    name = f"[{far.server.host}]:{far.server.port}"
    known = known_hosts(far, f"# comment\n{name} {other_key(far)}\n")
    done = far.run(known_hosts=known)
    assert done.kind == DENIED
    assert "HAS CHANGED" in done.message
    assert f"{known}:2" in done.message
    assert far.server.fingerprint()[0] in done.message


def test_a_revoked_key_is_refused_even_if_it_is_known(far):
    known = known_hosts(far, line(far) + line(far, name="*", marker="@revoked "))
    done = far.run(known_hosts=known)
    assert done.kind == DENIED
    assert f"revoked in {known}:2" in done.message


def test_a_certificate_authority_alone_is_not_enough(far):
    done = far.run(known_hosts=known_hosts(far, line(far, marker="@cert-authority ")))
    assert done.kind == DENIED
    assert "certificate authority" in done.message
    assert "TRANSPORT=command" in done.message


def test_a_host_known_by_another_kind_of_key_is_refused(far):
    name = f"[{far.server.host}]:{far.server.port}"
    done = far.run(known_hosts=known_hosts(far, f"{name} {other_key(far, 'rsa')}\n"))
    assert done.kind == DENIED
    assert "another kind" in done.message


@pytest.mark.parametrize("number, kind", [(0, "ssh-ed25519"), (1, "ecdsa-sha2-nistp256")])
def test_the_kind_of_key_that_is_known_is_asked_for(far, number, kind):
    done = far.run(b"x", known_hosts=known_hosts(far, line(far, number)), log=3)
    assert done.out == b"x"
    assert f"host key {kind}" in done.err


def test_hashed_names_are_known(far):
    known = known_hosts(far, line(far))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert known.read_text().startswith("|1|")
    assert far.run(b"x", known_hosts=known).out == b"x"


def test_a_line_without_the_port_will_do(far):
    assert far.run(b"x", known_hosts=known_hosts(far, line(far, name="127.0.0.*"))).out == b"x"


def test_several_files_and_an_alias_from_the_ssh_configuration(far):
    known = known_hosts(far, line(far, name="alias"))
    config = far.config(f"Host short\n  HostName {far.server.host}\n  HostKeyAlias alias\n"
                        f"  Port {far.server.port}\n  IdentityFile {far.server.key}\n"
                        f"  IdentityAgent none\n"
                        f"  UserKnownHostsFile {far.folder}/none {known}\n")
    done = far.run(b"x", host="short", port=None, key_file=None, known_hosts=None,
                   config_file=config)
    assert done.out == b"x"


def test_the_remedy_for_an_alias_is_a_login_by_hand(far):
    config = far.config("HostKeyAlias alias\nUserKnownHostsFile /dev/null\n")
    done = far.run(known_hosts=None, config_file=config)
    assert done.kind == DENIED
    assert f"run: ssh -F {config} -p {far.server.port} {far.server.user}@127" in done.message


def test_strict_checking_cannot_be_switched_off_by_the_ssh_configuration(far):
    config = far.config("StrictHostKeyChecking no\n")
    known = far.folder / "none"
    done = far.run(known_hosts=known, config_file=config)
    assert done.kind == DENIED
    assert "StrictHostKeyChecking" in done.err
    assert not known.exists()


def test_known_hosts_can_be_ignored_and_that_is_said(far):
    done = far.run(b"x", known_hosts="/dev/null", ignore_known_hosts="yes")
    assert done.out == b"x"
    assert f"({' '.join(reversed(far.server.fingerprint()))}) is not checked" in done.err


def test_a_server_with_only_an_rsa_key_is_explained(tool, tmp_path):
    (tmp_path / "server").mkdir()
    with Sshd(tmp_path / "server", host_keys=("rsa",)) as server:
        done = Far(tool, server, tmp_path).run(b"x", log=3)
    if "host key rsa-sha2" in done.err:
        assert done.out == b"x"  # a libssh2 that can
    else:
        assert done.kind == UNREACHABLE
        assert "only an RSA host key" in done.message
        assert "ssh-keygen -A" in done.message


def test_quoting_of_the_remedy_survives_a_shell(far):
    known = far.folder / "it's known"
    done = far.run(known_hosts=known)
    assert shlex.split(done.message.split("then run: ")[1])[-1] == str(known)

# SPDX-License-Identifier: BSD-2-Clause
"""Each way to break the set-up gives one clear line and the right exit code."""

import os
import shutil
import subprocess

import pytest
from harness import (CONFIG, DENIED, FAILED, GUARD, LOOK, OK, OSYNC, SIDES, UNREACHABLE, USAGE,
                     execute, stamps)
from sshd import make_key


def refused(pair, code, *words, options=()):
    """A run that does not start: one line says why, nothing is there on either side."""
    pair.write("initiator", "x")
    result = pair.run(*options, expect=code)
    lines = [line for line in result.said.splitlines() if line.strip()]
    assert 1 <= len(lines) <= 3, f"not one clear line: {result!r}"
    for word in words:
        assert word in result.said, repr(result)
    assert not pair.target.is_dir() or pair.names("target") == []
    pair.at_rest = False
    return result


def replace_option(pair, name, value):
    """Log in with one of the options changed."""
    options = pair.login()
    options[options.index(name) + 1] = str(value)
    pair.login = lambda: options


def test_an_unknown_host_is_refused_with_its_fingerprint(remote):
    empty = remote.base / "known_hosts"
    empty.write_text("")
    replace_option(remote, "--known-hosts", empty)
    refused(remote, DENIED, "SHA256:")
    assert empty.read_text() == "", "the key was added"


def test_a_wrong_host_key_is_refused(remote):
    other = make_key(remote.base / "other")
    kind, key = (remote.base / "other.pub").read_text().split()[:2]
    wrong = remote.base / "known_hosts"
    names = {line.split()[0] for line in open(remote.server.known_hosts, encoding="ascii")
             if line.strip()}
    wrong.write_text("".join(f"{name} {kind} {key}\n" for name in names))
    assert other.exists()
    replace_option(remote, "--known-hosts", wrong)
    refused(remote, DENIED, "SHA256:")


def test_a_wrong_login_is_refused(remote):
    replace_option(remote, "--ssh-key", make_key(remote.base / "other"))
    refused(remote, DENIED)


def test_a_missing_key_file_is_named(remote):
    replace_option(remote, "--ssh-key", remote.base / "no-such-key")
    refused(remote, (DENIED, CONFIG, USAGE), "no-such-key")


def test_a_server_without_osync_is_told_with_what_to_do(remote):
    replace_option(remote, "--remote-osync", "/no/such/osync")
    refused(remote, UNREACHABLE, "osync")


def test_a_server_whose_osync_is_another_program_is_told(remote):
    replace_option(remote, "--remote-osync", "/bin/echo")
    refused(remote, (UNREACHABLE, FAILED))


def test_a_server_that_is_not_there_is_told(remote):
    remote.target_url = lambda: f"ssh://127.0.0.1:1//{remote.target}".replace("///", "//")
    refused(remote, UNREACHABLE, "127.0.0.1")


def test_a_host_that_does_not_exist_is_told(remote):
    remote.target_url = lambda: f"ssh://no-such-host.invalid/{remote.target}"
    refused(remote, UNREACHABLE, "no-such-host.invalid")


@pytest.mark.parametrize("side", SIDES)
def test_a_missing_folder_is_named_and_not_created(pair, side):
    pair.root(side).rmdir()
    result = pair.run(expect=(FAILED, GUARD))
    assert str(pair.root(side)) in result.said
    assert "CREATE_DIRS" in result.said, "the way out is not named"
    assert not pair.root(side).exists()
    pair.root(side).mkdir()


@pytest.mark.parametrize("side", SIDES)
def test_a_missing_folder_is_created_when_asked(pair, side):
    pair.root(side).rmdir()
    pair.options = ["--set", "CREATE_DIRS=true"]
    if side == "target":
        pair.write("initiator", "x")
    else:
        pair.write("target", "x")
    pair.run()
    assert pair.both("x")


def test_missing_folders_are_created_with_their_parents(pair):
    pair.target = pair.base / "one/two/three"
    pair.options = ["--set", "CREATE_DIRS=true"]
    content = pair.write("initiator", "x")
    pair.run()
    assert pair.both("x") == content


@pytest.mark.parametrize("side", SIDES)
def test_a_root_that_is_a_file_is_refused(pair, side):
    pair.root(side).rmdir()
    pair.root(side).write_text("I am a file")
    result = execute(pair.args("--json"), pair.env(), (FAILED, GUARD))
    assert str(pair.root(side)) in result.said
    assert pair.root(side).read_text() == "I am a file"
    pair.root(side).unlink()
    pair.root(side).mkdir()


def conf(pair, *lines):
    """A configuration file for this pair, with these lines more."""
    path = pair.base / "osync.conf"
    keys = [f'INITIATOR_SYNC_DIR="{pair.initiator}"', f'TARGET_SYNC_DIR="{pair.target_url()}"',
            "INSTANCE_ID=test"]
    path.write_text("\n".join(["[GENERAL]", *keys, *lines, ""]))
    return path


def run_conf(pair, path, *options, expect=OK):
    return execute([OSYNC, str(path), "--json", *pair.login(), *options], pair.env(), expect)


def test_a_configuration_file_is_all_that_is_needed(pair):
    content = pair.write("initiator", "x")
    run_conf(pair, conf(pair))
    assert pair.both("x") == content


def test_a_misspelt_key_is_named_with_its_line_and_the_nearest_one(pair):
    pair.write("initiator", "x")
    result = run_conf(pair, conf(pair, "CONFLICT_POLICI=newer"), expect=(OK, LOOK))
    assert "osync.conf:5:" in result.said
    assert "CONFLICT_POLICI" in result.said and "CONFLICT_POLICY" in result.said


def test_a_misspelt_key_on_the_command_line_is_refused(local):
    result = local.run("--set", "CONFLICT_POLICI=newer", expect=(USAGE, CONFIG))
    assert "CONFLICT_POLICI" in result.said


def test_all_problems_of_a_file_are_told_at_once(local):
    path = conf(local, "LOCK_WAIT=soon", "PRESERVE_ACL=perhaps", "X=$(reboot)")
    result = run_conf(local, path, expect=CONFIG)
    for line in (5, 6, 7):
        assert f"osync.conf:{line}:" in result.said, repr(result)


def test_a_file_that_is_not_there_is_named(local):
    result = execute([OSYNC, "/no/such/file.conf"], local.env(), (CONFIG, USAGE))
    assert "/no/such/file.conf" in result.said


def test_a_profile_is_looked_up_by_its_name(local):
    folder = local.home / "xdg/osync"
    folder.mkdir(parents=True)
    shutil.copy(conf(local), folder / "mine.conf")
    content = local.write("initiator", "x")
    execute([OSYNC, "mine"], local.env(XDG_CONFIG_HOME=str(local.home / "xdg")))
    assert local.both("x") == content


def test_a_folder_is_not_synced_with_itself(local):
    local.write("initiator", "x")
    result = execute([OSYNC, "--initiator", str(local.initiator), "--target",
                      str(local.initiator), "--instance-id", "test"], local.env(), None)
    assert result.code not in (OK, LOOK), repr(result)
    assert local.names("initiator") == ["x"]
    local.at_rest = False


def test_i67_a_folder_is_not_synced_with_itself_under_another_name(local):
    local.write("initiator", "x")
    local.target.rmdir()
    local.target.symlink_to(local.initiator)
    result = execute(local.args(), local.env(), None)
    assert result.code not in (OK, LOOK), repr(result)
    local.at_rest = False


@pytest.mark.parametrize("outer", SIDES)
def test_i67_a_folder_is_not_synced_with_one_inside_it(local, outer):
    local.write(outer, "x")
    inner = "target" if outer == "initiator" else "initiator"
    local.root(inner).rmdir()
    setattr(local, inner, local.root(outer) / "inside")
    local.root(inner).mkdir()
    result = execute(local.args(), local.env(), None)
    assert result.code not in (OK, LOOK), repr(result)
    assert not (local.root(inner) / "x").exists()
    local.at_rest = False


def mounted(source, folder):
    """Whether the folder could be mounted at the other place as well (bind)."""
    return subprocess.run(["mount", "--bind", str(source), str(folder)], check=False,
                          capture_output=True).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_i67_a_folder_is_not_synced_with_itself_mounted_elsewhere(local):
    content = local.write("initiator", "d/x")
    local.folder("initiator", "d/inside")
    if not mounted(local.initiator, local.target):
        pytest.skip("nothing can be mounted here")
    try:
        result = execute(local.args(), local.env(), None)
        seen = local.read("initiator", "d/x"), local.names("initiator")
    finally:
        subprocess.run(["umount", str(local.base / "target")], check=True)
    local.at_rest = False
    assert result.code == CONFIG, repr(result)
    assert seen == (content, ["d", "d/inside", "d/x"])
    assert not local.workdir("initiator").exists()


@pytest.mark.parametrize("outer", SIDES)
@pytest.mark.parametrize("deeper", ["", "deeper"])
def test_i67_a_folder_is_not_synced_with_a_part_of_it_mounted_elsewhere(local, outer, deeper):
    inner = "target" if outer == "initiator" else "initiator"
    content = local.write(outer, "d/deeper/x")
    point = local.base / "a point"
    point.mkdir()
    if not mounted(local.root(outer) / "d", point):
        pytest.skip("nothing can be mounted here")
    local.root(inner).rmdir()
    setattr(local, inner, point / deeper if deeper else point)
    try:
        result = execute(local.args(), local.env(), None)
        seen = local.read(outer, "d/deeper/x"), local.names(outer)
    finally:
        subprocess.run(["umount", str(point)], check=True)
        setattr(local, inner, point)
    local.at_rest = False
    assert result.code == CONFIG, repr(result)
    assert seen == (content, ["d", "d/deeper", "d/deeper/x"])


@pytest.mark.parametrize("link", ["initiator", "target", "above"])
def test_i67_folders_that_overlap_through_a_link_are_refused(local, link):
    content = local.write("initiator", "d/x")
    local.target.rmdir()
    if link == "above":
        (local.base / "way").symlink_to(local.base)
        local.target = local.base / "way" / "initiator" / "d"
    elif link == "target":
        local.target.symlink_to(local.initiator / "d")
    else:
        (local.base / "link").symlink_to(local.initiator)
        local.target = local.initiator / "d"
        local.initiator = local.base / "link"
    before = stamps(local.initiator)
    result = execute(local.args(), local.env(), None)
    assert result.code == CONFIG, repr(result)
    assert stamps(local.initiator) == before and local.read("initiator", "d/x") == content
    local.at_rest = False


@pytest.mark.parametrize("args", [
    [], ["--no-such-option"], ["--initiator"], ["--initiator", "/tmp"],
    ["sync"], ["no-such-command", "x", "y"],
])
def test_a_wrong_command_line_is_a_usage_error(local, args):
    result = execute([OSYNC, *args], local.env(), (USAGE, CONFIG))
    assert result.out + result.err


def test_a_path_with_one_slash_is_below_the_login_folder(remote):
    url = remote.server.url(remote.target)
    assert f"/{remote.target}" in url, "the server's fixture gives absolute paths"
    # Absolute, this would be there; below the login folder it is not.
    remote.target_url = lambda: url.replace(f"/{remote.target}", str(remote.target), 1)
    remote.write("initiator", "x")
    result = remote.run(expect=(FAILED, GUARD))
    assert str(remote.target)[1:] in result.said
    assert remote.names("target") == []
    remote.at_rest = False


def test_a_server_that_starts_no_agent_is_given_up(remote):
    mute = remote.base / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 100\n")
    mute.chmod(0o755)
    result = remote.run("--remote-osync", str(mute), "--set", "SSH_CONNECT_TIMEOUT=1",
                        expect=UNREACHABLE)
    assert "no osync agent" in result.said
    remote.at_rest = False


def test_a_warning_is_said_with_quiet_too(local):
    local.write("initiator", "x")
    conf = local.base / "job.conf"
    conf.write_text(f"INSTANCE_ID=test\nINITIATOR_SYNC_DIR={local.initiator}\n"
                    f"TARGET_SYNC_DIR={local.target}\nRSYNC_EXCLUDE_PATERN=x\n")
    result = execute([OSYNC, str(conf), "--quiet"], local.env(), None)
    assert "RSYNC_EXCLUDE_PATTERN" in result.err
    assert result.err.count("PATERN") == 1

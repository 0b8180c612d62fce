# SPDX-License-Identifier: BSD-2-Clause
"""Agents that have given up everything but their roots, and work as ever."""

import ctypes
import os
import re
import shutil
import subprocess

import pytest
from harness import OSYNC, finish, start

# landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION): what this kernel has.
LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1)

pytestmark = pytest.mark.skipif(LANDLOCK < 2, reason="this kernel has no Landlock that allows moves")


def traced(pair, *options, **env):
    """A run under strace; what its processes asked of Landlock, a line each."""
    trace = pair.base / "trace"
    env = {"ASAN_OPTIONS": "detect_leaks=0", **env}
    finish(start(["strace", "-f", "-qq", "-e", "trace=landlock_restrict_self,execve", "-o",
                  str(trace), *pair.args("--json", *options)], pair.env(**env)))
    return trace.read_text()


def restricted(trace):
    return re.findall(r"landlock_restrict_self\(\d+, 0\) += (-?\d+)", trace)


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
def test_i34_both_agents_of_a_run_are_confined(local):
    local.write("initiator", "x")
    trace = traced(local)
    assert restricted(trace) == ["0", "0"], trace
    # Nothing is started by them, nor by the run: what would be, would be confined as well.
    assert len(re.findall(r"execve\(", trace)) == 1, trace


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
def test_i34_an_agent_that_was_started_for_the_server_is_confined(local):
    local.write("initiator", "x")
    local.target_url = lambda: f"ssh://nobody@nowhere/{local.target}"
    local.options = ["--set", "TRANSPORT=command", "--set", "TRANSPORT_COMMAND=env",
                     "--remote-osync", OSYNC]
    assert restricted(traced(local)) == ["0", "0"]
    assert local.read("target", "x")


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
@pytest.mark.parametrize("first", [True, False])
def test_i34_a_state_folder_elsewhere_is_within_reach(local, first):
    state = local.base / "elsewhere" / "state"
    local.options = ["--set", f"TARGET_CUSTOM_STATE_DIR={state}"]
    content = local.write("initiator", "x")
    if not first:
        local.run()
        content = local.write("initiator", "x")
    assert restricted(traced(local)) == ["0", "0"]
    assert local.both("x") == content
    assert any(state.iterdir())


def test_i34_vv_says_how_agents_are_confined(local):
    local.write("initiator", "x")
    result = local.run("-vv")
    said = re.findall(r"confined to its folder by Landlock, version (\d+)", result.err)
    assert said == [str(LANDLOCK)] * 2, repr(result)


def test_i34_a_confined_run_does_all_that_a_run_can(pair):
    """Copies, moves across folders, exchanges, links, attributes, conflicts and trash."""
    pair.options = ["--set", "PRESERVE_XATTR=yes", "--set", "PRESERVE_HARDLINKS=yes"]
    pair.write("initiator", "a/one")
    pair.write("initiator", "a/b/two", os.urandom(300000))
    pair.write("target", "c/three")
    pair.link("target", "c/link", "three")
    os.link(pair.path("initiator", "a/one"), pair.path("initiator", "a/linked"))
    os.setxattr(pair.path("initiator", "a/one"), "user.colour", b"blue")
    pair.run()
    pair.rename("initiator", "a/b", "moved/b")
    pair.rename("target", "c", "d/c")
    pair.write("target", "a/one", "edited there")
    pair.write("initiator", "copy", pair.read("initiator", "moved/b/two"))
    pair.remove("target", "a/linked")
    pair.run(expect=None)
    pair.write("initiator", "d/c/three", "mine")
    pair.write("target", "d/c/three", "yours")
    pair.remove("initiator", "d/c/link")
    pair.run(expect=None)
    pair.assert_converged(xattrs=True)
    assert {b"mine", b"yours"} <= pair.contents("initiator")
    replaced = pair.both("copy")
    pair.write("initiator", "copy", "new")
    pair.run()
    assert replaced in [content for _, _, content in pair.trash("target")]


def test_i34_owners_have_names_when_confined(local):
    """The C library reads its databases after that."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    result = subprocess.run(["getent", "passwd", "daemon"], capture_output=True, check=True)
    uid = int(result.stdout.split(b":")[2])
    local.options = ["--set", "PRESERVE_OWNER=yes"]
    local.write("initiator", "x")
    os.chown(local.path("initiator", "x"), uid, -1)
    local.run()
    assert local.lstat("target", "x").st_uid == uid

# SPDX-License-Identifier: BSD-2-Clause
"""INITIATOR_MOUNTPOINT and REMOTE_MOUNTPOINT: without its disk, a run changes nothing."""

import contextlib
import os
import pwd

import pytest
from harness import GUARD, OSYNC, OTHER, SIDES, Pair
from mounts import mounted
from sshd import make_key

KEYS = {"initiator": "INITIATOR_MOUNTPOINT", "target": "REMOTE_MOUNTPOINT"}


def on_disk(base, server, side, root="disk/root"):
    """A pair of which one folder belongs on a disk that is not mounted yet."""
    pair = Pair(base, server, **{side: root})
    pair.disk = pair.base / "disk"
    pair.side = side
    return pair


@contextlib.contextmanager
def the_disk(pair):
    """It is mounted, and the folder is there."""
    with mounted(pair.disk, "-t", "tmpfs", "none"):
        pair.root(pair.side).mkdir(exist_ok=True)
        yield


def expects(pair, value, *options):
    pair.options = ["--set", f"{KEYS[pair.side]}={value}", *options]


def stopped(pair):
    before = pair.stamps()
    result = pair.run(expect=GUARD)
    assert pair.stamps() == before, "something was changed"
    assert result.says(pair.side, "nothing is mounted on", "nothing was changed"), result
    return result


@pytest.mark.parametrize("side", SIDES)
def test_i5_a_disk_that_is_not_there_stops_the_run(tmp_path, server, side):
    pair = on_disk(tmp_path, server, side)
    pair.write(OTHER[side], "file")
    expects(pair, pair.disk)
    stopped(pair)
    with the_disk(pair):
        pair.run()
        pair.verify()
    stopped(pair)
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_yes_means_the_folder_itself(tmp_path, server, side):
    pair = on_disk(tmp_path, server, side, "disk")
    pair.write(OTHER[side], "file")
    expects(pair, "yes")
    stopped(pair)
    expects(pair, "No")
    pair.run("--dry-run")
    expects(pair, "yes")
    with the_disk(pair):
        pair.run()
        pair.verify()
    pair.at_rest = False


@pytest.mark.parametrize("side", SIDES)
def test_no_folder_is_made_on_either_side_without_the_disk(tmp_path, server, side):
    pair = on_disk(tmp_path, server, side)
    content = pair.write(OTHER[side], "file")
    for folder in (pair.root(side), *([pair.target] if side == "initiator" else [])):
        if not os.listdir(folder):
            folder.rmdir()
    if side == "initiator":
        content = None
        pair.target.rename(tmp_path / "later")
    expects(pair, pair.disk, "--set", "CREATE_DIRS=yes")
    pair.run(expect=GUARD)
    assert not pair.root(side).exists() and os.listdir(pair.disk) == []
    assert side == "target" or not pair.target.exists()
    with mounted(pair.disk, "-t", "tmpfs", "none"):
        pair.run()
        assert content is None or pair.both("file") == content
        pair.verify()
    pair.at_rest = False


def test_a_bind_mount_is_one_too(local, tmp_path):
    local.options = ["--set", f"REMOTE_MOUNTPOINT={local.target}"]
    local.side = "target"
    local.write("initiator", "file")
    stopped(local)
    (tmp_path / "elsewhere").mkdir()
    with mounted(local.target, "--bind", tmp_path / "elsewhere"):
        local.run()
        local.verify()
    local.at_rest = False


def test_the_folder_has_to_lie_on_it(remote):
    """Something is mounted there, but that says nothing about the folder."""
    remote.side = "target"
    remote.write("initiator", "file")
    expects(remote, "/proc")
    assert stopped(remote).says("does not lie there")
    remote.at_rest = False


def test_a_relative_one_is_below_the_login_folder(tmp_path, server):
    pair = on_disk(tmp_path, server, "target")
    home = pwd.getpwuid(os.geteuid()).pw_dir
    expects(pair, os.path.relpath(pair.disk, home))
    pair.write("initiator", "file")
    stopped(pair)
    with the_disk(pair):
        pair.run()
        pair.verify()
    pair.at_rest = False


@pytest.mark.parametrize("value", ["yes", "disk"])
def test_a_forced_agent_looks_too(tmp_path, server, value):
    """And what it is asked to look at does not change which folder it serves."""
    pair = on_disk(tmp_path, server, "target", "disk" if value == "yes" else "disk/root")
    key = make_key(tmp_path / "forced_key")
    server.authorize(key, f'command="{OSYNC} agent --root={pair.target}" ')
    expects(pair, pair.disk if value == "disk" else value, "--ssh-key", str(key))
    pair.write("initiator", "file")
    stopped(pair)
    with the_disk(pair):
        pair.run()
        pair.verify()
    pair.at_rest = False

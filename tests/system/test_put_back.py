# SPDX-License-Identifier: BSD-2-Clause
"""A side, or the saved list, put back to an older state: nothing is deleted, all is kept.

Above all where runs were cut off: then one side may know of something that was never committed.
"""

import os
import shutil
import subprocess

import pytest
from harness import FAILED, GUARD, LOOK, OK, OTHER, SIDES, UNREACHABLE, environment

KILLED = -9
CUT = {"OSYNC_POINT": "before-journal=kill -9 $PPID"}
FILES = ("x", "k", "d/one", "d/two", "stays")


def synced(pair):
    for name in FILES:
        pair.write("initiator", name)
    pair.run()


class Backup:
    """A copy of one side as a whole, its state included."""

    def __init__(self, pair, side, but=()):
        self.root = pair.root(side)
        self.copy = pair.base / "backup"
        shutil.copytree(self.root, self.copy, symlinks=True)
        for name in but:
            shutil.rmtree(self.copy / name)

    def restore(self):
        shutil.rmtree(self.root)
        shutil.copytree(self.copy, self.root, symlinks=True)


def kept_everything(pair, edited, new, said=True):
    result = pair.run(expect=(OK, LOOK))
    if said:
        assert result.says("restored from a backup"), repr(result)
    assert pair.both("n") == new
    assert edited in pair.contents("initiator") and edited in pair.contents("target")
    assert set(FILES) <= set(pair.names("initiator"))


@pytest.mark.parametrize("back", SIDES)
@pytest.mark.parametrize("editor", SIDES)
@pytest.mark.parametrize("cut", [*range(3, 12), None])
def test_i9_a_side_put_back_after_a_run_that_was_cut_off(local, back, editor, cut):
    """At every step of the initiator that writes, and behind the first operation."""
    synced(local)
    backup = Backup(local, back)
    edited = local.write(editor, "x")
    new = local.write(editor, "n")
    local.run(env=CUT if cut is None else {"OSYNC_FAULT": f"kill:{cut}:initiator:change"},
              expect=(OK, KILLED))
    arrived = [content for content in (edited, new) if content in local.contents(OTHER[editor])]
    backup.restore()
    if back != editor:
        kept_everything(local, edited, new, said=False)
        return
    local.run(expect=(OK, LOOK))
    # What had come over lives on; what had not is what the backup lacks.
    assert all(content in local.contents(side) for content in arrived for side in SIDES)
    assert set(FILES) <= set(local.names("initiator"))


@pytest.mark.parametrize("back", SIDES)
def test_i9_a_side_put_back_whose_state_lies_elsewhere(pair, back):
    states = [pair.base / side for side in ("state-here", "state-there")]
    for folder in states:
        folder.mkdir()
    pair.options += ["--initiator-state-dir", str(states[0]), "--target-state-dir", str(states[1])]
    synced(pair)
    backup = Backup(pair, back)
    edited = pair.write("initiator", "x")
    new = pair.write("initiator", "n")
    pair.run()
    backup.restore()
    kept_everything(pair, edited, new)


@pytest.mark.parametrize("back", SIDES)
def test_i9_a_side_put_back_to_the_midst_of_the_last_run(local, back):
    """As a snapshot finds it that is made every hour, when cron starts runs as well."""
    state = local.base / "state"
    state.mkdir()
    local.options += ["--initiator-state-dir", str(state)]
    synced(local)
    local.remove(OTHER[back], "k")
    new = [local.write(OTHER[back], f"n{number}") for number in range(5)]
    snapshot, root = local.base / "snapshot", local.root(back)
    local.run(env={"OSYNC_POINT": f"before-place=test -e {snapshot} || cp -a {root} {snapshot}"})
    shutil.rmtree(root)
    shutil.copytree(snapshot, root, symlinks=True)
    result = local.run()
    assert result.says("restored from a backup") and not result.ops("delete"), repr(result)
    assert [local.both(f"n{number}") for number in range(5)] == new


@pytest.mark.parametrize("back", SIDES)
def test_i9_a_side_put_back_without_its_state(pair, back):
    synced(pair)
    backup = Backup(pair, back, but=(".osync_workdir/state",))
    edited = pair.write("initiator", "x")
    new = pair.write("initiator", "n")
    pair.run()
    backup.restore()
    kept_everything(pair, edited, new, said=back == "target")


def test_i9_a_target_put_back_to_before_this_initiator_came(local):
    """Its identity is there, since another one was there before."""
    other = local.base / "other"
    other.mkdir()
    (other / "first").write_text("of another initiator")
    first = [*local.args("--instance-id=first")]
    first[first.index(str(local.initiator))] = str(other)
    subprocess.run(first, env=local.env(), check=True, stdout=subprocess.DEVNULL)
    backup = Backup(local, "target")
    synced(local)
    edited = local.write("initiator", "x")
    new = local.write("initiator", "n")
    local.run()
    backup.restore()
    kept_everything(local, edited, new)


def test_i9_cuts_one_after_another_put_nothing_back(local):
    synced(local)
    local.write("initiator", "x")
    for cut in range(3, 14):
        for role in ("initiator", "target agent", "initiator agent"):
            local.run(env={"OSYNC_FAULT": f"kill:{cut}:{role}:change"},
                      expect=(OK, FAILED, UNREACHABLE, KILLED))
    edited = local.write("initiator", "x")
    local.remove("initiator", "k")
    result = local.run()
    assert not result.says("backup")
    assert local.gone("k") and local.both("x") == edited


def test_i9_a_merge_that_was_cut_off_has_a_history_again(local):
    """The list is lost, and the run that makes a new one is killed behind its first record."""
    synced(local)
    for path in local.state_folder().glob("*.list*"):
        path.unlink()
    local.write("initiator", "n")
    local.run(env=CUT, expect=KILLED)
    local.run()
    local.remove("initiator", "k")
    assert local.run().ops("delete") == ["k"]


def test_a_host_may_change_its_name(local):
    def run(host):
        inside = f"hostname {host} && exec \"$@\""
        done = subprocess.run(["unshare", "--uts", "sh", "-c", inside, "sh", *local.args("--json")],
                              env=environment(local.home), check=False, capture_output=True)
        if b"unshare" in done.stderr:
            pytest.skip("no namespaces here")
        assert done.returncode == 0, done.stderr
    synced(local)
    run("office")
    edited = local.write("initiator", "x")
    local.remove("initiator", "k")
    run("office")
    run("home")
    assert local.gone("k") and local.both("x") == edited
    assert len(local.names("initiator")) == len(FILES)


def test_a_folder_may_be_mounted_elsewhere(local):
    synced(local)
    moved = local.base / "moved"
    os.rename(local.initiator, moved)
    local.initiator = moved
    local.remove("initiator", "k")
    edited = local.write("target", "x")
    local.run()
    assert local.gone("k") and local.both("x") == edited


@pytest.mark.parametrize("mover", SIDES)
@pytest.mark.parametrize("cuts", [1, 2])
def test_i18_renames_on_both_sides_in_a_run_that_was_cut_off(local, mover, cuts):
    """The folder is renamed on one side, a file in it on the other."""
    for name in ("d/x", "d/z"):
        local.write("initiator", name)
    local.run()
    local.rename(mover, "d", "e")
    local.rename(OTHER[mover], "d/x", "d/y")
    for _ in range(cuts):
        local.run(env=CUT, expect=(OK, KILLED))
    local.remove("initiator", "e/y")
    local.run()
    assert local.names("initiator") == local.names("target") == ["e", "e/z"]


def test_i9_a_damaged_memory_of_a_place_names_nobody(local):
    """Any bit of what the target remembers of where the initiator was."""
    synced(local)
    memory, = (local.workdir("target") / "state").glob("*.place")
    whole = memory.read_bytes()
    for at in range(len(whole)):
        memory.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        assert not local.run().changes
    memory.write_bytes(whole)
    shutil.rmtree(local.initiator)
    local.initiator.mkdir()
    local.at_rest = False
    local.run(expect=GUARD)

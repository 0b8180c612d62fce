# SPDX-License-Identifier: BSD-2-Clause
"""Without a saved list, for the first time or because it was lost: a union, nothing deleted."""

import os
import shutil
from pathlib import Path

import pytest
from harness import (GUARD, LOOK, OK, SIDES, Pair, eventually, finish, nothing_lost, set_mtime,
                     start)


def test_a_first_run_makes_the_union(pair):
    here = pair.write("initiator", "d/here")
    there = pair.write("target", "d/there")
    result = pair.run()
    assert pair.both("d/here") == here
    assert pair.both("d/there") == there
    assert result.ops("delete") == []


@pytest.mark.parametrize("side", SIDES)
def test_a_first_run_with_one_side_empty_copies_the_other(pair, side):
    contents = {pair.write(side, f"{number}/{number}") for number in range(20)}
    pair.run()
    assert pair.contents("initiator") == pair.contents("target") == contents


def test_a_first_run_of_two_empty_folders_is_in_sync(pair):
    assert pair.run().changes == []


def test_i17_equal_files_are_adopted_without_sending_them(pair):
    for number in range(5):
        pair.write_both(f"d/{number}", os.urandom(100_000))
    for number, side in enumerate(SIDES):
        set_mtime(pair.path(side, "d/0"), 1_400_000_000 + number)
    result = pair.run(expect=OK)
    assert result.summary["conflicts"] == 0
    assert result.ops("create") == result.ops("update") == []
    assert result.summary["sent_bytes"] < 20_000
    assert result.summary["received_bytes"] < 20_000


def test_i17_equal_links_and_folders_are_adopted(pair):
    for side in SIDES:
        pair.folder(side, "empty")
        pair.link(side, "link", "nowhere")
    result = pair.run(expect=OK)
    assert result.ops("create") == result.ops("update") == result.ops("conflict") == []


def test_unequal_files_are_conflicts(pair):
    here = pair.write("initiator", "x.txt", mtime=1_580_702_706)
    there = pair.write("target", "x.txt", mtime=1_580_789_106)
    result = pair.run(expect=LOOK)
    assert result.summary["conflicts"] == 1
    assert pair.both("x.txt") == there
    copy, = pair.conflict_copies("target", "x")
    assert pair.both(copy) == here


def synced(pair):
    """A synced tree; returns what is in it."""
    contents = {name: pair.write("initiator", name) for name in
                ("kept", "d/edited here", "d/edited there", "edited on both", "gone here",
                 "gone there")}
    pair.run()
    return contents


def edit(pair):
    """Edits of every sort on both sides; returns the new versions."""
    new = {pair.write("initiator", "d/edited here"), pair.write("target", "d/edited there"),
           pair.write("initiator", "edited on both"), pair.write("target", "edited on both"),
           pair.write("initiator", "new here"), pair.write("target", "new there")}
    pair.remove("initiator", "gone here")
    pair.remove("target", "gone there")
    return new


def assert_merged(pair, contents, new):
    """All there was is still there, on both sides, and nothing was deleted."""
    everything = new | {contents[name] for name in
                        ("kept", "d/edited here", "d/edited there", "gone here", "gone there")}
    assert everything <= pair.contents("initiator")
    assert pair.contents("initiator") == pair.contents("target")


def state_files(pair):
    files = [path for path in pair.state_folder().rglob("*") if path.is_file()]
    assert files, "no saved state"
    return files


def test_i9_a_deleted_saved_list_is_a_merge(pair):
    contents = synced(pair)
    shutil.rmtree(pair.state_folder())
    new = edit(pair)
    result = pair.run(expect=(OK, LOOK))
    assert result.ops("delete") == []
    assert_merged(pair, contents, new)


def damage_middle(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x20]) + data[middle + 1:]


def rid_of_the_list(pair):
    shutil.rmtree(pair.state_folder())


def refilled_from_an_old_copy(pair):
    shutil.rmtree(pair.workdir("initiator"))
    pair.options.append("--adopt")


def never_synced(pair):
    for side in SIDES:
        shutil.rmtree(pair.workdir(side))


@pytest.mark.parametrize("policy", ["newer", *SIDES])
@pytest.mark.parametrize("lose", [rid_of_the_list, refilled_from_an_old_copy, never_synced])
def test_i9_without_history_every_policy_keeps_both(local, lose, policy):
    local.options = ["--conflict-policy", policy]
    for number in range(12):
        local.write_both(f"{number}")
    local.run()
    versions = {local.write(side, f"{number}", mtime=mtime)
                for side, mtime in (("initiator", 1_500_000_000), ("target", 1_600_000_000))
                for number in range(12)}
    lose(local)
    result = local.run(expect=LOOK)
    assert len(result.ops("conflict")) == 12
    assert local.contents("initiator") == local.contents("target") == versions


def test_i9_a_policy_waits_for_the_first_run_that_is_completed(local):
    """Killed half-way, the run without history has made a new list already."""
    local.options = ["--conflict-policy", "initiator"]
    local.write_both("x")
    local.run()
    rid_of_the_list(local)
    versions = {local.write(side, "x") for side in SIDES}
    local.run(env={"OSYNC_POINT": "before-place=kill -9 $PPID"}, expect=None)
    local.run(expect=(OK, LOOK))
    assert local.contents("initiator") == local.contents("target") == versions


DAMAGES = {
    "a bit flipped in the middle": damage_middle,
    "a bit flipped in the last byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "a bit flipped in the first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "the second half missing": lambda data: data[:len(data) // 2],
    "one byte missing": lambda data: data[:-1],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: b"\xff" * len(data),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_i9_a_damaged_saved_list_never_deletes_or_overwrites(local, how):
    contents = synced(local)
    for path in state_files(local):
        data = path.read_bytes()
        if data:
            path.write_bytes(DAMAGES[how](data))
    new = edit(local)
    result = local.run(expect=(OK, LOOK))
    assert new <= local.contents("target")
    assert {contents["kept"], *new} <= local.contents("initiator")
    # Where the end is missing, what stands before it may still be known, deletions too.
    if how not in ("one byte missing", "the second half missing", "a bit flipped in the last byte"):
        assert result.ops("delete") == []
        assert_merged(local, contents, new)


def test_i9_a_corrupted_saved_list_is_named(remote):
    synced(remote)
    for path in state_files(remote):
        path.write_bytes(b"\xff" * 100)
    result = remote.run(expect=(OK, LOOK))
    assert "list" in result.said


@pytest.mark.parametrize("cut", range(1, 20))
def test_i9_a_saved_list_cut_anywhere_is_survived(local, cut):
    contents = synced(local)
    for path in state_files(local):
        data = path.read_bytes()
        path.write_bytes(data[:len(data) * cut // 20])
    new = edit(local)
    local.run(expect=(OK, LOOK))
    assert new | {contents["kept"]} <= local.contents("initiator")


# Every byte takes minutes; by default some places of each file.
PLACES = int(os.environ.get("OSYNC_PLACES", "7"))


def places(size):
    """Up to PLACES offsets, from the first byte to the last."""
    if size <= PLACES:
        return range(size)
    return [number * (size - 1) // (PLACES - 1) for number in range(PLACES)]


def flip(data, place):
    place = min(place, len(data) - 1)
    return data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1:]


def cut(data, place):
    return data[:place]


def state_of(pair, side):
    """The one file of a side's state that says what was agreed after a first run."""
    files = [path for path in (pair.workdir(side) / "state").iterdir()
             if path.stat().st_size and path.suffix not in (".verify", ".place")]
    assert len(files) == 1, files
    return files[0]


def survive(pair, side, damage, place):
    contents = synced(pair)
    state = state_of(pair, side)
    state.write_bytes(damage(state.read_bytes(), place))
    new = edit(pair)
    pair.run(expect=(OK, LOOK))
    assert new | {contents["kept"]} <= pair.contents("target") & pair.contents("initiator")
    if side == "target":
        assert pair.gone("gone here") and pair.gone("gone there")
        assert len(pair.names("target")) == 8, pair.names("target")
    pair.verify()
    shutil.rmtree(pair.base)


@pytest.mark.parametrize("damage", [cut, flip])
@pytest.mark.parametrize("side", SIDES)
def test_i9_a_state_damaged_anywhere_on_either_end_loses_no_version(tmp_path, side, damage):
    """Of the saved list nothing is believed that is not whole; the target's cache only saves
    talk, so without it a run comes to the same end."""
    first = Pair(tmp_path / "first")
    synced(first)
    for place in places(state_of(first, side).stat().st_size):
        # Names and times differ from run to run, and so may the size, but hardly.
        survive(Pair(tmp_path / f"{place}"), side, damage, place)


def test_i9_an_older_cache_of_the_target_is_noticed(local):
    contents = synced(local)
    older = local.base / "older"
    state = local.workdir("target") / "state"
    shutil.copytree(state, older)
    new = local.write("initiator", "kept")
    local.remove("initiator", "gone here")
    local.run()
    shutil.rmtree(state)
    shutil.copytree(older, state)
    back = local.write("target", "gone here")
    result = local.run()
    assert result.ops("delete") == []
    assert (local.both("kept"), local.both("gone here")) == (new, back)
    assert local.both("d/edited here") == contents["d/edited here"]


def test_i9_an_older_saved_list_never_deletes_what_is_newer(local):
    local.write("initiator", "x", "one")
    local.run()
    older = local.base / "older"
    shutil.copytree(local.state_folder(), older)
    local.remove("initiator", "x")
    local.run()
    back = local.write("target", "x", "one")
    local.run()
    new = local.write("initiator", "new")
    local.run()
    shutil.rmtree(local.state_folder())
    shutil.copytree(older, local.state_folder())
    with nothing_lost(*local.roots):
        result = local.run(expect=(OK, LOOK))
    assert result.ops("delete") == []
    assert local.both("x") == back
    assert local.both("new") == new


def test_i9_the_saved_list_of_another_pair_is_not_used(tmp_path, local):
    other = type(local)(tmp_path / "other", name="test")
    other.write("initiator", "x", "the same path")
    other.run()
    kept = local.write("initiator", "x", "the same path")
    local.run()
    shutil.rmtree(local.state_folder())
    shutil.copytree(other.state_folder(), local.state_folder())
    local.remove("target", "x")
    result = local.run(expect=None)
    if result.code == GUARD:
        assert local.read("initiator", "x") == kept
        local.at_rest = False
    else:
        assert local.both("x") == kept


def test_the_saved_list_can_be_elsewhere(pair):
    elsewhere = pair.base / "elsewhere"
    pair.options = ["--initiator-state-dir", str(elsewhere)]
    pair.write("initiator", "x")
    pair.run()
    assert any(path.is_file() for path in elsewhere.rglob("*"))
    pair.remove("target", "x")
    pair.run()
    assert pair.gone("x")


def test_a_second_profile_over_the_same_folders_has_its_own_list(local):
    local.write("initiator", "x")
    local.run()
    local.name = "another"
    assert local.run().changes == []
    local.remove("initiator", "x")
    local.run()
    assert local.gone("x")
    local.name = "test"
    local.run()
    assert local.gone("x")


def test_i9_two_first_runs_at_once_have_one_history(pair):
    pair.write("initiator", "x")
    started, go = pair.base / "started", pair.base / "go"
    wait = f"after-scan=touch {started}; until [ -e {go} ]; do sleep 0.05; done"
    first = start(pair.args("--json"), pair.env(OSYNC_POINT=wait))
    assert eventually(started.exists)
    second = pair.start("--lock-wait=60", "-v")
    assert any(b"waiting up to" in line for line in second.stderr), "it does not wait"
    go.touch()
    assert finish(first).ops("create") == ["x"]
    assert not finish(second).changes
    pair.remove("initiator", "x")
    assert pair.run().ops("delete") == ["x"]

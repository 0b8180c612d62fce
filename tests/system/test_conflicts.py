# SPDX-License-Identifier: BSD-2-Clause
"""The same path changed on both sides: which version keeps the name, and where the other is."""

import os
import re

import pytest
from harness import GUARD, LOOK, OK, OTHER, SIDES, Pair, set_mtime

# 2020-02-03 04:05:06 UTC and a day later.
OLDER, NEWER = 1_580_702_706, 1_580_789_106
OLDER_STAMP = "20200203-040506"


def conflict(pair, name="x.txt", newer="initiator"):
    """Edit a synced file on both sides; returns (older bytes, newer bytes)."""
    pair.write("initiator", name, "as agreed")
    pair.run()
    new = pair.write(newer, name, mtime=NEWER)
    old = pair.write(OTHER[newer], name, mtime=OLDER)
    return old, new


@pytest.mark.parametrize("newer", SIDES)
def test_keep_both_lets_the_newer_version_keep_the_name(pair, newer):
    old, new = conflict(pair, newer=newer)
    result = pair.run(expect=LOOK)
    assert pair.both("x.txt") == new
    copies = pair.conflict_copies("initiator", "x")
    assert len(copies) == 1
    assert pair.both(copies[0]) == old
    assert result.summary["conflicts"] == 1
    assert "x.txt" in result.ops("conflict")


@pytest.mark.parametrize("newer", SIDES)
@pytest.mark.parametrize("mover", SIDES)
def test_a_conflict_in_a_folder_that_was_moved_is_dealt_with_at_once(local, mover, newer):
    local.write("initiator", "d/same")
    old, new = conflict(local, "d/s/x.txt", newer)
    local.rename(mover, "d", "e")
    result = local.run(expect=LOOK)
    assert result.summary["failed"] == 0
    assert local.both("e/s/x.txt") == new
    name, = local.conflict_copies("target", "e/s/x")
    assert local.both(name) == old
    local.run(expect=OK)


def test_a_conflict_copy_that_is_there_is_found_in_a_folder_that_was_moved(local):
    """A run that was killed had made it, or somebody has put it there."""
    old, new = conflict(local, "d/x.txt")
    local.run(expect=LOOK)
    name, = local.conflict_copies("target", "d/x")
    for side, content, mtime in (("target", old, OLDER), ("initiator", b"newest", NEWER + 1)):
        local.write(side, "d/x.txt", content, mtime=mtime)
    local.rename("initiator", "d", "e")
    local.run(expect=LOOK)
    assert local.both("e/x.txt") == b"newest"
    assert local.both(name.replace("d/", "e/")) == old
    assert len(local.conflict_copies("initiator", "e/x")) == 1


def test_a_conflict_is_told_once(pair):
    conflict(pair)
    pair.run(expect=LOOK)
    assert pair.run(expect=OK).summary["conflicts"] == 0


@pytest.mark.parametrize("timezone", ["UTC", "Asia/Kathmandu", "ZZZ+11"])
@pytest.mark.parametrize("newer", SIDES)
def test_the_name_of_the_copy_tells_the_time_of_the_losing_version_in_utc(local, newer, timezone):
    conflict(local, newer=newer)
    local.run(expect=LOOK, env={"TZ": timezone})
    name, = local.conflict_copies("initiator", "x")
    assert re.fullmatch(rf"x\.conflict-{OLDER_STAMP}-[0-9a-f]{{6}}\.txt", name), name


def test_the_name_of_the_copy_is_the_same_on_every_machine(tmp_path):
    names = []
    for number, newer in enumerate(SIDES):
        pair = Pair(tmp_path / str(number), name=f"profile{number}")
        pair.write("initiator", "x.txt", "as agreed")
        pair.run()
        pair.write(newer, "x.txt", "the newer", mtime=NEWER)
        pair.write(OTHER[newer], "x.txt", "the older", mtime=OLDER)
        pair.run(expect=LOOK)
        names.append(pair.conflict_copies("target", "x"))
        pair.verify()
    assert names[0] == names[1] != []


@pytest.mark.parametrize("name, pattern", [
    ("README", r"README\.conflict-STAMP"),
    ("a.tar.gz", r"a\.tar\.conflict-STAMP\.gz|a\.conflict-STAMP\.tar\.gz"),
    (".profile", r"\.profile\.conflict-STAMP"),
    ("sub.d/plain", r"sub\.d/plain\.conflict-STAMP"),
    ("odd\udce9.txt", "odd\udce9\\.conflict-STAMP\\.txt"),
    ("new\nline.txt", r"new\nline\.conflict-STAMP\.txt"),
    ("blank .b c", r"blank \.conflict-STAMP\.b c|blank \.b c\.conflict-STAMP"),
])
def test_the_copy_keeps_the_extension(local, name, pattern):
    old, new = conflict(local, name)
    local.run(expect=LOOK)
    stamp = OLDER_STAMP + "-[0-9a-f]{6}"
    found = [path for path in local.names("target")
             if re.fullmatch(pattern.replace("STAMP", stamp), path)]
    assert len(found) == 1, local.names("target")
    assert local.both(found[0]) == old
    assert local.both(name) == new


@pytest.mark.parametrize("name", ["n" * 255, "n" * 250 + ".text", "n." + "e" * 253])
def test_the_copy_of_a_file_with_the_longest_name_can_be_made(local, name):
    old, new = conflict(local, name)
    local.run(expect=LOOK)
    assert local.both(name) == new
    assert local.contents("target") == {old, new}


def test_i13_a_copy_never_replaces_a_file_that_has_its_name(tmp_path):
    name = rehearse(tmp_path / "rehearsal")
    pair = Pair(tmp_path / "real")
    pair.write("initiator", "x.txt", "as agreed")
    pair.write("initiator", name, "I was here first")
    pair.run()
    pair.write("initiator", "x.txt", "the newer", mtime=NEWER)
    pair.write("target", "x.txt", "the older", mtime=OLDER)
    pair.run(expect=LOOK)
    assert pair.both(name) == b"I was here first"
    assert pair.contents("target") == {b"I was here first", b"the newer", b"the older"}
    pair.verify()


def test_i13_a_copy_never_replaces_a_file_that_is_made_at_the_same_time(tmp_path):
    name = rehearse(tmp_path / "rehearsal")
    pair = Pair(tmp_path / "real")
    pair.write("initiator", "x.txt", "as agreed")
    pair.run()
    pair.write("initiator", "x.txt", "the newer", mtime=NEWER)
    pair.write("target", "x.txt", "the older", mtime=OLDER)
    pair.write("initiator", name, "made here")
    pair.run(expect=None)
    pair.run(expect=None)
    assert pair.contents("target") == {b"made here", b"the newer", b"the older"}
    pair.verify()


def rehearse(base):
    """The name that the copy of 'the older' gets."""
    pair = Pair(base)
    pair.write("initiator", "x.txt", "as agreed")
    pair.run()
    pair.write("initiator", "x.txt", "the newer", mtime=NEWER)
    pair.write("target", "x.txt", "the older", mtime=OLDER)
    pair.run(expect=LOOK)
    name, = pair.conflict_copies("target", "x")
    return name


def test_i13_six_rounds_of_conflict_leave_seven_versions(local):
    local.write("initiator", "x.txt", "as agreed")
    local.run()
    kept = set()
    for number in range(6):
        new = local.write("initiator", "x.txt", f"here {number}", mtime=NEWER + number)
        kept.add(local.write("target", "x.txt", f"there {number}", mtime=OLDER))
        local.run(expect=LOOK)
    assert local.contents("target") == kept | {new}


def test_i13_a_conflict_of_a_conflict_copy_keeps_both(local):
    conflict(local)
    local.run(expect=LOOK)
    name, = local.conflict_copies("initiator", "x")
    new = local.write("initiator", name, mtime=NEWER)
    old = local.write("target", name, mtime=OLDER)
    local.run(expect=LOOK)
    assert local.both(name) == new
    assert old in local.contents("initiator")


def test_i17_the_same_edit_on_both_sides_is_no_conflict(pair):
    pair.write("initiator", "x", os.urandom(200_000))
    pair.run()
    content = os.urandom(200_000)
    pair.write("initiator", "x", content, mtime=NEWER)
    pair.write("target", "x", content, mtime=OLDER)
    result = pair.run()
    assert result.summary["conflicts"] == 0
    assert result.summary["sent_bytes"] + result.summary["received_bytes"] < 20_000
    assert pair.both("x") == content


def test_i23_equal_times_still_keep_both(pair):
    pair.write("initiator", "x.txt", "as agreed")
    pair.run()
    here = pair.write("initiator", "x.txt", mtime=NEWER)
    there = pair.write("target", "x.txt", mtime=NEWER)
    pair.run(expect=LOOK)
    assert pair.contents("initiator") == pair.contents("target") == {here, there}


def test_prevalance_breaks_a_tie(local):
    local.options = ["--set", "CONFLICT_PREVALANCE=target"]
    local.write("initiator", "x.txt", "as agreed")
    local.run()
    local.write("initiator", "x.txt", "here", mtime=NEWER)
    local.write("target", "x.txt", "there", mtime=NEWER)
    local.run(expect=LOOK)
    assert local.both("x.txt") == b"there"


@pytest.mark.parametrize("newer", SIDES)
def test_the_same_name_made_on_both_sides_keeps_both(pair, newer):
    pair.write("initiator", "other")
    pair.run()
    new = pair.write(newer, "x.txt", mtime=NEWER)
    old = pair.write(OTHER[newer], "x.txt", mtime=OLDER)
    pair.run(expect=LOOK)
    assert pair.both("x.txt") == new
    name, = pair.conflict_copies("target", "x")
    assert pair.both(name) == old


def test_two_symlinks_changed_apart_keep_both(pair):
    pair.link("initiator", "link", "agreed")
    pair.run()
    for side, to in zip(SIDES, ("here", "there")):
        pair.remove(side, "link")
        pair.link(side, "link", to)
    set_mtime(pair.path("initiator", "link"), NEWER)
    set_mtime(pair.path("target", "link"), OLDER)
    pair.run(expect=LOOK)
    found = {os.readlink(pair.path("target", name)) for name in pair.names("target")}
    assert found == {"here", "there"}
    assert os.readlink(pair.path("target", "link")) == "here"


@pytest.mark.parametrize("newer", SIDES)
def test_a_file_and_a_symlink_made_with_one_name_keep_both(pair, newer):
    content = pair.write("initiator", "x")
    pair.link("target", "x", "somewhere")
    set_mtime(pair.path(newer, "x"), NEWER)
    set_mtime(pair.path(OTHER[newer], "x"), OLDER)
    pair.run(expect=LOOK)
    assert pair.contents("target") == {content}
    links = [name for name in pair.names("target") if pair.path("target", name).is_symlink()]
    assert [os.readlink(pair.path("target", name)) for name in links] == ["somewhere"]


@pytest.mark.parametrize("folder_side", SIDES)
def test_a_file_and_a_folder_made_with_one_name_keep_both(pair, folder_side):
    inside = pair.write(folder_side, "x/inside")
    content = pair.write(OTHER[folder_side], "x")
    pair.run(expect=LOOK)
    assert pair.contents("initiator") == pair.contents("target") == {inside, content}


@pytest.mark.parametrize("newer", SIDES)
def test_newer_lets_the_newer_version_win_and_trashes_the_other(pair, newer):
    pair.options = ["--set", "CONFLICT_POLICY=newer"]
    old, new = conflict(pair, newer=newer)
    result = pair.run(expect=(OK, LOOK))
    assert pair.both("x.txt") == new
    assert pair.names("initiator") == ["x.txt"]
    assert old in [content for _, _, content in pair.trash(OTHER[newer])]
    assert result.summary["conflicts"] == 1


@pytest.mark.parametrize("winner", SIDES)
@pytest.mark.parametrize("newer", SIDES)
def test_i23_a_side_as_policy_wins_whatever_the_times(local, winner, newer):
    local.options = ["--set", f"CONFLICT_POLICY={winner}"]
    old, new = conflict(local, newer=newer)
    won, lost = (new, old) if newer == winner else (old, new)
    local.run(expect=(OK, LOOK))
    assert local.both("x.txt") == won
    assert local.names("initiator") == ["x.txt"]
    assert lost in [content for _, _, content in local.trash(OTHER[winner])]


def test_skip_leaves_both_versions_alone_and_says_so(pair):
    pair.options = ["--set", "CONFLICT_POLICY=skip"]
    old, new = conflict(pair)
    pair.write("initiator", "unrelated")
    result = pair.run(expect=LOOK)
    assert pair.read("initiator", "x.txt") == new
    assert pair.read("target", "x.txt") == old
    assert pair.names("target") == ["unrelated", "x.txt"]
    assert "x.txt" in [event.get("path") for event in result.events]
    pair.at_rest = False


def test_what_was_skipped_is_still_a_conflict_later(local):
    local.options = ["--set", "CONFLICT_POLICY=skip"]
    old, new = conflict(local)
    local.run(expect=None)
    local.run(expect=None)
    local.options = []
    local.run(expect=LOOK)
    assert local.contents("target") == {old, new}


def test_skipping_ends_when_one_side_is_made_equal(local):
    local.options = ["--set", "CONFLICT_POLICY=skip"]
    _, new = conflict(local)
    local.run(expect=None)
    local.write("target", "x.txt", new)
    local.run()
    assert local.both("x.txt") == new


def test_an_unknown_policy_is_refused(local):
    local.write("initiator", "x")
    result = local.run("--set", "CONFLICT_POLICY=coin", expect=(64, 78))
    assert "coin" in result.said
    assert local.names("target") == []
    local.at_rest = False


def test_conflicts_are_no_deletions_to_the_guard(local):
    for number in range(30):
        local.write("initiator", f"f{number}", "as agreed")
    local.run()
    for number in range(30):
        local.write("initiator", f"f{number}", mtime=NEWER)
        local.write("target", f"f{number}", mtime=OLDER)
    result = local.run(expect=LOOK)
    assert result.code != GUARD
    assert len(local.names("target")) == 60

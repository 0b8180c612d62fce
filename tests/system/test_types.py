# SPDX-License-Identifier: BSD-2-Clause
"""One path changes its type: file, folder and symlink, in all six directions."""

import os

import pytest
from harness import LOOK, OK, OTHER, SIDES, token

KINDS = ("file", "folder", "symlink")
CHANGES = [(old, new) for old in KINDS for new in KINDS if old != new]


def make(pair, side, kind):
    """A thing named x; returns what of it must be found again."""
    if kind == "file":
        return pair.write(side, "x")
    if kind == "symlink":
        to = token().strip()
        pair.link(side, "x", to)
        return to
    pair.write(side, "x/sub/second")
    return pair.write(side, "x/child")


def shape(pair, side):
    """What x is now: its kind and what is in it."""
    path = pair.path(side, "x")
    if path.is_symlink():
        return "symlink", os.fsencode(os.readlink(path))
    if path.is_dir():
        return "folder", (path / "child").read_bytes()
    return "file", path.read_bytes()


def found(pair, side):
    """All bytes and all link targets of a tree."""
    links = {os.fsencode(os.readlink(pair.path(side, name))) for name in pair.names(side)
             if pair.path(side, name).is_symlink()}
    return pair.contents(side) | links


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("old, new", CHANGES)
def test_i48_a_change_of_type_is_synced(pair, side, old, new):
    make(pair, "initiator", old)
    pair.write("initiator", "neighbour")
    pair.run()
    pair.remove(side, "x")
    made = make(pair, side, new)
    pair.run()
    assert shape(pair, "initiator") == shape(pair, "target") == (new, made)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("new", ["file", "symlink"])
@pytest.mark.parametrize("below", ["edited", "new"])
def test_i48_what_changed_below_a_folder_that_became_something_else_lives(pair, side, new, below):
    make(pair, "initiator", "folder")
    pair.run()
    pair.remove(side, "x")
    made = make(pair, side, new)
    saved = pair.write(OTHER[side], "x/child" if below == "edited" else "x/sub/new")
    pair.run(expect=(OK, LOOK))
    assert {made, saved} <= found(pair, "initiator")
    assert found(pair, "initiator") == found(pair, "target")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("old, new", CHANGES)
def test_a_change_of_type_against_an_edit_keeps_both(local, side, old, new):
    make(local, "initiator", old)
    local.run()
    local.remove(side, "x")
    made = make(local, side, new)
    if old != "folder":
        local.remove(OTHER[side], "x")
        edited = make(local, OTHER[side], old)
    else:
        edited = local.write(OTHER[side], "x/child")
    local.run(expect=LOOK)
    assert {made, edited} <= found(local, "initiator")


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("old, new", CHANGES)
def test_a_change_of_type_against_a_deletion_lives(local, side, old, new):
    make(local, "initiator", old)
    local.write("initiator", "stays")
    local.run()
    local.remove(side, "x")
    made = make(local, side, new)
    local.remove(OTHER[side], "x")
    local.run(expect=(OK, LOOK))
    assert shape(local, "initiator") == shape(local, "target") == (new, made)


@pytest.mark.parametrize("here, there", CHANGES)
def test_two_changes_of_type_keep_both(local, here, there):
    old = next(kind for kind in KINDS if kind not in (here, there))
    make(local, "initiator", old)
    local.run()
    made = set()
    for side, kind in zip(SIDES, (here, there)):
        local.remove(side, "x")
        made.add(make(local, side, kind))
    local.run(expect=LOOK)
    assert made <= found(local, "initiator")


def test_i34_a_folder_that_became_a_link_is_not_followed(pair):
    outside = pair.base / "outside"
    outside.mkdir()
    pair.write("initiator", "d/x", "one")
    pair.run()
    pair.rename("target", "d", "moved away")
    pair.link("target", "d", outside)
    pair.write("initiator", "d/x", "two")
    pair.write("initiator", "d/new")
    pair.run(expect=None)
    pair.run(expect=None)
    assert os.listdir(outside) == []
    assert b"two" in pair.contents("target")

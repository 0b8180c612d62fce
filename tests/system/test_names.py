# SPDX-License-Identifier: BSD-2-Clause
"""A name is bytes: whatever the file system allows is synced, edited, moved and deleted."""

import json
import os

import pytest
from harness import OTHER, SIDES

NAMES = [os.fsdecode(name) for name in (
    b"new\nline", b"-rf", b"--help", b"*", b"?", b"[a-z]", b"{a,b}", b"~", b"#hash", b";semi",
    b"a -> b", b"a", b"foo", b"foo ", b" foo", b"foo.", b"x(", b"x)", b"a|b", b"a|", b"[", b"]",
    b"^$", b"\\", b"\\n", b"back\\slash", b"%s%n", b"$HOME", b"`id`", b"'", b'"', b"tab\t",
    b"\x1b]0;title\x07", b"\x7f", b"\x01", b"caf\xc3\xa9", b"cafe\xcc\x81", b"caf\xe9",
    b"\xff\xfe", b"\xed\xb3\xa9", b"\xc3", b"\xf0\x9f\x98\x80", b"x" * 255, b"\xe9" * 255, b"...",
    b".hidden", b"case", b"Case", b"CON", b"a:b", b"osync_workdir", b"x.osync_workdir", b"=", b"a=b", b"a,b",
)]


@pytest.mark.parametrize("side", SIDES)
def test_i54_files_with_odd_names_are_created(pair, side):
    contents = {name: pair.write(side, name) for name in NAMES}
    result = pair.run()
    assert {name: pair.read(OTHER[side], name) for name in NAMES} == contents
    assert sorted(result.ops("create")) == sorted(NAMES)


@pytest.mark.parametrize("side", SIDES)
def test_i54_files_with_odd_names_are_edited(pair, side):
    for name in NAMES:
        pair.write("initiator", name)
    pair.run()
    contents = {name: pair.write(side, name) for name in NAMES}
    result = pair.run()
    assert {name: pair.read(OTHER[side], name) for name in NAMES} == contents
    assert sorted(result.ops("update")) == sorted(NAMES)


@pytest.mark.parametrize("side", SIDES)
def test_i54_exactly_the_deleted_ones_of_many_odd_names_are_deleted(pair, side):
    for name in NAMES:
        pair.write("initiator", name)
    pair.run()
    # Every other one, so that each has neighbours that stay.
    for name in sorted(NAMES)[::2]:
        pair.remove(side, name)
    pair.run("--allow-deletes")
    assert pair.names(OTHER[side]) == sorted(NAMES)[1::2]


def test_folders_with_odd_names_are_created_and_deleted(pair):
    contents = {name: pair.write("initiator", f"{name}/{name}") for name in NAMES}
    pair.run()
    assert {name: pair.read("target", f"{name}/{name}") for name in NAMES} == contents
    for name in NAMES:
        pair.remove("target", name)
    pair.run("--allow-deletes")
    assert pair.names("initiator") == []


def test_names_of_a_json_line_are_lossless(local):
    for name in NAMES:
        local.write("initiator", name)
    result = local.run()
    assert all(line.isascii() or line.encode("utf-8") for line in result.out.splitlines())
    paths = {json.loads(line).get("path") for line in result.out.splitlines()} - {None}
    assert {os.fsencode(path) for path in paths} == {os.fsencode(name) for name in NAMES}


def test_a_moved_file_keeps_its_odd_name(pair):
    names = [name for name in NAMES if len(os.fsencode(name)) < 200]
    for name in names:
        pair.write("initiator", f"one/{name}", os.urandom(1000))
    pair.run()
    pair.rename("initiator", "one", "two")
    result = pair.run()
    assert result.summary["to_target"]["move"] >= 1
    assert sorted(os.listdir(pair.path("target", "two"))) == sorted(names)

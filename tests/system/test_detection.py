# SPDX-License-Identifier: BSD-2-Clause
"""No edit is missed, however soon after a run and however it hides; and none is made up."""

import os

import pytest
from harness import OK, OTHER, SIDES, set_mtime


@pytest.mark.parametrize("side", SIDES)
def test_i20_an_edit_of_equal_size_with_the_time_put_back_is_seen(pair, side):
    pair.write("initiator", "x", "aaaa")
    pair.run()
    info = pair.lstat(side, "x")
    pair.write(side, "x", "bbbb")
    os.utime(pair.path(side, "x"), ns=(info.st_atime_ns, info.st_mtime_ns))
    pair.run()
    assert pair.both("x") == b"bbbb"


@pytest.mark.parametrize("side", SIDES)
def test_i21_edits_right_after_a_run_are_seen(local, side):
    local.write("initiator", "x", "0000")
    local.run()
    for number in range(1, 15):
        content = f"{number:04}".encode()
        # In place, at once, with the same size: only the clock of the file system can tell.
        local.write(side, "x", content)
        local.run()
        assert local.read(OTHER[side], "x") == content


@pytest.mark.parametrize("side", SIDES)
def test_i21_edits_right_before_and_after_a_run_are_seen(local, side):
    for number in range(8):
        local.write(side, "x", f"{number:04}a")
        local.run()
        info = local.lstat(side, "x")
        local.write(side, "x", f"{number:04}b")
        os.utime(local.path(side, "x"), ns=(info.st_atime_ns, info.st_mtime_ns))
        local.run()
        assert local.both("x") == f"{number:04}b".encode()


@pytest.mark.parametrize("side", SIDES)
def test_i24_an_older_file_of_equal_size_moved_over_is_seen(pair, side):
    pair.write("initiator", "x", "aaaa")
    aside = pair.base / "aside"
    aside.write_text("bbbb")
    set_mtime(aside, 1_000_000_000)
    pair.run()
    os.replace(aside, pair.path(side, "x"))
    pair.run()
    assert pair.both("x") == b"bbbb"


@pytest.mark.parametrize("side", SIDES)
def test_i24_a_file_replaced_by_one_with_the_same_stat_but_inode_is_seen(local, side):
    local.write("initiator", "x", "aaaa", mtime=1_000_000_000)
    aside = local.base / "aside"
    aside.write_text("bbbb")
    set_mtime(aside, 1_000_000_000)
    local.run()
    os.replace(aside, local.path(side, "x"))
    local.run()
    assert local.both("x") == b"bbbb"


@pytest.mark.parametrize("side", SIDES)
def test_i26_a_touched_file_is_read_once(pair, side):
    pair.write("initiator", "x", os.urandom(100_000))
    pair.run()
    pair.run()
    set_mtime(pair.path(side, "x"), 1_500_000_000)
    first = pair.run()
    assert first.summary["hashed_bytes"] >= 100_000
    assert first.ops("update") == []
    assert pair.run().summary["hashed_bytes"] == 0


@pytest.mark.parametrize("side", SIDES)
def test_i26_a_new_mode_is_read_at_most_once(local, side):
    local.write("initiator", "x", os.urandom(100_000))
    local.run()
    local.path(side, "x").chmod(0o600)
    assert local.run().ops("update") == []
    again = local.run()
    assert (again.summary["hashed_bytes"], again.changes) == (0, [])


def test_i4_touching_everything_sends_nothing(pair):
    for number in range(20):
        pair.write("initiator", f"{number}", os.urandom(20_000))
    pair.run()
    for number in range(20):
        os.utime(pair.path("initiator", f"{number}"))
    result = pair.run(expect=OK)
    assert result.summary["sent_bytes"] < 40_000
    assert result.ops("update") == []


def test_i46_a_run_without_changes_reads_no_file_and_writes_nothing(pair):
    for number in range(20):
        pair.write("initiator", f"d{number % 3}/{number}", os.urandom(20_000))
    pair.run()
    pair.run()
    before = pair.untouched()
    result = pair.run()
    assert result.summary["hashed_bytes"] == 0
    assert result.summary["sent_bytes"] < 4096
    assert pair.untouched() == before


def test_the_summary_counts_what_was_scanned(pair):
    for number in range(7):
        pair.write("initiator", f"d/{number}")
    pair.run()
    scanned = pair.run().summary["scanned"]
    # Seven files and a folder; whether the root counts is nobody's business here.
    assert scanned["initiator"] == scanned["target"]
    assert scanned["initiator"] in (8, 9)


@pytest.mark.parametrize("side", SIDES)
def test_checksum_finds_what_no_time_stamp_shows(local, side):
    """With CHECKSUM every file is read; without, an unchanged one is not."""
    local.write("initiator", "x", os.urandom(50_000))
    local.run()
    local.run()
    result = local.run("--set", "CHECKSUM=true")
    assert result.summary["hashed_bytes"] >= 100_000
    assert result.changes == []
    local.write(side, "x", "edited")
    local.run("--set", "CHECKSUM=true")
    assert local.both("x") == b"edited"


def test_ten_edits_of_each_side_at_once_come_out_right(pair):
    """Acceptance 2 of the core, on a small tree."""
    for side in SIDES:
        for number in range(20):
            pair.write("initiator", f"{side}/{number}", mode=0o644)
        pair.link("initiator", f"{side}/link", "old")
        pair.write("initiator", f"{side}/type/child")
    pair.run()
    expected = {}
    for side in SIDES:
        expected[f"{side}/0"] = pair.write(side, f"{side}/0")
        expected[f"{side}/1"] = pair.write(side, f"{side}/1")
        pair.remove(side, f"{side}/2")
        pair.remove(side, f"{side}/3")
        expected[f"{side}/renamed"] = pair.read(side, f"{side}/4")
        pair.rename(side, f"{side}/4", f"{side}/renamed")
        pair.path(side, f"{side}/5").chmod(0o600)
        expected[f"{side}/new/file"] = pair.write(side, f"{side}/new/file")
        pair.folder(side, f"{side}/empty")
        pair.remove(side, f"{side}/link")
        pair.link(side, f"{side}/link", "new")
        pair.remove(side, f"{side}/type")
        expected[f"{side}/type"] = pair.write(side, f"{side}/type")
    pair.run()
    assert {name: pair.both(name) for name in expected} == expected
    for side in SIDES:
        for name in ("2", "3", "4"):
            assert pair.gone(f"{side}/{name}")
        assert os.readlink(pair.path(OTHER[side], f"{side}/link")) == "new"
        assert pair.lstat(OTHER[side], f"{side}/5").st_mode & 0o777 == 0o600
        assert pair.path(OTHER[side], f"{side}/empty").is_dir()


def test_a_cache_that_does_not_match_costs_one_full_listing_and_not_all(local):
    for number in range(300):
        local.write("initiator", f"some-file-with-a-name-{number}")
    local.run()
    assert local.run().summary["received_bytes"] < 1000
    for path in local.state_folder().iterdir():
        path.unlink()
    for side in ("initiator", "target"):
        local.remove(side, "some-file-with-a-name-7")
    assert local.run().summary["received_bytes"] > 1000
    assert local.run().summary["received_bytes"] < 1000


def test_changes_before_between_and_behind_the_positions_of_a_listing_are_seen(pair):
    """A listing tells now and then how far it is: what lies at, before and behind such a place."""
    for number in range(9000):
        pair.write("initiator", f"{number:04}", "old")
    pair.run()
    assert pair.run().changes == []
    for number in (0, 4094, 4096, 8191, 8999):
        pair.write("initiator", f"{number:04}", "initiator")
    for number in (1, 4095, 4097, 8190, 8192):
        pair.write("target", f"{number:04}", "target")
    for number in (2, 4098, 8193):
        pair.remove("target", f"{number:04}")
    pair.write("initiator", "4095a", "new")
    pair.write("target", "9999", "new")
    result = pair.run()
    assert len(result.ops("update")) == 10 and len(result.ops("delete")) == 3, repr(result)
    assert len(pair.names("initiator")) == 8999
    assert pair.run().changes == []

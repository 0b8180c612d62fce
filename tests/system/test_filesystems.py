# SPDX-License-Identifier: BSD-2-Clause
"""File systems that are poorer than ours: nothing is lost, nothing goes to and fro."""

import contextlib
import os
import subprocess
import time
import unicodedata

import mounts
import pytest
from harness import FAILED, OK, SIDES, WORKDIR, Pair, kind_of, set_mtime

NFC, NFD = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFC", "NFD"))
ILLEGAL = ["a:b", "what?", "star*", 'quo"te', "<less", "more>", "pi|pe", "dot.", "blank ", "c:\\d"]


class PoorPair(Pair):
    """The trees need only hold the same: the rest cannot be the same."""

    def assert_converged(self, xattrs=False):
        here, there = ({name: self.read(side, name) for name in self.names(side)
                        if kind_of(self.lstat(side, name)) == "file"} for side in SIDES)
        assert here == there

    def assert_idempotent(self):
        """Files younger than the steps of their times are read again, and that is recorded."""
        again = self.run(expect=(OK, FAILED))
        assert again.changes == [], again


@contextlib.contextmanager
def casefolding(base):
    """A folder of the kernel's ext4 that takes names in any case for one."""
    with mounts.loop(base, "ext4", "-q", "-O", "casefold") as folder:
        folder = folder / "any case"
        folder.mkdir()
        subprocess.run(["chattr", "+F", folder], check=True)
        yield folder


DISKS = {
    "vfat on FUSE": lambda base: mounts.fuse(base, "vfat"),
    "vfat": lambda base: mounts.loop(base, "vfat"),
    "any case on FUSE": lambda base: mounts.fuse(base, "fold"),
    "any case": casefolding,
    "decomposing": lambda base: mounts.fuse(base, "nfd"),
    "without attributes": lambda base: mounts.fuse(base, "xattr"),
    "plain": lambda base: mounts.fuse(base, "plain"),
    "ext4": lambda base: mounts.loop(base, "ext4", "-q"),
    "xfs": lambda base: mounts.loop(base, "xfs", "-q", megabytes=320),
    "btrfs": lambda base: mounts.loop(base, "btrfs", "-q", megabytes=128),
}


def disks(*kinds):
    """The target lies on one of these; skipped where it is not to be had."""
    return pytest.mark.parametrize("disk", kinds, indirect=True)


@pytest.fixture
def disk(request, tmp_path):
    with DISKS[request.param](tmp_path) as folder:
        yield PoorPair(tmp_path, target=folder / "root")


on_vfat = disks("vfat on FUSE", "vfat")
on_one_case = disks("vfat on FUSE", "vfat", "any case on FUSE", "any case")


def quiet_runs(pair, expect=OK, runs=4):
    """Nothing to do, as often as it is asked."""
    for _ in range(runs):
        assert pair.run(expect=expect).changes == []


def mixed_tree(pair):
    for number in range(12):
        pair.write("initiator", f"here/{number}.txt", mtime=1_600_000_000 + number)
        pair.write("target", f"there/{number}.txt")
    pair.write("initiator", "secret", mode=0o600)
    pair.write("initiator", "script", mode=0o755)
    for name in ("here", ""):
        set_mtime(pair.path("initiator", name), 1_500_000_001, 5)


@on_vfat
def test_i62_times_in_steps_of_two_seconds_do_not_go_to_and_fro(disk):
    mixed_tree(disk)
    disk.run()
    quiet_runs(disk)


@on_vfat
def test_i62_lost_lists_do_not_make_coarse_times_differ(disk):
    mixed_tree(disk)
    disk.run()
    before = {name: disk.lstat("initiator", name).st_mtime_ns for name in disk.names("initiator")}
    for path in disk.state_folder().iterdir():
        path.unlink()
    assert disk.run().changes == []
    assert before == {name: disk.lstat("initiator", name).st_mtime_ns
                      for name in disk.names("initiator")}


@on_vfat
def test_i21_edits_of_equal_size_within_two_seconds_are_never_missed(disk):
    name = "file"
    disk.write("initiator", name, "0000")
    disk.run()
    for number in range(1, 40):
        # Written on both sides it needs no copying: what was listed is what is recorded.
        for side in SIDES if number % 2 else ("target",):
            disk.write(side, name, f"{number:04}")
        disk.run()
        assert disk.both(name) == f"{number:04}".encode(), number


@on_vfat
def test_i46_a_run_writes_nothing_once_the_times_are_old_enough(disk):
    mixed_tree(disk)
    disk.run()
    time.sleep(4.5)
    disk.run()
    state = disk.state()
    assert disk.run().summary["sent_bytes"] < 4096
    assert disk.state() == state


@on_vfat
def test_what_vfat_cannot_keep_is_said_once_per_run_and_never_tried_again(disk):
    mixed_tree(disk)
    disk.options = ["--set", "PRESERVE_HARDLINKS=true", "--set", "PRESERVE_XATTR=true"]
    disk.link("initiator", "link", "secret")
    disk.link("initiator", "here/other link", "nowhere")
    os.link(disk.path("initiator", "secret"), disk.path("initiator", "second name"))
    os.setxattr(disk.path("initiator", "secret"), "user.colour", b"red")
    for _ in range(3):
        result = disk.run()
        warnings = [event["message"] for event in result.events if event["event"] == "warning"]
        assert len(warnings) == 1 and not result.problems, result
        for word in ("target", "permissions", "owners", "hard links", "extended attributes",
                     "finer than 2 s", "symlinks (2 left", "here/other link"):
            assert word in warnings[0], word
    assert result.changes == []
    assert disk.run_human("--quiet").said == ""
    assert os.readlink(disk.path("initiator", "link")) == "secret"


@on_vfat
def test_an_edit_on_vfat_keeps_modes_and_owners_here(disk):
    disk.write("initiator", "secret", mode=0o640)
    os.chown(disk.path("initiator", "secret"), 1234, 2345)
    disk.run()
    disk.write("target", "secret", "edited")
    disk.write("target", "new")
    disk.run()
    info = disk.lstat("initiator", "secret")
    assert disk.both("secret") == b"edited"
    assert (info.st_mode & 0o777, info.st_uid, info.st_gid) == (0o640, 1234, 2345)
    assert disk.lstat("initiator", "new").st_mode & 0o777 == 0o644, "what vfat shows is no mode"


@on_vfat
@pytest.mark.parametrize("kind", ["deleted", "replaced by a folder", "became a file"])
def test_symlinks_that_stay_on_one_side_harm_nothing(disk, kind):
    disk.write("initiator", "file", "agreed")
    disk.write("initiator", "folder/below")
    disk.run()
    disk.remove("initiator", "file")
    disk.link("initiator", "file", "folder")
    disk.run()
    assert disk.read("target", "file") == b"agreed"
    disk.remove("initiator", "file")
    if kind == "replaced by a folder":
        disk.write("initiator", "file/below")
    elif kind == "became a file":
        disk.write("initiator", "file", "new")
    disk.run()
    quiet_runs(disk)
    assert disk.exists("target", "file") == (kind != "deleted")


@on_vfat
def test_i55_names_that_are_illegal_at_the_target_fail_alone(disk):
    for name in ILLEGAL:
        disk.write("initiator", name)
    disk.write("initiator", "no:folder/below")
    disk.write("initiator", "fine")
    for _ in range(3):
        result = disk.run(expect=FAILED)
        assert {event["path"] for event in result.problems} >= {*ILLEGAL, "no:folder"}
        assert disk.read("target", "fine") and not result.ops("delete")
    assert all(disk.exists("initiator", name) for name in [*ILLEGAL, "no:folder/below"])
    disk.at_rest = False


@on_vfat
def test_i55_a_rename_to_an_illegal_name_deletes_nothing(disk):
    content = disk.write("initiator", "legal")
    disk.write("initiator", "folder/below")
    disk.run()
    disk.rename("initiator", "legal", "il:legal")
    disk.rename("initiator", "folder", "fol?der")
    for _ in range(2):
        disk.run(expect=FAILED)
        assert disk.read("initiator", "il:legal") == content
        assert disk.exists("initiator", "fol?der/below")
    for name, better in (("il:legal", "better"), ("fol?der", "folder")):
        disk.rename("initiator", name, better)
    disk.run()
    quiet_runs(disk)
    assert disk.both("better") == content and disk.both("folder/below")


def two_cases(pair):
    """Both `a` and `A` here, and only one can be there."""
    files = {"a": b"small", "A": b"large", "B/x": b"in B", "b/y": b"in b"}
    for name, content in files.items():
        pair.write("initiator", name, content)
    return files


def check_two_cases(pair, files, result):
    assert len([event for event in result.problems if event["path"] in ("a", "A")]) == 1, result
    assert not result.changes or not result.ops("delete")
    assert {name: pair.read("initiator", name) for name in files} == files
    shown = {name: pair.read("target", name) for name in pair.names("target")
             if pair.path("target", name).is_file()}
    assert shown.items() <= files.items(), "a file is under another's name"
    return shown


@on_one_case
def test_i52_of_two_names_that_differ_in_case_the_second_is_reported(disk):
    files = two_cases(disk)
    first = check_two_cases(disk, files, disk.run(expect=FAILED))
    assert len(first) == 2
    for _ in range(3):
        result = disk.run(expect=FAILED)
        assert result.changes == []
        assert check_two_cases(disk, files, result) == first
    disk.at_rest = False


@pytest.mark.parametrize("renames", [False, True], ids=["filled", "empty"])
@on_one_case
def test_i52_a_second_name_made_later_harms_neither_file_nor_folder(disk, renames):
    """With a rename, folders are made before anything is put in them; else they come with their files."""
    disk.write("initiator", "A", "large")
    disk.write("initiator", "B/x", "in B")
    disk.write("initiator", "other")
    disk.run()
    files = two_cases(disk)
    if renames:
        disk.rename("initiator", "other", "another")
    files.update({name: disk.read("initiator", name) for name in disk.names("initiator")
                  if name.endswith("other")})
    for _ in range(3):
        assert len(check_two_cases(disk, files, disk.run(expect=FAILED))) == 3
    # What was in the way goes: now there is room.
    disk.remove("initiator", "A")
    disk.remove("initiator", "B")
    disk.run(expect=(OK, FAILED))
    disk.run()
    assert disk.both("a") == b"small" and disk.both("b/y") == b"in b"


@pytest.mark.parametrize("side", SIDES)
@on_one_case
def test_i52_a_change_of_case_is_a_rename_there_too(disk, side):
    content = disk.write("initiator", "readme")
    disk.write("initiator", "docs/Below")
    disk.run()
    ignored = disk.write("target", f"docs/{WORKDIR}/state") if side == "initiator" else None
    other = f"{disk.root(side)}/swap"
    for old, new in (("readme", "README"), ("docs", "Docs")):
        os.rename(disk.path(side, old), other)
        os.rename(other, disk.path(side, new))
    result = disk.run()
    assert result.ops("move") == ["Docs", "README"] and not result.ops("delete")
    for root in SIDES:
        assert [name for name in disk.names(root) if WORKDIR not in name] == [
            "Docs", "Docs/Below", "README"]
    assert disk.both("README") == content
    if ignored:
        assert disk.read("target", f"Docs/{WORKDIR}/state") == ignored
        disk.remove("target", f"Docs/{WORKDIR}")
        disk.run()
    quiet_runs(disk)


@on_one_case
def test_i52_a_change_of_case_with_an_edit_loses_nothing(disk):
    disk.write("initiator", "readme", "one")
    disk.run()
    disk.rename("initiator", "readme", "README")
    disk.write("initiator", "README", "edited here")
    disk.write("target", "readme", "edited there")
    for _ in range(3):
        disk.run(expect=FAILED)
        assert disk.contents("initiator") == {b"edited here", b"edited there"}
    disk.rename("initiator", "README", "read this")
    disk.run()
    quiet_runs(disk)


def test_i53_both_unicode_forms_of_a_name_are_two_files(local):
    files = {f"{form}/{form}": form.encode() for form in (NFC, NFD)}
    for name, content in files.items():
        local.write("initiator", name, content)
    local.run()
    assert {name: local.both(name) for name in files} == files
    local.write("target", f"{NFD}/{NFD}", "edited")
    local.remove("initiator", f"{NFC}/{NFC}")
    local.run()
    assert local.both(f"{NFD}/{NFD}") == b"edited" and local.gone(f"{NFC}/{NFC}")


@disks("decomposing")
def test_i53_names_follow_the_form_that_a_disk_keeps_and_stay(disk):
    files = {f"{NFC}/{NFC}": b"below", f"{NFC}.txt": b"beside", f"{NFD}.md": b"apart already"}
    for name, content in files.items():
        disk.write("initiator", name, content)
    disk.run()
    result = disk.run()
    assert result.summary["sent_bytes"] + result.summary["received_bytes"] < 8192
    assert not result.problems
    quiet_runs(disk)
    for side in SIDES:
        assert disk.contents(side) == set(files.values()), "lost, or there twice"
        assert disk.names(side) == sorted([NFD, f"{NFD}/{NFD}", f"{NFD}.txt", f"{NFD}.md"])
    disk.write("initiator", f"{NFD}/{NFD}", "edited")
    disk.run()
    assert disk.both(f"{NFD}/{NFD}") == b"edited"
    quiet_runs(disk)


@disks("any case on FUSE", "any case", "decomposing")
def test_i53_of_two_forms_of_a_name_the_second_is_reported(disk):
    files = {NFC: b"composed", NFD: b"apart"}
    for name, content in files.items():
        disk.write("initiator", name, content)
    for _ in range(4):
        result = disk.run(expect=FAILED)
        assert len(result.problems) == 1 and not result.ops("delete")
        assert disk.contents("initiator") == set(files.values())
        assert len(disk.contents("target")) == 1
    disk.at_rest = False


@disks("plain", "ext4", "xfs", "btrfs")
def test_i62_nothing_goes_to_and_fro_on_whole_file_systems(disk):
    mixed_tree(disk)
    disk.link("initiator", "link", "secret")
    disk.run()
    Pair.assert_converged(disk)
    quiet_runs(disk)
    stamp = disk.lstat("target", "here/0.txt").st_mtime_ns
    disk.write("target", "here/0.txt", b"x" * disk.lstat("target", "here/0.txt").st_size)
    os.utime(disk.path("target", "here/0.txt"), ns=(stamp, stamp))
    disk.write("initiator", "there/0.txt")
    disk.remove("target", "there/1.txt")
    disk.rename("initiator", "there", "moved")
    disk.run()
    assert disk.both("here/0.txt").strip(b"x") == b"" and disk.gone("moved/1.txt")
    Pair.assert_converged(disk)
    quiet_runs(disk)


@disks("without attributes")
def test_i64_where_no_attribute_can_be_set_nothing_is_tried_for_ever(disk):
    disk.options = ["--set", "PRESERVE_XATTR=true", "--set", "PRESERVE_ACL=true"]
    disk.write("initiator", "file")
    os.setxattr(disk.path("initiator", "file"), "user.colour", b"red")
    result = disk.run()
    assert result.says("extended attributes") and not result.problems
    quiet_runs(disk)
    os.setxattr(disk.path("initiator", "file"), "user.colour", b"blue")
    quiet_runs(disk)
    disk.write("target", "file", "edited")
    disk.run()
    quiet_runs(disk)
    assert disk.both("file") == b"edited"


def test_updates_arrive_where_each_link_of_a_file_shows_an_inode_of_its_own(local):
    """Taken for hard links, they made every new version look as if somebody had touched it."""
    with mounts.fuse(local.base, "renumbered") as folder:
        local.initiator = folder
        for version in ("one", "another", "a third"):
            local.write("target", "file", version)
            local.write("target", f"new with {version}", version)
            local.run()
            assert local.both("file") == version.encode()
        assert local.names("initiator") == local.names("target")
        local.at_rest = False

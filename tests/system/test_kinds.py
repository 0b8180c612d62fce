# SPDX-License-Identifier: BSD-2-Clause
"""Everything a tree can hold arrives as it is: files, folders, links, attributes, times."""

import os
import subprocess

import pytest
from harness import FAILED, OTHER, SIDES, kind_of, set_mtime, snapshot, token

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def test_a_file_of_each_side_arrives_on_the_other(pair):
    here = pair.write("initiator", "a/here.txt")
    there = pair.write("target", "b/there.txt")
    result = pair.run()
    assert pair.both("a/here.txt") == here
    assert pair.both("b/there.txt") == there
    assert result.change("a/here.txt").to == "target"
    assert result.change("b/there.txt").to == "initiator"


def test_an_edit_of_each_side_arrives_on_the_other(pair):
    pair.write("initiator", "here", "one")
    pair.write("initiator", "there", "two")
    pair.run()
    pair.write("initiator", "here", "edited here")
    pair.write("target", "there", "edited there")
    result = pair.run()
    assert pair.both("here") == b"edited here"
    assert pair.both("there") == b"edited there"
    assert (result.change("here").op, result.change("here").to) == ("update", "target")
    assert (result.change("there").op, result.change("there").to) == ("update", "initiator")


def test_a_deletion_of_each_side_is_made_on_the_other(pair):
    for name in ("here", "there", "stays"):
        pair.write("initiator", name)
    pair.run()
    pair.remove("initiator", "here")
    pair.remove("target", "there")
    result = pair.run()
    assert pair.names("initiator") == pair.names("target") == ["stays"]
    assert (result.change("here").op, result.change("here").to) == ("delete", "target")
    assert (result.change("there").op, result.change("there").to) == ("delete", "initiator")


def test_what_was_replaced_or_deleted_is_in_the_trash_of_that_side(pair):
    old = pair.write("initiator", "d/replaced")
    gone = pair.write("initiator", "d/deleted")
    pair.run()
    pair.write("initiator", "d/replaced", "new")
    pair.remove("initiator", "d/deleted")
    run = pair.run().summary["run"]
    assert pair.trash("target") == [(run, "d/deleted", gone), (run, "d/replaced", old)]
    assert pair.trash("initiator") == []


def test_the_work_folder_is_private(pair):
    pair.write("initiator", "x")
    pair.run()
    for side in SIDES:
        assert pair.workdir(side).stat().st_mode & 0o777 == 0o700


def test_i65_empty_folders_are_synced(pair):
    pair.folder("initiator", "empty")
    pair.folder("target", "deep/deeper/deepest")
    pair.run()
    assert pair.path("target", "empty").is_dir()
    assert pair.path("initiator", "deep/deeper/deepest").is_dir()
    pair.remove("target", "empty")
    pair.run()
    assert pair.gone("empty")


def test_i65_empty_and_large_files_are_synced(pair):
    pair.write("initiator", "empty", b"")
    big = pair.write("initiator", "big", os.urandom(9_000_001))
    other = pair.write("target", "other", os.urandom(5_000_003))
    pair.run()
    assert pair.both("empty") == b""
    assert pair.both("big") == big
    assert pair.both("other") == other


def test_i65_many_small_files_are_synced_in_both_directions(pair):
    for number in range(300):
        pair.write("initiator", f"here/{number % 7}/{number}")
        pair.write("target", f"there/{number % 5}/{number}")
    result = pair.run()
    assert result.summary["to_target"]["create"] >= 300
    assert result.summary["to_initiator"]["create"] >= 300


def test_i54_a_tree_deeper_than_path_max_is_synced(pair):
    # 60 levels of 100 bytes: more than the 4096 that one call may be given.
    fd = os.open(pair.initiator, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(60):
        os.mkdir("n" * 100, dir_fd=fd)
        below = os.open("n" * 100, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open("leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, b"deep")
    os.close(file)
    os.close(fd)
    # The oracles walk by path and cannot reach it.
    pair.at_rest, roots = False, pair.roots
    pair.names = lambda side: []
    args = pair.args("--json")
    first = subprocess.run(args, env=pair.env(), capture_output=True, check=False)
    assert first.returncode == 0, first.stderr
    where = "/".join(["n" * 100] * 60)
    shown = subprocess.run(["find", ".", "-name", "leaf", "-type", "f"], cwd=roots[1],
                           capture_output=True, check=True).stdout.decode().strip()
    assert shown == f"./{where}/leaf"
    second = subprocess.run(args, env=pair.env(), capture_output=True, check=False)
    assert second.returncode == 0 and b'"change"' not in second.stdout
    subprocess.run(["rm", "-rf", *map(str, roots)], check=True)


LINKS = {
    "dangling": b"no/such/file",
    "absolute": b"/etc/passwd",
    "looping": b"looping",
    "up": b"../../outside",
    "to a folder": b"folder",
    "odd bytes": b"caf\xe9 \n->\x1b[0m",
    "long": b"x" * 4000,
}


def test_symlinks_are_copied_verbatim(pair):
    pair.folder("initiator", "folder")
    for name, to in LINKS.items():
        pair.link("initiator", name, to)
    pair.run()
    for name, to in LINKS.items():
        assert os.readlink(os.fsencode(pair.path("target", name))) == to


def test_a_changed_symlink_is_synced(pair):
    pair.link("initiator", "link", "one")
    pair.run()
    pair.remove("target", "link")
    pair.link("target", "link", "two")
    result = pair.run()
    assert os.readlink(pair.path("initiator", "link")) == "two"
    assert result.change("link").op == "update"


def test_what_a_symlink_points_to_is_never_touched(local):
    outside = local.base / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (outside / "file").chmod(0o600)
    before = snapshot(outside)
    local.link("initiator", "folder", outside)
    local.link("initiator", "file", outside / "file")
    local.write("initiator", "stays")
    local.run()
    local.remove("target", "file")
    local.remove("target", "folder")
    local.run()
    assert snapshot(outside) == before
    assert local.gone("folder")


def test_i56_hard_links_are_recreated_when_asked(pair):
    pair.options = ["--set", "PRESERVE_HARDLINKS=true"]
    pair.write("initiator", "one", os.urandom(50_000))
    pair.path("initiator", "sub").mkdir()
    os.link(pair.path("initiator", "one"), pair.path("initiator", "sub/two"))
    result = pair.run()
    assert pair.lstat("target", "one").st_ino == pair.lstat("target", "sub/two").st_ino
    assert result.summary["sent_bytes"] < 80_000, "the content was sent twice"


def test_i56_hard_links_stay_linked_after_an_edit_in_place(pair):
    pair.options = ["--set", "PRESERVE_HARDLINKS=true"]
    pair.write("initiator", "one")
    os.link(pair.path("initiator", "one"), pair.path("initiator", "two"))
    pair.run()
    pair.write("initiator", "two", "edited through the second name")
    pair.run()
    assert pair.both("one") == pair.both("two") == b"edited through the second name"
    assert pair.lstat("target", "one").st_ino == pair.lstat("target", "two").st_ino


def test_a_hard_link_that_is_added_later_is_a_link_there_too(pair):
    pair.options = ["--set", "PRESERVE_HARDLINKS=true"]
    pair.write("target", "one", os.urandom(50_000))
    pair.run()
    os.link(pair.path("target", "one"), pair.path("target", "two"))
    result = pair.run()
    assert pair.lstat("initiator", "one").st_ino == pair.lstat("initiator", "two").st_ino
    assert result.summary["received_bytes"] < 20_000


def test_i56_without_being_asked_hard_links_are_separate_files(local):
    local.write("initiator", "one")
    os.link(local.path("initiator", "one"), local.path("initiator", "two"))
    local.run()
    assert local.lstat("target", "one").st_ino != local.lstat("target", "two").st_ino
    local.write("target", "one", "edited")
    local.run()
    # Splitting the link changed the time stamp of the name that was not edited.
    local.run()
    assert local.both("one") == b"edited"


def test_i57_sparse_files_stay_sparse_and_holes_are_not_sent(pair):
    size = 64 << 20
    with open(pair.path("initiator", "sparse"), "wb") as file:
        file.seek(size // 2)
        file.write(os.urandom(4096))
        file.truncate(size)
    result = pair.run()
    there = pair.lstat("target", "sparse")
    assert there.st_size == size
    assert there.st_blocks * 512 <= 1 << 20, "the holes were filled"
    assert result.summary["sent_bytes"] < 256 << 10, "the holes were sent"


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o644, 0o700, 0o755, 0o777, 0o000])
def test_permissions_of_files_are_synced_whatever_the_umask(local, mode):
    local.write("initiator", "file")
    local.path("initiator", "file").chmod(mode)
    local.run(preexec_fn=lambda: os.umask(0o077))
    assert local.lstat("target", "file").st_mode & 0o777 == mode


@pytest.mark.parametrize("side", SIDES)
def test_a_change_of_mode_is_synced_without_sending_the_content(pair, side):
    pair.write("initiator", "file", os.urandom(200_000), mode=0o644)
    pair.folder("initiator", "folder")
    pair.run()
    pair.path(side, "file").chmod(0o600)
    pair.path(side, "folder").chmod(0o700)
    result = pair.run()
    assert result.ops("metadata") == ["file", "folder"]
    assert pair.lstat(OTHER[side], "file").st_mode & 0o777 == 0o600
    assert pair.lstat(OTHER[side], "folder").st_mode & 0o777 == 0o700
    assert result.summary["sent_bytes"] + result.summary["received_bytes"] < 20_000


def test_a_folder_without_write_permission_is_filled(local):
    local.write("initiator", "closed/inside/file")
    local.path("initiator", "closed/inside").chmod(0o555)
    local.path("initiator", "closed").chmod(0o555)
    local.run()
    assert local.both("closed/inside/file")


@needs_root
def test_owners_and_groups_are_synced(pair):
    pair.write("initiator", "file")
    pair.folder("initiator", "folder")
    pair.link("initiator", "link", "nowhere")
    for name in ("file", "folder", "link"):
        os.chown(pair.path("initiator", name), 1234, 2345, follow_symlinks=False)
    pair.run()
    for name in ("file", "folder", "link"):
        there = pair.lstat("target", name)
        assert (there.st_uid, there.st_gid) == (1234, 2345), name


@needs_root
@pytest.mark.parametrize("side", SIDES)
def test_a_change_of_owner_is_synced(pair, side):
    pair.write("initiator", "file")
    pair.run()
    os.chown(pair.path(side, "file"), 3456, 4567)
    result = pair.run()
    assert result.change("file").op == "metadata"
    there = pair.lstat(OTHER[side], "file")
    assert (there.st_uid, there.st_gid) == (3456, 4567)


@needs_root
def test_owners_are_left_alone_when_asked(local):
    local.options = ["--set", "PRESERVE_OWNER=false", "--set", "PRESERVE_GROUP=false"]
    local.write("initiator", "file")
    os.chown(local.path("initiator", "file"), 1234, 2345)
    local.at_rest = False
    local.run()
    assert local.lstat("target", "file").st_uid == os.geteuid()
    assert local.run().changes == []


TIMES = {
    "nanoseconds": (1_600_000_000, 123_456_789),
    "1970": (0, 0),
    "1960": (-315_619_200, 1),
    "2100": (4_102_444_800, 999_999_999),
    "after 2038": (2_200_000_000, 7),
    "half a second before 1970": (-1, 500_000_000),
}


@pytest.mark.parametrize("side", SIDES)
def test_i61_times_of_files_are_synced_to_the_nanosecond(pair, side):
    for name, when in TIMES.items():
        pair.write(side, name)
        set_mtime(pair.path(side, name), *when)
    pair.run()
    for name, (seconds, nanoseconds) in TIMES.items():
        assert pair.lstat(OTHER[side], name).st_mtime_ns == seconds * 10**9 + nanoseconds, name


def test_i61_times_of_folders_and_links_are_synced(pair):
    pair.write("initiator", "folder/below/file")
    pair.link("initiator", "folder/link", "nowhere")
    for name in ("folder/link", "folder/below", "folder"):
        set_mtime(pair.path("initiator", name), 1_000_000_000, 987_654_321)
    pair.run()
    for name in ("folder/link", "folder/below", "folder"):
        assert pair.lstat("target", name).st_mtime_ns == 1_000_000_000_987_654_321, name


def test_a_folder_keeps_its_time_when_something_below_is_synced(pair):
    pair.write("initiator", "folder/one")
    pair.write("initiator", "folder/two")
    pair.run()
    pair.write("initiator", "folder/one", "edited in place")
    pair.remove("target", "folder/two")
    set_mtime(pair.path("target", "folder"), 1_234_567_890)
    pair.run()
    for side in SIDES:
        assert pair.lstat(side, "folder").st_mtime_ns == 1_234_567_890 * 10**9


def test_a_touched_file_is_not_sent(pair):
    pair.write("initiator", "file", os.urandom(200_000))
    pair.run()
    set_mtime(pair.path("initiator", "file"), 1_500_000_000, 5)
    result = pair.run()
    assert pair.lstat("target", "file").st_mtime_ns == 1_500_000_000_000_000_005
    assert result.change("file").op == "metadata"
    assert result.summary["sent_bytes"] < 20_000


def xattr_pair(pair):
    pair.options = ["--set", "PRESERVE_XATTR=true"]
    pair.write("initiator", "file")
    pair.folder("initiator", "folder")
    os.setxattr(pair.path("initiator", "file"), "user.comment", b"first \0 bytes")
    os.setxattr(pair.path("initiator", "folder"), "user.colour", b"red")
    pair.run()


def test_i64_extended_attributes_are_synced_when_asked(pair):
    xattr_pair(pair)
    assert os.getxattr(pair.path("target", "file"), "user.comment") == b"first \0 bytes"
    assert os.getxattr(pair.path("target", "folder"), "user.colour") == b"red"
    pair.assert_converged(xattrs=True)


def test_a_changed_extended_attribute_is_metadata(pair):
    xattr_pair(pair)
    os.setxattr(pair.path("target", "file"), "user.comment", b"second")
    os.removexattr(pair.path("target", "folder"), "user.colour")
    result = pair.run()
    assert result.ops("metadata") == ["file", "folder"]
    assert os.getxattr(pair.path("initiator", "file"), "user.comment") == b"second"
    assert os.listxattr(pair.path("initiator", "folder")) == []


def test_an_edit_keeps_the_extended_attributes(pair):
    xattr_pair(pair)
    pair.write("initiator", "file", "edited")
    pair.run()
    assert os.getxattr(pair.path("target", "file"), "user.comment") == b"first \0 bytes"


def test_i64_attributes_that_cannot_be_read_are_not_taken_away(local):
    xattr_pair(local)
    folder = local.path("initiator", "folder")
    os.setxattr(folder, "user.colour", b"blue")
    result = local.run(env={"OSYNC_POINT": f"after-scan=rmdir {folder}"}, expect=FAILED)
    assert os.getxattr(local.path("target", "folder"), "user.colour") == b"red"
    assert not result.changes
    assert [problem["path"] for problem in result.problems] == ["folder"]
    local.run()
    assert local.gone("folder")


def test_i64_extended_attributes_are_not_synced_unless_asked(local):
    local.write("initiator", "file")
    os.setxattr(local.path("initiator", "file"), "user.comment", b"mine")
    local.run()
    assert os.listxattr(local.path("target", "file")) == []


def acl(path):
    return subprocess.run(["getfacl", "-n", "--omit-header", "--absolute-names", str(path)],
                          capture_output=True, check=True).stdout


def test_i64_acls_are_synced_when_asked(pair):
    pair.options = ["--set", "PRESERVE_ACL=true"]
    pair.write("initiator", "file")
    pair.folder("initiator", "folder")
    subprocess.run(["setfacl", "-m", "u:1234:rw", str(pair.path("initiator", "file"))], check=True)
    subprocess.run(["setfacl", "-m", "d:g:2345:rx", str(pair.path("initiator", "folder"))],
                   check=True)
    pair.run()
    for name in ("file", "folder"):
        assert acl(pair.path("target", name)) == acl(pair.path("initiator", name))
    subprocess.run(["setfacl", "-b", str(pair.path("target", "file"))], check=True)
    pair.run()
    assert b"1234" not in acl(pair.path("initiator", "file"))


def test_both_a_changed_mode_and_an_edit_of_the_other_side_arrive(pair):
    pair.write("initiator", "file", "one", mode=0o644)
    pair.run()
    pair.path("initiator", "file").chmod(0o600)
    pair.write("target", "file", "edited")
    assert pair.run().summary["conflicts"] == 0
    assert pair.both("file") == b"edited"
    for side in SIDES:
        assert pair.lstat(side, "file").st_mode & 0o777 == 0o600


def test_kinds_are_told_apart(local):
    """The oracles see what they are there to see."""
    local.at_rest = False
    local.write("initiator", "file", token())
    local.link("initiator", "link", "file")
    local.folder("initiator", "folder")
    os.mkfifo(local.path("initiator", "fifo"))
    kinds = {path: node.kind for path, node in snapshot(local.initiator).items()}
    assert kinds == {"file": "file", "link": "symlink", "folder": "folder", "fifo": "special"}
    assert kind_of(local.lstat("initiator", "fifo")) == "special"

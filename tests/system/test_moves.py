# SPDX-License-Identifier: BSD-2-Clause
"""What the receiving side already has under another name is moved, not sent again."""

import contextlib
import os
import shlex
import shutil
import subprocess
import time

import mounts
import pytest
from harness import FAILED, LOOK, OK, OTHER, SIDES, execute

SIZE = 200_000
LITTLE = 20_000


def traffic(result):
    return result.summary["sent_bytes"] + result.summary["received_bytes"]


@pytest.mark.parametrize("side", SIDES)
def test_a_renamed_file_is_a_move(pair, side):
    content = pair.write("initiator", "old", os.urandom(SIZE))
    pair.run()
    pair.rename(side, "old", "new")
    result = pair.run()
    move = result.change("new")
    assert (move.op, move.origin, move.to) == ("move", "old", OTHER[side])
    assert pair.both("new") == content
    assert pair.gone("old")
    assert traffic(result) < LITTLE
    assert result.summary[f"to_{OTHER[side]}"]["move"] == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_file_moved_to_a_new_folder_is_a_move(pair, side):
    content = pair.write("initiator", "one/file", os.urandom(SIZE))
    pair.run()
    pair.rename(side, "one/file", "two/three/file")
    result = pair.run()
    assert result.change("two/three/file").op == "move"
    assert pair.both("two/three/file") == content
    assert pair.gone("one/file")
    assert traffic(result) < LITTLE


@pytest.mark.parametrize("side", SIDES)
def test_i49_a_renamed_folder_is_a_move(pair, side):
    contents = {pair.write("initiator", f"old/{number % 3}/{number}", os.urandom(10_000))
                for number in range(30)}
    pair.folder("initiator", "old/empty")
    pair.run()
    pair.rename(side, "old", "new")
    result = pair.run()
    assert ("new", "old") in [(c.path, c.origin) for c in result.changes if c.op == "move"]
    assert pair.gone("old")
    assert pair.contents("initiator") == contents
    assert result.ops("create") == []
    assert traffic(result) < 30_000


@pytest.mark.parametrize("side", SIDES)
def test_i49_a_renamed_folder_with_changes_on_both_sides_sends_only_these(pair, side):
    for number in range(30):
        pair.write("initiator", f"old/{number}", os.urandom(10_000))
    pair.run()
    pair.rename(side, "old", "new")
    edited = pair.write(side, "new/0", os.urandom(10_000))
    added = pair.write(OTHER[side], "old/added", os.urandom(10_000))
    result = pair.run(expect=(OK, LOOK))
    assert pair.both("new/0") == edited
    assert added in pair.contents("initiator")
    assert traffic(result) < 60_000


@pytest.mark.parametrize("side", SIDES)
def test_i49_of_a_renamed_folder_only_what_was_edited_is_read(pair, side):
    for number in range(30):
        pair.write("initiator", f"old/{number % 3}/{number}", os.urandom(SIZE))
    pair.run()
    pair.run()  # files of the very second of the first run are read again
    pair.rename(side, "old", "new")
    edited = pair.path(side, "new/1/4")
    then = os.stat(edited)
    content = os.urandom(SIZE)
    edited.write_bytes(content)
    os.utime(edited, ns=(then.st_atime_ns, then.st_mtime_ns))
    pair.write(side, "new/added")
    result = pair.run()
    assert SIZE <= result.summary["hashed_bytes"] < 4 * SIZE
    assert pair.both("new/1/4") == content
    assert pair.gone("old")
    assert ("new", "old") in [(c.path, c.origin) for c in result.changes if c.op == "move"]


def run_mounted(local, kind, expect=OK):
    """A run with the initiator on such a file system, which is mounted for it only."""
    with mounts.fuse(local.base, kind) as disk:
        local.initiator = disk
        # Nobody looks at it before, and in another order.
        return execute(local.args("--json"), local.env(), expect)


def test_i20_an_inode_that_is_given_anew_makes_no_folder_another(local):
    local.at_rest = False  # it is mounted for the runs only
    below = local.base / "anew-below"
    for name in ("v1", "v2", "v3"):
        (below / name).mkdir(parents=True)
        (below / name / "file").write_text(name)
        os.utime(below / name / "file", (10**9, 10**9))
    for _ in range(3):
        run_mounted(local, "anew")
    # What is mounted next has the inodes of the first folder, and the same size and times.
    shutil.rmtree(below / "v1")
    (below / "v2").rename(below / "v2b")
    run_mounted(local, "anew")
    assert local.read("target", "v2b/file") == b"v2"
    assert local.gone("v1") and local.gone("v2")


def same_stamps(paths):
    """Give these files one mtime, and one ctime: that of a tick of the clock."""
    for _ in range(1000):
        for path in paths:
            os.utime(path, (10**9, 10**9))
        if len({os.lstat(path).st_ctime_ns for path in paths}) == 1:
            return
    raise AssertionError("each of them has a tick of its own")


@pytest.mark.parametrize("how", ["its name is taken", "never agreed on"])
def test_i20_an_inode_that_is_given_anew_with_a_ctime_makes_no_folder_another(local, how):
    """As above, but the other folder is not among those that have gone."""
    local.at_rest = False
    if how == "never agreed on":
        local.options = ["--set", "RSYNC_EXCLUDE_PATTERN=/v2"]
    below = local.base / "renumbered-below"
    for name in ("v1", "v2"):
        (below / name).mkdir(parents=True)
        (below / name / "file").write_text(name)
    same_stamps([below / name / "file" for name in ("v1", "v2")])
    time.sleep(0.5)  # stamps that are young prove nothing
    for _ in range(3):
        run_mounted(local, "renumbered")
    shutil.rmtree(below / "v1")
    (below / "v2").rename(below / "a2")
    if how == "its name is taken":
        (below / "v2").mkdir()
        (below / "v2/file").write_text("something new")
    run_mounted(local, "renumbered")
    assert local.read("target", "a2/file") == b"v2"


@pytest.mark.parametrize("how", ["its name is taken", "never agreed on"])
@pytest.mark.parametrize("kind", ["renumbered", "anew"])
def test_i11_a_file_with_the_inode_of_a_lost_one_is_kept(local, kind, how):
    """As above, and the other side has made the lost file a folder: that is not done to this one."""
    local.at_rest = False
    if how == "never agreed on":
        local.options = ["--set", "RSYNC_EXCLUDE_PATTERN=/v2"]
    below = local.base / f"{kind}-below"
    for name in ("v1", "v2"):
        (below / name).mkdir(parents=True)
        (below / name / "file").write_text(name)
    same_stamps([below / name / "file" for name in ("v1", "v2")])
    time.sleep(0.5)
    for _ in range(3):
        run_mounted(local, kind)
    shutil.rmtree(below / "v1")
    (below / "v2").rename(below / "a2")
    if how == "its name is taken":
        (below / "v2").mkdir()
        (below / "v2/file").write_text("something new")
    local.remove("target", "v1/file")
    local.write("target", "v1/file/inner")
    run_mounted(local, kind, (OK, LOOK))
    assert b"v2" in [path.read_bytes() for path in (below / "a2").rglob("*") if path.is_file()]


@contextlib.contextmanager
def two_layers(base):
    """Two file systems, whose first files have one inode, and what mounts them over each other."""
    folders = [base / name for name in ("layer-1", "layer-2", "layer-3", "layers")]
    with contextlib.ExitStack() as stack:
        for folder in folders:
            folder.mkdir()
        for layer in folders[:3]:
            stack.enter_context(mounts.mounted(layer, "-t", "tmpfs", "none"))
        for name in ("upper", "work"):
            (folders[2] / name).mkdir()
        options = (f"lowerdir={folders[0]}:{folders[1]},upperdir={folders[2]}/upper,"
                   f"workdir={folders[2]}/work,redirect_dir=on")
        yield folders[:2], lambda: mounts.mounted(folders[3], "-t", "overlay", "overlay",
                                                  "-o", options)


@pytest.mark.parametrize("gone, kept", [("v1", "v2"), ("v2", "v1")])
def test_i20_a_folder_of_another_layer_is_not_the_one_that_had_its_inode(local, gone, kept):
    """Folders are numbered as they are met, so that one of the two has the other's number then."""
    local.at_rest = False
    local.initiator = local.base / "layers"
    with two_layers(local.base) as (lower, mount):
        names = [layer / name / "file" for layer, name in zip(lower, ("v1", "v2"))]
        for name in names:
            name.parent.mkdir()
            name.write_text(name.parent.name)
        same_stamps(names)
        time.sleep(0.5)
        for _ in range(2):
            with mount():
                local.run()
        with mount():
            shutil.rmtree(local.initiator / gone)
            os.rename(local.initiator / kept, local.initiator / "new")
        with mount():
            local.run()
            assert local.both("new/file") == kept.encode()


def test_a_renamed_folder_inside_a_renamed_folder(local):
    content = local.write("initiator", "a/b/c", os.urandom(SIZE))
    local.run()
    local.rename("initiator", "a/b", "a/y")
    local.rename("initiator", "a", "x")
    result = local.run()
    assert local.both("x/y/c") == content
    assert local.names("target") == ["x", "x/y", "x/y/c"]
    assert traffic(result) < LITTLE


def test_i50_two_files_that_swapped_their_names(pair):
    one = pair.write("initiator", "one", os.urandom(SIZE))
    two = pair.write("initiator", "two", os.urandom(SIZE))
    pair.run()
    pair.rename("initiator", "one", "tmp")
    pair.rename("initiator", "two", "one")
    pair.rename("initiator", "tmp", "two")
    pair.run()
    assert pair.both("one") == two
    assert pair.both("two") == one


def test_i50_a_cycle_of_names(local):
    contents = {name: local.write("initiator", name, os.urandom(5000)) for name in "abc"}
    local.run()
    for old, new in (("a", "tmp"), ("c", "a"), ("b", "c"), ("tmp", "b")):
        local.rename("target", old, new)
    local.run()
    assert {name: local.both(name) for name in "abc"} == {
        "a": contents["c"], "b": contents["a"], "c": contents["b"]}


def test_i50_two_folders_that_swapped_their_names(local):
    one = local.write("initiator", "one/file")
    two = local.write("initiator", "two/file")
    local.run()
    local.rename("initiator", "one", "tmp")
    local.rename("initiator", "two", "one")
    local.rename("initiator", "tmp", "two")
    local.run()
    assert (local.both("one/file"), local.both("two/file")) == (two, one)


def test_i50_a_file_renamed_and_another_put_in_its_place(pair):
    old = pair.write("initiator", "x", os.urandom(SIZE))
    pair.run()
    pair.rename("initiator", "x", "x.1")
    new = pair.write("initiator", "x")
    result = pair.run()
    assert (pair.both("x.1"), pair.both("x")) == (old, new)
    assert traffic(result) < LITTLE


def test_i50_rotated_logs_are_not_sent_again(local):
    for number in range(4):
        local.write("initiator", f"log.{number}", os.urandom(50_000))
    local.run()
    before = {number: local.read("initiator", f"log.{number}") for number in range(4)}
    for number in (3, 2, 1, 0):
        local.rename("initiator", f"log.{number}", f"log.{number + 1}")
    local.write("initiator", "log.0")
    local.run()
    assert {number: local.both(f"log.{number + 1}") for number in range(4)} == before


def test_i50_folders_moved_into_each_other_lose_nothing(local):
    one, two = local.write("initiator", "a/one"), local.write("initiator", "b/two")
    local.run()
    local.rename("initiator", "a", "b/a")
    local.rename("target", "b", "a/b")
    local.run(expect=(OK, LOOK))
    for _ in range(2):
        local.run(expect=(OK, LOOK))
    assert {one, two} <= local.contents("target")
    assert len(local.names("target")) < 20, "nested without end"


@pytest.mark.parametrize("side", SIDES)
def test_i51_a_file_renamed_here_and_edited_there_keeps_the_edit(pair, side):
    old = pair.write("initiator", "old", os.urandom(5000))
    pair.run()
    pair.rename(side, "old", "new")
    edited = pair.write(OTHER[side], "old")
    pair.run(expect=(OK, LOOK))
    assert edited in pair.contents("initiator")
    holder = [name for name in pair.names("target") if pair.read("target", name) == edited]
    assert holder in (["new"], ["old"])
    if pair.exists("target", "new") and holder == ["old"]:
        assert pair.both("new") == old


@pytest.mark.parametrize("side", SIDES)
def test_a_file_renamed_here_and_deleted_there_lives(local, side):
    content = local.write("initiator", "old")
    local.run()
    local.rename(side, "old", "new")
    local.remove(OTHER[side], "old")
    local.run(expect=(OK, LOOK))
    assert local.both("new") == content
    assert local.gone("old")


def test_one_file_renamed_differently_on_both_sides_loses_nothing(local):
    content = local.write("initiator", "old")
    local.run()
    local.rename("initiator", "old", "here")
    local.rename("target", "old", "there")
    local.run(expect=(OK, LOOK))
    assert local.both("here") == local.both("there") == content
    assert local.gone("old")


def test_one_file_renamed_alike_on_both_sides_is_silent(local):
    content = local.write("initiator", "old", os.urandom(SIZE))
    local.run()
    for side in SIDES:
        local.rename(side, "old", "new")
    result = local.run()
    assert local.both("new") == content
    assert traffic(result) < LITTLE


def test_i52_a_change_of_case_is_a_rename(pair):
    content = pair.write("initiator", "Readme", os.urandom(SIZE))
    pair.run()
    pair.rename("initiator", "Readme", "README")
    result = pair.run()
    assert pair.names("target") == ["README"]
    assert pair.both("README") == content
    assert traffic(result) < LITTLE


def test_a_file_renamed_onto_another_one(local):
    kept = local.write("initiator", "one", os.urandom(5000))
    replaced = local.write("initiator", "two", os.urandom(5000))
    local.run()
    local.rename("initiator", "one", "two")
    local.run()
    assert local.both("two") == kept
    assert local.names("target") == ["two"]
    assert replaced in [content for _, _, content in local.trash("target")]


def test_a_move_meets_a_file_that_was_made_there(local):
    moved = local.write("initiator", "old")
    local.run()
    local.rename("initiator", "old", "new")
    made = local.write("target", "new")
    local.run(expect=LOOK)
    assert local.contents("initiator") == {moved, made}
    assert local.gone("old")


@pytest.mark.parametrize("side", SIDES)
def test_a_copied_file_is_not_sent_again(pair, side):
    content = pair.write("initiator", "one", os.urandom(SIZE))
    pair.run()
    pair.write(side, "two", content)
    result = pair.run()
    assert pair.both("two") == content
    assert traffic(result) < LITTLE


def test_a_renamed_symlink_arrives(pair):
    pair.link("initiator", "old", "somewhere")
    pair.run()
    pair.rename("initiator", "old", "new")
    pair.run()
    assert pair.names("target") == ["new"]
    assert os.readlink(pair.path("target", "new")) == "somewhere"


def test_moves_are_not_deletions_to_the_guard(pair):
    contents = {pair.write("initiator", f"album/{number}") for number in range(30)}
    pair.run()
    pair.rename("initiator", "album", "photos")
    pair.run()
    assert pair.contents("target") == contents
    for number in range(30):
        pair.rename("target", f"photos/{number}", f"sorted/{number % 4}/renamed {number}")
    pair.run()
    assert pair.contents("initiator") == contents


@pytest.mark.parametrize("side", SIDES)
def test_a_large_file_that_moves_into_a_folder_of_its_own_name(local, side):
    """Its bytes were to be copied from the name that the folder takes first."""
    content = local.write(side, "name", os.urandom(40_000))
    local.run()
    local.rename(side, "name", "other")
    local.folder(side, "name")
    local.rename(side, "other", "name/inside")
    local.run()
    assert local.both("name/inside") == content


@pytest.mark.parametrize("side", SIDES)
def test_a_large_copy_of_what_both_sides_have_renamed_arrives(local, side):
    """Its bytes were to be copied from the old name, which was there no more."""
    content = local.write(side, "old", os.urandom(40_000))
    local.run()
    for mover in SIDES:
        local.rename(mover, "old", "new")
    local.write(side, "copy", content)
    local.run()
    assert local.both("copy") == content


@pytest.mark.parametrize("side", SIDES)
def test_a_folder_that_was_made_anew_on_the_other_side_is_moved(local, side):
    """The saved list kept the inode of the old one, and the move waited for that for ever."""
    local.write(side, "old/inside")
    local.run()
    path = local.path(OTHER[side], "old")
    info = path.stat()
    path.rename(local.path(OTHER[side], "old.was"))
    path.mkdir(mode=0o755)
    local.path(OTHER[side], "old.was/inside").rename(path / "inside")
    local.path(OTHER[side], "old.was").rename(local.base / "away")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    local.run()
    local.rename(side, "old", "new")
    local.run()
    assert local.gone("old")


CHANGES = {
    "mode": (["chmod", "0770"], lambda path: path.stat().st_mode & 0o777),
    "time": (["touch", "-d", "2001-01-01"], lambda path: path.stat().st_mtime),
    "attribute": (["setfattr", "-n", "user.colour", "-v", "blue"],
                  lambda path: os.getxattr(path, "user.colour") if os.listxattr(path) else None),
}


@pytest.mark.parametrize("what, together", [("mode", False), ("time", False), ("attribute", False),
                                            ("mode", True), ("attribute", True)])
@pytest.mark.parametrize("side", SIDES)
def test_i37_what_is_done_to_a_folder_that_is_about_to_be_renamed_is_carried_over(
        local, side, what, together):
    """It was taken for agreed: the sides stayed different, and no run had anything to do.

    Together: whoever renames it sets its mode as well.
    """
    command, shown = CHANGES[what]
    local.options = [*local.options, "--set", "PRESERVE_XATTR=yes"]
    local.path(side, "folder").mkdir()
    local.run()
    local.path(OTHER[side], "into").mkdir()
    local.rename(OTHER[side], "folder", "into/new")
    if together:
        local.path(OTHER[side], "into/new").chmod(0o711)
    done = shlex.join([*command, str(local.path(side, "folder"))])
    local.run(env={"OSYNC_POINT": f"after-scan={done}"}, expect=None)
    local.run()
    one, other = (local.path(where, "into/new") for where in SIDES)
    assert shown(one) == shown(other)
    if not together or what != "mode":
        subprocess.run([*command, str(local.base)], check=True)
        assert shown(one) == shown(local.base)
    assert local.run().changes == []


@pytest.mark.parametrize("side", SIDES)
def test_i37_a_copy_of_a_file_that_the_other_side_edits_meanwhile_is_sent(local, side):
    content = local.write("initiator", "big", os.urandom(20_000))
    local.run()
    local.run()
    local.write(side, "copy", content)
    source = local.path(OTHER[side], "big")
    result = local.run(env={"OSYNC_POINT": f"after-scan=echo edited >>{source}"})
    assert result.ops("create") == ["copy"]
    assert local.both("copy") == content
    local.run()
    assert local.both("big") == content + b"edited\n"


@pytest.mark.parametrize("content", [b"", b"the same"])
@pytest.mark.parametrize("side", SIDES)
def test_i15_an_edit_goes_to_no_other_file_that_is_like_the_old_one(local, side, content):
    local.write("initiator", "p1/__init__.py", content)
    local.write("initiator", "p2/module")
    local.run()
    local.remove(side, "p1/__init__.py")
    local.write(side, "p2/__init__.py", content)
    edited = local.write(OTHER[side], "p1/__init__.py")
    local.run()
    assert local.both("p2/__init__.py") == content
    assert local.both("p1/__init__.py") == edited


@pytest.mark.parametrize("side", SIDES)
def test_i15_an_edit_does_not_go_to_a_copy_whose_original_is_deleted(local, side):
    content = local.write("initiator", "a")
    local.write("initiator", "c", content)
    local.run()
    local.remove(side, "a")
    local.write(side, "b", content)
    edited = local.write(OTHER[side], "a")
    local.run()
    assert local.both("a") == edited
    assert local.both("b") == local.both("c") == content


@pytest.mark.parametrize("side", SIDES)
def test_a_folder_whose_contents_could_not_be_moved_yet_goes_with_the_next_run(local, side):
    """What is in it is not what is never synced: it does not come back empty."""
    content = local.write("initiator", "d/inner/file")
    local.run()
    local.rename(side, "d/inner", "a/inner")
    local.path(side, "d").rmdir()
    in_the_way = local.path(OTHER[side], "a")
    result = local.run(env={"OSYNC_POINT": f"after-scan=mkfifo {in_the_way}"}, expect=FAILED)
    assert "d" in [problem["path"] for problem in result.problems]
    assert local.read(OTHER[side], "d/inner/file") == content
    in_the_way.unlink()
    local.run()
    assert local.both("a/inner/file") == content
    assert local.gone("d")

# SPDX-License-Identifier: BSD-2-Clause
"""Between two folders of this machine, the side that gets a file takes it itself."""

import ctypes
import os
import re
import shutil
import subprocess

import pytest
from harness import FAILED, FETCH_ALL, FETCH_NOTHING, OSYNC, SIDES, Pair, finish, start
from test_filesystems import DISKS

LANDLOCK = ctypes.CDLL(None).syscall(444, None, 0, 1)
AGENTS = {"initiator": "initiator agent", "target": "target agent"}


def far(pair):
    """The same folders, but the target as if it were on another machine."""
    pair.target_url = lambda: f"ssh://nobody@nowhere/{pair.target}"
    pair.options = ["--set", "TRANSPORT=command", "--set", "TRANSPORT_COMMAND=env",
                    "--remote-osync", OSYNC]


NOBODY = 65534
LIKE_AN_ORDINARY_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
LARGE = 100_000  # bytes of a file that is worth it


def has_read(pair, role, side, size=LARGE, **env):
    """Whether this agent has read files in a run in which one goes from this side to the other one."""
    calls = pair.base / "calls"
    # One as long as another would be read to see whether it is the same.
    pair.write(side, f"{role}, of the {side}", os.urandom(size + len(pair.names(side))))
    pair.run(env={"OSYNC_FAULT": f"count:{calls}:{role}:look", **env})
    said = calls.read_text()
    calls.unlink()
    return " pread\n" in said


@pytest.mark.parametrize("giver, taker", [("initiator", "target"), ("target", "initiator")])
def test_the_side_that_gets_a_file_reads_it(local, giver, taker):
    local.run()
    assert has_read(local, AGENTS[taker], giver)
    assert not has_read(local, AGENTS[giver], giver)


@pytest.mark.parametrize("giver, taker", [("initiator", "target"), ("target", "initiator")])
def test_a_small_file_is_sent(local, giver, taker):
    """One side reads while the other one writes."""
    local.run()
    assert has_read(local, AGENTS[giver], giver, size=1000)
    assert not has_read(local, AGENTS[taker], giver, size=1000)


@pytest.mark.parametrize("giver, taker", [("initiator", "target"), ("target", "initiator")])
def test_from_another_machine_it_is_sent(local, giver, taker):
    far(local)
    local.run()
    assert has_read(local, AGENTS[giver], giver)
    assert not has_read(local, AGENTS[taker], giver)


@pytest.mark.parametrize("giver, taker", [("initiator", "target"), ("target", "initiator")])
def test_tests_can_have_it_sent_on_one_machine(local, giver, taker):
    local.run()
    assert has_read(local, AGENTS[giver], giver, **FETCH_NOTHING)
    assert not has_read(local, AGENTS[taker], giver, **FETCH_NOTHING)


@pytest.mark.parametrize("giver, taker", [("initiator", "target"), ("target", "initiator")])
def test_tests_can_have_small_ones_fetched(local, giver, taker):
    local.run()
    assert has_read(local, AGENTS[taker], giver, size=10, **FETCH_ALL)
    assert not has_read(local, AGENTS[giver], giver, size=10, **FETCH_ALL)


def test_all_of_both_sides_arrives(local):
    local.options = ["--set", "PRESERVE_XATTR=yes"]
    local.write("initiator", "large", os.urandom(9_000_001))
    local.write("target", "folder/large", os.urandom(5_000_000))
    for number in range(150):
        local.write("initiator", f"many/{number}", os.urandom(number))
    os.setxattr(local.path("initiator", "many/7"), "user.colour", b"blue")
    with open(local.path("target", "sparse"), "wb") as file:
        file.truncate(1 << 26)
        file.seek(1 << 25)
        file.write(b"middle")
    local.run()
    local.assert_converged(xattrs=True)
    assert local.lstat("initiator", "sparse").st_blocks < 1000
    assert local.run().changes == []


def test_i22_a_file_that_is_written_to_while_it_is_taken_is_left_for_the_next_run(local):
    local.write("initiator", "log", os.urandom(LARGE))
    path = local.path("initiator", "log")
    env = {"OSYNC_POINT": f"copying=echo more >> {path}"}
    # It is the user who overwrites a version here.
    result = finish(start(local.args("--json"), local.env(**env)), expect=FAILED)
    # It is the initiator's file that could not be had.
    assert {problem["path"] for problem in result.problems} == {"log"}, repr(result)
    assert result.says("on the initiator")
    assert not local.path("target", "log").exists()
    local.run()
    assert local.both("log").endswith(b"more\n")


def test_i40_what_cannot_be_written_is_said_of_the_side_that_gets_it(local):
    role, calls = AGENTS["target"], local.base / "calls"
    for number in range(2):
        local.write("initiator", str(number), os.urandom(LARGE))
        local.run(env={"OSYNC_FAULT": f"count:{calls}:{role}:change"})
        names = [line.split()[-1] for line in calls.read_text().splitlines()]
        calls.unlink()
    # The one that writes the staged file, which then gets its time.
    number = max(n for n, pair in enumerate(zip(names, names[1:]), 1)
                 if pair == ("write", "futimens"))
    local.write("initiator", "file", os.urandom(LARGE))
    result = local.run(expect=FAILED, env={"OSYNC_FAULT": f"fail:{number}:28:{role}:change"})
    assert result.says("on the target") and result.says("No space left"), repr(result)
    local.run()
    local.assert_converged()


@pytest.mark.skipif(LANDLOCK < 2, reason="this kernel has no Landlock that allows moves")
@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
def test_i34_the_other_folder_is_only_within_reach_to_be_read(local):
    trace = local.base / "trace"
    local.write("initiator", "file")
    finish(start(["strace", "-f", "-y", "-qq", "-e", "trace=landlock_add_rule,landlock_restrict_self",
                  "-o", str(trace), *local.args("--json")],
                 local.env(ASAN_OPTIONS="detect_leaks=0")))
    rules = {}
    for process, rights, path in re.findall(
            r"^(\d+) +landlock_add_rule\(.*?allowed_access=([A-Z_|0-9a-fx]+), "
            r"parent_fd=\d+<([^>]*)>", trace.read_text(), re.M):
        rules.setdefault(process, {})[path] = set(rights.split("|"))
    only_read = {"LANDLOCK_ACCESS_FS_READ_FILE", "LANDLOCK_ACCESS_FS_READ_DIR"}
    roots = [str(root) for root in local.roots]
    both = [folders for folders in rules.values() if set(roots) <= set(folders)]
    assert len(both) == 2, trace.read_text()
    written = [[root for root in roots if folders[root] != only_read] for folders in both]
    assert sorted(written) == sorted([root] for root in roots)


@pytest.mark.skipif(LANDLOCK < 2, reason="this kernel has no Landlock that allows moves")
@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace")
def test_i34_nothing_of_the_other_folder_is_within_reach_of_a_server(local):
    far(local)
    trace = local.base / "trace"
    local.write("initiator", "file")
    finish(start(["strace", "-f", "-y", "-qq", "-e", "trace=landlock_add_rule", "-o", str(trace),
                  *local.args("--json")], local.env(ASAN_OPTIONS="detect_leaks=0")))
    for root in local.roots:
        rules = [line for line in trace.read_text().splitlines() if f"<{root}>" in line]
        assert len(rules) == 1, rules


def free(folder):
    os.sync()
    return os.statvfs(folder).f_bfree * os.statvfs(folder).f_frsize


def test_a_file_may_take_longer_than_one_step_may(local):
    """Nothing comes meanwhile but signs of life, which say that bytes are read."""
    # Six hours are 11 s, and an hour without a sign of life 1.8 s; 16 s are slept in one step.
    content = local.write("initiator", "large", os.urandom(16 * 262_144))
    local.run("--set", "PEER_TIMEOUT=3600",
              env={"OSYNC_HURRY": "2000", "OSYNC_POINT": "copying=sleep 1"})
    assert local.both("large") == content


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_large_files_share_their_blocks_where_the_file_system_can(tmp_path, kind):
    with DISKS[kind](tmp_path) as folder:
        pair = Pair(folder)
        pair.options = ["--set", "MINIMUM_SPACE=0"]
        content = pair.write("initiator", "large", os.urandom(20_000_001))
        before = free(folder)
        pair.run()
        assert pair.both("large") == content
        assert before - free(folder) < 5_000_000
        # A version that is edited afterwards is one side's only.
        with open(pair.path("target", "large"), "r+b") as file:
            file.write(b"edited")
        assert pair.read("initiator", "large") == content
        pair.run()
        assert pair.both("large") == b"edited" + content[6:]


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_the_mode_of_a_file_may_not_let_its_own_copy_be_read(tmp_path, kind):
    """All may read it but its owner, which is somebody else, and so is not the copy's."""
    with DISKS[kind](tmp_path) as folder:
        pair = Pair(folder)
        pair.options = ["--set", "MINIMUM_SPACE=0"]
        content = pair.write("initiator", "large", os.urandom(300_000), mode=0o044)
        os.chown(pair.path("initiator", "large"), NOBODY, NOBODY)
        finish(start([*LIKE_AN_ORDINARY_USER, *pair.args()], pair.env()))
        assert pair.read("target", "large") == content
        assert pair.lstat("target", "large").st_mode & 0o777 == 0o044


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_very_large_files_are_shared_in_parts(tmp_path, kind):
    with DISKS[kind](tmp_path) as folder:
        pair = Pair(folder)
        with open(pair.path("initiator", "sparse"), "wb") as file:
            for place in (0, 1 << 30, 2_500_000_000):
                file.seek(place)
                file.write(os.urandom(300_000))
        before = free(folder)
        # Nobody reads all of it but osync and cmp.
        finish(start(pair.args(), pair.env()))
        assert before - free(folder) < 10_000_000
        names = [str(pair.path(side, "sparse")) for side in SIDES]
        subprocess.run(["cmp", *names], check=True)
        assert pair.lstat("target", "sparse").st_blocks * 512 < 2_000_000

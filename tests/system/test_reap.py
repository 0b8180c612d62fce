# SPDX-License-Identifier: BSD-2-Clause
"""`osync reap`: the clean-up job of a server; and old trash at the end of a run."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from harness import (FAILED, OK, OSYNC, SIDES, USAGE, Pair, environment, eventually,
                     execute, finish, stamps, start)

# Only a build with fault points lets days pass.
FAR = {"OSYNC_DAYS_LATER": "10"}


def reap(home, *args, expect=OK, **env):
    return execute([OSYNC, "reap", *map(str, args)], environment(home, **env), expect)


def what(result, event):
    return sorted(item["what"] for item in result.events if item["event"] == event)


def fill(pair, *options):
    """A run that leaves an old version in the target's trash; its name."""
    if not pair.exists("initiator", "x"):
        pair.write("initiator", "x")
        pair.run(*options)
    before = set(runs(pair))
    pair.write("initiator", "x")
    pair.run(*options)
    new = set(runs(pair)) - before
    assert len(new) == 1
    return new.pop()


def runs(pair, side="target"):
    trash = pair.workdir(side) / "trash"
    return sorted(name for name in os.listdir(trash) if "." not in name) if trash.is_dir() else []


DAYS = ("--set", "TRASH_DAYS=5")


# Trash --------------------------------------------------------------------------------

def test_trash_goes_after_the_days_that_its_run_had_asked_for(local):
    kept = fill(local)
    asked = fill(local, *DAYS)
    assert what(reap(local.home, local.target, "--json"), "expired") == []
    found = reap(local.home, local.target, "--json", "-n", **FAR)
    assert what(found, "expired") == [asked]
    assert runs(local) == sorted([kept, asked])
    assert what(reap(local.home, local.target, "--json", **FAR), "expired") == [asked]
    assert runs(local) == [kept]
    # Nobody had asked for that one to be removed; whoever runs the server may.
    found = reap(local.home, local.target, "--json", "--trash-days=9", **FAR)
    assert what(found, "expired") == [kept]
    assert os.listdir(local.workdir("target") / "trash") == []


def test_a_note_that_a_killed_run_had_begun_goes(local):
    run = fill(local, *DAYS)
    trash = local.workdir("target") / "trash"
    (trash / f"{run}.keep").rename(trash / f"{run}.keep.tmp-0123456789abcdef")
    (trash / "theirs.tmp-0123456789abcdef").touch()
    reap(local.home, local.target, "-n")
    assert len(os.listdir(trash)) == 3
    reap(local.home, local.target)
    assert sorted(os.listdir(trash)) == [run, "theirs.tmp-0123456789abcdef"]


def test_trash_is_packed_and_can_be_unpacked(local):
    run = fill(local)
    old = local.trash("target")[0][2]
    found = reap(local.home, local.target, "--json", "--pack-days=9", **FAR)
    assert what(found, "packed") == [run]
    trash = local.workdir("target") / "trash"
    assert os.listdir(trash) == [f"{run}.tar.zst"]
    subprocess.run(["tar", "--zstd", "-xf", trash / f"{run}.tar.zst", "-C", local.base], check=True)
    assert (local.base / run / "x").read_bytes() == old
    # Its age is that of its folder.
    found = reap(local.home, local.target, "--json", "--trash-days=9", **FAR)
    assert what(found, "expired") == [f"{run}.tar.zst"]


@pytest.mark.parametrize("side", SIDES)
def test_a_run_that_wants_it_removes_old_trash_of_its_side(local, side):
    options = ("--set", "TRASH_DAYS=5", "--set", "TRASH_PACK_DAYS=3")
    local.write(side, "x")
    local.run(*options)
    local.write("target" if side == "initiator" else "initiator", "x")
    local.run(*options)
    assert len(runs(local, side)) == 1
    execute(local.args("--json", *options), local.env(OSYNC_DAYS_LATER="4"))
    assert runs(local, side) == []
    trash = local.workdir(side) / "trash"
    assert [name for name in os.listdir(trash) if name.endswith(".tar.zst")]
    execute(local.args("--json", *options), local.env(OSYNC_DAYS_LATER="6"))
    assert os.listdir(trash) == []


def test_osyncs_keys_count_where_both_are_set(local):
    """What was deleted and what was overwritten lie in one place: the longer one counts."""
    one = fill(local, "--set", "SOFT_DELETE_DAYS=5")
    both = fill(local, "--set", "SOFT_DELETE_DAYS=5", "--set", "CONFLICT_BACKUP_DAYS=8")
    found = reap(local.home, local.target, "--json", OSYNC_DAYS_LATER="7")
    assert what(found, "expired") == []
    found = reap(local.home, local.target, "--json", OSYNC_DAYS_LATER="9")
    assert what(found, "expired") == [both]
    assert runs(local) == [one]


def test_i63_a_clock_that_jumps_expires_no_trash(local):
    run = fill(local, *DAYS)
    reap(local.home, local.target)
    # The file system's clock is what it is; the note says that it showed another year an hour ago.
    clock = local.workdir("target") / "trash-clock"
    noted = clock.read_bytes()
    reap(local.home, local.target, OSYNC_DAYS_LATER="-4000")
    assert clock.read_bytes() != noted
    assert what(reap(local.home, local.target, "--json"), "expired") == []
    assert runs(local) == [run]


def test_i63_a_clock_that_is_wrong_at_the_first_look_expires_no_trash(local):
    run = fill(local)
    found = reap(local.home, local.target, "--json", "--trash-days=9", OSYNC_DAYS_LATER="3650")
    assert what(found, "expired") == [] and runs(local) == [run]
    # What is right from then on is steady from then on.
    found = reap(local.home, local.target, "--json", "--trash-days=9", OSYNC_DAYS_LATER="3660")
    assert what(found, "expired") == [run]


# The rest -------------------------------------------------------------------------------

def killed(pair, point="after-scan"):
    """A run that is killed with its agents, with the locks in its hands."""
    there = pair.base / "there"
    process = start(pair.args("--json"), pair.env(OSYNC_POINT=f"{point}=touch {there}; "
                                                  "kill -STOP $PPID"))
    assert eventually(there.exists)
    for pid in children(process.pid) + [process.pid]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    there.unlink()


def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(child) for child in found.stdout.split()]


def test_what_a_killed_run_has_left_goes(local):
    local.write("initiator", "x")
    local.run()
    local.write("initiator", "x")
    killed(local)
    workdir = local.workdir("target")
    assert eventually(lambda: reap(local.home, "-n", "--json", local.target).events != [])
    (workdir / "stage").mkdir(exist_ok=True)
    (workdir / "stage/s-4711").write_bytes(b"half")
    (workdir / "queue").mkdir()
    place = workdir / "queue/0000000000000001.gone"
    place.touch()
    os.utime(place, (1, 1))
    temporary = workdir / "state/x.tmp-0123456789abcdef"
    temporary.touch()
    os.utime(temporary, (1, 1))
    (workdir / "partial").mkdir()
    part, young = (workdir / "partial" / (letter * 32) for letter in "ab")
    part.write_bytes(b"the first half")
    os.utime(part, (1, 1))
    young.write_bytes(b"another one")
    seen = stamps(local.target)
    would = reap(local.home, local.target, "-n", "--json")
    assert stamps(local.target) == seen
    did = reap(local.home, local.target, "--json")
    for result in (would, did):
        assert what(result, "leftover") == ["s-4711"], repr(result)
        assert what(result, "temporary") == [part.name, temporary.name]
        assert len(what(result, "lock")) == len(what(result, "queue")) == 1
    assert not any(path.exists() for path in (place, temporary, part, workdir / "stage/s-4711"))
    assert young.exists()
    assert (workdir / "lock").read_bytes() == b""
    assert reap(local.home, local.target, "--json").events == []
    local.run()


def test_nothing_is_touched_where_a_run_is_at_work(local):
    fill(local)
    (local.workdir("target") / "stage/s-1").write_bytes(b"of the run")
    local.write("initiator", "x")
    go = local.base / "go"
    at = local.base / "at"
    process = start(local.args("--json"), local.env(
        OSYNC_POINT=f"after-scan=touch {at}; while [ ! -e {go} ]; do sleep 0.05; done"))
    try:
        assert eventually(at.exists)
        seen = stamps(local.target)
        result = reap(local.home, "--json", "--trash-days=1", local.target, **FAR)
        assert [item["event"] for item in result.events] == ["alive"]
        assert stamps(local.target) == seen
    finally:
        go.touch()
    finish(process)


def test_all_synced_folders_in_a_folder_are_cleaned_up(local):
    other = Pair(local.base / "more", name="more")
    names = [fill(local), fill(other)]
    top = local.base / "top"
    top.mkdir()
    (top / "not synced").mkdir()
    (top / "a link").symlink_to(local.target)
    for name, pair in (("one", local), ("two", other)):
        shutil.move(pair.target, top / name)
    result = reap(local.home, "--json", "--trash-days=9", top, **FAR)
    assert what(result, "expired") == sorted(names)
    assert {Path(item["root"]).name for item in result.events} == {"one", "two"}
    for name, pair in (("one", local), ("two", other)):
        shutil.move(top / name, pair.target)


def test_what_is_no_synced_folder_and_what_is_no_option_is_said(local):
    assert "no synced folder" in reap(local.home, local.home, expect=FAILED).err
    assert "no synced folder" in reap(local.home, local.base / "none", expect=FAILED).err
    for args in ([], ["--trash-days"], ["--trash-days=x", "/"], ["--lock-ttl=5", "/"], ["--what", "/"],
                 ["--trash-days=0", "/"]):
        reap(local.home, *args, expect=USAGE)


def test_a_hostile_tree_leads_nowhere(local):
    fill(local, *DAYS)
    outside = local.base / "outside"
    (outside / "20200101-000000-abcdef").mkdir(parents=True)
    (outside / "20200101-000000-abcdef/precious").write_text("precious")
    (outside / "stage").mkdir()
    (outside / "stage/precious").write_text("precious")
    workdir = local.workdir("target")
    seen = stamps(outside)
    args = ("--trash-days=1", "--pack-days=1")
    # A run's name that is a link, and what is not ours.
    (workdir / "trash/20200101-000000-abcdef").symlink_to(outside)
    (workdir / "trash/mine.txt").write_text("mine")
    (workdir / "trash/20200101-000000-abcdef.keep").mkdir()
    reap(local.home, *args, local.target, **FAR)
    assert (workdir / "trash/mine.txt").read_text() == "mine"
    # The folders themselves as links; the lock as something that one would wait at.
    for name in ("trash", "stage"):
        shutil.rmtree(workdir / name)
        (workdir / name).symlink_to(outside)
    reap(local.home, *args, local.target, expect=(OK, FAILED), **FAR)
    for name in ("trash", "stage"):
        (workdir / name).unlink()
    (workdir / "lock").unlink()
    os.mkfifo(workdir / "lock")
    reap(local.home, *args, local.target, expect=FAILED, **FAR)
    (workdir / "lock").unlink()
    saved = local.base / "saved"
    workdir.rename(saved)
    workdir.symlink_to(outside)
    reap(local.home, *args, local.target, expect=FAILED, **FAR)
    workdir.unlink()
    saved.rename(workdir)
    assert stamps(outside) == seen


def test_killed_anywhere_it_has_lost_nothing_and_the_next_completes_it(local):
    for number in range(1, 200):
        run = fill(local)
        with nothing_lost_in_archives(local):
            process = start([OSYNC, "reap", "--pack-days=9", str(local.target)],
                            environment(local.home, OSYNC_FAULT=f"kill:{number}:reap", **FAR))
            ended = finish(process, None)
            reap(local.home, "--pack-days=9", local.target, **FAR)
        assert run not in runs(local)
        assert not os.listdir(local.workdir("target") / "stage")
        if ended.code == OK:
            break
    assert number > 10
    shutil.rmtree(local.workdir("target") / "trash")
    local.run()


class nothing_lost_in_archives:
    """As nothing_lost, where versions are packed meanwhile."""

    def __init__(self, pair):
        self.pair = pair
        self.before = pair.trash("target")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        trash = self.pair.workdir("target") / "trash"
        out = self.pair.base / "out"
        for run, path, content in [] if kind else self.before:
            if path == "" or run.endswith((".zst", ".keep")):
                continue
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            subprocess.run(["tar", "--zstd", "-xf", trash / f"{run}.tar.zst", "-C", out], check=True)
            assert (out / run / path).read_bytes() == content


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may act for others")
def test_for_root_it_acts_as_the_owner_of_the_folder(tmp_path):
    pair = Pair(tmp_path)
    for folder in [*tmp_path.parents][:-2] + [tmp_path]:
        if folder.stat().st_uid == 0 and str(folder) != "/tmp":
            folder.chmod(0o755)
    fill(pair)
    (pair.workdir("target") / "lock").unlink()
    for path in [pair.target, *pair.target.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    result = reap(pair.home, "--json", "--pack-days=9", pair.target, **FAR)
    assert len(what(result, "packed")) == 1
    owners = {path: path.lstat().st_uid for path in pair.target.rglob("*")}
    assert set(owners.values()) == {65534}, owners

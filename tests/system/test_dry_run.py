# SPDX-License-Identifier: BSD-2-Clause
"""A dry run prints what the next run does, and leaves not a byte and not a time stamp."""

import os
import subprocess

import pytest
from harness import LOOK, OK, SIDES, WORKDIR, execute
from test_output import changes_of_every_sort


def test_a_dry_run_prints_the_lines_of_the_real_run(pair):
    changes_of_every_sort(pair)
    dry = pair.run("--dry-run", expect=(OK, LOOK))
    real = pair.run(expect=LOOK)
    assert sorted(change.key() for change in dry.changes) == sorted(
        change.key() for change in real.changes)
    for side in SIDES:
        assert dry.summary[f"to_{side}"] == real.summary[f"to_{side}"]
    assert dry.summary["dry_run"] is True


def test_a_dry_run_prints_the_same_for_people(local):
    changes_of_every_sort(local)
    named = [f"{side}/" for side in SIDES] + ["conflict.txt"]

    def lines(result):
        return sorted(line for line in result.out.splitlines() if any(n in line for n in named))

    dry = lines(local.run_human("--dry-run", expect=(OK, LOOK)))
    assert dry and dry == lines(local.run_human(expect=LOOK))


@pytest.mark.parametrize("option", ["--dry-run", "-n", "--dry"])
def test_i45_a_dry_run_changes_nothing_anywhere(pair, option):
    changes_of_every_sort(pair)
    before = pair.stamps()
    pair.run(option, expect=(OK, LOOK))
    assert pair.stamps() == before
    pair.run(expect=LOOK)


def test_i45_a_first_dry_run_makes_no_work_folder(pair):
    pair.write("initiator", "d/x")
    pair.write("target", "e/y")
    os.mkfifo(pair.path("target", "fifo"))
    before = pair.stamps()
    result = pair.run("--dry-run", expect=(OK, LOOK))
    assert pair.stamps() == before
    assert not any(pair.workdir(side).exists() for side in SIDES)
    assert {"d", "d/x", "e", "e/y"} >= set(result.ops("create")) >= {"d/x", "e/y"}
    pair.at_rest = False


def test_a_dry_run_creates_no_missing_folder(local):
    local.write("initiator", "x")
    local.target.rmdir()
    local.run("--dry-run", "--set", "CREATE_DIRS=true", expect=None)
    assert not local.target.exists()
    local.target.mkdir()
    local.at_rest = False


def test_a_dry_run_makes_no_state_folder_elsewhere(local):
    local.write("initiator", "x")
    local.run("--dry-run", "--initiator-state-dir", str(local.base / "state"))
    assert not (local.base / "state").exists()
    local.at_rest = False


def test_a_dry_run_reports_a_special_file_and_the_real_run_still_does(local):
    os.mkfifo(local.path("initiator", "fifo"))
    for _ in range(2):
        dry = local.run("--dry-run", expect=LOOK)
        assert [problem["path"] for problem in dry.problems] == ["fifo"]
    real = local.run(expect=LOOK)
    assert [problem["path"] for problem in real.problems] == ["fifo"]


def test_i45_a_dry_run_writes_to_no_file_below_the_roots(local):
    changes_of_every_sort(local)
    trace = local.base / "trace"
    args = ["strace", "-f", "-qq", "-o", str(trace), "-e",
            "trace=openat,open,mkdirat,mkdir,renameat2,renameat,rename,unlinkat,unlink,linkat,"
            "symlinkat,fchmodat,fchmod,fchownat,fchown,utimensat,ftruncate,fsetxattr,setxattr",
            *local.args("--dry-run", "--json")]
    # The leak checker cannot work under strace.
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True,
                           check=False)
    if probe.returncode != 0:
        pytest.skip("strace is not allowed here")
    execute(args, local.env(ASAN_OPTIONS="detect_leaks=0"), (OK, LOOK))
    writing = ("O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "rename", "unlink", "link", "chmod",
               "chown", "utimens", "truncate", "xattr")
    suspicious = [line for line in trace.read_text(errors="replace").splitlines()
                  if any(word in line.partition("=")[0] for word in writing)
                  and "readlink" not in line
                  and not any(place in line for place in ('"/dev/', '"/proc/', '"/sys/'))]
    below = [line for line in suspicious
             if WORKDIR in line or "conflict" in line or "initiator/" in line or "target/" in line]
    assert below == []
    local.run(expect=LOOK)


def test_a_dry_run_takes_a_folder_that_would_be_made_for_empty(local):
    local.target.rmdir()
    local.write("initiator", "d/x")
    local.options = ["--create-dirs"]
    dry = local.run("--dry-run")
    assert not local.target.exists()
    assert [str(one) for one in dry.changes] == [str(one) for one in local.run().changes]

# SPDX-License-Identifier: BSD-2-Clause
"""`osync` without a name, in a folder that a profile syncs or below it."""

import os

import pytest
from harness import OK, USAGE, token
from test_cron import another, cron, profile


def run_in(home, folder, line="osync", expect=OK):
    """A line of somebody who stands in this folder, with a bare environment."""
    return cron(home, line, expect, cwd=folder)


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
def test_the_folder_one_stands_in_is_synced_whole(local, below):
    profile(local, "test")
    (local.initiator / "a/b/c").mkdir(parents=True)
    content = local.write("initiator", "x")
    run_in(local.home, local.initiator / below)
    assert local.both("x") == content


def test_a_link_that_leads_into_it_will_do(local):
    profile(local, "test")
    content = local.write("initiator", "d/x")
    (local.base / "link").symlink_to(local.initiator / "d")
    run_in(local.home, local.base / "link")
    assert local.both("d/x") == content


def test_a_profile_that_names_the_folder_by_a_link_will_do(local):
    (local.base / "link").symlink_to(local.initiator)
    profile(local, "test", f"INITIATOR_SYNC_DIR={local.base}/link")
    content = local.write("initiator", "x")
    run_in(local.home, local.initiator)
    assert local.both("x") == content


@pytest.mark.parametrize("name", ["inner", "the-inner"])  # before "outer", and behind it
def test_the_nearest_of_two_is_taken(local, tmp_path, name):
    inner = another(tmp_path, name)
    inner.initiator = local.initiator / "inner"
    (inner.initiator / "deep").mkdir(parents=True)
    profile(inner, name)
    profile(local, "outer")
    content = token()
    (inner.initiator / "x").write_bytes(content)
    run_in(local.home, inner.initiator / "deep")
    assert inner.read("target", "x") == content and local.names("target") == []
    inner.at_rest = local.at_rest = False


def test_outside_of_all_folders_nothing_is_done_and_all_is_said(local):
    profile(local, "test")
    local.write("initiator", "x")
    before = local.stamps()
    for line in ("osync", "osync sync -n", "osync cron", "osync list --state"):
        said = run_in(local.home, local.base, line, USAGE).err
        assert str(local.base) in said and "osync init" in said
    assert local.stamps() == before
    local.at_rest = False


def test_in_the_target_the_job_is_named(local):
    profile(local, "test")
    (local.target / "d").mkdir()
    said = run_in(local.home, local.target / "d", expect=USAGE).err
    assert f"'{local.target}/d'" in said and "osync test" in said
    local.at_rest = False


def test_of_several_jobs_of_one_folder_none_is_guessed(local):
    profile(local, "one")
    profile(local, "two", f"TARGET_SYNC_DIR={local.base}/other")
    local.write("initiator", "x")
    said = run_in(local.home, local.initiator, expect=USAGE).err
    assert "one" in said and "two" in said
    assert local.names("target") == []
    local.at_rest = False


def test_every_command_knows_the_folder(local):
    log = local.base / "the log"
    profile(local, "test", f"LOGFILE='{log}'")
    profile(local, "elsewhere", f"INITIATOR_SYNC_DIR={local.base}/elsewhere")
    content = local.write("initiator", "x")
    assert "create    x" in run_in(local.home, local.initiator, "osync -n").out
    assert not local.exists("target", "x")
    assert run_in(local.home, local.initiator, "osync cron").out == ""
    assert local.both("x") == content
    assert run_in(local.home, local.initiator, "osync log").out == log.read_text()
    assert "x\tfile" in run_in(local.home, local.initiator, "osync list --state").out


def test_folders_that_are_named_count_more(local, tmp_path):
    profile(local, "test")
    other = another(tmp_path, "other")
    run_in(local.home, local.initiator,
           f"osync --initiator '{other.initiator}' --target '{other.target}' --instance-id other")
    assert other.names("target") == ["file of other"] and local.names("target") == []
    local.at_rest = False


def test_profiles_that_make_no_sense_do_no_harm(local):
    folder = profile(local, "test").parent
    (folder / "broken.conf").write_bytes(b"INITIATOR_SYNC_DIR='\nx\0=(\nTARGET_SYNC_DIR=http://x\n")
    (folder / "relative.conf").write_text("INITIATOR_SYNC_DIR=.\nTARGET_SYNC_DIR=../target\n")
    (folder / "empty.conf").touch()
    (folder / "folder.conf").mkdir()
    os.mkfifo(folder / "pipe.conf")
    content = local.write("initiator", "x")
    run_in(local.home, local.initiator)
    assert local.both("x") == content


def test_what_somebody_left_in_the_folder_says_nothing(local):
    """A configuration that lies in the folder or above it is not looked for."""
    for place in (local.initiator, local.base):
        (place / "osync.conf").write_text(f"INSTANCE_ID=x\nINITIATOR_SYNC_DIR={local.initiator}\n"
                                          f"TARGET_SYNC_DIR={local.target}\n"
                                          f"LOCAL_RUN_BEFORE_CMD='touch {local.base}/owned'\n")
    run_in(local.home, local.initiator, expect=USAGE)
    assert not (local.base / "owned").exists()
    local.at_rest = False

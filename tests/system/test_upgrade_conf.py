# SPDX-License-Identifier: BSD-2-Clause
"""Files of osync 1.0 to 1.2, brought up to date by scripts/osync-upgrade-conf."""

import os
import subprocess
from pathlib import Path

import pytest
from harness import OK, OSYNC, execute
from test_setups import conf, run_conf

SCRIPT = Path(__file__).parents[2] / "scripts/osync-upgrade-conf"

FIRST = """\
#!/bin/bash
#### Config file rev 1010201302

## Sync job identification, SYNC_ID=not_this
SYNC_ID="work"
LOGFILE=""
## Directories to synchronize
MASTER_SYNC_DIR="{initiator}"
SLAVE_SYNC_DIR="{target}"
CREATE_DIRS=no
RSYNC_EXCLUDE_PATTERN="tmp;archives"
PATH_SEPARATOR_CHAR=";"
MINIMUM_SPACE=0
BANDWIDTH=0
SUDO_EXEC=no
RSYNC_EXECUTABLE=rsync
REMOTE_SYNC={remote}
SSH_RSA_PRIVATE_KEY=~/.ssh/id_rsa
REMOTE_USER=syncuser
REMOTE_HOST=server.example
REMOTE_PORT=2222
SSH_COMPRESSION=yes
REMOTE_HOST_PING=no
REMOTE_3RD_PARTY_HOSTS=""
REMOTE_RSYNC_PATH=""
PRESERVE_ACL=no # none here
CONFLICT_PREVALANCE=slave
CONFLICT_BACKUP=yes
SOFT_DELETE="yes"
MY_OWN=yes
LOCAL_RUN_BEFORE_CMD="echo yes"
STOP_ON_CMD_ERROR=yes
"""

SECOND = """\
#!/usr/bin/env bash
###### osync v1.1x config file rev 2016071801
## ---------- GENERAL OPTIONS
INSTANCE_ID="work"
INITIATOR_SYNC_DIR="{initiator}"
TARGET_SYNC_DIR="{target}"
CREATE_DIRS=no
CONFLICT_PREVALANCE=initiator
"""


def upgrade(*args, code=OK, **more):
    done = subprocess.run([SCRIPT, *args], capture_output=True, text=True, check=False, **more)
    assert done.returncode == code, done
    return done.stdout + done.stderr


def lines(path):
    return path.read_text().splitlines()


def test_a_file_of_osync_1_0_syncs_once_it_is_converted(local):
    path = local.base / "work.conf"
    path.write_text(FIRST.format(initiator=local.initiator, target=local.target, remote="no"))
    path.chmod(0o640)
    old = path.read_bytes()
    before = execute([OSYNC, str(path)], local.env(), expect=78)
    assert before.says("SYNC_ID", "INSTANCE_ID")
    said = upgrade(path)
    for word in ("SYNC_ID is INSTANCE_ID now", "MASTER_SYNC_DIR is INITIATOR_SYNC_DIR now",
                 "SLAVE_SYNC_DIR is TARGET_SYNC_DIR now", ":30: MY_OWN is no key", "work.conf.bak"):
        assert word in said, said
    assert Path(f"{path}.bak").read_bytes() == old and path.stat().st_mode & 0o777 == 0o640
    now = lines(path)
    for line in ("CONFIG_FILE_REVISION=1.3.0", 'INSTANCE_ID="work"', "CREATE_DIRS=false",
                 "## Sync job identification, SYNC_ID=not_this", "PRESERVE_ACL=false # none here",
                 "CONFLICT_PREVALANCE=target", "SOFT_DELETE=true", "MY_OWN=yes",
                 "#REMOTE_HOST=server.example", 'LOCAL_RUN_BEFORE_CMD="echo yes"'):
        assert line in now, line
    content = local.write("initiator", "x")
    local.write("initiator", "archives/y")
    result = execute([OSYNC, str(path)], local.env(), expect=OK)
    assert result.says("MY_OWN") and "REMOTE_" not in result.said, repr(result)
    assert local.both("x") == content and local.names("target") == ["x"]
    local.at_rest = False


def test_a_server_of_osync_1_0_becomes_a_part_of_the_target(local):
    path = local.base / "work.conf"
    for target, url in (("/srv/my tree", "ssh://syncuser@server.example:2222//srv/my tree"),
                        ("below", "ssh://syncuser@server.example:2222/below"),
                        ("ssh://a@b//c", "ssh://a@b//c")):
        path.write_text(FIRST.format(initiator=local.initiator, target=target, remote="yes"))
        upgrade(path)
        assert f'TARGET_SYNC_DIR="{url}"' in lines(path)


@pytest.mark.parametrize("text", [FIRST, SECOND, "INSTANCE_ID=x\r\nCREATE_DIRS=yes\r\n",
                                  "CONFIG_FILE_REVISION=1.2.0 # old\nSUDO_EXEC=No\n"])
def test_what_is_up_to_date_stays_as_it_is(local, text):
    path = local.base / "a=b.conf"
    path.write_bytes(text.format(initiator="/i", target="/t", remote="yes").encode())
    assert "would be" in upgrade("-n", path) and not Path(f"{path}.bak").exists()
    upgrade(path.name, cwd=local.base)
    once = path.read_bytes()
    assert b"CONFIG_FILE_REVISION=1.3.0" in once and (b"\r\n" in once) == ("\r\n" in text)
    assert "up to date" in upgrade(path) and path.read_bytes() == once
    assert sorted(os.listdir(local.base)) == ["a=b.conf", "a=b.conf.bak", "home", "initiator",
                                              "target"]


def test_no_original_is_ever_replaced(local):
    path = local.base / "work.conf"
    for number in range(3):
        path.write_text(f"SYNC_ID=work{number}\n")
        upgrade(path)
    kept = [Path(f"{path}.bak{end}").read_text() for end in ("", ".1", ".2")]
    assert kept == [f"SYNC_ID=work{number}\n" for number in range(3)]


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_converted(local):
    path = local.base / "work.conf"
    path.write_text("SYNC_ID=work\n")
    said = upgrade(local.base / "missing", path, code=1)
    assert "missing" in said and "INSTANCE_ID=work" in lines(path)
    upgrade(code=64)


def test_a_file_of_today_is_not_touched(local):
    path = Path(conf(local, "CONFIG_FILE_REVISION=1.3.0", "CREATE_DIRS=true"))
    before = path.read_bytes()
    assert "up to date" in upgrade(path) and path.read_bytes() == before
    run_conf(local, path, expect=OK)

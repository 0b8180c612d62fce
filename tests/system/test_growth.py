# SPDX-License-Identifier: BSD-2-Clause
"""What osync leaves behind when it has run for years: no file of it grows without bound.

Every file that it keeps is named in KEPT, with what bounds it and the test that shows that; a file
that is not named there fails `test_every_file_that_is_left_is_known`. Not bounded, on purpose: the
trash, as long as nobody has asked for TRASH_DAYS (test_reap.py: what is asked for is removed).
"""

import os
import re
import signal

import pytest
from harness import GUARD, LOOK, OK, OSYNC, SIDES, execute, set_mtime, walk
from test_cron import cron, silent
from test_mail import Gone, Mta, age, memory, set_up

HEX = "[0-9a-f]+"

KEPT = {
    # -- in the work folder of either side
    "identity": "one number, written once",
    "lock": "one line; empty between runs (harness: the oracle 'clean')",
    "lock.silent": "one line about one holder",
    "filesystem": "one line, replaced as a whole",
    f"mark-.*-{HEX}": "one number for each initiator",
    "trash-clock": "one line, replaced as a whole",
    # -- state
    r"state/.*\.list\.base": "what is synced now",
    r"state/.*\.list\.journal": "test_what_is_saved_stays_as_large_as_what_is_synced",
    r"state/.*\.verify": "one time and one path, replaced as a whole",
    rf"state/.*-{HEX}\.cache\.base": "what is synced now, for each initiator",
    rf"state/.*-{HEX}\.cache\.journal": "test_what_is_saved_stays_as_large_as_what_is_synced",
    rf"state/.*-{HEX}\.place": "one identity for each place that a job was started from",
    r"state/.*\.(list|cache)\.(base|journal)\.bad-.*":
        "test_of_lists_that_were_set_aside_only_the_last_are_kept",
    # -- of the trash, that somebody has asked to have emptied
    r"trash/.*": "test_reap.py: test_trash_goes_after_the_days_that_its_run_had_asked_for",
    # -- at home
    rf"home/.*-{HEX}\.alerts": "test_mail.py: test_the_memory_survives_and_does_not_grow",
    "home/.*.conf": "the user's own",
    # -- the log: the user's to rotate, and renamed to .old at 10 MiB (tests/unit/test_log.c)
    "log": "tests/unit/test_log.c: a log begins anew when it is large",
}


def kept_by(pair):
    """All files that osync keeps about this pair, as KEPT names them."""
    names = [path for side in SIDES for path, full, _ in walk(pair.workdir(side), skip=())
             if os.path.isfile(full)]
    for path, full, _ in walk(pair.home, skip=()):
        if os.path.isfile(full):
            names.append(f"home/{path}")
    return sorted({*names, *(["log"] if (pair.base / "log").exists() else [])})


def unknown(names):
    return [name for name in names if not any(re.fullmatch(known, name) for known in KEPT)]


def test_every_file_that_is_left_is_known(local, tmp_path):
    """After each kind of run that leaves something."""
    log = f"LOGFILE={local.base}/log"
    mta = Mta(tmp_path)
    set_up(local, *mta.keys(), log, "TRASH_DAYS=5", "TRASH_PACK_DAYS=1", "LOCK_TTL=60")
    for number in range(6):
        local.write("initiator", f"d/{number}")
    cron(local.home, "osync cron test")
    local.write("initiator", "d/1")
    local.remove("target", "d/2")
    local.rename("target", "d/3", "e")
    local.write("initiator", "both", "one")
    local.write("target", "both", "two")
    cron(local.home, "osync cron test", LOOK)
    with Gone(local):
        cron(local.home, "osync cron test", GUARD)
    cron(local.home, "osync cron test")
    # The same folders by another name, and with what is damaged.
    local.run()
    for path in local.state_folder().glob("test.list.*"):
        path.write_bytes(b"damaged")
    cron(local.home, "osync cron test")
    names = kept_by(local)
    assert len(names) > 12 and not unknown(names), unknown(names)
    assert any(".bad-" in name for name in names) and any("trash/" in name for name in names)


@pytest.mark.parametrize("killed_at", [3, 9, 15, 21, 27])
def test_what_killed_runs_leave_goes_with_the_next_run(local, killed_at):
    local.write("initiator", "x")
    local.run()
    before = {name for name in kept_by(local) if not name.startswith("trash/")}
    for number in range(3):
        for side in SIDES:
            local.write(side, f"{side}{number}")
            role = "initiator" if side == "initiator" else "target agent"
            local.run(expect=None, env={"OSYNC_FAULT": f"kill:{killed_at}:{role}"})
    local.run()
    assert {name for name in kept_by(local) if not name.startswith("trash/")} == before


def old(path, much=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    if much:
        os.utime(path, (1, 1))
    return path


def test_temporaries_of_killed_writers_go_with_the_next_run_and_no_others(local):
    states = {side: local.base / f"{side} state" for side in SIDES}
    local.options = ["--initiator-state-dir", str(states["initiator"]),
                     "--target-state-dir", str(states["target"])]
    local.write("initiator", "x")
    local.run()
    folders = [local.workdir(side) for side in SIDES] + list(states.values())
    folders += [local.workdir(side) / "state" for side in SIDES]
    leftovers = [old(folder / f"x.tmp-{'0' * 16}") for folder in folders]
    leftovers += [old(local.workdir(side) / f"lock.new-{'0' * 16}") for side in SIDES]
    stay = [old(folder / f"y.tmp-{'1' * 16}", much=False) for folder in folders]
    stay += [old(folder / name) for folder in folders for name in ("mine", "x.tmp-1")]
    local.write("initiator", "y")
    local.run()
    assert not [path for path in leftovers if path.exists()]
    assert all(path.exists() for path in stay)


def test_what_is_saved_stays_as_large_as_what_is_synced(local):
    """Each run has some 80 kB of news; a journal of 256 KiB becomes a part of its base."""
    names = [f"{'n' * 240}/{'m' * 240}/{'o' * 240}/{number:02}-{'f' * 240}" for number in range(80)]
    for name in names:
        local.write("initiator", name, "x")
    journals, news = [], 0
    for number in range(7):
        for name in names:
            set_mtime(local.path("initiator", name), 1_000_000_000 + number)
        local.run()
        sizes = {key: len(data) for key, data in local.state().items() if "journal" in key[1]}
        journals.append(sizes)
        assert all(size < 384 << 10 for size in sizes.values()), journals
    # It has been folded, and not for having nothing to say.
    for key in journals[0]:
        news = [now.get(key, 0) for now in journals]
        assert news != sorted(news) and max(news) > 100 << 10, journals


def test_of_lists_that_were_set_aside_only_the_last_are_kept(local):
    local.write("initiator", "x")
    for _ in range(9):
        local.run(expect=(OK, LOOK))
        for side in SIDES:
            for path in (local.workdir(side) / "state").glob("*.journal"):
                path.write_bytes(b"damaged")
    local.run(expect=(OK, LOOK))
    for side in SIDES:
        aside = [path for path in (local.workdir(side) / "state").iterdir() if ".bad-" in path.name]
        assert 2 <= len(aside) <= 8, aside


def test_the_memory_of_trouble_survives_a_kill_while_it_is_written(local, tmp_path):
    """Trouble that was told, then another one: in each moment of that run, what was told is known."""
    mta = Mta(tmp_path)
    set_up(local, *mta.keys())
    with Gone(local):
        assert silent(cron(local.home, "osync cron test", GUARD))
        told = memory(local).read_text()
        age(local, 25)
        earlier = memory(local).read_text()
        cut, killed = 1, True
        while killed:
            memory(local).write_text(earlier)
            env = {"OSYNC_FAULT": f"kill:{cut}"}
            run = execute([OSYNC, "cron", "test"], local.env(**env), (GUARD, -signal.SIGKILL))
            killed = run.code != GUARD
            known = memory(local).read_text().splitlines()
            assert [line.split()[1:3] for line in known if line.startswith("trouble")] == \
                [line.split()[1:3] for line in told.splitlines() if line.startswith("trouble")]
            cut += 1
        # Nothing of it makes the next run forget: it was told a moment ago.
        mails = len(mta.mails)
        assert silent(cron(local.home, "osync cron test", GUARD)) and len(mta.mails) == mails
    assert cut > 5, "the run was never killed"
    assert silent(cron(local.home, "osync cron test"))
    assert "works again" in mta.subjects[-1]
    for path in memory(local).parent.iterdir():
        os.utime(path, (1, 1))
    with Gone(local):
        cron(local.home, "osync cron test", GUARD)
    assert [path.name for path in memory(local).parent.iterdir()] == [memory(local).name]

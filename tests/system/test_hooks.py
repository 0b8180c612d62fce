# SPDX-License-Identifier: BSD-2-Clause
"""Commands around a run: when they run, what they are told, and that nothing of them is left."""

import os
import shlex
import signal
from pathlib import Path

import pytest
from harness import (DENIED, FAILED, GUARD, LOCKED, LOOK, OK, OSYNC, SIDES, UNREACHABLE,
                     eventually, finish, holders, start)
from sshd import make_key
from test_locks import Held

KEYS = {"initiator": "LOCAL", "target": "REMOTE"}
SIGTERM_EXIT = 128 + signal.SIGTERM


def hook(side, when, command):
    """The options for one hook; `when` is BEFORE or AFTER."""
    return ["--set", f"{KEYS[side]}_RUN_{when}_CMD={command}"]


def setting(key, value):
    return ["--set", f"{key}={value}"]


class Notes:
    """A file that hooks write lines to."""

    def __init__(self, pair):
        self.path = pair.base / "notes"

    def command(self, text):
        """A command that adds this text, expanded by the shell."""
        return f'printf "%s\\n" "{text}" >> {shlex.quote(str(self.path))}'

    @property
    def lines(self):
        return self.path.read_text().splitlines() if self.path.exists() else []


class Stubborn:
    """A process that has left its parents behind and does not listen to SIGTERM."""

    def __init__(self, pair):
        self.script = pair.base / "stubborn.sh"
        self.pids = pair.base / "pids"
        self.script.write_text(f"trap '' TERM HUP INT\necho $$ >> {self.pids}\n"
                               "while :; do sleep 1000; done\n")
        self.pids.touch()

    def command(self):
        """Start it, and wait until it is up."""
        return (f"(setsid sh -c 'sh {self.script} & exit' &)\n"
                f"while [ ! -s {self.pids} ]; do sleep 0.02; done")

    def is_up(self):
        return self.pids.read_text().endswith("\n")

    def is_gone(self):
        assert self.is_up(), "it was never there"
        return not any(Path(f"/proc/{pid}").exists() for pid in self.pids.read_text().split())


def locks(pair):
    return " ".join(shlex.quote(str(pair.workdir(side) / "lock")) for side in SIDES)


def test_hooks_run_around_the_run_with_both_locks_held(pair):
    notes = Notes(pair)
    pair.write("initiator", "x")
    said = f"$OSYNC_COMMAND $(cat {locks(pair)} | wc -l) $(ls {pair.target} | wc -l)"
    options = [word for side in SIDES for when in ("BEFORE", "AFTER")
               for word in hook(side, when, notes.command(said))]
    pair.run(*options)
    assert notes.lines == ["LOCAL_RUN_BEFORE_CMD 2 0", "REMOTE_RUN_BEFORE_CMD 2 0",
                           "LOCAL_RUN_AFTER_CMD 2 1", "REMOTE_RUN_AFTER_CMD 2 1"]
    # A run with nothing to do is one, too; a dry run is none.
    pair.run(*options)
    assert len(notes.lines) == 8
    pair.run("--dry-run", *options)
    assert len(notes.lines) == 8


def test_what_a_before_hook_writes_is_synced(pair):
    outside = pair.base / "outside"
    outside.mkdir()
    options = [word for side in SIDES for word in
               hook(side, "BEFORE", f"echo {side} > {pair.root(side)}/{side}; "
                                    f"cp {pair.root(side)}/{side} {outside}")]
    result = pair.run("-vv", *options)
    assert pair.both("initiator") == b"initiator\n" and pair.both("target") == b"target\n"
    # The agents stay in their roots, the hooks need not.
    assert sorted(os.listdir(outside)) == ["initiator", "target"]
    assert result.err.count("not confined") == 0, repr(result)


def test_a_hook_is_told_the_facts(pair):
    pair.write("initiator", "old")
    pair.run()
    facts = {}
    for side, when in (("target", "BEFORE"), ("initiator", "AFTER"), ("target", "AFTER")):
        facts[side, when] = pair.base / f"facts-{side}-{when}"
    options = [word for (side, when), path in facts.items()
               for word in hook(side, when, f"env -0 > {shlex.quote(str(path))}")]
    pair.write("initiator", "old", mtime=2_000_000_000)
    pair.write("target", "old")
    pair.write("initiator", "one")
    pair.write("initiator", "two")
    pair.write("target", "three")
    summary = pair.run(*options, expect=LOOK).summary
    told = {}
    for key, path in facts.items():
        pairs = (item.split("=", 1) for item in path.read_text().split("\0") if "=" in item)
        told[key] = {name: value for name, value in pairs if name.startswith("OSYNC_")}
    before = told["target", "BEFORE"]
    assert before["OSYNC_COMMAND"] == "REMOTE_RUN_BEFORE_CMD" and "OSYNC_STATUS" not in before
    for key in (("initiator", "AFTER"), ("target", "AFTER")):
        after = told[key]
        assert after["OSYNC_INSTANCE"] == pair.name and after["OSYNC_RUN"] == summary["run"]
        assert after["OSYNC_INITIATOR"] == str(pair.initiator)
        assert after["OSYNC_TARGET"] == pair.target_url()
        assert (after["OSYNC_STATUS"], after["OSYNC_ERROR"]) == ("2", "")
        for side in SIDES:
            assert after[f"OSYNC_CHANGES_{side.upper()}"] == str(sum(
                summary[f"to_{side}"].values()))
        assert int(after["OSYNC_CHANGES_TARGET"]) >= 2
        assert (after["OSYNC_CONFLICTS"], after["OSYNC_FAILED"], after["OSYNC_SKIPPED"]) == (
            "1", "0", "0")


@pytest.mark.parametrize("side", SIDES)
def test_a_before_hook_that_fails_stops_the_run(pair, side):
    notes = Notes(pair)
    pair.run()
    new = pair.write("initiator", "x")
    before = pair.untouched()
    failing = [*hook(side, "BEFORE", "echo no disk >&2; exit 3"),
               *hook("initiator", "AFTER", notes.command("$OSYNC_STATUS $OSYNC_ERROR"))]
    result = pair.run(*failing, expect=FAILED)
    key = f"{KEYS[side]}_RUN_BEFORE_CMD"
    assert result.says(f"{key} ended with status 3 (it said: no disk)"), repr(result)
    assert pair.untouched() == before and not notes.lines
    pair.run(*failing, *setting("RUN_AFTER_CMD_ON_ERROR", "yes"), expect=FAILED)
    assert notes.lines == [f"1 {key} ended with status 3 (it said: no disk)"]
    # Asked to, it goes on, and says so.
    result = pair.run(*failing, *setting("STOP_ON_CMD_ERROR", "no"), expect=LOOK)
    assert result.says(f"{key} ended with status 3"), repr(result)
    assert pair.both("x") == new and notes.lines[1:] == ["2 "]


def test_an_after_hook_that_fails_undoes_nothing(local):
    notes = Notes(local)
    options = [*hook("initiator", "AFTER", "exit 4"), *hook("target", "AFTER", notes.command("ran"))]
    one = local.write("initiator", "one")
    result = local.run(*options, expect=FAILED)
    assert result.says("LOCAL_RUN_AFTER_CMD ended with status 4"), repr(result)
    assert local.both("one") == one and notes.lines == ["ran"]
    two = local.write("initiator", "two")
    local.run(*options, *setting("STOP_ON_CMD_ERROR", "no"), expect=LOOK)
    assert local.both("two") == two and notes.lines == ["ran"] * 2


def test_hooks_do_not_run_without_the_locks(pair):
    notes = Notes(pair)
    options = [*hook("initiator", "BEFORE", notes.command("before")),
               *hook("initiator", "AFTER", notes.command("after")),
               *setting("RUN_AFTER_CMD_ON_ERROR", "yes")]
    pair.run()
    with Held(pair, "target"):
        pair.run(*options, expect=LOCKED)
    assert not notes.lines


@pytest.mark.parametrize("side", SIDES)
def test_a_hook_that_hangs_is_ended_with_all_it_started(pair, side):
    stubborn = Stubborn(pair)
    result = pair.run(*hook(side, "BEFORE", f"{stubborn.command()}; sleep 1000"),
                      *setting("MAX_EXEC_TIME_PER_CMD_BEFORE", "6"), expect=FAILED)
    assert result.says("RUN_BEFORE_CMD did not end within 6 s and was ended"), repr(result)
    assert stubborn.is_gone()


def test_what_a_hook_leaves_in_the_background_ends_with_it(pair):
    stubborn = Stubborn(pair)
    pair.run(*hook("target", "BEFORE", stubborn.command()))
    assert stubborn.is_gone()


@pytest.mark.parametrize("side", SIDES)
def test_a_hook_that_kills_its_parent_is_not_set_free(pair, side):
    stubborn = Stubborn(pair)
    result = pair.run(*hook(side, "BEFORE", f"{stubborn.command()}; kill -9 $PPID; sleep 1000"),
                      expect=FAILED)
    assert result.says("killed the process that kept it"), repr(result)
    assert stubborn.is_gone()


@pytest.mark.parametrize("side", SIDES)
def test_kill_9_of_osync_leaves_no_hook_behind(pair, side):
    stubborn = Stubborn(pair)
    process = pair.start(*hook(side, "BEFORE", f"{stubborn.command()}; sleep 1000"))
    assert eventually(stubborn.is_up, 60)
    process.kill()
    process.communicate()
    assert eventually(stubborn.is_gone, 60)
    for each in SIDES:
        lock = pair.workdir(each) / "lock"
        assert eventually(lambda lock=lock: not holders(lock), 60)


@pytest.mark.parametrize("side", SIDES)
def test_a_run_that_is_stopped_ends_its_hook(pair, side):
    stubborn, notes = Stubborn(pair), Notes(pair)
    process = pair.start(*hook(side, "BEFORE", f"{stubborn.command()}; sleep 1000"),
                         *hook("initiator", "AFTER", notes.command("$OSYNC_STATUS")))
    assert eventually(stubborn.is_up, 60)
    process.terminate()
    finish(process, SIGTERM_EXIT)
    # Over ssh the agent learns of it by the end of its stream.
    assert eventually(stubborn.is_gone, 60) and not notes.lines


def test_a_run_that_is_stopped_may_have_its_after_hooks(pair):
    notes, stubborn = Notes(pair), Stubborn(pair)
    after = notes.command("$OSYNC_COMMAND $OSYNC_STATUS")
    pair.write("initiator", "x")
    process = pair.start(*hook("initiator", "BEFORE", f"{stubborn.command()}; sleep 1000"),
                         *(word for side in SIDES for word in hook(side, "AFTER", after)),
                         *setting("RUN_AFTER_CMD_ON_ERROR", "yes"))
    assert eventually(stubborn.is_up, 60)
    process.terminate()
    finish(process, SIGTERM_EXIT)
    assert notes.lines == ["LOCAL_RUN_AFTER_CMD 143", "REMOTE_RUN_AFTER_CMD 143"]
    assert stubborn.is_gone()
    pair.run()


def test_much_and_strange_output_is_bounded_and_escaped(pair):
    noise = r"printf 'a\033[31mb\000c\377\n'; head -c 3000000 /dev/urandom; head -c 9000000 /dev/zero"
    x = pair.write("initiator", "x")
    result = pair.run("-v", *hook("target", "BEFORE", noise))
    assert "REMOTE_RUN_BEFORE_CMD: a\\x1b[31mb?c\\xff\n" in result.err, result.err[:2000]
    assert "more bytes of output]" in result.err and len(result.err) < 600_000
    assert not any(ord(c) < 32 and c != "\n" for c in result.err)
    assert pair.both("x") == x


@pytest.mark.parametrize("side", SIDES)
def test_a_hook_may_not_put_another_folder_in_the_place_of_a_root(pair, side):
    pair.write("initiator", "x")
    root = pair.root(side)
    swap = f"mv {root} {root}.away && mkdir {root}"
    stopped = pair.start(*hook(side, "BEFORE", swap), *setting("STOP_ON_CMD_ERROR", "no"))
    result = finish(stopped, GUARD)
    assert result.says("another folder in the place"), repr(result)
    root.rmdir()
    root.with_name(root.name + ".away").rename(root)
    assert not pair.exists("target", "x")
    pair.run()


def test_a_hook_may_take_longer_than_a_silent_agent(pair):
    """Both ends are told that the other lives while it runs."""
    env = {"OSYNC_HURRY": "40"}  # silence: 4.5 s
    x = pair.write("initiator", "x")
    for side in SIDES:
        pair.run(*hook(side, "BEFORE", "sleep 5.5"), env=env)
    assert pair.both("x") == x


def test_hooks_run_behind_any_command_that_reaches_an_agent(local):
    notes = Notes(local)
    local.target_url = lambda: f"ssh://nobody@nowhere/{local.target}"
    local.options = ["--set", "TRANSPORT=command", "--set", "TRANSPORT_COMMAND=env",
                     "--remote-osync", OSYNC]
    local.run(*hook("target", "BEFORE", notes.command("$OSYNC_TARGET")))
    assert notes.lines == [local.target_url()]


def test_a_server_that_forces_its_command_decides_about_hooks(remote):
    notes = Notes(remote)
    for words, expect in (("", DENIED), ("--allow-hooks ", OK)):
        key = make_key(remote.base / f"key{expect}")
        remote.server.authorize(
            key, f'command="{OSYNC} agent {words}--root={remote.target}" ')
        remote.write("initiator", "x")
        result = remote.run(*hook("target", "AFTER", notes.command("ran")), "--ssh-key", str(key),
                            expect=expect)
        assert notes.lines == ([] if expect else ["ran"])
        if expect:
            assert result.says("may not run REMOTE_RUN_AFTER_CMD", "--allow-hooks"), repr(result)
            assert not remote.exists("target", "x")
            # Without hooks it serves as ever, and those of this machine are no business of it.
            remote.run(*hook("initiator", "AFTER", "true"), "--ssh-key", str(key))


@pytest.mark.parametrize("side", SIDES)
def test_i42_a_hook_ends_when_another_run_has_taken_the_lock(local, side):
    stubborn = Stubborn(local)
    process = start(local.args(*hook(side, "BEFORE", f"{stubborn.command()}; sleep 1000")),
                    local.env(OSYNC_HURRY="20"))
    assert eventually(stubborn.is_up, 60)
    lock = local.workdir(side) / "lock"
    lock.with_name("other").touch()
    lock.with_name("other").rename(lock)
    finish(process, LOCKED)
    assert stubborn.is_gone()


@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
def test_a_lost_server_does_not_keep_this_machine_from_its_after_hook(remote, when):
    """What a hook has frozen here is thawed, though the target cannot be asked any more."""
    notes, up, go = Notes(remote), remote.base / "up", remote.base / "go"
    wait = f"touch {up}; while [ ! -e {go} ]; do sleep 0.02; done"
    lost = {"BEFORE": hook("initiator", "BEFORE", wait), "AFTER": hook("target", "AFTER", wait)}
    process = remote.start(*hook("initiator", "AFTER", notes.command("$OSYNC_STATUS")),
                           *lost[when], *setting("RUN_AFTER_CMD_ON_ERROR", "yes"))
    assert eventually(up.exists, 60)
    for pid in holders(remote.workdir("target") / "lock"):
        os.kill(pid, signal.SIGKILL)
    if when == "BEFORE":
        finish(process, UNREACHABLE)
        assert notes.lines == [str(UNREACHABLE)]
    else:
        # All was done by then, but nobody knows how that hook has ended.
        finish(process, UNREACHABLE)
        assert notes.lines == ["0"]
    go.touch()
    remote.run()

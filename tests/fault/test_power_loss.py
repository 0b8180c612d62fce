# SPDX-License-Identifier: BSD-2-Clause
"""The power is cut at any moment of a run: the next run finds nothing lost, nothing torn.

Each scenario brings two trees to rest, lets a user change them, and then runs osync once or
more, all of it under strace. From the trace (powercut.py) the states are worked out that a
power cut may leave on one machine or on both. Each state is put on the disk, osync runs on
it, and then

  - every version that was durable before the run is in a tree or in the trash, whole;
  - no tree has a file with bytes that nobody wrote: none is empty or torn;
  - both trees are as they are where nobody cuts the power: converged, nothing resurrected,
    nothing deleted wrongly, no conflict that was none;
  - a further run changes nothing.

What the user did just before the run was never synced by anybody. Until osync has recorded
something it is taken as durable (osync cannot help its loss); from then on it is as any
other change: what was recorded must be there.

The quick tier tries some cuts of every kind at some moments. OSYNC_POWER_CUTS=N tries up to N
of each kind at every moment.
"""

import os
import random
import shutil
import tempfile

import pytest
from blackout import MANY, SCENARIOS, World, check_cut, contents, kind_of_sync
from harness import FETCH_ALL, FETCH_NOTHING, LOOK, OK
from order import violations
from powercut import Sync

STAGE = b".osync_workdir/stage/"
THOROUGH = int(os.environ.get("OSYNC_POWER_CUTS", "0"))


def describe(cut):
    lines = []
    for side, (lost, torn) in cut.items():
        lines += [f"  {side}: lost {op.kind} {op.path!r} {op.unit[1:]} (bytes: {torn})"
                  for op in lost]
    return "\n".join(sorted(lines)[:60])


@pytest.fixture
def world():
    """On a tmpfs, where thousands of states are put down in a minute."""
    base = tempfile.mkdtemp(prefix="osync-power-", dir="/dev/shm")
    yield World(base)
    shutil.rmtree(base)


def try_cuts(world, most, share):
    expected = contents(world.pair.initiator)
    assert expected == contents(world.pair.target), "the undisturbed run did not converge"
    moments, failures, tried = world.moments(), [], 0
    if share and len(moments) > share:
        moments = sorted(random.Random(len(moments)).sample(moments[:-1], share)) + moments[-1:]
    for until, cut, images in world.cuts(most, moments):
        tried += 1
        wrong = check_cut(world, cut, images, expected)
        if wrong:
            failures.append(f"cut at {until}:\n{describe(cut)}\n{wrong}")
    print(f"{tried} states, {len(failures)} failures")
    assert tried > 10
    assert not failures, "\n\n".join([f"{len(failures)} of {tried} states", *failures[:3]])


@pytest.mark.parametrize("name", SCENARIOS)
def test_i32_after_a_power_cut_the_next_run_loses_nothing(world, name):
    world.play(SCENARIOS[name])
    try_cuts(world, THOROUGH or 3, 0 if THOROUGH else 10)


MODES = ("batch", "file")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_i32_what_is_recorded_was_durable_before(world, name, mode, monkeypatch):
    """In one of the modes files are sent, in the other one they are taken from the other root."""
    for name_of, value in (FETCH_NOTHING if mode == "file" else FETCH_ALL).items():
        monkeypatch.setenv(name_of, value)
    world.pair.options = ["--set", f"FSYNC={mode}"]
    world.play(SCENARIOS[name])
    assert not list(violations(world.machines))


@pytest.mark.parametrize("name, kind", [("first", "file"), ("first", "folder"), ("first", "list"),
                                        ("update", "syncfs"), ("batch", "syncfs")])
def test_the_order_checker_misses_no_kind_of_sync(world, name, kind):
    world.play(SCENARIOS[name])
    assert list(violations(world.without(kind)))


def test_i32_with_fsync_file_each_file_is_durable_by_itself(world):
    world.pair.options = ["--set", "FSYNC=file"]
    world.play(SCENARIOS["batch"])
    machine = world.machines["target"]
    staged = [event for event in machine.events if isinstance(event, Sync)
              and event.path.startswith(STAGE) and kind_of_sync(machine, event) == "file"]
    assert len(staged) == 2 * MANY


def test_fsync_off_waits_for_nothing_in_the_trees(world):
    world.pair.options = ["--set", "FSYNC=off"]
    world.play(SCENARIOS["batch"])
    assert not [event for machine in world.machines.values() for event in machine.events
                if isinstance(event, Sync) and not event.path.startswith(b".osync_workdir")]


def kills(world, scenario, role):
    """Where to kill: right after the last rename, or anywhere."""
    steps = world.steps(scenario, role)
    renames = [number + 1 for number, call in steps if call.startswith("renameat")]
    return [number for number, _ in steps] if THOROUGH else renames[-1:]


@pytest.mark.parametrize("role", ["target agent", "initiator agent"])
@pytest.mark.parametrize("name", ["create", "update", "delete", "types"])
def test_i32_what_a_killed_run_has_done_is_durable_before_it_is_recorded(world, name, role):
    for step in kills(world, SCENARIOS[name], role):
        world.play(SCENARIOS[name], [{"OSYNC_FAULT": f"kill:{step}:{role}"}, {}])
        assert not list(violations(world.machines)), f"killed at {step}"
        try_cuts(world, 2, 0 if THOROUGH else 4)
        world.clear()


@pytest.mark.parametrize("role", ["initiator", "initiator agent", "target agent"])
def test_i38_with_fsync_off_a_kill_still_loses_nothing(world, role):
    world.pair.options = ["--set", "FSYNC=off"]
    steps = world.steps(SCENARIOS["types"], role)
    for step, _ in steps if THOROUGH else steps[::max(1, len(steps) // 6)]:
        world.play(SCENARIOS["types"], [{"OSYNC_FAULT": f"kill:{step}:{role}"}])
        killed = {side: machine.live for side, machine in world.machines.items()}
        world.pair.run("--lock-wait", "30", expect=(OK, LOOK))
        expected = contents(world.pair.initiator)
        assert expected.keys() == {"a", "a/inside", "b", "d", "d/one", "d/two", "d/sub"}
        wrong = check_cut(world, {}, killed, expected)
        assert not wrong, f"killed at {step}: {wrong}"
        world.clear()

# SPDX-License-Identifier: BSD-2-Clause
"""A line that breaks is mended within the run: over a real sshd, and a proxy that tears it."""

import contextlib
import itertools
import os
import random
import socket

import pytest
from play import OSYNC, playing, undisturbed
from scenarios import SCENARIOS, Scenario
from test_sent_again import BATCH, TALK, WINDOW
from test_transport_everywhere import Way, server  # noqa: F401  (a fixture)
from torn import CHUNK, Torn

UNREACHABLE = 69
EMPTY = Scenario("empty")
# What has to come does not depend on how slow the line seems to be.
PLAIN = ("--set", "COMPRESSION=off")
TRIES = ("--set", "RESUME_TRY=2", *PLAIN)
ONE_TRY = ("--set", "RESUME_TRY=0")
SSH = 1.05  # what ssh's own packets add to the bytes


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setenv("OSYNC_HURRY", "10")


class Flaky(Torn):
    """Torn again and again: each time so many more bytes have gone `way`. `half`: and the server does
    not hear of it."""

    def __init__(self, port, way, places, half=False):
        super().__init__(port, way)
        self.places = iter(places)
        self.left = next(self.places, None)
        self.count = 0  # connections
        self.half, self.lost = half, []

    def carry(self, way, source, sink):
        self.count += way == "up"
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                torn = way == self.way and self.left is not None and len(data) >= self.left
                data = data[:self.left] if torn else data
                self.passed[way] += len(data)
                sink.sendall(data)
                if torn:
                    self.left = next(self.places, None)
                    self.tear_one()
                    return
                elif way == self.way and self.left is not None:
                    self.left -= len(data)
            if not self.half:
                sink.shutdown(socket.SHUT_RDWR)

    def tear_one(self):
        """The connection that is, and not the next one."""
        ends, self.ends = self.ends, []
        for number, end in enumerate(ends):
            if self.half and number % 2:
                self.lost.append(end)  # nobody speaks there any more
                continue
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def passed(scenario, server):  # noqa: F811
    """How many bytes at least go each way where nothing is torn: signs of life come on top on a slow disk."""
    runs = []
    for _ in range(3):
        with playing(scenario) as play, Torn(server.port) as line:
            play.prepare()
            assert play.run(server=Way(server, line.port), options=PLAIN).code in (0, 2)
            runs.append(line.passed)
    return {way: min(run[way] for run in runs) for way in ("up", "down")}


@pytest.mark.parametrize("cuts", [1, 2])
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("name", ["first run", "update"])
def test_i38_a_line_that_breaks_is_mended_within_the_run(server, name, way, cuts):  # noqa: F811
    scenario = SCENARIOS[name]
    shape, size = undisturbed(scenario), passed(scenario, server)[way]
    rng = random.Random(f"{name} {way} {cuts}")
    # Before the agent has welcomed us the target was never reached; the first kilobytes are ssh's, and the
    # last hundreds say goodbye.
    end = size - 400
    places = [rng.randrange(size * 3 // 4, end)]
    places += [rng.randrange(100, end) for _ in range(cuts - 1)]
    with playing(scenario) as play, Flaky(server.port, way, places) as line:
        play.prepare()
        before = play.versions()
        outcome = play.run(server=Way(server, line.port), options=TRIES)
        assert outcome.code in (0, 2), repr(outcome)
        assert line.count == cuts + 1, repr(outcome)
        assert outcome.out.count('"event":"summary"') == 1
        assert play.converged() and play.shape() == shape, repr(outcome)
        play.check_kept(before)
        play.check_rest({})


def fill(root, files, size):
    for number in range(files):
        folder = root / f"d{number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_bytes(os.urandom(size))


def test_i38_what_is_durable_is_not_sent_again(server):  # noqa: F811
    files, size = 2 * BATCH, 10_000
    whole = files * size
    with playing(EMPTY) as play, Flaky(server.port, "up", [whole * 95 // 100]) as line:
        play.prepare()
        fill(play.roots[0], files, size)
        outcome = play.run(server=Way(server, line.port), options=TRIES)
        assert outcome.code == 0 and line.count == 2 and play.converged(), repr(outcome)
        # What was on its way, and what had come and was not durable.
        again = BATCH * size + WINDOW + 2 * files * TALK
        assert line.passed["up"] < SSH * (whole + again), line.passed
        assert again < whole * 80 // 100, "this could not fail"
        # Both tries are in the one summary.
        assert outcome.summary["sent_bytes"] > whole


def test_a_line_that_breaks_each_time_ends_the_run_and_loses_nothing(server):  # noqa: F811
    with playing(EMPTY) as play:
        play.prepare()
        (play.roots[0] / "large").write_bytes(os.urandom(1 << 20))
        with Flaky(server.port, "up", itertools.repeat(100_000)) as line:
            outcome = play.run(server=Way(server, line.port), options=TRIES)
            assert outcome.code == UNREACHABLE and line.count == 3, repr(outcome)
            assert outcome.out.count('"event":"summary"') == 1
        play.check_repaired([("large", "file", play.trees()[0]["large"].content)], {})
        play.check_rest({})


def test_our_own_lock_at_the_other_end_of_a_dead_line_is_waited_for(server):  # noqa: F811
    """Although nobody else's would be: LOCK_WAIT is 0."""
    with playing(EMPTY) as play, Flaky(server.port, "up", [300_000], half=True) as line:
        play.prepare()
        (play.roots[0] / "large").write_bytes(os.urandom(1 << 20))
        # sshd does not pass it on.
        hurried = play.base / "osync"
        hurried.write_text(f'#!/bin/sh\nOSYNC_HURRY=10 exec {OSYNC} "$@"\n')
        hurried.chmod(0o755)
        options = (*TRIES, "--set", "LOCK_WAIT=0", "--set", "PEER_TIMEOUT=60")
        way = Way(server, line.port)
        way.login = lambda _, login=way.login: login(str(hurried))
        outcome = play.run(server=way, options=options)
        assert outcome.code == 0 and line.count == 2 and play.converged(), repr(outcome)


@pytest.mark.parametrize("options", [ONE_TRY, ("--no-resume",), ("--set", "RESUME_SYNC=no")])
def test_who_asks_for_one_try_gets_one(server, options):  # noqa: F811
    with playing(EMPTY) as play, Flaky(server.port, "up", [100_000]) as line:
        play.prepare()
        (play.roots[0] / "large").write_bytes(os.urandom(1 << 20))
        assert play.run(server=Way(server, line.port), options=options).code == UNREACHABLE
        assert line.count == 1


def test_a_server_that_was_never_reached_is_for_the_next_run(server):  # noqa: F811
    with playing(EMPTY) as play, Flaky(server.port, "up", [1]) as line:
        play.prepare()
        assert play.run(server=Way(server, line.port), options=TRIES).code == UNREACHABLE
        assert line.count == 1


def test_a_run_with_commands_is_not_tried_again(server):  # noqa: F811
    """They run under the locks, which would be given back in between: once each."""
    with playing(EMPTY) as play, Flaky(server.port, "up", [100_000]) as line:
        play.prepare()
        (play.roots[0] / "large").write_bytes(os.urandom(1 << 20))
        note = play.base / "note"
        hooks = ("--set", f"LOCAL_RUN_BEFORE_CMD=echo before >> {note}",
                 "--set", f"LOCAL_RUN_AFTER_CMD=echo after >> {note}",
                 "--set", "RUN_AFTER_CMD_ON_ERROR=yes")
        outcome = play.run(server=Way(server, line.port), options=(*TRIES, *hooks))
        assert outcome.code == UNREACHABLE and line.count == 1, repr(outcome)
        assert note.read_text().split() == ["before", "after"]

# SPDX-License-Identifier: BSD-2-Clause
"""What happens to machines, lines and runs in years.py.

A disturbance strikes one run at some moment; weather lasts for some rounds.
"""

import signal
import time

from histories import Broken
from machines import HANG_S, children, is_over, send

ANYTHING = {0, 1, 2, 69, 75}
# What a run may end with to which this was done.
ENDS = {
    "kill": {-signal.SIGKILL},
    "fault": {-signal.SIGKILL, 1, 69},
    "child": {1, 69},
    "server": {1, 69},
    "cut": {69},
    "stop": ANYTHING,
    "asleep": {1, 75},
}
# How often of a hundred runs.
DISTURBANCES = {"kill": 6, "fault": 6, "child": 5, "far": 4, "session": 3, "cut": 4, "hole": 2,
                "stop": 2, "stop_child": 2, "stop_far": 2}


class Sleeper:
    """Processes that were stopped, for some rounds. `hangs`: the run itself is among them."""

    def __init__(self, run, pids, rounds, hangs):
        self.run, self.pids, self.rounds, self.hangs = run, pids, rounds, hangs

    def wake(self):
        for pid in self.pids:
            send(pid, signal.SIGCONT)

    def wait(self):
        """They find out by themselves that all is over."""
        deadline = time.monotonic() + HANG_S
        while not all(map(is_over, self.pids)) or not self.run.is_over():
            if time.monotonic() > deadline:
                raise Broken(f"{self.run} does not end after it was awakened: {self.run.said}")
            time.sleep(0.01)


class Step:
    """One thing that is done to a run, some time after it has begun to work."""

    def __init__(self, years, name):
        self.years, self.name = years, name
        self.delay_s = years.rng.random() * years.rng.choice([0.2, 1.5])
        self.rounds = years.rng.choice([1, 2, 5])
        self.pick = years.rng.random()
        self.due = None
        self.is_done = False

    def try_it(self, run):
        now = time.monotonic()
        if self.due is None and children(run.process.pid):
            self.due = now + self.delay_s
        if self.due is not None and now >= self.due and not self.is_done:
            self.is_done = True
            self.years.count(f"fault {self.name}")
            getattr(self, self.name)(run)

    def one_of(self, pids):
        return pids[int(self.pick * len(pids))] if pids else None

    def put_to_sleep(self, run, pid, hangs):
        send(pid, signal.SIGSTOP)
        self.years.sleepers.append(Sleeper(run, [pid], self.rounds, hangs))
        for other in self.years.active:
            other.done_to.add("asleep")

    # -- what it may be

    def kill(self, run):
        run.done_to.add("kill")
        send(run.process.pid, signal.SIGKILL)

    def child(self, run):
        pid = self.one_of(children(run.process.pid))
        if pid:
            run.done_to.add("child")
            send(pid, signal.SIGKILL)

    def at_the_server(self, pids):
        pid = self.one_of(pids)
        if pid:
            for run in self.years.active:  # whose it is, is the server's affair
                run.done_to.add("server")
            send(pid, signal.SIGKILL)

    def far(self, _):
        self.at_the_server(self.years.server.agents())

    def session(self, _):
        self.at_the_server(self.years.server.sessions())

    def cut(self, run):
        run.done_to.add("cut")
        run.machine.line.cut()

    def hole(self, run):
        run.done_to.add("cut")
        run.machine.line.hole()

    def stop(self, run):
        if not run.is_over():
            run.done_to.add("stop")
            run.hangs = True
            self.put_to_sleep(run, run.process.pid, hangs=True)

    def stop_child(self, run):
        pid = self.one_of(children(run.process.pid))
        if pid:
            run.done_to.add("stop")
            self.put_to_sleep(run, pid, hangs=False)

    def stop_far(self, run):
        pid = self.one_of(self.years.server.agents())
        if pid:
            for other in self.years.active:
                other.done_to.add("stop")
            self.put_to_sleep(run, pid, hangs=False)


def disturbance(years):
    """({variable: value} for the run, [Step]): most often nothing."""
    left = years.rng.random() * 100
    for name, share in DISTURBANCES.items():
        left -= share
        if left < 0:
            break
    else:
        return {}, []
    if name != "fault":
        return {}, [Step(years, name)]
    role = years.rng.choice(["initiator", "initiator agent"])
    years.count("fault kill at a call")
    return {"OSYNC_FAULT": f"kill:{years.rng.randint(1, 60)}:{role}"}, []


class Spell:
    """What lasts from one round to another."""

    def __init__(self, kind, machine, begins, rounds):
        self.kind, self.machine, self.begins, self.rounds = kind, machine, begins, rounds
        self.ends = None

    def __repr__(self):
        return f"{self.kind} of {self.machine.name if self.machine else 'server'}"


class Weather:
    """The server is down, a machine off-line, a disk full, or a run very long."""

    KINDS = {"down": (1, 4, 15), "offline": (2, 6, 16), "full": (1, 2, 3), "server full": (1, 2, 4),
             "busy": (2, 9)}

    def __init__(self, years):
        self.years = years
        self.now = []
        self.busy = None  # the run that takes so long
        self.counts = {}
        rng, rounds = years.rng, years.rounds
        self.to_come = []
        for kind, lengths in self.KINDS.items():
            for number in range(max(1, rounds // 40)):
                length = min(lengths[number % len(lengths)], max(1, rounds // 4))
                machine = None if kind in ("down", "server full") else rng.choice(years.machines)
                self.to_come.append(Spell(kind, machine, rng.randint(2, max(2, rounds - 1)),
                                          length))

    def has(self, kind, machine=None):
        return any(spell.kind == kind and spell.machine in (None, machine) for spell in self.now)

    def touches(self, machine):
        """Whether enough is done to its runs."""
        return bool(self.busy) or self.has("down") or self.has("offline", machine)

    def allowed(self, machine):
        """What a run of the machine may end with."""
        if self.busy:
            return {75} if not self.has("offline", machine) else {69, 75}
        codes = {0, 2}
        if self.has("down") or self.has("offline", machine):
            codes = {69}
        if self.has("full", machine) or self.has("server full"):
            codes |= {1, 3}
        if self.years.sleepers:
            codes |= {1, 75}
        return codes

    # -- changes

    def step(self, number):
        for spell in [spell for spell in self.now if spell.ends <= number]:
            self.now.remove(spell)
            self.end_of(spell)
        for spell in [spell for spell in self.to_come if spell.begins <= number]:
            if self.may_begin(spell):
                self.to_come.remove(spell)
                spell.ends = number + spell.rounds
                self.counts[spell.kind] = self.counts.get(spell.kind, 0) + 1
                self.years.log(f"  {spell} for {spell.rounds} rounds")
                self.begin(spell)

    def may_begin(self, spell):
        """Not two that are in each other's way."""
        if spell.kind == "busy" and (self.now or self.years.sleepers):
            return False
        disk = self.disk_of(spell)
        return not self.busy and not any(
            spell.kind == other.kind or {spell.kind, other.kind} == {"down", "offline"}
            for other in self.now) and (disk is None or disk.own)

    def disk_of(self, spell):
        if spell.kind == "full":
            return spell.machine.disk
        return self.years.server.disk if spell.kind == "server full" else None

    def begin(self, spell):
        if spell.kind == "busy":
            self.begin_busy(spell)
            return
        self.now.append(spell)
        if spell.kind == "offline":
            spell.machine.line.down()
        elif spell.kind == "down":
            for machine in self.years.machines:
                machine.line.down()
            for pid in self.years.server.agents() + self.years.server.sessions():
                send(pid, signal.SIGKILL)
        else:
            self.disk_of(spell).fill()

    def begin_busy(self, spell):
        """A run whose command waits for something, with both folders locked."""
        spell.machine.hold.touch()
        run = self.years.start(spell.machine, calm=True)
        deadline = time.monotonic() + HANG_S
        while not spell.machine.is_holding(run):
            if time.monotonic() > deadline or run.is_over():
                raise Broken(f"{run} did not come to its command: {run.code} {run.said}")
            time.sleep(0.01)
        self.busy = run
        self.now.append(spell)

    def end_of(self, spell):
        if spell.kind == "busy":
            spell.machine.hold.unlink()
            run, self.busy = self.busy, None
            Sleeper(run, [], 0, True).wait()
            self.years.ended(run)
        elif spell.kind in ("offline", "down"):
            for machine in self.years.machines:
                machine.line.up()
        else:
            self.disk_of(spell).free()

    def line_up(self, machine):
        """After a run to whose line something was done."""
        if not self.has("down") and not self.has("offline", machine):
            machine.line.up()

    def end(self):
        for spell in self.now:
            self.end_of(spell)
        self.now = []

    def summary(self):
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))

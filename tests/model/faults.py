# SPDX-License-Identifier: BSD-2-Clause
"""What happens to machines, lines and runs in years.py.

A disturbance strikes one run at some moment; weather lasts for some rounds.
"""

import signal
import time

from histories import Broken
from machines import HANG_S, children, descendants, is_over, send

ANYTHING = {0, 1, 2, 69, 75}
# What a run may end with to which this was done.
ENDS = {
    "kill": {-signal.SIGKILL},
    "fault": {-signal.SIGKILL, 1, 69},
    "child": {1, 69},
    "trap": {1, 69},
    "server": {1, 69},
    "cut": {69},
    "stop": ANYTHING,
    "asleep": {1, 75},
}
# How often of a hundred runs.
DISTURBANCES = {"kill": 6, "fault": 6, "child": 5, "trap": 3, "far": 4, "session": 3, "cut": 4,
                "hole": 2, "stop": 2, "stop_child": 2, "stop_far": 3, "freeze": 3}

# What hits somebody, by its name in the counts.
HITS = sorted(DISTURBANCES.keys() - {"fault", "trap"} | {"kill at a call", "kill at a call, far"})


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
        self.rounds = years.rng.choice([1, 2, 5, 5])
        self.pick = years.rng.random()
        self.due = None
        self.is_done = False

    def try_it(self, run):
        now = time.monotonic()
        if self.due is None and children(run.process.pid):
            self.due = now + self.delay_s
        if self.due is not None and now >= self.due and not self.is_done:
            hit = getattr(self, self.name)(run)
            self.is_done = hit is not None
            if hit:
                self.years.log(f"  {self.name}: {run}")
                self.years.hit(self.name)

    def one_of(self, pids):
        return pids[int(self.pick * len(pids))] if pids else None

    def put_to_sleep(self, run, pids, hangs):
        pids = [pid for pid in pids if send(pid, signal.SIGSTOP)]
        if not pids:
            return False
        self.years.sleepers.append(Sleeper(run, pids, self.rounds, hangs))
        for other in self.years.active:
            other.done_to.add("asleep")
        return True

    # -- what it may be; whether there was something that it was done to. None: not yet

    def kill(self, run):
        if run.is_over():
            return False
        run.done_to.add("kill")
        return send(run.process.pid, signal.SIGKILL)

    def child(self, run):
        pid = self.one_of(children(run.process.pid))
        if not pid:
            return False
        run.done_to.add("child")
        return send(pid, signal.SIGKILL)

    def at_the_server(self, pids):
        pid = self.one_of(pids)
        if not pid:
            return False
        for run in self.years.active:  # whose it is, is the server's affair
            run.done_to.add("server")
        return send(pid, signal.SIGKILL)

    def far(self, _):
        return self.at_the_server(self.years.server.agents())

    def session(self, _):
        return self.at_the_server(self.years.server.sessions())

    def cut(self, run):
        run.done_to.add("cut")
        return run.machine.line.cut() > 0

    def hole(self, run):
        run.done_to.add("cut")
        return run.machine.line.hole() > 0

    def stop(self, run):
        if run.is_over():
            return False
        run.done_to.add("stop")
        run.hangs = True
        return self.put_to_sleep(run, [run.process.pid], hangs=True)

    def freeze(self, run):
        """All of it while it holds locks, on both sides where nobody else is at work: it wakes up as
        if nothing had been."""
        if run.is_over():
            return False
        if not run.machine.holder_of_lock(descendants(run.process.pid)):
            return None
        run.done_to.add("stop")
        run.hangs = True
        far = self.years.server.agents() if len(self.years.active) == 1 else []
        return self.put_to_sleep(run, [run.process.pid, *children(run.process.pid), *far], hangs=True)

    def stop_child(self, run):
        pid = self.one_of(children(run.process.pid))
        if not pid:
            return False
        run.done_to.add("stop")
        return self.put_to_sleep(run, [pid], hangs=False)

    def stop_far(self, run):
        pid = self.years.server.holder_of_lock(self.years.server.agents())
        if not pid:
            return None
        for other in self.years.active:
            other.done_to.add("stop")
        return self.put_to_sleep(run, [pid], hangs=False)


def disturbance(years):
    """({variable: value} for the run, [Step]): most often nothing."""
    left = years.rng.random() * 100
    for name, share in DISTURBANCES.items():
        left -= share
        if left < 0:
            break
    else:
        return {}, []
    if name == "trap":  # for whoever comes first
        years.server.trap.write_text(f"kill:{years.rng.randint(1, 60)}:target agent")
        return {}, []
    if name != "fault":
        return {}, [Step(years, name)]
    role = years.rng.choice(["initiator", "initiator agent"])
    return {"OSYNC_FAULT": f"kill:{years.rng.randint(1, 60)}:{role}"}, []


class Spell:
    """What lasts from one round to another."""

    def __init__(self, kind, machine, begins, rounds):
        self.kind, self.machine, self.begins, self.rounds = kind, machine, begins, rounds
        self.ends = None

    def __repr__(self):
        return f"{self.kind} of {self.machine.name if self.machine else 'server'}"


class Weather:
    """The server is down, a machine off-line, a disk full, a clock wrong, or a run very long."""

    KINDS = {"down": (1, 4, 15), "offline": (2, 6, 16), "full": (1, 2, 3), "server full": (1, 2, 4),
             "clock": (2, 9), "server clock": (2, 9), "busy": (2, 9)}
    # Not whole periods, so that no time of day comes twice; the first and the last are days.
    WRONG_S = (3 * 86400 + 7, -2 * 3600 - 7, 3600 + 7, -2 * 86400 - 7)

    def __init__(self, years):
        self.years = years
        self.now = []
        self.busy = None  # the run that takes so long
        self.wrongs = 0
        rng, rounds = years.rng, years.rounds
        self.to_come = []
        for kind, lengths in self.KINDS.items():
            for number in range(max(1, rounds // 40)):
                length = min(lengths[number % len(lengths)], max(1, rounds // 4))
                machine = None if kind == "down" or "server" in kind else rng.choice(
                    [one for one in years.machines if one.holds or kind != "busy"])
                self.to_come.append(Spell(kind, machine, rng.randint(2, max(2, rounds - 1)),
                                          length))

    def has(self, kind, machine=None):
        return any(spell.kind == kind and spell.machine in (None, machine) for spell in self.now)

    def touches(self, machine):
        """Whether enough is done to its runs."""
        return bool(self.busy) or self.has("down") or self.has("offline", machine)

    def clock_of(self, spell):
        return (spell.machine or self.years.server).clock

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
                self.years.hit(spell.kind)
                self.years.log(f"  {spell} for {spell.rounds} rounds")
                self.begin(spell)

    def may_begin(self, spell):
        """Not two that are in each other's way."""
        if "clock" in spell.kind and self.clock_of(spell).wrong_s:
            return False
        if spell.kind == "busy" and (self.years.sleepers or
                                     any("clock" not in other.kind for other in self.now)):
            return False
        disk = self.disk_of(spell)
        return (not self.busy or "clock" in spell.kind) and not any(
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
        elif "clock" in spell.kind:
            self.clock_of(spell).go_wrong(self.WRONG_S[self.wrongs % len(self.WRONG_S)])
            self.wrongs += 1
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
        elif "clock" in spell.kind:
            self.clock_of(spell).go_wrong(0)
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
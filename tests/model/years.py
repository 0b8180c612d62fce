#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Some machines and a server, left alone for a long time: `make years`.

    years.py [--machines N] [--rounds N] [--seed N]

Every simulated five minutes (machines.py) each machine's crontab line runs, as cron runs it, against
one real sshd; users work in all trees meanwhile. Processes of either side are killed, stopped for a
while and awakened; lines are cut or lead nowhere, machines are off-line, the server is down, disks
are full, clocks are hours and days wrong, a run takes half an hour. There are nights without runs.
Nobody ever repairs anything.

What is checked:

  - after each round every version is in a tree or in a trash, or was destroyed by a user, or had been
    in the trash for TRASH_DAYS; no file has bytes that nobody wrote
  - each run's exit code is one that what was done to it allows; where nobody else is at work, 0 and 2
    mean that both trees are the same
  - each mail is justified and none that is due is missing (postman.py); else cron has nothing to mail;
    all mails there are in the end have been judged so
  - when nothing is done to anybody any more, all trees are equal after a bounded number of rounds,
    every version that no user destroyed is in them, and nothing is left behind: no process, no
    leftover, no place in a queue
  - nothing of what osync keeps is larger after all rounds than it may be, or has more files than half
    way
  - in a long time, everything that can happen has happened, and has hit somebody

The seed makes the same users and faults; what they hit is also the scheduler's choice.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from faults import ENDS, HITS, Weather, disturbance
from histories import Broken, World, differs
from library import Library
from machines import (HANG_S, LOCK_WAIT_S, TRASH_DAYS, Machine, Periods, Server, descendants, is_over,
                      send, words_of)
from postman import End, Letter, Postman
from users import WORKDIR, Tree, versions

PERIOD_S = 300
NIGHT_EVERY, NIGHT_S = 20, 12 * 3600
REAP_EVERY = 10
PATHS_MOST = 90  # users tidy up where they have more
LOG_FILE_MAX = 10 << 20
DAY_S = 86400
# Rounds in which everything happens.
LONG = 100
# What the log tells of runs to which something was done, or that met one.
SEEN = {"lock taken over": "which has given no sign of life", "relieved": "the lock was taken over by",
        "connected again": "trying again in", "conflict": " conflict "}
# A run learns that it was relieved only where both its ends were stopped at once: now and then.
RESULTS = [*(what for what in SEEN if what != "relieved"), "mails", "prints for cron", "trees compared",
           "reaps", "exit 0", "exit 1", "exit 2", "exit 3", "exit 69", "exit 75", "exit -9"]


class DatedTree(Tree):
    """One whose files' times are what this machine takes them for."""

    def snapshot(self):
        shows_ns = self.world.clock.shows_ns
        return {path: (*what[:3], shows_ns(what[3])) if what[0] == "file" else what
                for path, what in super().snapshot().items()}


class Desk(World):  # pylint: disable=abstract-method
    """A tree, its user, and what he needs beside it on the same disk."""

    def __init__(self, years, owner, number):  # pylint: disable=super-init-not-called
        self.years, self.disk, self.clock = years, owner.disk, owner.clock
        self.base = owner.disk.folder
        self.seed, self.serial = years.seed * 100 + number, 0
        self.rng, self.written, self.placed = years.rng, years.written, years.placed
        self.target = None
        self.with_links, self.unnoted, self.linked, self.overtaken = 0, set(), False, False
        for name in ("graves", "scratch"):
            (self.base / name).mkdir()
        self.tree = DatedTree(self, "tree")
        self.tree.name = f"m{number - 1}" if number else "server"

    @property
    def live(self):
        return self.years.live

    @property
    def destroyed(self):
        return self.years.destroyed

    @destroyed.setter
    def destroyed(self, them):
        self.years.destroyed.update(them)

    def log(self, text):
        self.years.log(text)

    def work(self):
        """One thing a user does."""
        if self.disk.full:
            return
        if len(self.tree.paths()) > PATHS_MOST:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                self.tree.op_delete()
        else:
            self.tree.act()

    def tidy(self):
        """What somebody has put into a folder that was thrown away is thrown away, too."""
        for name in ("graves", "scratch"):
            self.destroyed |= versions(os.fsencode(self.base / name)).keys()
            shutil.rmtree(self.base / name)
            (self.base / name).mkdir()


class Years:
    def __init__(self, base, seed, machines, rounds, say=print):
        self.base, self.seed, self.rounds, self.say = Path(base), seed, rounds, say
        self.rng = random.Random(seed)
        self.written, self.destroyed, self.placed = set(), set(), set()
        self.live = False
        self.number = 0
        self.counts = {}
        self.active = []  # runs
        self.sleepers = []
        self.verbose = bool(os.environ.get("OSYNC_HISTORY_LOG"))
        self.periods = Periods()
        self.library = Library(self.periods)
        self.server = Server(self.base / "server", self.periods)
        self.machines = []
        self.desks = [Desk(self, self.server, 0)]
        for number in range(machines):
            self.add_machine(number)
        self.postmen = {machine: Postman(machine.name) for machine in self.machines}
        self.weather = Weather(self)
        self.growth = {}

    @property
    def target(self):
        return self.desks[0].tree

    def add_machine(self, number):
        # One has no address to mail to: there cron mails what is printed.
        machine = Machine(self.base / f"m{number}", f"m{number}", self.server, self.periods,
                          mails=number != 1, holds=number != 3)
        self.machines.append(machine)
        machine.desk = Desk(self, machine, number + 1)
        self.desks.append(machine.desk)
        machine.set_up(os.fsdecode(machine.desk.tree.top), os.fsdecode(self.target.top),
                       "batch" if number == 2 else "off")
        if number == 0:  # its log is soon as long as one becomes
            machine.log.path.write_bytes(b"-\n" * (LOG_FILE_MAX // 2 - 8000))

    def log(self, text):
        if self.verbose:
            self.say(text)

    def count(self, what, more=1):
        self.counts[what] = self.counts.get(what, 0) + more

    def hit(self, what):
        """Something was done to somebody who was there."""
        self.count(f"hit by {what}")

    def close(self):
        for machine in self.machines:
            machine.close()
        for pid in self.leftovers():
            send(pid, signal.SIGKILL)
        self.server.close()

    def leftovers(self):
        """Processes of osync that are still there."""
        mine = os.fsencode(self.base) + b"/"
        sshd = {self.server.sshd.process.pid, os.getpid()}
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if pid not in sshd and not is_over(pid)
                and (mine in words_of(pid) or b"osync cron work" in words_of(pid) and
                     mine in environment_of(pid))]

    # -- a round

    def everything(self):
        found = set()
        self.library.places, self.library.in_trees = {}, set()
        for desk in self.desks:
            found |= self.library.tree(desk.tree.top) | self.library.trash(desk.tree.top)
        return found

    def users_work(self, most):
        for _ in range(self.rng.randint(0, most)):
            self.rng.choice(self.desks).work()

    def play_round(self, number, calm=False):
        at_once = calm or self.rng.random() < 0.75
        self.log(f"round {number}")
        self.wake_sleepers()
        if not calm:
            self.weather.step(number)
            self.live = bool(self.sleepers) or bool(self.weather.busy)
            self.users_work(5)
        self.placed.clear()
        before, in_trees = self.everything(), self.library.in_trees
        if at_once:
            runs = [self.start(machine, calm) for machine in self.machines]
            self.attend(runs, number, users=not calm and self.rng.random() < 0.5, calm=calm)
        else:
            self.rng.shuffle(order := list(self.machines))
            for machine in order:
                run = self.start(machine, calm)
                self.attend([run], number, users=False, calm=calm)
                self.check_equal(run)
        self.check_kept(before, in_trees | self.placed)
        return runs if at_once else None

    def start(self, machine, calm=False):
        self.number += 1
        more, steps = {}, []
        if not calm and not self.weather.touches(machine):
            more, steps = disturbance(self)
        waits = "--lock-wait 2" if self.sleepers or self.weather.busy else ""
        run = machine.start(self.number, waits, more)
        run.steps = steps
        if more:
            run.done_to.add("fault")
        run.allowed = self.weather.allowed(machine)
        self.count("runs")
        return run

    def attend(self, runs, number, users, calm=False):
        """Until all have ended but those that cannot; meanwhile users work and faults strike."""
        deadline = time.monotonic() + HANG_S
        acts = self.rng.randint(1, 12)
        reaps = not calm and number % REAP_EVERY == 0
        self.live = users or bool(self.sleepers) or bool(self.weather.busy)
        if self.server.trap.exists():
            for run in runs:
                run.done_to.add("trap")
        waiting = self.active = list(runs)
        while waiting:
            for run in list(waiting):
                if run.is_over():
                    waiting.remove(run)
                    self.ended(run)
                elif run.hangs:
                    waiting.remove(run)
                else:
                    for step in run.steps:
                        step.try_it(run)
            if users and acts > 0 and self.rng.random() < 0.1:
                acts -= 1
                self.rng.choice(self.desks).work()
            if reaps and self.rng.random() < 0.03:
                reaps = False
                self.reap()
            if time.monotonic() > deadline:
                raise Broken(f"{waiting} do not end: {[run.said for run in waiting]}")
            time.sleep(0.01)
        if reaps:
            self.reap()
        for trap in (self.server.trap, self.server.sprung):
            trap.unlink(missing_ok=True)
        for run in runs:
            self.weather.line_up(run.machine)
        if not self.sleepers and not self.weather.busy:
            self.live = False
            for desk in self.desks:
                if not desk.disk.full:
                    desk.tidy()

    def reap(self):
        done = self.server.reap("--quiet")
        self.count("reaps")
        if done.returncode != 0 and not self.server.disk.full or done.stdout:
            raise Broken(f"osync reap: {done}")

    def wake_sleepers(self, all_of_them=False):
        for sleeper in list(self.sleepers):
            sleeper.rounds -= 1
            if sleeper.rounds > 0 and not all_of_them:
                continue
            self.log(f"  awake: {sleeper.run}")
            sleeper.wake()
            sleeper.wait()
            self.sleepers.remove(sleeper)
            if sleeper.hangs:
                self.ended(sleeper.run)

    # -- after a run

    def ended(self, run):
        machine, postman = run.machine, self.postmen[run.machine]
        lines = machine.log.claim(run.names_before)
        letters = self.letters_of(run)
        allowed = run.allowed.union(*(ENDS[what] for what in run.done_to))
        self.count(f"exit {run.code}")
        self.log(f"  {run}: exit {run.code} {[text for level, text in lines if level != 'info']} "
                 f"{[letter.subject for letter in letters]}")
        self.note_what_hit(run, [text for _, text in lines])
        slow = {69} if any("has said nothing for" in text for _, text in lines) else set()
        if run.took_s >= LOCK_WAIT_S:
            slow.add(75)
        if run.code in slow - allowed:
            self.count("given up because this machine is slow")
            allowed.add(run.code)
        if self.live or self.sleepers:
            allowed.add(1)
        if run.code == 1 and 1 not in allowed and all(level != "error" for level, _ in lines):
            # Moves across each other: it says so, and the next run goes on from there.
            self.count("left something for the next run")
            allowed.add(1)
        if run.code not in allowed:
            raise Broken(f"{run} ends with {run.code}, not {sorted(allowed)}: {run.said} {lines}")
        if run.code == 1 and not any(level in ("error", "warn") for level, _ in lines[:-1]):
            raise Broken(f"{run} ends with 1 and says nothing: {lines}")
        if run.code == 0 and any(level == "error" for level, _ in lines):
            raise Broken(f"{run} ends with 0 in spite of {lines}")
        if machine.mails and run.said:
            raise Broken(f"{run} prints under cron: {run.said}")
        end = End(run.began, run.ended, run.code, lines, letters)
        if run.code == -9:
            postman.killed(end)
        else:
            postman.ended(end)
        if postman.wrong:
            raise Broken(f"{run}: {postman.wrong[0]}")

    def note_what_hit(self, run, texts):
        """What only the log tells."""
        ended_by_signal = any("ended by signal" in text for text in texts)
        if "fault" in run.done_to and (ended_by_signal or run.code == -signal.SIGKILL):
            self.hit("kill at a call")
        elif "trap" in run.done_to and ended_by_signal:
            self.hit("kill at a call, far")
        for what, words in SEEN.items():
            self.count(what, sum(words in text for text in texts))

    def letters_of(self, run):
        if not run.machine.mails:
            self.count("prints for cron", bool(run.said))
            return [Letter.of_print(run.said)] if run.said else []
        paths = sorted(run.machine.spool.glob(f"{run.number}.*.mail"))
        self.count("mails", len(paths))
        return [Letter.of_mail(path.read_bytes()) for path in paths]

    def check_equal(self, run):
        """Nobody else is at work: what it says is so."""
        if run.code not in (0, 2) or self.live or self.sleepers:
            return
        here, there = run.machine.desk.tree.snapshot(), self.target.snapshot()
        self.count("trees compared")
        if here != there:
            raise Broken(f"{run} ends with {run.code}, but {differs(here, there)}")

    def check_kept(self, before, in_trees):
        places = self.library.places
        after = self.everything()
        now_s = self.periods.now()
        lost = {what for what in (before | self.placed) - after - self.destroyed
                if what in in_trees or
                now_s - self.library.in_trash.get(what, now_s) < TRASH_DAYS * DAY_S}
        if lost:
            raise Broken(f"lost: {[(what[1][:60], places.get(what)) for what in lost]}")
        strange = after - self.written
        if strange:
            raise Broken(f"nobody wrote this: {[(kind, data[:60]) for kind, data in strange]}")

    # -- the whole

    def play(self):
        for number in range(1, self.rounds + 1):
            self.periods.advance(NIGHT_S if number % NIGHT_EVERY == 0 else PERIOD_S)
            self.play_round(number)
            if number in (self.rounds // 2, self.rounds):
                self.growth[number] = self.measure()
            if number % 20 == 0:
                self.say(f"  round {number}: {self.summary()}")
        self.come_to_rest()
        self.check_nothing_is_left()
        self.check_growth()
        self.check_all_mails_were_seen()
        if self.rounds >= LONG:
            self.check_everything_happened()

    def come_to_rest(self):
        self.weather.end()
        self.wake_sleepers(all_of_them=True)
        alive = self.everything_alive()
        places = self.library.places
        most = 2 * len(self.machines) + 2
        for rounds in range(1, most + 1):
            self.periods.advance(PERIOD_S)
            runs = self.play_round(0, calm=True)
            trees = [desk.tree.snapshot() for desk in self.desks]
            if not any(run.code for run in runs) and all(tree == trees[0] for tree in trees):
                break
        else:
            raise Broken(f"not at rest after {most} rounds: exits {[run.code for run in runs]}, "
                         f"{[differs(trees[0], tree) for tree in trees]}")
        self.counts["rounds to rest"] = rounds
        gone = alive - self.destroyed - self.library.tree(self.target.top)
        if gone:
            raise Broken(f"only in the trash, but nobody deleted it: "
                         f"{[(what[1][:60], places.get(what)) for what in gone]}")
        self.periods.advance(PERIOD_S)
        runs = self.play_round(0, calm=True)
        if any(run.code for run in runs) or any(desk.tree.snapshot() != trees[0]
                                                for desk in self.desks):
            raise Broken("a further round changes something")

    def everything_alive(self):
        self.library.places = {}
        return {what for desk in self.desks for what in self.library.tree(desk.tree.top)}

    def check_nothing_is_left(self):
        """A file is changed; after some days without trouble nothing shows that there was any."""
        for _ in range(2):
            self.target.put(b"last", self.desks[0].content())
            self.periods.advance(PERIOD_S)
            self.play_round(0, calm=True)
        for _ in range(2):
            self.periods.advance((TRASH_DAYS + 1) * DAY_S)
            self.play_round(0, calm=True)
            self.reap()
        for postman in self.postmen.values():
            if postman.owed or postman.pending:
                raise Broken(f"{postman.name} still owes {postman.owed} {postman.pending}")
        left = [words_of(pid) for pid in self.leftovers()]
        left += [words_of(pid) for pid in descendants(self.server.sshd.process.pid)]
        if left:
            raise Broken(f"processes are left: {left}")
        for desk in self.desks:
            self.check_work_folder(Path(os.fsdecode(desk.tree.top)) / WORKDIR)

    @staticmethod
    def check_work_folder(folder):
        for name in ("stage", "trash", "queue"):
            if (folder / name).is_dir() and os.listdir(folder / name):
                raise Broken(f"left in {folder / name}: {os.listdir(folder / name)}")
        # "lock.silent" says what was seen of a holder once; it is one, and replaced as a whole.
        odd = [path for path in folder.rglob("*")
               if any(word in path.name for word in (".tmp", "lock.new", ".partial"))]
        if odd or (folder / "lock").read_bytes():
            raise Broken(f"left in {folder}: {odd} {(folder / 'lock').read_bytes()}")

    def check_all_mails_were_seen(self):
        there = sum(len(list(machine.spool.iterdir())) for machine in self.machines)
        if there != self.counts.get("mails", 0):
            raise Broken(f"{there} mails are there, and {self.counts.get('mails', 0)} were judged")

    def check_everything_happened(self):
        """Else it would show nothing."""
        wanted = [f"hit by {what}" for what in [*HITS, *self.weather.KINDS]] + RESULTS
        missing = [what for what in wanted if not self.counts.get(what)]
        if missing:
            raise Broken(f"it did not happen: {missing}")

    # -- what grows

    def measure(self):
        """{(machine, what): (files, bytes)} of all that osync keeps."""
        found = {}
        places = [("server", self.target.top)]
        places += [(machine.name, machine.desk.tree.top) for machine in self.machines]
        for name, top in places:
            folder = Path(os.fsdecode(top)) / WORKDIR
            for path in folder.rglob("*"):
                self.add_size(found, name, path.relative_to(folder).parts[0].partition("-")[0],
                              path)
        for machine in self.machines:
            for path in machine.home.rglob("*"):
                what = "log" if path.name.startswith("osync.log") else path.suffix or "home"
                self.add_size(found, machine.name, what, path)
        return found

    @staticmethod
    def add_size(found, name, what, path):
        with contextlib.suppress(FileNotFoundError):
            files, size = found.get((name, what), (0, 0))
            if not path.is_dir():
                found[name, what] = (files + 1, size + path.lstat().st_size)

    def check_growth(self):
        """How many files, and of which size, is known beforehand; the trash has its own clock."""
        paths = max(len(desk.tree.paths()) for desk in self.desks)
        half, whole = (self.growth[number] for number in sorted(self.growth))
        for key, (files, size) in whole.items():
            name, what = key
            more = files - half.get(key, (0, 0))[0]
            most = {"log": 2 * LOG_FILE_MAX + (1 << 20), ".alerts": 8192, "state": (1 << 18) +
                    4096 * paths * len(self.machines)}.get(what, 65536)
            if what in ("trash", "stage"):
                continue  # check_nothing_is_left() has seen them empty
            if more > 2 or size > most:
                raise Broken(f"{name}: {what} grows: {half.get(key)} {files, size}")
        log = [path.stat().st_size for path in self.machines[0].home.glob("osync.log*")]
        if self.rounds >= LONG and len(log) != 2:
            raise Broken(f"the log was never begun anew: {log}")

    def summary(self):
        return ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))

    def report(self):
        lines = [self.summary()]
        for machine in self.machines:
            lines.append(f"mails of {machine.name}: {self.postmen[machine].counts}")
        if len(self.growth) == 2:
            half, whole = (self.growth[number] for number in sorted(self.growth))
            lines.append("files and bytes half way and at the end:")
            lines += [f"  {name:7} {what:12} {half.get((name, what), (0, 0))} {size}"
                      for (name, what), size in sorted(whole.items())]
        return "\n".join(lines)


def environment_of(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def years(seed, machines, rounds, say=print):
    """Play it, in a folder that is removed; Broken names the seed."""
    base = tempfile.mkdtemp(prefix="osync-years-", dir=os.environ.get("OSYNC_HISTORY_DIR"))
    played = None
    began = time.monotonic()
    try:
        played = Years(base, seed, machines, rounds, say)
        played.play()
        say(f"{played.report()}\nyears: seed {seed}: {rounds} rounds of {machines} machines in "
            f"{time.monotonic() - began:.0f} s: all is well")
    except Broken as error:
        if os.environ.get("OSYNC_HISTORY_KEEP"):
            for machine in played.machines:
                shutil.copytree(machine.disk.folder, Path(base) / "kept" / machine.name, symlinks=True)
            shutil.copytree(played.server.disk.folder, Path(base) / "kept" / "server", symlinks=True)
        raise Broken(f"years, seed {seed}: {error}") from error
    finally:
        if played:
            played.close()
        if not os.environ.get("OSYNC_HISTORY_KEEP"):
            shutil.rmtree(base, ignore_errors=True)
    return played


def main():
    parser = argparse.ArgumentParser(description="a long time without anybody watching")
    parser.add_argument("--machines", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"years: seed {asked.seed}", flush=True)
    try:
        years(asked.seed, asked.machines, asked.rounds, lambda text: print(text, flush=True))
    except Broken as error:
        print(f"FAILED {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

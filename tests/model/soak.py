#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plays many random histories (histories.py) at once: `make soak`.

    soak.py [--local N] [--ssh N] [--seed FIRST] [--seconds S] [--jobs J]

N histories with local targets and N with targets behind a real sshd on loopback, from seed
FIRST on (by default from one that the clock chose). A history mostly waits, for time stamps
that have to pass, so many more are played at once than there are processors. --seconds ends
the soak early: what was not played then is said.

Each worker is a process of its own. A history that lasts too long is a failure, its worker
is replaced, and the osync processes below its folder are ended. Exits 1 where any history
has failed, and prints the seeds of those in the end. Everything that was played lies in
folders that are removed at the end.
"""

import argparse
import contextlib
import getpass
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

# More than a hundred times what one lasts on a busy machine.
HISTORY_S = 300
SAY_EVERY_S = 30
SSH_SHARE = 4  # every fourth worker begins with those over ssh: they last longest


def below(folder):
    """The processes with a command line that names something in this folder."""
    mine = os.fsencode(folder) + b"/"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if int(pid) != os.getpid() and mine in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield int(pid)


class Reached:
    """A server that another process runs (what a history needs of sshd.Sshd)."""

    def __init__(self, words):
        port, _, folder = words.partition(":")
        self.port, self.folder = port, Path(folder)
        self.key, self.known_hosts = self.folder / "client_key", self.folder / "known_hosts"
        self.config = self.folder / "ssh_config"

    def url(self, path):
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}/{path}"


class Worker:
    """A process that plays the histories it is told to, one after another."""

    def __init__(self, number, rooms, server):
        self.number, self.rooms, self.server = number, rooms, server
        self.job = None
        self.folders = [Path(room) / f"w{number}" for room in rooms]
        self.start()

    def start(self):
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        words = [sys.executable, __file__, "--worker", *map(str, self.folders)]
        env = dict(os.environ, OSYNC_SOAK_SERVER=self.server or "")
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=env)

    def give(self, job):
        self.job, self.deadline = job, time.monotonic() + HISTORY_S
        kind, seed = job
        self.process.stdin.write(f"{kind} {seed}\n".encode())
        self.process.stdin.flush()

    def take(self):
        """What came of the job: '' or what is wrong."""
        line = self.process.stdout.readline().decode(errors="backslashreplace")
        self.job = None
        if not line:
            self.replace()
            return "the worker has died"
        return line.strip().partition(" ")[2]

    def replace(self):
        self.end()
        self.start()

    def end(self):
        """Also of what hangs, and of the osync processes below the folders."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        for folder in self.folders:
            for pid in below(folder):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


class Soak:
    def __init__(self, jobs, rooms, server):
        self.failed, self.played = [], {"local": 0, "ssh": 0}
        self.began = self.said = time.monotonic()
        self.selector = selectors.DefaultSelector()
        self.workers = [Worker(number, rooms, server) for number in range(jobs)]

    def watch(self, worker):
        self.selector.register(worker.process.stdout, selectors.EVENT_READ, worker)

    def hand_out(self, worker, queues):
        """The next job for this worker; False where there is none."""
        first = ("ssh", "local") if worker.number % SSH_SHARE == 0 else ("local", "ssh")
        for kind in first:
            if queues[kind]:
                worker.give((kind, queues[kind].pop()))
                return True
        return False

    def play(self, queues, seconds):
        stop = self.began + seconds if seconds else None
        for worker in self.workers:
            if self.hand_out(worker, queues):
                self.watch(worker)
        while self.selector.get_map():
            if stop and time.monotonic() > stop:
                for queue in queues.values():
                    queue.clear()
                stop = None
            for key, _ in self.selector.select(timeout=1):
                self.one_ended(key.data, queues)
            self.end_what_hangs(queues)
            self.say()

    def one_ended(self, worker, queues):
        self.selector.unregister(worker.process.stdout)
        job = worker.job
        wrong = worker.take()
        self.count(job, wrong)
        if self.hand_out(worker, queues):
            self.watch(worker)

    def count(self, job, wrong):
        self.played[job[0]] += 1
        if wrong:
            self.failed.append(job)
            print(f"FAILED {job[0]} {job[1]}: {wrong}", flush=True)

    def end_what_hangs(self, queues):
        now = time.monotonic()
        for key in list(self.selector.get_map().values()):
            worker = key.data
            if now > worker.deadline:
                self.selector.unregister(worker.process.stdout)
                self.count(worker.job, f"not over after {HISTORY_S} s")
                worker.replace()
                if self.hand_out(worker, queues):
                    self.watch(worker)

    def say(self):
        now = time.monotonic()
        if now - self.said >= SAY_EVERY_S:
            self.said = now
            print(f"  {now - self.began:.0f} s: {self.played['local']} local, "
                  f"{self.played['ssh']} ssh, {len(self.failed)} failed", flush=True)

    def end(self):
        for worker in self.workers:
            worker.end()


def work(folders):
    """A worker's life."""
    from histories import Broken, history  # pylint: disable=import-outside-toplevel
    server = Reached(os.environ["OSYNC_SOAK_SERVER"])
    for line in sys.stdin:
        kind, seed = line.split()[0], int(line.split()[1])
        wrong = ""
        try:
            history(seed, room=folders[0 if seed % 4 else -1],
                    server=server if kind == "ssh" else None)
        except Broken as error:
            wrong = str(error)
        except Exception as error:  # the harness itself fell over: said, not hidden
            wrong = f"{type(error).__name__}: {error}"
        print(seed, wrong.encode("unicode_escape").decode(), flush=True)


def options():
    parser = argparse.ArgumentParser(description="random histories in great number")
    parser.add_argument("--local", type=int, default=20000)
    parser.add_argument("--ssh", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--jobs", type=int, default=12 * os.cpu_count())
    parser.add_argument("--worker", nargs="+")
    return parser.parse_args()


def soak(asked, server, rooms):
    first = int(time.time()) * 1000 if asked.seed is None else asked.seed
    queues = {"local": list(range(first + asked.local - 1, first - 1, -1)),
              "ssh": list(range(first + asked.ssh - 1, first - 1, -1))}
    print(f"soak: {asked.local} local histories and {asked.ssh} over ssh, from seed {first} on, "
          f"{asked.jobs} at once", flush=True)
    run = Soak(asked.jobs, rooms, server)
    try:
        run.play(queues, asked.seconds)
    finally:
        run.end()
    took = time.monotonic() - run.began
    print(f"soak: seeds from {first} on: {run.played['local']} of {asked.local} local and "
          f"{run.played['ssh']} of {asked.ssh} ssh histories in {took:.0f} s "
          f"({sum(run.played.values()) / max(took, 1):.1f}/s), {len(run.failed)} failed", flush=True)
    for kind, seed in run.failed:
        print(f"soak: failed: OSYNC_HISTORY={seed} ({kind})")
    return 1 if run.failed or not sum(run.played.values()) else 0


def main():
    asked = options()
    if asked.worker:
        return work(asked.worker)
    with contextlib.ExitStack() as stack:
        places = [place for place in ("/dev/shm", None) if place is None or os.access(place, os.W_OK)]
        rooms = [stack.enter_context(tempfile.TemporaryDirectory(
            prefix="osync-soak-", dir=place, ignore_cleanup_errors=True)) for place in places]
        server = None
        if asked.ssh:
            from sshd import Sshd  # pylint: disable=import-outside-toplevel
            folder = Path(rooms[0]) / "sshd"
            folder.mkdir()
            sshd = stack.enter_context(Sshd(folder, options=["MaxStartups 1000"]))
            server = f"{sshd.port}:{folder}"
        return soak(asked, server, rooms)


if __name__ == "__main__":
    sys.exit(main())

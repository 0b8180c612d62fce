# SPDX-License-Identifier: BSD-2-Clause
"""Random histories: several initiators, one target, users, faults; nothing may be lost.

A history is made from its seed alone (but for the moment at which a run is killed or
edited into, which the scheduler has a hand in). It has some epochs. In each, users
change the trees and osync runs, some runs killed, failing or edited into; then every
initiator runs undisturbed until the trees are at rest. What is checked:

  - every run: each version that was there before is still there, in a tree or in a trash,
    unless a user destroyed it meanwhile, and so is what users wrote during it; no file has
    bytes that nobody wrote
  - at rest: all trees are equal after at most 2N+2 rounds, all runs exit 0, a further run
    changes nothing, nothing is left in the stage
  - at rest: a version that no user has replaced or deleted anywhere is in the trees,
    not only in a trash
  - where only one tree was changed in an epoch, all trees are as its user left that one:
    nothing resurrected, no conflict without one. (Not asked where an agent was killed, or
    could not write, and so may have done what it has not noted, and that was changed again
    before the next run: it looks like two people's changes.)
  - a lost, older or damaged saved list or target cache may cost duplicates, never a version

test_histories.py plays them for pytest; `python3 tests/model/histories.py FIRST COUNT` does
without. OSYNC_HISTORY_LOG=1 prints what happens, OSYNC_HISTORY_KEEP=1 leaves the trees of a
history that failed. As a user who is not root, some folders cannot be read for a while.
"""

import contextlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from users import WORKDIR, Tree, command_lines, version, versions, walk

OSYNC = os.environ.get("OSYNC", str(Path(__file__).parents[2] / "build/asan/osync"))
# Files that the side which gets them takes itself, within a machine: large ones, all, none.
FETCHING = ({}, {"OSYNC_FETCH_MIN": "0"}, {"OSYNC_FETCH_MIN": str(1 << 62)})
LOG = bool(os.environ.get("OSYNC_HISTORY_LOG"))
HANG_S = 120
ROLES = ("initiator", "initiator agent", "target agent")
ERRNOS = (28, 5, 13, 18, 122)


class Broken(AssertionError):
    """What must hold does not."""


class World:
    """Trees, versions and the random choices of one history."""

    def __init__(self, base, seed, server=None):
        self.seed, self.rng, self.server = seed, random.Random(seed), server
        self.fetching = FETCHING[seed % len(FETCHING)]
        self.base = Path(base)
        self.live = False
        self.serial = 0
        self.written, self.destroyed = set(), set()
        self.placed = set()  # what users have put into trees since a run began
        for name in ("home", "graves", "scratch", "copies"):
            (self.base / name).mkdir()
        self.target = Tree(self, "t")
        self.copies = []  # older states, to be put back
        self.initiators = [Tree(self, f"i{n}") for n in range(self.choose())]
        self.trees = [*self.initiators, self.target]
        self.history_lost = False
        self.ever_lost = False  # the list of an empty tree stays lost until there is something to save
        self.linked = False  # some names are links to one file: what is done to one is done to all
        self.unnoted = set()  # initiators whose last run may have done what no agent has noted
        self.overtaken = False  # what such a run did was changed again before the next could see it

    def choose(self):
        """The settings, and how many initiators."""
        count = self.rng.choice([1, 2, 2, 3])
        self.policy = self.rng.choice(["keep-both"] * 5 + ["newer", "initiator", "target"])
        self.fsync = self.rng.choice(["off", "off", "off", "batch", "file"])
        self.with_links = int(self.rng.random() < 0.2)
        self.more = [option for option in ("PRESERVE_HARDLINKS=yes", "CHECKSUM=yes")
                     if self.rng.random() < 0.15]
        return count

    def log(self, text):
        if LOG:
            print(text, flush=True)

    # -- bytes

    def content(self, size=None):
        """Bytes that were never written before. Most of many are as they are in another file."""
        self.serial += 1
        token = b"%08d-%014d\n" % (self.serial, self.seed)
        if size is None:
            size = len(token) * self.rng.choice([1, 1, 1, 1, 2, 10, 1000])
        data = (token * (size // len(token) + 1))[:size]
        if size > len(token):
            data = self.amend(data, token)
        self.written.add(("file", data))
        return data

    long = ()  # some of the larger contents of this world

    def amend(self, data, token):
        """As long, but an earlier one with this token somewhere in it."""
        length = len(data) - len(token)
        old = self.rng.choice(self.long) if self.long else data
        old = (old * (length // len(old) + 1))[:length]
        at = self.rng.randrange(length)
        self.long = (*self.long[-4:], old[:at] + token + old[at:])
        return self.long[-1]

    def link(self):
        self.serial += 1
        target = b"to-%d" % self.serial
        self.written.add(("link", target))
        return target

    def scratch(self):
        self.serial += 1
        return os.fsencode(self.base / "scratch" / str(self.serial))

    def note_destroyed(self, full):
        what = version(full, os.lstat(full))
        if what:
            self.destroyed.add(what)

    def bury(self, full):
        """Take it away in one step, then see what it was."""
        self.serial += 1
        grave = os.fsencode(self.base / "graves" / str(self.serial))
        os.rename(full, grave)
        info = os.lstat(grave)
        if stat.S_ISDIR(info.st_mode):
            self.destroyed |= versions(grave).keys()
        else:
            self.destroyed.add(version(grave, info))
        if not self.live:
            shutil.rmtree(grave) if stat.S_ISDIR(info.st_mode) else os.unlink(grave)

    def everything(self):
        """All versions in trees and trash."""
        found = set()
        for tree in self.trees:
            found |= versions(tree.top, (WORKDIR.encode(),)).keys()
            trash = os.path.join(tree.top, WORKDIR.encode(), b"trash")
            found |= versions(trash).keys()
        return found

    # -- running osync

    def command(self, tree):
        return [OSYNC, "--initiator", tree.top, *self.reach(), "--instance-id", "x",
                "--allow-deletes", "--conflict-policy", self.policy,
                "--set", f"FSYNC={self.fsync}", "--lock-wait", "20",
                *(word for setting in self.more for word in ("--set", setting))]

    def reach(self):
        """The words that name the target, and that a server needs."""
        if not self.server:
            return ["--target", self.target.top]
        return ["--target", self.server.url(os.fsdecode(self.target.top)),
                "--set", f"SSH_CONFIG_FILE={self.server.config}", "--ssh-key", self.server.key,
                "--known-hosts", self.server.known_hosts, "--remote-osync", OSYNC]

    def start(self, tree, fault=None, options=(), points=None):
        env = {key: value for key, value in os.environ.items() if not key.startswith("OSYNC")}
        env.update(HOME=str(self.base / "home"), LC_ALL="C.UTF-8", **self.fetching)
        if fault:
            env["OSYNC_FAULT"] = fault
        if points:
            env["OSYNC_POINT"] = points
        return subprocess.Popen([*self.command(tree), *options], env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                start_new_session=True)

    def finish(self, process, what):
        try:
            said, _ = process.communicate(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            raise Broken(f"{what} hangs: {said.decode(errors='replace')}") from None
        # The agents of a dead initiator may live a moment longer.
        if process.returncode < 0 or process.returncode == 69:
            self.wait_for_agents(what)
        text = said.decode(errors="backslashreplace")
        if b"Sanitizer" in said or b"runtime error" in said or b"Assertion" in said:
            raise Broken(f"{what}: {text}")
        self.log(f"  {what}: exit {process.returncode} {text.strip()}")
        return process.returncode, text

    def wait_for_agents(self, what):
        """They are forks of the initiator, with its command line."""
        mine = os.fsencode(self.base) + b"/"
        deadline = time.monotonic() + HANG_S
        while any(mine in line for line in command_lines()):
            if time.monotonic() > deadline:
                raise Broken(f"{what}: an agent outlives its initiator")
            time.sleep(0.005)

    @staticmethod
    def agents(pid):
        """They lead sessions of their own (a sanitizer's helper does not)."""
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [int(child) for child in children if os.getsid(int(child)) == int(child)]
        except OSError:
            return []

    def disturb(self, process, how):
        rng = self.rng
        time.sleep(rng.random() * 0.12)
        if how == "kill":
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        elif how == "kill agent":
            agents = self.agents(process.pid)
            if agents:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(agents), signal.SIGKILL)
        else:
            for _ in range(rng.randint(1, 6)):
                rng.choice(self.trees).act()
                time.sleep(rng.random() * 0.02)

    def run(self, tree, how="clean"):
        """Run osync for one initiator, maybe with something that happens to it."""
        fault = None
        if how in ("fault kill", "fault fail"):
            n, role = self.rng.randint(1, 120), self.rng.choice(ROLES)
            fault = f"kill:{n}:{role}" if how == "fault kill" else \
                f"fail:{n}:{self.rng.choice(ERRNOS)}:{role}"
        disturb = None
        if how in ("kill", "kill agent", "edit"):
            def disturb(process):
                self.live = how == "edit"
                self.disturb(process, how)
                self.live = False
        return self.run_with(tree, how, fault, disturb)

    def run_with(self, tree, how, fault=None, disturb=None, **more):
        """Run osync for one initiator; whatever happens to it, nothing may be lost.

        An agent notes what it has done right after it has done it, and the next run takes that
        over; so only where the agent was killed, or could not write, may there be something done
        that looks like a user's work. An initiator may die at any time: its agents go on until
        they see that, and end what they are at.
        """
        locked = any(other.locked for other in self.trees)
        before = None if locked else self.everything()
        self.placed.clear()
        others = self.unnoted - {tree}
        target = self.target.snapshot() if others else None
        process = self.start(tree, fault, **more)
        if disturb:
            disturb(process)
        code, text = self.finish(process, f"run {tree.name} ({how} {fault or ''})")
        self.overtaken = self.overtaken or bool(others and self.target.snapshot() != target)
        if code in (0, 2):
            self.unnoted.discard(tree)
        elif how == "kill agent" or (fault or "").endswith("agent"):
            self.unnoted.add(tree)
        if how == "clean" and code not in (0, 1, 2):
            raise Broken(f"a clean run of {tree.name} exits {code}: {text}")
        if before is not None:
            self.check_kept(before | self.placed, f"run of {tree.name} ({how} {fault or ''})")
        return code, text

    def dry_run(self, tree):
        """A dry run changes nothing at all."""
        before = [self.stamps(other) for other in self.trees]
        self.finish(self.start(tree, options=["--dry-run"]), f"dry run {tree.name}")
        if [self.stamps(other) for other in self.trees] != before:
            raise Broken(f"a dry run of {tree.name} changed something")

    @staticmethod
    def stamps(tree):
        return {path: (info.st_ino, info.st_mode, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
                for path, info in walk(tree.top)}

    def run_two(self, pair=None):
        """Two runs at once, maybe of one initiator."""
        before = self.everything()
        pair = pair or [self.rng.choice(self.initiators) for _ in range(2)]
        processes = [self.start(tree) for tree in pair]
        for tree, process in zip(pair, processes):
            code, text = self.finish(process, f"run {tree.name} (one of two)")
            if code not in (0, 1, 2) and not any(tree.locked for tree in self.trees):
                raise Broken(f"one of two runs of {tree.name} exits {code}: {text}")
            if "backup" in text and not self.ever_lost:
                raise Broken(f"one of two runs of {tree.name}: {text}")
        self.overtaken = self.overtaken or bool(self.unnoted)
        self.check_kept(before, "run of two")

    def check_kept(self, before, when):
        after = self.everything()
        lost = before - after - self.destroyed
        if lost:
            raise Broken(f"lost in a {when}: {[(k, c[:60]) for k, c in lost]}")
        strange = after - self.written
        if strange:
            raise Broken(f"nobody wrote this ({when}): {[(k, c[:60]) for k, c in strange]}")

    # -- states put back

    def state_files(self, tree):
        return os.path.join(tree.top, WORKDIR.encode(), b"state")

    def save_state(self):
        tree = self.rng.choice(self.trees)
        if os.path.isdir(self.state_files(tree)):
            self.serial += 1
            copy = os.fsencode(self.base / "copies" / str(self.serial))
            shutil.copytree(self.state_files(tree), copy)
            self.copies.append((tree, copy))

    def hurt_state(self):
        """Lose, damage or put back the saved list of an initiator or the caches of the target."""
        rng = self.rng
        tree = rng.choice(self.trees)
        state = self.state_files(tree)
        how = rng.choice(["older", "older", "lost", "cut", "flip"])
        if how == "older" and self.copies:
            tree, copy = rng.choice(self.copies)
            shutil.rmtree(self.state_files(tree), ignore_errors=True)
            shutil.copytree(copy, self.state_files(tree))
        elif not os.path.isdir(state):
            return
        elif how == "lost":
            shutil.rmtree(state)
        else:
            for path in sorted(path for path, info in walk(state) if stat.S_ISREG(info.st_mode)):
                full = os.path.join(state, path)
                size = os.path.getsize(full)
                if size == 0 or rng.random() < 0.5:
                    continue
                with open(full, "r+b") as file:
                    if how == "cut":
                        file.truncate(rng.randrange(size))
                    else:
                        file.seek(rng.randrange(size))
                        file.write(bytes([rng.randrange(256)]))
        self.history_lost = self.ever_lost = True
        self.log(f"  state of {tree.name}: {how}")

    # -- epochs

    def epoch(self):
        rng = self.rng
        writers = [rng.choice(self.trees)] if rng.random() < 0.5 else self.trees
        disturbed = rng.random() < 0.8
        self.history_lost = False
        self.overtaken = False
        for _ in range(rng.randint(1, 4)):
            for _ in range(rng.randint(0, 5)):
                rng.choice(writers).act()
            left = writers[0].snapshot() if len(writers) == 1 else None
            if len(writers) > 1 and rng.random() < 0.08:
                self.log(f"  locked: {rng.choice(writers).op_lock()}")
            if rng.random() < 0.15:
                self.save_state()
            if disturbed and rng.random() < 0.08:
                self.hurt_state()
            for _ in range(rng.randint(0, 2)):
                how = rng.choice(["clean", "kill", "kill agent", "fault kill", "fault kill",
                                  "fault fail", "edit"]) if disturbed else "clean"
                if how == "edit" and len(writers) == 1:
                    how = "kill"
                if rng.random() < 0.05:
                    self.dry_run(rng.choice(self.initiators))
                if rng.random() < 0.1 and not any(tree.locked for tree in self.trees):
                    self.run_two()
                self.run(rng.choice(self.initiators), how)
        for tree in self.trees:
            tree.unlock()
        self.settle(None if self.history_lost else left)

    def settle(self, expected):
        """`expected`: as the only user left the only tree that was changed; None: there are more."""
        before = {tree.name: versions(tree.top, (WORKDIR.encode(),)) for tree in self.trees}
        self.log("  to rest")
        for _ in range(2 * len(self.initiators) + 2):
            codes = [self.run(tree)[0] for tree in self.initiators]
            trees = [tree.snapshot() for tree in self.trees]
            if not any(codes) and all(tree == trees[0] for tree in trees):
                break
        else:
            raise Broken(f"not at rest: exits {codes}, {[differs(trees[0], tree) for tree in trees]}")
        if expected is not None and not self.overtaken and not self.linked and trees[0] != expected:
            raise Broken(f"only one tree was changed, but: {differs(expected, trees[0])}")
        self.check_live(before)
        self.check_idempotent(trees[0])

    def check_live(self, before):
        if self.policy != "keep-both":
            return
        alive = {what for found in before.values() for what in found} - self.destroyed
        gone = alive - versions(self.target.top, (WORKDIR.encode(),)).keys()
        if gone:
            raise Broken(f"only in the trash, but nobody deleted it: "
                         f"{[(k, c[:60]) for k, c in gone]}")

    def check_idempotent(self, tree):
        for initiator in self.initiators:
            code, text = self.run(initiator)
            if code != 0:
                raise Broken(f"a further run of {initiator.name} exits {code}: {text}")
        if any(other.snapshot() != tree for other in self.trees):
            raise Broken("a further run changes a tree")

    def check_stages(self):
        """Runs that were killed may leave something there until the next run that changes a thing."""
        self.target.put(b"last", self.content())
        for initiator in self.initiators:
            self.run(initiator)
        for tree in self.trees:
            stage = os.path.join(tree.top, WORKDIR.encode(), b"stage")
            if os.path.isdir(stage) and os.listdir(stage):
                raise Broken(f"left in the stage of {tree.name}: {os.listdir(stage)}")

    def play(self):
        for number in range(self.rng.randint(2, 4)):
            self.log(f"epoch {number} (policy {self.policy}, fsync {self.fsync})")
            self.epoch()
        self.check_stages()


def differs(one, two):
    return {path: (str(one.get(path))[:110], str(two.get(path))[:110])
            for path in sorted(one.keys() | two.keys()) if one.get(path) != two.get(path)}


def history(seed, room=None, server=None):
    """Play one history, in a folder of `room`; Broken names the seed. `server`: see sshd.Sshd."""
    if room is None:
        room = "/dev/shm" if os.access("/dev/shm", os.W_OK) and seed % 4 else None
    base = tempfile.mkdtemp(prefix=f"osync-history-{seed}-",
                            dir=os.environ.get("OSYNC_HISTORY_DIR", room))
    try:
        World(base, seed, server).play()
    except Broken as error:
        if os.environ.get("OSYNC_HISTORY_KEEP"):
            print(f"kept: {base}")
            base = None
        raise Broken(f"OSYNC_HISTORY={seed}: {error}") from error
    finally:
        if base:
            shutil.rmtree(base, ignore_errors=True)


def main():
    first, count = int(sys.argv[1]), int(sys.argv[2])
    failed = 0
    for seed in range(first, first + count):
        try:
            history(seed)
        except Broken as error:
            failed += 1
            print(f"FAILED {error}", flush=True)
    print(f"{count} histories, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

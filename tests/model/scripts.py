# SPDX-License-Identifier: BSD-2-Clause
"""Scripts: histories as plain data, played over the trees and oracles of histories.py.

A script is what a JSON file holds:

    {"wrong": "what once went wrong, in a line",    what only regressions have
     "initiators": 1, "policy": "keep-both", "options": ["FSYNC=off"],
     "names": {"b": "a name that stands for each b in the paths below"},
     "start": ["a/a", "c"],                         files that all trees have at first
     "steps": [["write", "i0", "a/b"], ["sync", "i0", {}], ...]}

Trees are "i0", "i1", ... and the target "t". A step that makes no sense (its path is not there, a
file is in the way) is left out, so that any part of a script is a script. The steps of users:

    write TREE PATH [file, empty, large or sparse]    anew, in one step, whatever was there
    edit, append, touch, delete, special TREE PATH    `edit` keeps size and time of a file;
    folder, link, remake, lock TREE PATH              `remake`: a folder made anew, its time too
    move, copy, hardlink, swap TREE PATH PATH         `move` takes the place of what is there
    cycle TREE PATH PATH PATH                         a is called b, b is called c, c is called a
    chmod TREE PATH MODE      time TREE PATH SECONDS
    keep TREE                 restore TREE            all its files are put back to what was kept
    state TREE keep, lost or older                    of what osync saves about a tree
    rules TREE NAMES                                  what this initiator ignores: "d", "de", ""

and those of osync:

    sync TREE {"fault": OSYNC_FAULT, "at": [[POINT, N, "kill" or [STEP, ...]], ...],
               "exit": [CODE, ...], "plan": true, "guard": true}
        `at`: the N-th time that the run passes the point (of sys_point()), users do these
        things, or the process is killed; `exit`: what it may end with; `plan`: a dry run first,
        which must say what the run then does;
        `guard`: nothing may be deleted, and where that stops the run nothing may have changed
    both TREE TREE                                    two runs at once
    rest                                              until all is at rest; every script ends so

What is asked is what histories.py asks, and that special files, and those that an initiator
ignores, are not touched by its runs.
"""

import contextlib
import json
import os
import shutil
import socket
import stat
import tempfile
import time

from histories import HANG_S, Broken, World
from users import WORKDIR, exchange, versions, walk

LARGE = 24 * 2000
OWN = WORKDIR.encode()


class Stage(World):
    """A world in which a script is played."""

    def __init__(self, base, script):
        self.script = script
        # How files travel is up to the seed.
        super().__init__(base, seed=len(str(script)))
        self.names = {os.fsencode(key): os.fsencode(name)
                      for key, name in script.get("names", {}).items()}
        self.by_name = {tree.name: tree for tree in self.trees}
        self.kept, self.rules = {}, {}
        self.marks = 0
        self.seen = {}  # what each tree had after the last run
        self.cut = set()  # whose run did not come to its end: the next one takes over what it has done
        self.buried = set()  # what may be in the trash alone, though nobody deleted it
        self.written.add(("file", b""))
        self.begin()

    def choose(self):
        self.policy = self.script.get("policy", "keep-both")
        self.fsync, self.with_links = "off", 0
        self.more = list(self.script.get("options", []))
        return self.script.get("initiators", 1)

    def begin(self):
        """Of a stretch that ends at rest."""
        self.writers, self.vague = set(), False
        self.left = None  # what the last user to do anything left
        self.history_lost = self.overtaken = False
        self.came_between = set()
        self.destroyed_by = {tree.name: set() for tree in self.trees}

    def note_destroyed(self, full):
        self.blame(super().note_destroyed, full)

    def bury(self, full):
        self.blame(super().bury, full)

    def blame(self, destroy, full):
        """Know by whose user it is done."""
        before, self.destroyed = self.destroyed, set()
        destroy(full)
        for tree in self.trees:
            if full.startswith(tree.top + b"/"):
                self.destroyed_by[tree.name] |= self.destroyed
        self.destroyed |= before

    def path(self, text):
        return b"/".join(self.names.get(part, part) for part in os.fsencode(text).split(b"/"))

    def command(self, tree):
        ignored = ";".join(self.rules.get(tree.name, ""))
        return [*super().command(tree), "--set", f"RSYNC_EXCLUDE_PATTERN={ignored}"]

    def finish(self, process, what):
        done = super().finish(process, what)
        if any(step[0] == "restore" for step in self.script["steps"]):
            self.seen = {tree.name: versions(tree.top, (OWN,)) for tree in self.trees}
        return done

    # -- steps

    def play(self):
        for path in self.script.get("start", []):
            self.step(["write", "i0", path])
        for tree in self.initiators:
            self.run(tree)
        self.begin()
        for step in self.script["steps"]:
            self.step(step)
        self.rest()
        self.check_stages()

    def step(self, step):
        name, *words = step
        if name in ("sync", "both", "rest"):
            getattr(self, name)(*words)
            return
        tree = self.by_name[words[0]]
        self.note_user(tree)
        try:
            User.STEPS[name](User(self, tree), *words[1:])
            self.log(f"  {step}")
        except OSError as error:
            self.log(f"  {step}: {error}")
        self.left = None if self.live else tree.snapshot()

    def note_user(self, tree):
        self.writers.add(tree)
        if self.unnoted and (tree in self.unnoted or tree is self.target):
            self.overtaken = True

    def sync(self, name, how):
        tree = self.by_name[name]
        acts = [what for _, _, what in how.get("at", [])]
        more = {"points": self.points(how["at"])} if acts else {}
        disturb = self.at_points(how["at"]) if acts else None
        # Killed before it could look at what came out, a run leaves a user's version where that is.
        trash = self.in_trash() if "kill" in acts and len(acts) > 1 else None
        if how.get("plan"):
            self.run_as_planned(tree)
        elif how.get("guard"):
            self.run_guarded(tree)
        else:
            before = None if disturb else self.not_ours(tree)
            code, text = self.run_with(tree, what_happens(how), how.get("fault"), disturb, **more)
            if code not in how.get("exit", [code]):
                raise Broken(f"a run of {name} exits {code}: {text}")
            if trash is not None:
                self.buried |= self.in_trash() - trash
            if code in (0, 2):
                self.cut.discard(tree)
            elif code not in (1, 3) or what_happens(how) != "clean":
                self.cut.add(tree)
            # Where users come twice, what the first wrote may end in the trash: the run says so.
            if sum(len(what) for what in acts) == 1:
                self.came_between |= self.placed
            self.check_not_ours(tree, before)

    def both(self, one, two):
        self.run_two([self.by_name[one], self.by_name[two]])

    def rest(self):
        """As World.settle(): what is to stay unequal for ever goes first."""
        for tree in self.trees:
            tree.unlock()
            for path, info in list(walk(tree.top, (OWN,))):
                if is_special(info):
                    os.unlink(tree.full(path))
                    self.vague = True
        self.rules = {}
        policy, self.policy = self.policy, "keep-both" if self.policy == "skip" else self.policy
        calm = len(self.writers) == 1 and not self.vague and not self.history_lost
        self.settle(self.left if calm else None)
        self.policy = policy
        self.begin()

    def check_live(self, before):
        found = {**before, "came between": self.came_between}
        super().check_live({name: set(what) - self.buried for name, what in found.items()})

    def in_trash(self):
        return {what for tree in self.trees
                for what in versions(os.path.join(tree.top, OWN, b"trash"))}

    # -- what is not osync's

    def not_ours(self, tree):
        """Special files, and what `tree` ignores, with what would show that it was touched."""
        ignored = set(map(os.fsencode, self.rules.get(tree.name, "")))
        found = set()
        for other in (tree, self.target):
            for path, info in walk(other.top, (OWN,)):
                parts = path.split(b"/")
                first = next((n for n, part in enumerate(parts) if part in ignored), None)
                if first is None and not is_special(info):
                    continue
                rest = b"/".join(parts[-1 if first is None else first:])
                what = (info.st_size, info.st_mtime_ns) if stat.S_ISREG(info.st_mode) else ()
                found.add((other.name, rest, info.st_ino, info.st_mode, *what))
        return found

    def check_not_ours(self, tree, before):
        after = None if before is None else self.not_ours(tree)
        if after != before:
            raise Broken(f"a run of {tree.name} touched what is not its: "
                         f"{before - after} became {after - before}")

    # -- plans and guards

    def run_as_planned(self, tree):
        before = self.not_ours(tree)
        cut, told = tree in self.cut, [self.changes(tree, "--dry-run"), self.changes(tree)]
        # What a run that was cut has left is taken over by the next one, and no dry run knows of it.
        if told[0] != told[1] and not cut:
            raise Broken(f"planned for {tree.name}: {told[0]}, but done: {told[1]}")
        self.check_not_ours(tree, before)

    def changes(self, tree, *options):
        """What a run says that it does; that of a conflict copy has a random name."""
        untouched = [self.stamps(other) for other in self.trees]
        code, text = self.run_with(tree, "clean", options=["--json", *options])
        if options and untouched != [self.stamps(other) for other in self.trees]:
            raise Broken(f"a dry run of {tree.name} changed something")
        events = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        found = sorted(json.dumps([event.get(key) for key in ("op", "path", "from", "to")])
                       for event in events if event["event"] == "change"
                       and ".conflict-" not in f"{event['path']} {event.get('from')}")
        return code, found

    def run_guarded(self, tree):
        """Nothing may be deleted: where something would be, nothing at all happens."""
        before, mine = [self.bystanders(other) for other in self.trees], self.not_ours(tree)
        code, text = self.run_with(tree, "guarded", options=[
            "--set", "MAX_DELETE_COUNT=0", "--set", "MAX_DELETE_PERCENT=0", "--allow-deletes=0"])
        if code not in (0, 1, 2, 3):
            raise Broken(f"a guarded run of {tree.name} exits {code}: {text}")
        if code == 3 and before != [self.bystanders(other) for other in self.trees]:
            raise Broken(f"a run of {tree.name} was stopped, but changed something: {text}")
        self.check_not_ours(tree, mine)

    def bystanders(self, tree):
        """All but the lock and the time of its folder.

        After a killed run: but for what that has noted, and the times and modes that it had to change.
        """
        stamps = {path: what for path, what in self.stamps(tree).items()
                  if path not in (OWN, OWN + b"/lock")}
        if not self.cut:
            return stamps
        return {path: what[:1] if stat.S_ISDIR(what[1]) else what for path, what in stamps.items()
                if not path.startswith(OWN + b"/")}

    # -- points

    def points(self, acts):
        """OSYNC_POINT: whoever passes says so, and waits."""
        lines = {}
        for number, (point, nth, what) in enumerate(acts):
            mark = self.mark(number)
            wait = "kill -9 $PPID" if what == "kill" else \
                f"while [ ! -e {mark}.go ]; do sleep 0.01; done"
            lines.setdefault(point, []).append(
                f"echo >>{mark}.passed; [ $(wc -l <{mark}.passed) -ne {nth} ] || "
                f"{{ : >{mark}.reached; {wait}; }}")
        return "\n".join(f"{point}={'; '.join(commands)}" for point, commands in lines.items())

    def mark(self, number):
        return os.path.join(str(self.base), "scratch", f"point-{self.marks}-{number}")

    def at_points(self, acts):
        """To be called while the run is on."""
        def disturb(process):
            waiting = {number: what for number, (_, _, what) in enumerate(acts) if what != "kill"}
            deadline = time.monotonic() + HANG_S
            # What is not waited for is killed by the deadline of World.finish().
            while process.poll() is None and waiting and time.monotonic() < deadline:
                for number in [n for n in waiting if os.path.exists(self.mark(n) + ".reached")]:
                    self.live = self.vague = True
                    for step in waiting.pop(number):
                        self.step(step)
                    self.live = False
                    with open(self.mark(number) + ".go", "wb"):
                        pass
                time.sleep(0.002)
            self.marks += 1
        return disturb


def what_happens(how):
    """As run_with() calls it. Only the initiator passes before-journal."""
    killed = {point for point, _, what in how.get("at", []) if what == "kill"}
    if killed:
        return "kill" if killed == {"before-journal"} else "kill agent"
    return "fault" if how.get("fault") else "clean"


def is_special(info):
    return not any(test(info.st_mode) for test in (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK))


class User:
    """Does one step in a tree. OSError: it cannot be done."""

    def __init__(self, stage, tree):
        self.stage, self.tree = stage, tree

    def here(self, text):
        """Of something that is there."""
        path = self.stage.path(text)
        os.lstat(self.tree.full(path))
        return path

    def file(self, text):
        path = self.here(text)
        if not stat.S_ISREG(os.lstat(self.tree.full(path)).st_mode):
            raise FileNotFoundError(text)
        return path

    def folder_of(self, path):
        """Its parents are made."""
        os.makedirs(os.path.dirname(self.tree.full(path)), exist_ok=True)

    def free(self, text):
        path = self.stage.path(text)
        if os.path.lexists(self.tree.full(path)):
            raise FileExistsError(text)
        self.folder_of(path)
        return path

    def apart(self, *texts):
        """Paths that are there, none below another."""
        paths = [self.here(text) for text in texts]
        if any(one is not two and (two + b"/").startswith(one + b"/")
               for one in paths for two in paths) or len(set(paths)) < len(paths):
            raise FileExistsError(str(texts))
        return [self.tree.full(path) for path in paths]

    def write(self, text, kind="file"):
        path = self.stage.path(text)
        self.folder_of(path)
        size = {"file": None, "empty": 0, "large": LARGE, "sparse": 24}[kind]
        data = self.stage.content(size)
        if kind == "sparse":
            data += bytes(65536 - 24) + data
            self.stage.written.add(("file", data))
        self.tree.put(path, data)

    def edit(self, text):
        path = self.file(text)
        if self.stage.live or os.path.getsize(self.tree.full(path)) < 24:
            self.write(text)
        else:
            self.tree.edit_unseen(path)

    def append(self, text):
        if self.stage.live:
            self.write(text)
        else:
            self.tree.append(self.file(text))

    def touch(self, text):
        os.utime(self.tree.full(self.file(text)))

    def time(self, text, seconds):
        os.utime(self.tree.full(self.file(text)), (seconds, seconds))

    def chmod(self, text, mode):
        path = self.here(text)
        if not os.path.islink(self.tree.full(path)):
            os.chmod(self.tree.full(path), mode)

    def delete(self, text):
        self.tree.bury(self.here(text))

    def folder(self, text):
        path = self.stage.path(text)
        self.folder_of(path)
        full = self.tree.full(path)
        if os.path.lexists(full) and not (os.path.isdir(full) and not os.path.islink(full)):
            self.tree.bury(path)
        os.makedirs(full, exist_ok=True)

    def link(self, text):
        path = self.stage.path(text)
        self.folder_of(path)
        with contextlib.suppress(FileNotFoundError):
            self.delete(text)
        os.symlink(self.stage.link(), self.tree.full(path))

    def remake(self, text):
        full = self.tree.full(self.here(text))
        info, names, grave = os.stat(full), os.listdir(full), self.stage.scratch()
        os.rename(full, grave)
        os.mkdir(full)
        os.chmod(full, stat.S_IMODE(info.st_mode))
        for name in names:
            os.rename(os.path.join(grave, name), os.path.join(full, name))
        os.utime(full, ns=(info.st_atime_ns, info.st_mtime_ns))

    def move(self, text, to):
        path, goal = self.here(text), self.stage.path(to)
        if (goal + b"/").startswith(path + b"/"):
            return
        aside = self.stage.scratch()
        self.folder_of(goal)
        os.rename(self.tree.full(path), aside)
        with contextlib.suppress(FileNotFoundError):
            self.tree.bury(goal)
        os.rename(aside, self.tree.full(goal))

    def swap(self, one, two):
        exchange(*self.apart(one, two))

    def cycle(self, one, two, three):
        first, second, third = self.apart(one, two, three)
        exchange(first, second)
        exchange(first, third)

    def copy(self, text, to):
        path, goal = self.file(text), self.free(to)
        shutil.copy2(self.tree.full(path), self.tree.full(goal))

    def hardlink(self, text, to):
        path, goal = self.file(text), self.free(to)
        os.link(self.tree.full(path), self.tree.full(goal))
        self.stage.linked = True

    def special(self, text, kind="fifo"):
        full = self.tree.full(self.free(text))
        self.stage.vague = True
        if kind == "fifo":
            os.mkfifo(full)
            return
        # A socket's path is short of room.
        near = self.stage.scratch()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(near)
        os.rename(near, full)

    def lock(self, text):
        path = self.here(text)
        full = self.tree.full(path)
        if os.geteuid() and stat.S_ISDIR(os.lstat(full).st_mode) and not self.stage.live:
            self.tree.locked.append(path)
            self.stage.vague = True
            os.chmod(full, 0)

    def keep(self):
        copy = self.stage.scratch()
        shutil.copytree(self.tree.top, copy, symlinks=True, ignore=not_to_keep)
        self.stage.kept[self.tree.name] = copy

    def restore(self):
        copy = self.stage.kept.get(self.tree.name)
        if copy is None or self.stage.live:
            return
        here, destroyed = versions(self.tree.top, (OWN,)), set(self.stage.destroyed)
        for name in os.listdir(self.tree.top):
            if name != OWN:
                self.tree.bury(name)
        shutil.copytree(copy, self.tree.top, symlinks=True, dirs_exist_ok=True)
        # What is where it was, before or for osync, does not come anew; and what another user has done to it
        # may not have come here yet: that stands.
        seen = self.stage.seen.get(self.tree.name, {})
        others = set().union(*(what for name, what in self.stage.destroyed_by.items()
                               if name != self.tree.name))
        for what, paths in versions(copy).items():
            anew = set(paths) - {*here.get(what, []), *seen.get(what, [])}
            if what not in destroyed or (anew and what not in others):
                self.stage.destroyed.discard(what)

    def state(self, how):
        state = self.stage.state_files(self.tree)
        key = (self.tree.name, "state")
        if how == "keep" and os.path.isdir(state):
            self.stage.kept[key] = self.stage.scratch()
            shutil.copytree(state, self.stage.kept[key])
        elif how != "keep" and not self.stage.live:
            if how == "older" and key not in self.stage.kept:
                return
            shutil.rmtree(state, ignore_errors=True)
            if how == "older":
                shutil.copytree(self.stage.kept[key], state)
            self.stage.history_lost = self.stage.ever_lost = True

    def ignore(self, names):
        self.stage.rules[self.tree.name] = names
        self.stage.vague = True

    STEPS = {"write": write, "edit": edit, "append": append, "touch": touch, "time": time,
             "chmod": chmod, "delete": delete, "folder": folder, "link": link, "remake": remake,
             "move": move, "swap": swap, "cycle": cycle, "copy": copy, "hardlink": hardlink,
             "special": special, "lock": lock, "keep": keep, "restore": restore, "state": state,
             "rules": ignore}


def not_to_keep(folder, names):
    """osync's own, and what cannot be copied."""
    return [name for name in names
            if name == OWN or is_special(os.lstat(os.path.join(folder, name)))]


def play(script):
    """Play a script; Broken says what does not hold."""
    room = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="osync-script-", dir=room) as base:
        stage = Stage(base, script)
        try:
            stage.play()
        finally:
            for tree in stage.trees:
                tree.unlock()

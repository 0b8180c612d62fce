# SPDX-License-Identifier: BSD-2-Clause
"""Two folders, the real program between them, and what must hold afterwards.

A `Pair` is an initiator and a target folder. `pair.run()` runs osync with
`--json`, checks the exit code it was told to expect, and checks on the way
that no version of any file has disappeared (oracle "nothing lost"). When a
test has passed, conftest.py calls `pair.verify()`: the oracles "converged",
"idempotent" and "clean". A test that ends on purpose with two unequal trees
says so with `pair.at_rest = False`.

Names are strings as os.fsdecode makes them: a byte that is not UTF-8 is a
lone surrogate, on disk and in the program's JSON alike.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

OSYNC = os.environ.get("OSYNC", str(Path(__file__).parents[2] / "build/asan/osync"))
WORKDIR = ".osync_workdir"

OK, FAILED, LOOK, GUARD = 0, 1, 2, 3
USAGE, UNREACHABLE, LOCKED, DENIED, CONFIG = 64, 69, 75, 77, 78

SIDES = ("initiator", "target")
OTHER = {"initiator": "target", "target": "initiator"}

# A run that has nothing to do may take this many bytes of talk (issue: 4 KiB).
SMALL_TALK = 4096
# Far longer than any run here takes: only there so that a hang is a failure.
HANG_S = 120
NS = 1_000_000_000


class Node(NamedTuple):
    """One path as it must be equal on both sides."""
    kind: str
    content: bytes
    mode: int
    mtime_ns: int
    uid: int
    gid: int
    xattrs: tuple = ()


def kind_of(info):
    """'file', 'folder', 'symlink' or 'special'."""
    for test, kind in ((stat.S_ISREG, "file"), (stat.S_ISDIR, "folder"), (stat.S_ISLNK, "symlink")):
        if test(info.st_mode):
            return kind
    return "special"


def content_of(path, kind):
    """A file's bytes (their digest when there are many), a link's target."""
    if kind == "symlink":
        return os.fsencode(os.readlink(path))
    if kind != "file":
        return b""
    data = Path(path).read_bytes()
    return data if len(data) <= 64 else b"sha256:" + hashlib.sha256(data).hexdigest().encode()


def walk(root, skip=(WORKDIR,)):
    """Yield (relative path, absolute path, lstat) of everything below root."""
    root = os.fspath(root)
    folders = [""]
    while folders:
        folder = folders.pop()
        for name in os.listdir(os.path.join(root, folder)):
            path = os.path.join(folder, name)
            if path in skip:
                continue
            info = os.lstat(os.path.join(root, path))
            yield path, os.path.join(root, path), info
            if stat.S_ISDIR(info.st_mode):
                folders.append(path)


def snapshot(root, xattrs=False):
    """{path: Node} of a tree, without osync's own folder and without the root itself."""
    nodes = {}
    for path, full, info in walk(root):
        kind = kind_of(info)
        names = sorted(os.listxattr(full, follow_symlinks=False)) if xattrs else ()
        values = tuple((name, os.getxattr(full, name, follow_symlinks=False)) for name in names)
        nodes[path] = Node(kind, content_of(full, kind), stat.S_IMODE(info.st_mode),
                           info.st_mtime_ns, info.st_uid, info.st_gid, values)
    return nodes


def stamps(root, skip=()):
    """Everything that would show that somebody wrote here: all bytes, all inodes, and all
    times but those of reading, of the root and all below it, osync's own folder included."""
    info = os.lstat(root)
    seen = {"": (info.st_mtime_ns, info.st_ctime_ns, info.st_mode)}
    for path, full, info in walk(root, skip):
        seen[path] = (kind_of(info), content_of(full, kind_of(info)), info.st_ino, info.st_mode,
                      info.st_mtime_ns, info.st_ctime_ns, info.st_uid, info.st_gid)
    return seen


def versions(*roots):
    """Every version of every file and link in these trees and in their trash."""
    found = set()
    for root in roots:
        for top in (Path(root), Path(root) / WORKDIR / "trash"):
            if not top.is_dir():
                continue
            for _, full, info in walk(top):
                kind = kind_of(info)
                if kind in ("file", "symlink"):
                    found.add((kind, content_of(full, kind)))
    return found


@contextlib.contextmanager
def nothing_lost(*roots):
    """Every version that is there at the start is somewhere at the end."""
    before = versions(*roots)
    yield
    lost = before - versions(*roots)
    assert not lost, f"versions lost: {lost}"


def differences(left, right):
    """What differs between two mappings, for a readable failure."""
    return {path: (left.get(path), right.get(path)) for path in sorted(left.keys() | right.keys())
            if left.get(path) != right.get(path)}


def eventually(condition, seconds=10):
    """Wait until the condition is true; whether it became so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# Bytes of a file that the side which gets it takes itself, within a machine.
FETCH_ALL = {"OSYNC_FETCH_MIN": "0"}
FETCH_NOTHING = {"OSYNC_FETCH_MIN": str(1 << 62)}


def environment(home, **more):
    """The environment for the program: this user's own set-up must not show through."""
    env = {key: value for key, value in os.environ.items()
           if key not in ("SSH_AUTH_SOCK", "OSYNC", "OSYNC_RELEASE", "XDG_CONFIG_HOME")}
    # Who cuts a line wants to see what that run leaves; a test of trying again says so.
    # Runs with --quiet log to /var/log where they may; a test that is about the log says where.
    return env | {"HOME": str(home), "LC_ALL": "C.UTF-8", "LOGFILE": "/dev/null",
                  "RESUME_TRY": "0"} | more


class Change:
    """One change line of --json."""

    def __init__(self, event):
        self.op, self.to = event["op"], event.get("to")
        self.path, self.origin = event["path"], event.get("from")

    def key(self):
        return (self.path, self.op, self.to or "", self.origin or "")

    def __repr__(self):
        origin = f"{self.origin} => " if self.origin else ""
        return f"{self.op}({origin}{self.path} @{self.to})"


class Result:
    """What one run of the program said."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out.decode("utf-8", "surrogateescape")
        self.err = err.decode("utf-8", "surrogateescape")

    @property
    def events(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def changes(self):
        return [Change(event) for event in self.events if event["event"] == "change"]

    @property
    def problems(self):
        return [event for event in self.events if event["event"] == "problem"]

    @property
    def summary(self):
        last = self.events[-1]
        assert last["event"] == "summary", "the last line is not the summary"
        return last

    def change(self, path, op=None):
        """The one change of this path (and operation)."""
        found = [c for c in self.changes if c.path == path and op in (None, c.op)]
        assert len(found) == 1, f"{path!r}: {found} of {self.changes}"
        return found[0]

    def ops(self, op):
        """The paths of all changes of this kind."""
        return sorted(c.path for c in self.changes if c.op == op)

    @property
    def said(self):
        """All that was written for people: on stderr and in the fields of --json."""
        try:
            events = self.events
        except ValueError:
            events = []
        return "\n".join([self.err.strip(), *(event.get(field, "") for event in events
                                              for field in ("message", "error"))]).strip()

    def says(self, *words):
        """Whether all these words were written for people."""
        return all(word in self.said for word in words)

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def execute(args, env, expect=OK, **more):
    """Run the program to its end and check how it ended."""
    process = start(args, env, **more)
    return finish(process, expect)


def start(args, env, **more):
    """Start the program in a process group of its own."""
    return subprocess.Popen([os.fsencode(arg) for arg in args], env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True, **more)


def finish(process, expect=OK):
    """Wait for the program's end; None as expectation allows any."""
    try:
        out, err = process.communicate(timeout=HANG_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"hung: {Result(None, out, err)!r}") from None
    result = Result(process.returncode, out, err)
    assert "Sanitizer" not in result.err and "runtime error:" not in result.err, repr(result)
    allowed = (expect,) if isinstance(expect, int) else expect
    assert allowed is None or result.code in allowed, f"expected exit {expect}: {result!r}"
    return result


class Pair:
    """An initiator and a target folder, and the program between them."""

    def __init__(self, base, server=None, initiator="initiator", target="target", name="test"):
        self.base = Path(base)
        self.server = server
        self.name = name
        self.home = self.base / "home"
        self.initiator = self.base / initiator
        self.target = self.base / target
        self.options = []
        self.at_rest = True
        for folder in (self.home, self.initiator, self.target):
            folder.mkdir(parents=True, exist_ok=True)

    # -- the program

    @property
    def roots(self):
        return (self.initiator, self.target)

    def target_url(self):
        return self.server.url(self.target) if self.server else str(self.target)

    def login(self):
        """The options that a server needs."""
        if not self.server:
            return []
        # Nothing of ~/.ssh, which ssh finds whatever HOME says, but for what is named here.
        config = self.base / "ssh_config"
        config.write_text("IdentitiesOnly yes\nIdentityAgent none\nGlobalKnownHostsFile none\n")
        return ["--set", f"SSH_CONFIG_FILE={config}", "--ssh-key", str(self.server.key),
                "--known-hosts", str(self.server.known_hosts), "--remote-osync", OSYNC]

    def args(self, *options):
        return [OSYNC, "--initiator", str(self.initiator), "--target", self.target_url(),
                "--instance-id", self.name, *self.login(), *self.options, *options]

    def env(self, **more):
        return environment(self.home, **more)

    def run(self, *options, expect=OK, env=None, **more):
        """Sync, with --json. `expect`: the exit code, or several that are right."""
        with nothing_lost(*(root for root in self.roots if root.is_dir())):
            return execute(self.args("--json", *options), self.env(**(env or {})), expect, **more)

    def run_human(self, *options, expect=OK):
        """Sync, with the output for people."""
        with nothing_lost(*self.roots):
            return execute(self.args(*options), self.env(), expect)

    def start(self, *options):
        return start(self.args("--json", *options), self.env())

    def list_state(self):
        args = [OSYNC, "list", "--state", "--initiator", str(self.initiator), "--target",
                self.target_url(), "--instance-id", self.name]
        return execute(args, self.env()).out

    # -- the trees

    def root(self, side):
        return getattr(self, side)

    def path(self, side, name):
        return self.root(side) / os.fsdecode(name)

    def write(self, side, name, content=None, mtime=None, mode=None):
        """A file with these bytes (by default some that no other file has); returns them."""
        path = self.path(side, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            content = token()
        elif isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        if mode is not None:
            path.chmod(mode)
        if mtime is not None:
            set_mtime(path, mtime)
        return content

    def write_both(self, name, content=None, **more):
        """The same bytes on both sides, written independently."""
        content = self.write("initiator", name, content, **more)
        return self.write("target", name, content, **more)

    def read(self, side, name):
        return self.path(side, name).read_bytes()

    def both(self, name):
        """The bytes of a file that is the same on both sides."""
        here, there = self.read("initiator", name), self.read("target", name)
        assert here == there, f"{name!r} differs: {here[:60]!r} {there[:60]!r}"
        return here

    def exists(self, side, name):
        return os.path.lexists(self.path(side, name))

    def gone(self, name):
        """Absent on both sides."""
        return not any(self.exists(side, name) for side in SIDES)

    def remove(self, side, name):
        path = self.path(side, name)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def rename(self, side, old, new):
        path = self.path(side, new)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path(side, old).rename(path)

    def link(self, side, name, to):
        path = self.path(side, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.fsencode(to), os.fsencode(path))

    def folder(self, side, name):
        self.path(side, name).mkdir(parents=True)

    def lstat(self, side, name):
        return os.lstat(self.path(side, name))

    def names(self, side):
        """All paths of one side, sorted."""
        return sorted(path for path, _, _ in walk(self.root(side)))

    def contents(self, side):
        """The bytes of all files of one side."""
        return {full_bytes(full) for _, full, info in walk(self.root(side))
                if kind_of(info) == "file"}

    def conflict_copies(self, side, stem):
        """The conflict copies of the file with this stem, sorted."""
        pattern = re.compile(re.escape(stem) + r"\.conflict-\d{8}-\d{6}-[0-9a-z]{6}(\..*)?", re.S)
        return sorted(name for name in self.names(side) if pattern.fullmatch(name))

    # -- osync's own folder

    def workdir(self, side):
        return self.root(side) / WORKDIR

    def state(self):
        """{name: bytes} of the saved state of both sides."""
        return {(side, path): Path(full).read_bytes() for side in SIDES
                if (self.workdir(side) / "state").is_dir()
                for path, full, info in walk(self.workdir(side) / "state")
                if kind_of(info) == "file"}

    def state_folder(self):
        return self.workdir("initiator") / "state"

    def trash(self, side):
        """[(run, path, bytes)] of the files in one side's trash."""
        top = self.workdir(side) / "trash"
        if not top.is_dir():
            return []
        files = [(path.partition("/"), full) for path, full, info in walk(top)
                 if kind_of(info) == "file"]
        return sorted((run, path, full_bytes(full)) for (run, _, path), full in files)

    def stamps(self, but=()):
        """All there is to see of both roots; `but` leaves paths out."""
        return {side: stamps(self.root(side), but) for side in SIDES if self.root(side).is_dir()}

    def untouched(self):
        """What a run that was stopped leaves as it was: all but the lock and its folder's time."""
        seen = {}
        for side, stamp in self.stamps(but=(f"{WORKDIR}/lock",)).items():
            seen[side] = {path: what for path, what in stamp.items() if path not in ("", WORKDIR)}
        return seen

    # -- the oracles

    def verify(self):
        """After every test: converged, idempotent, clean."""
        if self.at_rest:
            self.assert_converged()
            self.assert_idempotent()
        self.assert_clean()

    def assert_converged(self, xattrs=False):
        here, there = (
            {path: node for path, node in snapshot(root, xattrs).items() if node.kind != "special"}
            for root in self.roots)
        assert here == there, f"not converged: {differences(here, there)}"

    def assert_idempotent(self):
        trees, state = [snapshot(root) for root in self.roots], self.state()
        again = self.run()
        assert not again.changes and not again.problems, f"a further run has work: {again!r}"
        assert again.summary["sent_bytes"] < SMALL_TALK, again.summary
        assert [snapshot(root) for root in self.roots] == trees, "a further run changed a tree"
        changed = differences(state, self.state())
        assert not changed, f"a further run wrote state: {sorted(changed)}"

    def assert_clean(self):
        for side in SIDES:
            stage = self.workdir(side) / "stage"
            assert not stage.is_dir() or not os.listdir(stage), f"{side}: stage is not empty"
            lock = self.workdir(side) / "lock"
            # The agent may outlive the initiator by a moment.
            released = eventually(lambda lock=lock: not lock.exists() or not lock.read_bytes())
            assert released, f"{side}: lock still says {lock.read_bytes()}"
            strange = [name for name in self.names(side) if WORKDIR not in name.split("/")
                       and os.path.basename(name).startswith(".osync")]
            assert not strange, f"{side}: temporaries left: {strange}"


def full_bytes(path):
    with open(path, "rb") as file:
        return file.read()


_tokens = iter(range(1, 1 << 30))


def token(size=0):
    """Bytes that no other file has."""
    text = f"{os.getpid()}-{next(_tokens)}\n".encode()
    return text if size <= len(text) else text + os.urandom(size - len(text))


def set_mtime(path, seconds, nanoseconds=0):
    """Set a time stamp exactly, also of a link and before 1970."""
    when = int(seconds) * NS + nanoseconds
    os.utime(path, ns=(when, when), follow_symlinks=False)


def holders(path):
    """The processes that have this file open."""
    found, wanted = [], os.stat(path)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    info = os.stat(f"/proc/{pid}/fd/{fd}")
                    if (info.st_dev, info.st_ino) == (wanted.st_dev, wanted.st_ino):
                        found.append(int(pid))
                        break
    return found

# SPDX-License-Identifier: BSD-2-Clause
"""Some machines, a server and the lines between them, where a day passes in seconds.

`Periods` is the time that passes for all; a `Clock` is what one of them takes it for
(tests/shim/periods.c puts it between the program and the kernel's). A `Machine` has a folder, a home,
a profile and the crontab line; a `Server` has an sshd and the folder that all sync with. Each lies on
a disk of its own that can be filled. `Run` is one start of the crontab line.
"""

import contextlib
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1] / "system"))

# pylint: disable=wrong-import-position
from sshd import Sshd  # noqa: E402

OSYNC = os.environ.get("OSYNC", str(HERE.parents[2] / "build/fault/osync"))
SHIM = os.environ.get("OSYNC_SHIM", str(HERE.parents[2] / "build/fault/tests/shim/periods.so"))
NS = 1_000_000_000
CLOCK_REALTIME_COARSE = 5  # of Linux; the module time has no name for it
# The silence after which either end gives up, 180 s, becomes this many times less.
HURRY = 12
DISK_MB = 24
# What has not ended by then never will, however busy this machine is.
HANG_S = 900
# Also counted by the kernel's clock.
LOCK_WAIT_S = 20

# What the profiles say, in the seconds of the simulated clock.
# Two periods without a sign of life; a live holder gives one several times in each.
LOCK_TTL_S = 550
LOCK_ALERT_S = 1800
OFFLINE_ALERT_S = 3600
REPEAT_S = 6 * 3600
TRASH_DAYS, PACK_DAYS = 2, 1


class Clock:
    """What one machine takes the time for."""

    MOST = 4096
    # The year 2061: what is later is a time that was set, and lies elsewhere than in a period.
    ELSEWHERE_NS = 1 << 61
    LATEST_NS = ELSEWHERE_NS + (ELSEWHERE_NS >> 2)

    def __init__(self, periods, path):
        self.periods, self.path = periods, path
        with open(path, "w+b") as file:
            file.truncate(8 + 24 * self.MOST)
            self.table = mmap.mmap(file.fileno(), 0)
        self.entries = []
        self.wrong_s = 0
        self.changes = 0  # how often it was set
        for began, ahead in periods.entries:
            self.add(began, ahead)
        periods.clocks.append(self)

    def add(self, began, ahead):
        wrong = self.wrong_s * NS
        struct.pack_into("=qqq", self.table, 8 + 24 * len(self.entries), began, ahead, wrong)
        self.entries.append((began, ahead + wrong))
        struct.pack_into("=q", self.table, 0, len(self.entries))

    def go_wrong(self, seconds):
        """So far from the right time, from now on."""
        self.wrong_s = seconds
        self.changes += 1
        self.periods.advance(0)

    def shows_ns(self, ns):
        """A time of the kernel's, as programs of this machine see it."""
        return ns - self.ELSEWHERE_NS if ns >= self.LATEST_NS else shifted(self.entries, ns)

    def env(self):
        return {"LD_PRELOAD": SHIM, "OSYNC_PERIODS": str(self.path), "OSYNC_HURRY": str(HURRY)}


def shifted(entries, ns):
    for began, ahead in reversed(entries):
        if ns >= began:
            return ns + ahead
    return ns


class Periods:
    """The time that passes."""

    def __init__(self):
        self.entries = []
        self.clocks = []
        self.advance(0)

    def advance(self, seconds):
        """So many seconds pass at once."""
        began = time.clock_gettime_ns(time.CLOCK_REALTIME)
        ahead = (self.entries[-1][1] if self.entries else 0) + seconds * NS
        self.entries.append((began, ahead))
        for clock in self.clocks:
            clock.add(began, ahead)
        # Files get their times from a clock that lags behind by a tick.
        while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= began:
            time.sleep(0.001)

    def simulated_ns(self, ns):
        return shifted(self.entries, ns)

    def now(self):
        """Simulated seconds since 1970."""
        return self.simulated_ns(time.clock_gettime_ns(time.CLOCK_REALTIME)) / NS


class Line:
    """A machine's line to the server: up, cut, leading nowhere, or down."""

    def __init__(self, port):
        self.to = port
        self.live = set()
        self.swallows = False  # what is connected, and what comes while it is so
        self.listener = None
        self.port = 0
        self.up()

    def up(self):
        if self.swallows:
            self.swallows = False
            self.cut()
        if self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
            self.port = self.listener.getsockname()[1]
            threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def down(self):
        """Connections are refused, and those there are end."""
        listener, self.listener = self.listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def cut(self):
        """How many ends there were."""
        ends = list(self.live)
        for one in ends:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        return len(ends)

    def hole(self):
        """Nothing arrives any more, and nobody is told. How many ends there were."""
        self.swallows = True
        return len(self.live)

    def accept(self, listener):
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                here.close()
                continue
            state = {"swallowed": False, "ends": 2}
            for pair in ((here, there), (there, here)):
                self.live.add(pair[0])
                threading.Thread(target=self.carry, args=(*pair, state), daemon=True).start()

    def carry(self, source, sink, state):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                state["swallowed"] |= self.swallows
                if not state["swallowed"]:
                    sink.sendall(data)
        self.live.discard(source)
        if not state["swallowed"]:
            for one in (source, sink):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        state["ends"] -= 1
        if state["ends"] == 0:
            source.close()
            sink.close()


def children(pid):
    try:
        return [int(child) for child in
                Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def words_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def send(pid, number):
    """Whether there was still somebody to get it."""
    was_there = not is_over(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return was_there


def is_over(pid):
    """Ended, if perhaps not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


class Computer:
    """What machines and server have in common; `disk` and `clock` are made by who is one."""

    disk = clock = None

    def holder_of_lock(self, pids):
        """Who of them has the lock of the folder here, if anybody has."""
        try:
            info = os.stat(self.disk.folder / "tree/.osync_workdir/lock")
        except FileNotFoundError:
            return None
        file = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[3] == "WRITE" and words[5] == file and \
                    int(words[4]) in pids:
                return int(words[4])
        return None


class Disk:
    """A file system of its own where we may mount one; a folder else."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "osync-years",
                               self.folder], capture_output=True, check=False)
        self.own = done.returncode == 0
        self.ballast = self.folder / "ballast"
        self.full = False

    def fill(self):
        self.full = True
        with open(self.ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with open(self.ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))

    def free(self):
        self.ballast.unlink(missing_ok=True)
        self.full = False

    def close(self):
        if self.own:
            subprocess.run(["umount", "-l", self.folder], check=False)


# The next agent to start takes what lies in the trap.
PROGRAM = """\
#!/bin/sh
if mv '{trap}' '{sprung}' 2>/dev/null; then fault="OSYNC_FAULT=$(cat '{sprung}')"; fi
exec env {env} ${{fault:+"$fault"}} {osync} "$@"
"""


class Server(Computer):
    def __init__(self, base, periods):
        self.base = Path(base)
        self.disk = Disk(self.base / "disk")
        (self.base / "sshd").mkdir()
        self.clock = Clock(periods, self.base / "clock")
        self.program = self.base / "osync"
        self.trap, self.sprung = self.base / "trap", self.base / "sprung"
        self.program.write_text(PROGRAM.format(
            env=" ".join(f"{key}='{value}'" for key, value in self.clock.env().items()),
            trap=self.trap, sprung=self.sprung, osync=OSYNC))
        self.program.chmod(0o755)
        self.sshd = Sshd(self.base / "sshd", options=["MaxStartups 1000"]).start()

    def sessions(self):
        """sshd's processes for those who are logged in."""
        return [pid for pid in descendants(self.sshd.process.pid) if b"sshd" in words_of(pid)]

    def agents(self):
        return [pid for pid in descendants(self.sshd.process.pid)
                if b"agent" in words_of(pid) and b"sshd" not in words_of(pid)]

    def reap(self, *options):
        """Its own crontab's line."""
        return subprocess.run(["env", "-i", "PATH=/usr/bin:/bin", f"HOME={self.base}", "/bin/sh",
                               "-c", f"exec {self.program} reap {' '.join(options)} "
                               f"{self.disk.folder}"], capture_output=True, stdin=subprocess.DEVNULL,
                              check=False, timeout=HANG_S)

    def close(self):
        for pid in descendants(self.sshd.process.pid):
            send(pid, signal.SIGKILL)
        self.sshd.stop()
        self.disk.close()


class Run:
    """One start of a machine's crontab line."""

    def __init__(self, machine, number, options, more):
        self.machine, self.number = machine, number
        self.done_to = set()  # what was done to it
        self.hangs = False
        self.code = None
        self.began = machine.moment()
        self.ended = None
        self.began_at = time.monotonic()
        self.took_s = None
        self.names_before = machine.log.names()
        self.out = machine.base / f"out-{number}"
        env = {"HOME": machine.home, "LOGNAME": "root", "PATH": "/usr/bin:/bin",
               "SHELL": "/bin/sh"}
        line = " ".join([f"{key}='{value}'" for key, value in
                         {**machine.clock.env(), "RUN": number, **more}.items()])
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                ["env", "-i", *(f"{key}={value}" for key, value in env.items()), "/bin/sh", "-c",
                 f"{line} exec {OSYNC} cron work {options}"], stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, cwd=machine.home, start_new_session=True)

    def is_over(self):
        if self.code is None and self.process.poll() is not None:
            self.code = self.process.returncode
            self.ended = self.machine.moment()
            self.took_s = time.monotonic() - self.began_at
        return self.code is not None

    @property
    def said(self):
        return self.out.read_text(errors="backslashreplace")

    def __repr__(self):
        return f"run {self.number} of {self.machine.name} ({', '.join(sorted(self.done_to))})"


LOG_LINE = re.compile(r"(\S+) (\S+) (error|warn|info|debug) +(.*)")


class Log:
    """A machine's log; runs that are asleep or awakened write to it between the lines of others."""

    def __init__(self, path):
        self.path = path
        self.seen = 0  # bytes
        self.lines = {}  # by the names of runs in the order of their beginning: [(level, text)]
        self.claimed = set()

    def names(self):
        """The runs that have begun."""
        self.read()
        return set(self.lines)

    def claim(self, names_before):
        """What the run wrote before whose start there were these names; of two, the first that is left."""
        self.read()
        for name, lines in self.lines.items():
            if name not in names_before | self.claimed:
                self.claimed.add(name)
                return lines
        return []

    def read(self):
        """What is new; the log may have been renamed."""
        old = self.path.with_name(self.path.name + ".old")
        data = self.path.read_bytes() if self.path.exists() else b""
        if len(data) < self.seen:
            data = old.read_bytes()[self.seen:] + data
            self.seen = self.path.stat().st_size
        else:
            data, self.seen = data[self.seen:], len(data)
        for line in data.decode(errors="backslashreplace").splitlines():
            found = LOG_LINE.fullmatch(line)
            if found:
                self.lines.setdefault(found[2], []).append((found[3], found[4]))


PROFILE = """\
INSTANCE_ID={name}
INITIATOR_SYNC_DIR="{top}"
TARGET_SYNC_DIR="{url}"
SSH_RSA_PRIVATE_KEY="{key}"
SSH_KNOWN_HOSTS_FILE="{known_hosts}"
SSH_CONFIG_FILE="{ssh_config}"
SSH_CONNECT_TIMEOUT=3
SSH_KEEPALIVE=2
REMOTE_OSYNC_PATH="{remote}"
LOGFILE="{log}"
START_JITTER=1
LOCK_WAIT={wait}
LOCK_TTL={ttl}
MAX_DELETE_PERCENT=100
MAX_CHANGE_PERCENT=100
MINIMUM_SPACE=2048
FSYNC={fsync}
VERIFY_DAYS=2
TRASH_DAYS={trash}
TRASH_PACK_DAYS={pack}
SENDMAIL="{sendmail} -t -i"
MAIL_REPEAT={repeat}
LOCK_ALERT_AFTER={lock_alert}
OFFLINE_ALERT_AFTER={offline_alert}
{more}
"""

ADDRESS = 'DESTINATION_MAILS="alice@example.org"'
HOLD = """LOCAL_RUN_BEFORE_CMD="while test -e '{hold}'; do sleep 0.1; done\""""

# A mail is there as a whole or not at all.
SENDMAIL = """\
#!/bin/sh
cat >'{spool}/'$$.part && mv '{spool}/'$$.part '{spool}/'"${{RUN:-0}}.$$.mail"
"""


class Moment(NamedTuple):
    time_s: float
    changes: int  # how often the machine's clock had been set until then


class Machine(Computer):
    """One initiator."""

    def __init__(self, base, name, server, periods, mails, holds):
        self.base, self.name, self.server, self.periods = Path(base), name, server, periods
        self.mails = mails  # to an address; else cron's own
        self.holds = holds  # has a command before its runs; runs without any connect again by themselves
        self.base.mkdir()
        self.clock = Clock(periods, self.base / "clock")
        self.home, self.spool, self.hold = (self.base / word for word in ("home", "spool", "hold"))
        self.log = Log(self.home / "osync.log")
        self.disk = Disk(self.base / "disk")
        self.line = Line(server.sshd.port)
        for folder in (self.home, self.spool):
            folder.mkdir()

    def set_up(self, top, target, fsync):
        """The profile, and a sendmail."""
        sshd = self.server.sshd
        known = self.base / "known_hosts"
        known.write_text(sshd.known_hosts.read_text().replace(
            f":{sshd.port} ", f":{self.line.port} "))
        sendmail = self.base / "sendmail"
        sendmail.write_text(SENDMAIL.format(spool=self.spool))
        sendmail.chmod(0o755)
        folder = self.home / ".config/osync"
        folder.mkdir(parents=True)
        (folder / "work.conf").write_text(PROFILE.format(
            name=self.name, top=top, key=sshd.key, known_hosts=known, ssh_config=sshd.config,
            url=f"ssh://{sshd.user}@127.0.0.1:{self.line.port}/{target}",
            remote=self.server.program, log=self.log.path, ttl=LOCK_TTL_S * HURRY, fsync=fsync,
            wait=LOCK_WAIT_S, trash=TRASH_DAYS, pack=PACK_DAYS, sendmail=sendmail,
            repeat=REPEAT_S // 3600, lock_alert=LOCK_ALERT_S, offline_alert=OFFLINE_ALERT_S,
            more="\n".join([ADDRESS] * self.mails + [HOLD.format(hold=self.hold)] * self.holds)))

    def moment(self):
        return Moment(self.periods.now(), self.clock.changes)

    def start(self, number, options="", more=None):
        return Run(self, number, options, more or {})

    def is_holding(self, run):
        """Whether the command before the run has begun, and both sides are locked so."""
        return not run.is_over() and b"LOCAL_RUN_BEFORE_CMD: running" in \
            self.log.path.read_bytes()[self.log.seen:]

    def close(self):
        self.line.down()
        self.disk.close()


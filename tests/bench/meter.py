# SPDX-License-Identifier: BSD-2-Clause
"""What a command costs: one Sample of its whole life, on this end and on the other.

The far end of a command runs below a server of ours, so the server's account of its children
is the far end's: processor time with that of the cipher. The largest process of either end is told
by time(1): to the kernel a child of ours was once as large as we are. Only a command whose session has
ended has been measured.
"""

import mmap
import os
import subprocess
import time
from dataclasses import dataclass

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# A session that does not end is a failure.
SESSION_S = 60


@dataclass
class Sample:
    wall_s: float
    cpu_s: float
    far_cpu_s: float
    peak_mib: float      # the largest process of this end
    far_peak_mib: float  # the same of the other end, 0 where there is none
    sent: int = 0        # bytes on the line, where they were counted
    received: int = 0
    trips: int = 0

    @property
    def line_bytes(self):
        return self.sent + self.received


def find_memory(size):
    """Have so many bytes of free memory at hand.

    The host of a virtual machine may take what is free, and give it back page by page when it is
    written to: which of two tools that took longer would be chance.
    """
    step = 1 << 20
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size - step + 1, step):
            memory[offset:offset + step] = b"x" * step


def children_cpu_s(pid):
    """Seconds that the ended children of a process have taken, with their own children."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * TICK_S


def wait_for_sessions(pid):
    """Until no session below this server is left."""
    deadline = time.monotonic() + SESSION_S
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            if not file.read().split():
                return
        time.sleep(0.005)
    raise RuntimeError("a session on the server does not end")


def largest_mib(file):
    """Of the KiB that time(1) has written there."""
    return max((int(word) for word in file.read_text().split() if word.isdigit()), default=0) / 1024


def measure(command, env, server_pid, far_peak, ends=(0,)):
    """Run a command and account for it. `far_peak`: a file to which the far end adds its KiB."""
    near_peak = far_peak.with_name("near-peak")
    far_peak.write_bytes(b"")
    far_before = children_cpu_s(server_pid)
    begin = time.monotonic()
    child = subprocess.Popen(["time", "-q", "-o", near_peak, "-f", "%M", *command],
                             env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall_s = time.monotonic() - begin
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in ends:
        words = " ".join(map(str, command))
        raise RuntimeError(f"{words}: ended with {child.returncode}\n{said.decode()}")
    wait_for_sessions(server_pid)
    return Sample(wall_s, usage.ru_utime + usage.ru_stime,
                  children_cpu_s(server_pid) - far_before, largest_mib(near_peak),
                  largest_mib(far_peak))

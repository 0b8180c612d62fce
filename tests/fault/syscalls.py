# SPDX-License-Identifier: BSD-2-Clause
"""A system-call trace of real processes, as values.

`traced()` runs a command under strace and returns its calls in the order in which they
ended. strace stops every process at both ends of a call, so the order of what one
process caused in another is that of the trace.
"""

import os
import re
import subprocess
from typing import NamedTuple

# All that changes a tree or makes it durable, under the names that libc and Python use.
CHANGES = ("open openat creat write pwrite64 writev pwritev truncate ftruncate fallocate"
           " copy_file_range sendfile mkdir mkdirat symlink symlinkat link linkat unlink unlinkat"
           " rmdir rename renameat renameat2 chmod fchmod fchmodat utime utimes utimensat futimesat"
           " fsync fdatasync syncfs sync msync").split()

LINE = re.compile(r"(\d+) +(.*)")
CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)", re.S)
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.S)
HANDLE = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?$")


class Call(NamedTuple):
    """One call that did not fail."""
    pid: int
    name: str
    args: list
    result: int
    start: int  # its place in the trace when it began
    end: int    # and when it was done


def unhex(text):
    """The bytes of what -xx prints."""
    return bytes.fromhex(text.replace("\\x", ""))


def string(arg):
    """A string argument, as bytes."""
    assert arg.startswith('"') and arg.endswith('"'), f"cut off by strace: {arg[:80]}"
    return unhex(arg[1:-1])


def handle(arg):
    """The path behind a descriptor argument, as bytes; None when it has been removed."""
    found = HANDLE.match(arg)
    return unhex(found[2]) if found and not found[3] else None


def split(args):
    """The arguments at the top level; strings and paths have no commas, being hexadecimal."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(args):
        depth += (char in "[{(") - (char in "]})")
        if char == "," and depth == 0:
            parts.append(args[start:at].strip())
            start = at + 1
    return [*parts, args[start:].strip()]


def parse(lines):
    """The calls that succeeded; one that a process died in counts as never made."""
    calls, begun = [], {}
    for number, line in enumerate(lines):
        pid, text = LINE.match(line).groups()
        if text.endswith("<unfinished ...>"):
            begun[pid] = (number, text.removesuffix("<unfinished ...>").rstrip())
            continue
        resumed, start = RESUMED.match(text), number
        if resumed:
            start, first = begun.pop(pid)
            text = first + resumed[2]
        found = CALL.match(text)
        if found and not found[3].startswith(("-", "?")):
            calls.append(Call(int(pid), found[1], split(found[2]), int(found[3]), start, number))
    return calls


def traced(args, env, log):
    """Run a command to its end. Returns its exit status, what it printed, and its calls."""
    command = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(1 << 24), "-o", str(log),
               "-e", "trace=" + ",".join(CHANGES), "-e", "signal=none", *args]
    done = subprocess.run([os.fsencode(arg) for arg in command], env=env, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # The agents may outlive the initiator: strace waits for them.
    return done.returncode, done.stdout + done.stderr, parse(open(log).read().splitlines())

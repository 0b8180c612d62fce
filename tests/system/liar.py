# SPDX-License-Identifier: BSD-2-Clause
"""A man in the middle of a session: passes frames on, and lies as it is told.

    liar.py SCRIPT AGENT-COMMAND...

stands in TRANSPORT_COMMAND.  SCRIPT is Python that may define `from_target(kind, data)` and
`from_initiator(kind, data)`, which return the frames to pass on, and `noise`, bytes to be said
before the agent greets.  What a script may use: the helpers below, and `state`, a dict.
"""

import os
import subprocess
import sys
import threading

GREETING = b"\0osync\1\n"
(HELLO, WELCOME, ERROR, PING, PONG, CREDIT, LOCK, LOCKED, PREPARE, READY, SCAN, NAME, LIST, LISTED,
 HASH, HASHED, ATTRS, ATTRS_IS, READ, DATA, HOLE, READ_END, OP, PUT_END, FLUSH, DONE, FLUSHED, FINISH,
 FINISHED, RECORD, COMMIT, COMMITTED, BYE, FORGET) = range(1, 35)
BASIS, SUMS, SUMS_END, READ_CHANGES, COPY, AGAIN = range(43, 49)
FETCH, FETCHED = range(50, 52)
ENTRY, GONE, PROBLEM, SAME = range(1, 5)


def uint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def text(data):
    return uint(len(data)) + data


def read_uint(data, at=0):
    """The number at `at`, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def failure(kind, message):
    """A status that is not good; `kind` as in enum err_kind."""
    return bytes([kind]) + uint(0) + text(message)


def item(path, kind, rest=b""):
    """One item of a LIST frame that shares nothing with the one before."""
    return uint(0) + text(path) + bytes([kind]) + rest


def first_path(data):
    """The path of the first item of a LIST frame, and what comes behind it."""
    _, at = read_uint(data)
    size, at = read_uint(data, at)
    return data[at:at + size], data[at + size:]


def read_exactly(stream, size):
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def frame(kind, data):
    return (len(data) + 1).to_bytes(4, "little") + bytes([kind]) + data


def pass_on(stream, out, lie, begin=b""):
    try:
        if begin:
            assert read_exactly(stream, len(begin)) == begin
        while True:
            size = int.from_bytes(read_exactly(stream, 4), "little")
            kind, *_ = read_exactly(stream, 1)
            for more in lie(kind, read_exactly(stream, size - 1)):
                out.write(frame(*more))
            out.flush()
    except (EOFError, BrokenPipeError, ValueError):
        pass


def main():
    names = {**globals(), "state": {}, "noise": b""}
    with open(sys.argv[1], encoding="utf-8") as file:
        exec(compile(file.read(), sys.argv[1], "exec"), names)
    honest = lambda kind, data: [(kind, data)]
    agent = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    sys.stdout.buffer.write(names["noise"] + GREETING)
    sys.stdout.buffer.flush()

    def down():
        pass_on(sys.stdin.buffer, agent.stdin, names.get("from_initiator", honest))
        agent.stdin.close()

    threading.Thread(target=down, daemon=True).start()
    pass_on(agent.stdout, sys.stdout.buffer, names.get("from_target", honest), GREETING)
    agent.kill()
    os._exit(0)


if __name__ == "__main__":
    main()

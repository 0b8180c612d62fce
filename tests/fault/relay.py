# SPDX-License-Identifier: BSD-2-Clause
"""A link that can be cut: what TRANSPORT_COMMAND runs between initiator and agent.

    relay.py SPEC COMMAND [WORD...]

starts the command and passes bytes both ways. SPEC is one of

    up:N      the link ends in front of the N-th frame to the agent (from 0)
    down:N    the same for those to the initiator; the greeting is frame 0
    up@N      it ends when N bytes have gone to the agent
    down@N    the same for those to the initiator
    hole:N    after N frames to the agent nothing goes either way any more, and nobody is told
    note=FILE it does not end; FILE says how many frames and bytes went "up" and "down"
    whole     it does not end, and nothing is noted
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time

GREETING = 8  # bytes (src/peer/protocol.h)
HEADER = 4    # le32: length of what follows


class Direction:
    """One way of the link: what has passed, and where it is to end."""

    def __init__(self, name, source, sink, spec):
        self.name, self.source, self.sink = name, source, sink
        self.frames = self.bytes = 0
        self.held = b""  # a frame, or the greeting, that has not come to its end
        self.wanted = GREETING if name == "down" else None
        found = re.fullmatch(rf"{name}([:@])(\d+)", spec)
        self.last_frame = int(found[2]) if found and found[1] == ":" else None
        self.last_byte = int(found[2]) if found and found[1] == "@" else None

    def split(self, data):
        """Count the frames in what has come; the bytes of those in front of the cut."""
        self.held += data
        whole = b""
        while self.last_frame is None or self.frames < self.last_frame:
            size = self.wanted
            if size is None and len(self.held) >= HEADER:
                size = HEADER + int.from_bytes(self.held[:HEADER], "little")
            if size is None or len(self.held) < size:
                return whole, False
            whole, self.held = whole + self.held[:size], self.held[size:]
            self.frames, self.wanted = self.frames + 1, None
        return whole, bool(self.held)

    def pass_on(self, is_swallowed):
        """Move what there is; False when the link ends here."""
        data = os.read(self.source, 65536)
        while is_swallowed():
            time.sleep(1)
        if not data:
            return False
        whole, over = self.split(data)
        if self.last_frame is not None:
            data = whole
        if self.last_byte is not None:
            data = data[:self.last_byte - self.bytes]
            over = self.bytes + len(data) == self.last_byte
        self.bytes += len(data)
        while data:
            data = data[os.write(self.sink, data):]
        return not over


def is_swallowed(ways, spec):
    """Whether the line leads nowhere by now."""
    return spec.startswith("hole:") and ways[0].frames >= int(spec[5:])


def main(spec, command):
    agent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ways = [Direction("up", 0, agent.stdin.fileno(), spec),
            Direction("down", agent.stdout.fileno(), 1, spec)]
    over = threading.Event()

    def carry(way):
        """In a thread of its own: neither way waits for the other."""
        with contextlib.suppress(OSError):
            while way.pass_on(lambda: is_swallowed(ways, spec)):
                pass
        over.set()

    for way in ways:
        threading.Thread(target=carry, args=(way,), daemon=True).start()
    over.wait()
    if spec.startswith("note="):
        with open(spec[5:], "w", encoding="ascii") as note:
            print(*(f"{way.name} {way.frames} {way.bytes}" for way in ways), sep="\n", file=note)
    # Both see the end at once, as when a line is torn.
    os._exit(0)


main(sys.argv[1], sys.argv[2:])

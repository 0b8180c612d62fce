# SPDX-License-Identifier: BSD-2-Clause
"""A line to a server on loopback, with a delay, that counts what goes over it.

    with Line(port, round_trip_s=0.2) as line:
        ...connect to 127.0.0.1:line.port...
        line.counts()      Counts of the connections that have ended since the last call

A byte that comes in leaves half a round trip later, however many others are on their way: a
delay, not a limit of the throughput. One round trip is one time that the client sends after
it has received something; with a delay that is what waiting for the line costs.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

CHUNK = 256 * 1024
# Only there so that a line that does not open is a failure.
OPEN_S = 30


@dataclass
class Counts:
    sent: int = 0      # bytes from the client to the server
    received: int = 0
    trips: int = 0

    def __add__(self, other):
        return Counts(self.sent + other.sent, self.received + other.received,
                      self.trips + other.trips)


class Connection:
    """One client's, from its first byte to the end of both directions."""

    def __init__(self, delay_s):
        self.delay_s = delay_s
        self.counts = Counts()
        self.was_answered = True

    async def carry(self, reader, writer, note):
        """Every byte of the reader to the writer, each after the delay."""
        queue = asyncio.Queue()
        pump = asyncio.ensure_future(self.deliver(queue, writer))
        try:
            while data := await reader.read(CHUNK):
                note(len(data))
                queue.put_nowait((time.monotonic() + self.delay_s, data))
        except ConnectionError:
            pass
        queue.put_nowait((time.monotonic() + self.delay_s, b""))
        await pump

    @staticmethod
    async def deliver(queue, writer):
        while True:
            due, data = await queue.get()
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            try:
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
            except (ConnectionError, OSError):
                return

    def sent(self, size):
        self.counts.sent += size
        self.counts.trips += self.was_answered
        self.was_answered = False

    def received(self, size):
        self.counts.received += size
        self.was_answered = True


async def serve(to_port, delay_s):
    """Say the port, then one line of JSON for each connection that has ended."""

    async def accept(reader, writer):
        line = Connection(delay_s)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(line.carry(reader, far_writer, line.sent),
                             line.carry(far_reader, writer, line.received))
        far_writer.close()
        writer.close()
        print(json.dumps(vars(line.counts)), flush=True)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Line:
    """A process of its own: it must not wait for what is measured."""

    def __init__(self, to_port, round_trip_s=0.0):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(to_port), str(round_trip_s / 2)],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        os.set_blocking(self.process.stdout.fileno(), False)

    def counts(self, connections=1):
        """What went over the line in this many connections, which have ended or are about to."""
        total, deadline = Counts(), time.monotonic() + OPEN_S
        while connections and time.monotonic() < deadline:
            if said := self.process.stdout.readline():
                total += Counts(**json.loads(said))
                connections -= 1
            else:
                time.sleep(0.01)
        if connections:
            raise RuntimeError("a connection over the line has not ended")
        return total

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()


if __name__ == "__main__":
    try:
        asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
    except KeyboardInterrupt:
        pass

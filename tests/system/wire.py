# SPDX-License-Identifier: BSD-2-Clause
"""The line to a server, as a `server` of a Pair: it counts what passes, and can be slow or torn.

    with Wire(server) as wire:
        pair = Pair(folder, wire)
        pair.run()
        wire.passed     {"up": bytes, "down": bytes}

`rate`: bytes per second that it takes in each direction. `cut`: ("up", n) tears every connection
when n bytes have passed that way, with whatever is on its way.
"""

import contextlib
import socket
import threading
import time
from pathlib import Path

CHUNK = 16 * 1024


class Wire:
    def __init__(self, server, rate=None, cut=None):
        self.server, self.rate, self.cut = server, rate, cut
        self.passed = {"up": 0, "down": 0}
        self.key = server.key
        self.known_hosts = Path(server.known_hosts).with_name(f"known_hosts_{id(self)}")

    def __enter__(self):
        self.listener = socket.create_server((self.server.host, 0))
        # Little room for what waits: what a slow line has not taken is to be felt.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)
        self.port = self.listener.getsockname()[1]
        known = Path(self.server.known_hosts).read_text()
        self.known_hosts.write_text(known.replace(f":{self.server.port} ", f":{self.port} "))
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.listener.close()

    def url(self, path):
        return self.server.url(path).replace(f":{self.server.port}/", f":{self.port}/")

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection((self.server.host, self.server.port))
                for way in (("up", near, far), ("down", far, near)):
                    threading.Thread(target=self.carry, args=way, daemon=True).start()

    def carry(self, way, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self.cut and self.cut[0] == way:
                    data = data[:self.cut[1] - self.passed[way]]
                self.passed[way] += len(data)
                sink.sendall(data)
                if self.cut and self.passed[self.cut[0]] >= self.cut[1]:
                    break
                if self.rate:
                    time.sleep(len(data) / self.rate)
            else:
                sink.shutdown(socket.SHUT_WR)
                return
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

# SPDX-License-Identifier: BSD-2-Clause
"""A TCP line to a server that can be torn after so many bytes.

    with Torn(port, "up", 5000) as line:   the client's bytes up to the 5000th arrive
        ... connect to 127.0.0.1:line.port ...
    with Torn(port) as line:               it is never torn
        line.passed                        {"up": bytes, "down": bytes} so far
"""

import contextlib
import socket
import threading

CHUNK = 65536  # bytes


class Torn:
    def __init__(self, port, way=None, last_byte=0):
        self.server, self.way, self.last_byte = port, way, last_byte
        self.passed = {"up": 0, "down": 0}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.ends = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.listener.close()
        self.tear()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.server))
                self.ends += [client, server]
                for way in (("up", client, server), ("down", server, client)):
                    threading.Thread(target=self.carry, args=way, daemon=True).start()

    def carry(self, way, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if way == self.way:
                    data = data[:self.last_byte - self.passed[way]]
                self.passed[way] += len(data)
                sink.sendall(data)
                if way == self.way and self.passed[way] == self.last_byte:
                    self.tear()
            sink.shutdown(socket.SHUT_WR)

    def tear(self):
        """Neither side hears any more of the other."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

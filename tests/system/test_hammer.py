# SPDX-License-Identifier: BSD-2-Clause
"""Two users replace, append and delete all the time while osync runs and runs.

OSYNC_HAMMER_RUNS says how often (60; `make hammer` asks for 1,000).
"""

import os
import random
import stat
import threading

from harness import FAILED, LOOK, OK, execute, full_bytes, walk
from test_races import exchange

NAMES = [f"f{number}" for number in range(12)]
RUNS = int(os.environ.get("OSYNC_HAMMER_RUNS", "60"))


class User(threading.Thread):
    """Every line that this user writes is a token; what he takes away himself, he notes."""

    def __init__(self, local, side, stop):
        super().__init__()
        self.local, self.side, self.stop = local, side, stop
        self.random, self.serial = random.Random(side), 0
        self.written, self.taken = set(), set()

    def line(self):
        self.serial += 1
        return f"{self.side}-{self.serial:07d}\n".encode()

    def run(self):
        while not self.stop.wait(0.002):
            path = self.local.path(self.side, self.random.choice(NAMES))
            self.random.choice((self.replace, self.replace, self.append, self.delete))(path)

    def replace(self, path):
        line, spare = self.line(), self.local.base / f"spare-{self.side}"
        spare.write_bytes(line)
        if exchange(spare, path):
            self.written.add(line)
            self.taken.update(full_bytes(spare).splitlines(True))
        else:
            try:
                os.link(spare, path)
                self.written.add(line)
            except FileExistsError:
                pass
        spare.unlink()

    def append(self, path):
        line = self.line()
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            return
        os.write(fd, line)
        os.close(fd)
        self.written.add(line)

    def delete(self, path):
        grave = self.local.base / f"grave-{self.side}"
        try:
            os.rename(path, grave)
        except FileNotFoundError:
            return
        self.taken.update(full_bytes(grave).splitlines(True))


def lines_of(local):
    """All that can be found, in the trees and in the trash."""
    return {line for root in local.roots for _, full, info in walk(root, ())
            if stat.S_ISREG(info.st_mode) for line in full_bytes(full).splitlines(True)}


def test_i29_every_line_that_two_hammering_users_wrote_is_found(local):
    for name in NAMES:
        local.write("initiator", name)
    local.run()
    stop = threading.Event()
    users = [User(local, side, stop) for side in ("initiator", "target")]
    for user in users:
        user.start()
    try:
        for _ in range(RUNS):
            execute(local.args("--json", "--allow-deletes"), local.env(), (OK, FAILED, LOOK))
    finally:
        stop.set()
        for user in users:
            user.join()
    written = set().union(*(user.written for user in users))
    taken = set().union(*(user.taken for user in users))
    found = lines_of(local)
    assert not written - taken - found, "lines that nobody took away are lost"
    local.options = ["--allow-deletes"]
    for _ in range(3):
        execute(local.args("--json"), local.env(), (OK, FAILED, LOOK))

# SPDX-License-Identifier: BSD-2-Clause
"""A transport, and a shell script instead of an agent at its far end.

tests/tools/transporttool.c opens the transport and nothing else. The fixtures
are imported by the tests that want them: `from farend import far, server, tool`.
"""

import contextlib
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from sshd import Sshd

TOOLS = Path(os.environ.get("OSYNC_TOOLS", Path(__file__).parents[2] / "build/asan/tests/tools"))

# enum err_kind
UNREACHABLE, DENIED, CONFIG = 7, 9, 10
# Only there so that a hang is a failure.
HANG_S = 120


@pytest.fixture(scope="session")
def tool():
    return TOOLS / "transporttool"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("server")) as sshd:
        yield sshd


class Result:
    def __init__(self, out, err):
        self.out = out
        self.err = err.decode("utf-8", "replace")
        failure = re.search(r"^failure (\d+) (.*)$", self.err, re.M)
        assert failure, self.err
        self.kind, self.message = int(failure[1]), failure[2]
        assert "ERROR: AddressSanitizer" not in self.err, self.err

    @property
    def ended(self):
        """An orderly end: the far end closed, and nothing went wrong."""
        return self.kind == UNREACHABLE and self.message.endswith("has ended the connection")


class Far:
    """What is needed to reach a script on a server."""

    def __init__(self, tool, server, folder):
        self.tool, self.server, self.folder = tool, server, folder
        self.script = folder / "agent"
        self.becomes("exec cat")
        self.options = {"host": server.host, "port": server.port, "user": server.user,
                        "path": "/srv/tree", "key_file": server.key,
                        "known_hosts": server.known_hosts, "config_file": server.config,
                        "osync": self.script}

    def becomes(self, script):
        self.script.write_text(f"#!/bin/sh\n{script}\n")
        self.script.chmod(0o755)

    def args(self, changes):
        options = {**self.options, **changes}
        return [self.tool, *(f"{key}={value}" for key, value in options.items()
                             if value is not None)]

    def env(self, **more):
        env = {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}
        return {**env, "HOME": str(self.folder), **more}

    def run(self, data=b"", env=None, **changes):
        done = subprocess.run(self.args(changes), input=data, capture_output=True,
                              timeout=HANG_S, env=self.env(**(env or {})))
        return Result(done.stdout, done.stderr)

    def config(self, text):
        """An ssh_config of one's own."""
        path = self.folder / "config"
        path.write_text(text)
        return path

    @contextlib.contextmanager
    def started(self, **changes):
        process = subprocess.Popen(self.args(changes), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env())
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=HANG_S)


@pytest.fixture
def far(tool, server, tmp_path):
    return Far(tool, server, tmp_path)


def eventually(condition):
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def known_hosts(far, text):
    path = far.folder / "known"
    path.write_text(text)
    return path


def line(far, number=0, name=None, marker=""):
    """A line of known_hosts for one of the server's keys."""
    name = name or f"[{far.server.host}]:{far.server.port}"
    return f"{marker}{name} {far.server.public(far.server.host_keys[number])}\n"

# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the system tests, and the oracles that follow every test."""

import pytest
from harness import Pair
from sshd import Sshd


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A real sshd on loopback, one for each worker."""
    sshd = Sshd(tmp_path_factory.mktemp("sshd"))
    sshd.start()
    yield sshd
    sshd.stop()


@pytest.fixture(params=["local", "ssh"])
def pair(request, tmp_path):
    """Two empty folders, once with a local target and once with one on a server."""
    server = request.getfixturevalue("server") if request.param == "ssh" else None
    return Pair(tmp_path, server)


@pytest.fixture
def local(tmp_path):
    """Two empty folders on this machine: where the transport is not the subject."""
    return Pair(tmp_path)


@pytest.fixture
def remote(tmp_path, server):
    """Two empty folders, the target behind a server."""
    return Pair(tmp_path, server)


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item):
    """Comes after the test itself, and only if that passed: the oracles."""
    for value in item.funcargs.values():
        if isinstance(value, Pair):
            value.verify()

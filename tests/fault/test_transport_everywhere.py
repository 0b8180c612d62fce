# SPDX-License-Identifier: BSD-2-Clause
"""The process that speaks ssh is killed, its calls fail, and its line is torn, over a real sshd.

Only the run with the fault goes over ssh: what comes before and after it takes the short way.
"""

import errno
import random

import pytest
from play import ALL, each, playing, steps, undisturbed
from scenarios import SCENARIOS
from sshd import Sshd
from torn import Torn

ROLE = "transport"
NAMES = ("first run", "update")
ERRNOS = (errno.EINTR, errno.EAGAIN, errno.EIO, errno.ECONNRESET, errno.EMFILE)
# How many of the calls, and how many places of each direction, are tried in the quick tier.
CALLS, PLACES = 8, 4
# All tiers: places of each direction. How the server's bytes fall into reads is never twice the same.
ALL_PLACES = 150


class Way:
    """The server, or a line to it that has another port."""

    def __init__(self, server, port):
        self.server, self.port = server, port
        self.known = server.folder / f"known-{port}"
        self.known.write_text("".join(f"[{server.host}]:{port} {server.public(key)}\n"
                                      for key in server.host_keys))

    def url(self, path):
        return f"ssh://{self.server.user}@{self.server.host}:{self.port}/{path}"

    def login(self, osync):
        return ("--set", f"SSH_CONFIG_FILE={self.server.config}", "--ssh-key",
                str(self.server.key), "--known-hosts", str(self.known), "--remote-osync", osync)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sshd(tmp_path_factory.mktemp("sshd")) as sshd:
        yield sshd


def some(name, things, count):
    """All of them in the long tier, else a sample that is always the same."""
    things = list(things)
    return things if ALL else random.Random(name).sample(things, min(count, len(things)))


@pytest.fixture(params=NAMES)
def played(request, server):
    """(scenario, the way to the server, the calls of the transport's link)"""
    scenario, way = SCENARIOS[request.param], Way(server, server.port)
    calls = steps(scenario, ROLE, "link", server=way)
    assert len(calls) > 20 and {"read", "send"} <= set(calls), calls
    return scenario, way, calls


def test_i38_the_transport_is_killed_at_every_call(played):
    scenario, way, calls = played
    numbers = some(scenario.name, range(1, len(calls) + 1), CALLS)
    outcomes = each(scenario, [{"fault": f"kill:{number}:{ROLE}:link", "server": way}
                               for number in numbers])
    # Whoever has heard the last answer does not miss it.
    assert sum(outcome.code == 69 for outcome in outcomes) > len(outcomes) // 2, outcomes


def test_i38_every_call_of_the_transport_fails(played):
    scenario, way, calls = played
    faults = [f"fail:{number}:{error}:{ROLE}:link"
              for number in range(1, len(calls) + 1) for error in ERRNOS]
    faults += [f"{deed}:{number}:{ROLE}" + (":link" if deed == "short" else "")
               for number in range(1, len(calls) + 1) for deed in ("short", "cut")]
    each(scenario, [{"fault": fault, "server": way}
                    for fault in some(scenario.name, faults, 2 * CALLS)])


def torn_places(scenario, server):
    """(direction, byte) where the line is to be torn."""
    with playing(scenario) as play, Torn(server.port) as line:
        play.prepare()
        assert play.run(server=Way(server, line.port)).code in (0, 2)
        passed = dict(line.passed)
    rng = random.Random(scenario.name)
    for way, size in passed.items():
        assert size > 1000
        # The last of them are farewells, whose number varies.
        for place in rng.sample(range(1, size - 200), ALL_PLACES if ALL else PLACES):
            yield way, place


@pytest.mark.parametrize("name", NAMES)
def test_i38_the_line_to_the_server_is_torn(name, server):
    scenario = SCENARIOS[name]
    shape, codes = undisturbed(scenario), []
    for place in torn_places(scenario, server):
        with Torn(server.port, *place) as line:
            codes += [outcome.code for outcome in
                      each(scenario, [{"server": Way(server, line.port)}], shape)]
    assert codes.count(69) > len(codes) // 2, codes

# SPDX-License-Identifier: BSD-2-Clause
"""What is installed has no fault points."""

import os
import subprocess
from pathlib import Path

from play import OSYNC, Play
from scenarios import SCENARIOS

RELEASE = os.environ.get("OSYNC_RELEASE", str(Path(__file__).parents[2] / "build/release/osync"))
NAMES = (b"OSYNC_FAULT", b"OSYNC_POINT")


def test_a_release_does_not_know_the_variables():
    assert not [name for name in NAMES if name in Path(RELEASE).read_bytes()]
    # The same question to a program that has them.
    assert all(name in Path(OSYNC).read_bytes() for name in NAMES)


def test_a_release_has_no_symbol_of_them():
    def symbols(program):
        said = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
        return {line.split()[-1] for line in said.splitlines() if " fault_" in line}

    assert not symbols(RELEASE)
    assert "fault_here" in symbols(OSYNC)


def test_a_release_runs_through_a_fault(tmp_path, monkeypatch):
    """The first change of the initiator would be its last."""
    play = Play(tmp_path, SCENARIOS["first run"])
    play.prepare()
    assert play.run(fault="kill:1:initiator").code == -9
    monkeypatch.setattr("play.OSYNC", RELEASE)
    assert play.run(fault="kill:1:initiator").code in (0, 2)
    assert play.converged()

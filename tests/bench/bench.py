#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Measure osync beside the tools people use now: `make bench`.

    bench.py [--rounds N] [--scale F] [--folder DIR] [--out DIR] [ROW...]

Every row (rows.py) is measured in rounds; each runs every tool once, in turn. Before them is
one that is not timed and goes over a line that counts bytes and round trips. The median and
the spread of the ratios are printed as a table, and written to DIR with all samples (results.json,
table.md, short.md, plot.svg). F makes trees smaller (0.01 tries the suite itself). Trees lie in memory
where there is room for them, so that no disk adds its noise.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import meter
import report
from rows import MIB, ROWS
from scene import OSYNC, Scene

# Two trees of a million files, and what else is there.
ROOM = 16 << 30


class Bench:
    def __init__(self, scene, rounds, scale):
        self.scene, self.rounds, self.scale = scene, rounds, scale

    def files(self, count):
        return max(100, int(count * self.scale))

    def size(self, mib):
        return max(1, int(mib * self.scale)) * MIB

    def counted(self, make_command, connections=1):
        return self.scene.counted(make_command, connections)

    def in_turn(self, tools, before=lambda: None, before_round=lambda: None, after=lambda: None,
                sides=(None, None), connections=None, counted=True, writes=0):
        """Samples of every tool, a list each, of all timed rounds.

        tools         name: what makes its command, anew for each run
        before        is called before each run, `before_round` once for all tools
        after         is called after each run, to check its work; `sides`: only a tool's
        connections   of a tool's command to the server, where not one
        counted       whether an untimed round over a counting line comes first
        writes        bytes of a large file that each run writes

        What that round has counted is in every Sample.
        """
        samples = {name: [] for name in tools}
        counts = {}
        for number in range(-1 if counted else 0, self.rounds):
            before_round()
            for name, make_command in tools.items():
                before()
                if writes:
                    meter.find_memory(3 * writes)
                if number < 0:
                    counts[name] = self.counted(make_command, (connections or {}).get(name, 1))
                else:
                    samples[name].append(self.scene.run(make_command()))
                after()
                if sides[0] == name:
                    sides[1]()
        for name, counted_sample in counts.items():
            for sample in samples[name]:
                sample.sent, sample.received = counted_sample.sent, counted_sample.received
                sample.trips = counted_sample.trips
        return samples


def room(folder):
    """A folder in memory if there is enough of it."""
    if folder:
        return folder
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM and os.access(memory, os.W_OK):
        return memory
    return None


def main():
    parser = argparse.ArgumentParser(description="measure osync beside other tools")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    args = parser.parse_args()
    if unknown := set(args.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if not OSYNC.is_file():
        parser.error(f"{OSYNC} is not there: run make first")
    results = []
    for name in args.rows or ROWS:
        with tempfile.TemporaryDirectory(prefix="osync-bench-", dir=room(args.folder)) as folder, \
                Scene(folder) as scene:
            bench = Bench(scene, args.rounds, args.scale)
            if results and name == "million":
                bench.quiet_s_per_file = quiet_s_per_file(results)
            begin = time.monotonic()
            for result in ROWS[name](bench):
                results.append(result)
                print(report.line(result), flush=True)
            print(f"    ({name}: {time.monotonic() - begin:.0f} s)", file=sys.stderr)
    report.write(results, args.out)


def quiet_s_per_file(results):
    """Of the smaller tree without a change, where that row was measured."""
    for result in results:
        if result.workload.startswith("no change, ") and result.what == "wall / rsync":
            files = int(result.workload.split()[2].replace(",", ""))
            walls = sorted(sample.wall_s for sample in result.samples["osync"])
            return walls[len(walls) // 2] / files
    return 0


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: one function a workload, which yields Results.

A function gets a Bench (bench.py) and measures osync and its peers in turn, round after round,
so that a noisy machine is noisy for all. `must` and `aim` are what the figure may be at most.
"""

import os
import shutil
from dataclasses import dataclass, field

import trees
from proxy import Line
from scene import WORKDIR

MIB = 1 << 20


@dataclass
class Result:
    workload: str
    what: str            # of what the figure is: "wall / rsync -a", "peak MiB", ...
    values: list         # one a round
    must: float
    aim: float
    samples: dict = field(default_factory=dict)  # tool: its Samples


def ratio(workload, samples, peer, must, aim, of="wall_s", name=None):
    """osync's figure over the peer's, round by round."""
    values = [getattr(mine, of) / max(getattr(theirs, of), 1e-9)
              for mine, theirs in zip(samples["osync"], samples[peer])]
    return Result(workload, name or f"{of.removesuffix('_s')} / {peer}", values, must, aim, samples)


def peaks(workload, samples, must, aim):
    """The larger of the two ends."""
    values = [max(sample.peak_mib, sample.far_peak_mib) for sample in samples["osync"]]
    return Result(workload, "peak MiB of either side", values, must, aim, samples)


def synced_pair(bench, name, files):
    """Two equal folders that every tool has already synced with each other."""
    scene = bench.scene
    here, there = scene.fresh(f"{name}-here"), scene.fresh(f"{name}-there")
    trees.small_files(here, files)
    scene.run(scene.rsync(here, there))
    scene.run(scene.osync(here, there))
    return here, there


# -- nothing to do

def no_change(bench):
    scene, files = bench.scene, bench.files(100_000)
    here, there = synced_pair(bench, "quiet", files)
    scene.run(scene.unison(here, there))
    # Files of this very second are looked at again by the next run.
    scene.run(scene.osync(here, there))
    samples = bench.in_turn({
        "rsync": lambda: scene.rsync(here, there),
        "unison": lambda: scene.unison(here, there),
        "osync": lambda: scene.osync(here, there)})
    workload = f"no change, {files:,} files"
    yield ratio(workload, samples, "rsync", 0.6, 0.4)
    yield ratio(workload, samples, "unison", 0.6, 0.4)
    bench.quiet_s_per_file = min(sample.wall_s for sample in samples["osync"]) / files
    yield latency(bench, here, there, files)


def latency(bench, here, there, files):
    """Round trips of 200 ms that a run without change takes once it has logged in."""
    scene, trip_s = bench.scene, 0.2
    values, samples = [], []
    for _ in range(bench.rounds):
        with scene.over(Line(scene.server.port, trip_s)):
            far = scene.run(scene.osync(here, there))
            # A server without osync: all that comes before a run, and the answer to that.
            login = scene.run(scene.osync(here, there, "--remote-osync", "/bin/false"), ends=(69,))
        near = scene.run(scene.osync(here, there))
        samples.append(far)
        values.append((far.wall_s - login.wall_s - near.wall_s) / trip_s)
    return Result(f"no change, {files:,} files, 200 ms round trip",
                  "round trips after the login", values, 3, 2, {"osync": samples})


def no_change_million(bench):
    scene, files = bench.scene, bench.files(1_000_000)
    here, there = scene.fresh("million-here"), scene.fresh("million-there")
    trees.small_files(here, files, mean_size=200)
    first = [bench.counted(lambda: scene.osync(here, there))]
    yield peaks(f"first sync, {files:,} files", {"osync": first}, 256, 128)
    samples = bench.in_turn({
        "rsync": lambda: scene.rsync(here, there),
        "osync": lambda: scene.osync(here, there)})
    workload = f"no change, {files:,} files"
    yield ratio(workload, samples, "rsync", 0.5, 0.3)
    yield peaks(workload, samples, 64, 32)
    if per_file := getattr(bench, "quiet_s_per_file", 0):
        yield Result(f"growth to {files:,} files", "wall per file / that of a tenth",
                     [sample.wall_s / files / per_file for sample in samples["osync"]],
                     1.15, 1.0, samples)


# -- everything to do

def first_sync(bench):
    scene, files = bench.scene, bench.files(100_000)
    here, there = scene.fresh("first-here"), scene.folder / "first-there"
    trees.small_files(here, files)

    def empty():
        shutil.rmtree(here / WORKDIR, ignore_errors=True)
        scene.fresh("first-there")
        scene.forget()

    samples = bench.in_turn({
        "rsync": lambda: scene.rsync(here, there),
        "tar": lambda: scene.tar(here, there),
        "osync": lambda: scene.osync(here, there)}, before=empty,
        after=lambda: scene.same(here, there))
    workload = f"first sync, {files:,} files"
    yield ratio(workload, samples, "rsync", 0.6, 0.4)
    yield ratio(workload, samples, "tar", 1.1, 0.8)


def first_sync_local(bench):
    scene, files = bench.scene, bench.files(100_000)
    here, there = scene.fresh("local-here"), scene.folder / "local-there"
    trees.small_files(here, files)

    def empty():
        shutil.rmtree(here / WORKDIR, ignore_errors=True)
        scene.fresh("local-there")
        scene.forget()

    samples = bench.in_turn({
        "cp -a": lambda: ["cp", "-a", f"{here}/.", f"{there}/"],
        "osync": lambda: scene.osync_local(here, there)}, before=empty, counted=False,
        after=lambda: scene.same(here, there))
    yield ratio(f"first sync to another disk, {files:,} files", samples, "cp -a", 1.3, 1.0)


def equal_without_list(bench):
    scene, files = bench.scene, bench.files(100_000)
    here, there = synced_pair(bench, "equal", files)

    def forget():
        for folder in (here, there):
            shutil.rmtree(folder / WORKDIR, ignore_errors=True)
        scene.forget()

    samples = bench.in_turn({
        "unison": lambda: scene.unison(here, there),
        "osync": lambda: scene.osync(here, there)}, before=forget)
    yield ratio(f"both sides already equal, {files:,} files, no saved list", samples, "unison",
                0.2, 0.1)


# -- big files

def one_big_file(bench):
    scene, size = bench.scene, bench.size(1024)
    for back in (False, True):
        here, there = scene.fresh("big-here"), scene.fresh("big-there")
        source, target = (there, here) if back else (here, there)
        trees.big_file(source / "big", size)

        def empty(source=source, target=target):
            shutil.rmtree(target)
            target.mkdir()
            shutil.rmtree(source / WORKDIR, ignore_errors=True)
            scene.forget()

        samples = bench.in_turn({
            "ssh cat": lambda: scene.cat(source / "big", target / "big", back=back),
            "osync": lambda: scene.osync(here, there)}, before=empty,
            after=lambda: scene.same(source, target), writes=size)
        way = "from" if back else "to"
        yield ratio(f"one file of {size // MIB:,} MiB, {way} the server", samples, "ssh cat",
                    1.15, 1.0)


def changed_big_file(bench):
    size = bench.size(512)

    def scatter(path, seed):
        trees.scatter_edits(path, 100, 10_000, seed)

    def insert(path, seed):
        trees.insert_bytes(path, 1000 * seed + 7, b"twelve bytes")

    for change, words in ((scatter, "100 edits of 10 KB"), (insert, "12 bytes inserted")):
        samples = changed_file_samples(bench, size, change)
        workload = f"file of {size // MIB} MiB, {words}"
        yield ratio(workload, samples, "rsync", 0.6, 0.35)
        yield ratio(workload, samples, "rsync", 1.0, 0.5, of="line_bytes", name="bytes / rsync")


def changed_file_samples(bench, size, change):
    """Each tool with a pair of its own: what one has sent, the other would find done."""
    scene, pairs = bench.scene, {}
    for tool in ("rsync", "osync"):
        here, there = scene.fresh(f"{tool}-here"), scene.fresh(f"{tool}-there")
        trees.big_file(here / "big", size)
        scene.run(scene.rsync(here, there))
        pairs[tool] = here, there
    scene.run(scene.osync(*pairs["osync"]))
    seeds = iter(range(1, 1000))

    def edit():
        seed = next(seeds)
        for here, _ in pairs.values():
            change(here / "big", seed)

    return bench.in_turn({
        "rsync": lambda: scene.rsync(*pairs["rsync"], "--no-whole-file"),
        "osync": lambda: scene.osync(*pairs["osync"])}, before_round=edit,
        writes=size, sides=("osync", lambda: scene.same(*pairs["osync"])))


# -- moves and edits

def renamed_folder(bench):
    scene, files = bench.scene, bench.files(10_000)
    pairs = {tool: synced_pair_below(bench, tool, files) for tool in ("rsync", "osync")}
    names = iter(f"name{number}" for number in range(1000))
    current = ["name"]

    def rename():
        new = next(names)
        for here, _ in pairs.values():
            os.rename(here / current[0], here / new)
        current[0] = new

    samples = bench.in_turn({
        "rsync": lambda: scene.rsync(*pairs["rsync"], "--delete"),
        "osync": lambda: scene.osync(*pairs["osync"])}, before_round=rename,
        sides=("osync", lambda: scene.same(*pairs["osync"])))
    workload = f"folder of {files:,} files renamed"
    yield ratio(workload, samples, "rsync", 0.1, 0.05)
    yield Result(workload, "bytes a file",
                 [sample.line_bytes / files for sample in samples["osync"] if sample.trips],
                 300, 100, samples)


def synced_pair_below(bench, tool, files):
    scene = bench.scene
    here, there = scene.fresh(f"{tool}-here"), scene.fresh(f"{tool}-there")
    trees.small_files(here / "name", files)
    scene.run(scene.rsync(here, there))
    if tool == "osync":
        scene.run(scene.osync(here, there))
    return here, there


def edits_on_both(bench):
    scene, files = bench.scene, bench.files(100_000)
    edits = max(1, files // 100)
    pairs = {tool: synced_pair(bench, f"{tool}-edits", files) for tool in ("rsync", "osync")}
    seeds = iter(range(1, 1000))

    def edit():
        seed = next(seeds)
        for here, there in pairs.values():
            trees.edit_files(here, files, edits, seed)
            trees.edit_files(there, files, edits, seed, first=files // edits // 2)

    def two_passes():
        push, pull = (scene.rsync(*pairs["rsync"], "-u", back=back) for back in (False, True))
        return scene.shell('"${@:1:' + str(len(push)) + '}" && "${@:' + str(len(push) + 1) + '}"') \
            + ["bash", *map(str, push), *map(str, pull)]

    samples = bench.in_turn({
        "two rsyncs": two_passes,
        "osync": lambda: scene.osync(*pairs["osync"])}, before_round=edit,
        connections={"two rsyncs": 2}, sides=("osync", lambda: scene.same(*pairs["osync"])))
    yield ratio(f"{edits:,} files changed on each side of {files:,}", samples, "two rsyncs",
                0.6, 0.4)


ROWS = {
    "quiet": no_change,
    "million": no_change_million,
    "first": first_sync,
    "local": first_sync_local,
    "equal": equal_without_list,
    "big": one_big_file,
    "delta": changed_big_file,
    "rename": renamed_folder,
    "edits": edits_on_both,
}

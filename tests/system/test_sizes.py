# SPDX-License-Identifier: BSD-2-Clause
"""Very much, very long, very deep, and never finished."""

import contextlib
import os
import subprocess
import threading
import time

import pytest
from harness import FAILED, OK, OSYNC, SIDES, execute, finish, start

GIB = 1 << 30
RELEASE = os.environ.get("OSYNC_RELEASE", OSYNC)


def run(pair, expect=OK):
    """As released, and without the oracles, which would read every byte several times."""
    pair.at_rest = False
    return execute([RELEASE, *pair.args("--json")[1:]], pair.env(), expect)


def sparse(path, size):
    with open(path, "wb") as file:
        file.seek(size // 2)
        file.write(os.urandom(4096))
        file.truncate(size)


def test_i57_a_gigabyte_with_one_block_of_data_costs_one_block(pair):
    sparse(pair.path("initiator", "sparse"), GIB)
    result = run(pair)
    assert result.summary["sent_bytes"] <= 64 << 10
    assert pair.lstat("target", "sparse").st_blocks * 512 <= 64 << 10
    assert pair.lstat("target", "sparse").st_size == GIB
    assert run(pair).changes == []


def test_i65_a_file_beyond_four_gigabytes_is_whole(local):
    path = local.path("initiator", "large")
    sparse(path, 4 * GIB + 12345)
    with open(path, "r+b") as file:
        file.seek(4 * GIB + 12000)
        file.write(b"beyond")
    run(local)
    with open(local.path("target", "large"), "rb") as file:
        file.seek(4 * GIB + 12000)
        assert file.read(6) == b"beyond"
    assert local.lstat("target", "large").st_size == 4 * GIB + 12345
    assert run(local).changes == []


def peak_bytes(pair):
    """Of the memory that a run takes on the side that decides."""
    pair.at_rest = False
    process = start([RELEASE, *pair.args("--quiet")[1:]], pair.env())
    peak = 0
    while process.poll() is None:
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
        time.sleep(0.005)
    finish(process)
    return peak


@pytest.mark.skipif("OSYNC_RELEASE" not in os.environ, reason="a sanitizer's memory says nothing")
def test_i68_a_new_file_takes_little_memory(local):
    count = 30_000
    local.write("initiator", "first/file")
    before = peak_bytes(local)
    for number in range(count):
        path = local.path("initiator", f"many/{number // 100:03}/a name of thirty bytes {number:07}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert (peak_bytes(local) - before) / count < 300
    assert sum(len(files) for _, _, files in os.walk(local.path("target", "many"))) == count


def test_i65_a_folder_of_fifty_thousand_files_is_synced(local):
    count = 50_000
    folder = local.path("initiator", "many")
    folder.mkdir()
    for number in range(count):
        os.close(os.open(folder / f"{number:05}", os.O_WRONLY | os.O_CREAT, 0o644))
    assert run(local).summary["to_target"]["create"] == count + 1
    assert sorted(os.listdir(local.path("target", "many"))) == [
        f"{number:05}" for number in range(count)]
    (folder / "00000").unlink()
    local.write("target", "many/one more")
    result = run(local)
    assert (result.ops("create"), result.ops("delete")) == (["many/one more"], ["many/00000"])


def test_i65_deep_folders_with_nothing_in_them_are_synced_and_go_again(local):
    deep = "/".join(["d"] * 300)
    local.folder("initiator", deep)
    local.run()
    assert local.path("target", deep).is_dir()
    local.remove("target", "d")
    local.run("--allow-deletes")
    assert local.gone("d")


def test_i65_a_new_folder_of_one_file_and_thousands_of_links_is_synced(local):
    """More than may be sent and not answered, and all of it waits for the file."""
    local.write("initiator", "new/0")
    for number in range(4200):
        os.symlink("0", local.path("initiator", f"new/link {number}"))
    assert run(local).summary["failed"] == 0
    assert len(local.names("target")) == 4202


def test_i65_a_log_that_never_rests_is_synced_as_it_was_at_some_moment(local):
    log, stop = local.path("initiator", "log"), threading.Event()
    log.write_bytes(b"line 0\n")
    run(local)

    def append():
        with open(log, "ab", buffering=0) as file:
            number = 0
            while not stop.is_set():
                number += 1
                file.write(f"line {number}\n".encode())

    writer = threading.Thread(target=append)
    writer.start()
    for _ in range(10):
        run(local, expect=(OK, FAILED))
        whole, there = log.read_bytes(), local.read("target", "log")
        assert whole.startswith(there), "the copy is not what the log was at any moment"
    stop.set()
    writer.join()
    run(local)
    assert local.both("log") == log.read_bytes()


def test_i54_a_path_of_thirty_thousand_bytes_is_synced_or_said(local):
    """300 folders of 100 bytes each: beyond what one call may be given, on either side."""
    local.at_rest = False
    fd = os.open(local.initiator, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(300):
        name = f"{level:03}" + "n" * 97
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open("leaf", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, b"deep")
    os.close(file)
    os.close(fd)
    roots = local.roots
    try:
        args = local.args("--json")
        first = subprocess.run(args, env=local.env(), capture_output=True, check=False)
        assert first.returncode == 0, first.stdout[-500:] + first.stderr
        shown = subprocess.run(["find", ".", "-name", "leaf", "-printf", "%s %d"], cwd=roots[1],
                               capture_output=True, check=True).stdout
        assert shown == b"4 301"
        again = subprocess.run(args, env=local.env(), capture_output=True, check=False)
        assert again.returncode == 0 and b'"change"' not in again.stdout
    finally:
        subprocess.run(["rm", "-rf", *map(str, roots)], check=True)
        for side in SIDES:
            local.root(side).mkdir()

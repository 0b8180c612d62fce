# SPDX-License-Identifier: BSD-2-Clause
"""Trees to be measured with: the same for the same numbers, on every machine.

Every function takes the folder to fill or to change and a seed. Sizes are those of a folder
of sources and documents, mostly a few kilobytes; contents do not compress, so that nobody
gains from compressing what a real tree would not let him.
"""

import os
import random

FILES_PER_FOLDER = 50
MEAN_SIZE = 2000
BLOCK = 1 << 20


def file_path(number):
    """Of the file with this number, below the root: folders of 50, in folders of 50."""
    folder = number // FILES_PER_FOLDER
    return f"part{folder // FILES_PER_FOLDER:04d}/folder{folder:05d}/file{number:07d}.dat"


def small_files(root, files, seed=1, mean_size=MEAN_SIZE):
    """So many small files. The contents are slices of one random block: made fast."""
    chance = random.Random(seed)
    block = chance.randbytes(BLOCK)
    last = None
    for number in range(files):
        path = os.path.join(root, file_path(number))
        folder = os.path.dirname(path)
        if folder != last:
            os.makedirs(folder, exist_ok=True)
            last = folder
        size = min(int(chance.expovariate(1 / mean_size)), BLOCK // 2)
        begin = chance.randrange(BLOCK // 2)
        with open(path, "wb", buffering=0) as file:
            file.write(b"%08d" % number + block[begin:begin + size])


def edit_files(root, files, edits, seed, first=0):
    """New contents for every so-maniest file, from the first on."""
    for number in range(first, files, max(1, files // edits)):
        with open(os.path.join(root, file_path(number)), "wb", buffering=0) as file:
            file.write(b"edit %d of %d\n" % (seed, number))


def big_file(path, size, seed=1):
    chance = random.Random(seed)
    with open(path, "wb", buffering=0) as file:
        for begin in range(0, size, BLOCK):
            file.write(chance.randbytes(min(BLOCK, size - begin)))


def scatter_edits(path, edits, edit_size, seed):
    """Overwrite so many places of a file, spread evenly, without moving anything."""
    chance = random.Random(seed)
    apart = os.path.getsize(path) // edits
    with open(path, "r+b", buffering=0) as file:
        for number in range(edits):
            file.seek(number * apart + chance.randrange(max(1, apart - edit_size)))
            file.write(chance.randbytes(edit_size))


def insert_bytes(path, at, data):
    """Move everything from `at` on, by writing the file anew."""
    with open(path, "rb") as old, open(f"{path}.new", "wb") as new:
        new.write(old.read(at))
        new.write(data)
        while part := old.read(16 * BLOCK):
            new.write(part)
    os.replace(f"{path}.new", path)

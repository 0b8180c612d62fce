# SPDX-License-Identifier: BSD-2-Clause
"""At each named point of a run (sys_point() in src/base/sys.h) somebody does something to the
very path that osync is at work on: whatever he wrote, and whatever he did not destroy himself,
is in a tree or in a trash afterwards, and the next runs come to rest.

What is done in `make check` alternates between the sides; OSYNC_LONG=1 asks for both.
"""

import os
from pathlib import Path

import pytest
from harness import FAILED, LOOK, OK, OTHER, SIDES, eventually, execute, token, versions

POINTS = ("after-scan", "before-look", "before-place", "between-exchange-and-look",
          "before-put-back", "before-journal")
JOBS = ("create", "update", "delete", "move", "retype", "chmod")
# What a user does, in sh: $P is the path, $S a spare name beside it, $N bytes of his own.
ACTS = {
    "replaces": 'printf %s "$N" > "$S"; mv -fT "$S" "$P" 2>/dev/null || mv "$S" "$P.user"',
    "appends": 'F="$P"; [ -d "$P" ] && F="$P/user"; printf %s "$N" >> "$F"',
    "deletes": 'rm -rf "$P"',
    "creates": '(set -C; printf %s "$N" > "$P") 2>/dev/null || printf %s "$N" > "$P.user"',
    "renames": 'mv -nT "$P" "$P.moved" 2>/dev/null || :',
    "swaps in a folder": 'mv -T "$P" "$S" 2>/dev/null; mkdir -p "$P"; printf %s "$N" > "$P/user"',
}

# A creation, and a mode that is set in place, have nothing to put back.
NOT_PASSED = {("before-put-back", "create"), ("before-put-back", "chmod")}
# Something is put back only where somebody came before.
FIRST = '[ -e "$S" ] || { mv -T "$P" "$S" && printf first > "$P"; } 2>/dev/null || :'


def prepare(pair, job, worker):
    """`worker` changes x; it is to be done on the other side. The versions that must stay."""
    other = OTHER[worker]
    if job != "create":
        pair.write("initiator", "x", b"old " + token())
    pair.write("initiator", "stays")
    pair.run()
    if job == "delete":
        pair.remove(worker, "x")
    elif job == "move":
        pair.rename(worker, "x", "y")
    elif job == "retype":
        pair.remove(worker, "x")
        pair.write(worker, "x/inner", b"inner " + token())
    elif job == "chmod":
        pair.path(worker, "x").chmod(0o600)
    else:
        pair.write(worker, "x", b"new " + token())
    return pair.path(other, "x")


def command(pair, act, path, mine):
    """The act, once, with what it destroys kept aside for the test to know."""
    mark, spare = pair.base / "mark", pair.base / f"spare-{mine.decode().strip()}"
    return (f"[ -e '{mark}' ] && exit 0; cp -a '{path}' '{mark}' 2>/dev/null || : > '{mark}'; "
            f"P='{path}'; S='{spare}'; N='{mine.decode().strip()}'; {ACTS[act]}; exit 0")


def race(pair, point, job, act, side):
    path = prepare(pair, job, OTHER[side])
    before, mine = versions(*pair.roots), token()
    pair.options = ["--allow-deletes"]
    arranged = f"{point}={command(pair, act, path, mine)}"
    if point == "before-put-back":
        first = f"P='{path}'; S='{pair.base / 'spare-first'}'; {FIRST}"
        arranged += f"\nbefore-place={first}"
    arranged = {"OSYNC_POINT": arranged}
    run_anyhow(pair, arranged)
    mark = pair.base / "mark"
    assert os.path.lexists(mark), "the point was not passed"
    had = {("file", full.read_bytes()) for full in (mark, mark / "inner") if full.is_file()}
    check(pair, before, mine.strip(), act, had)
    for _ in range(3):
        run_anyhow(pair, {})
    check(pair, before, mine.strip(), act, had)


def run_anyhow(pair, more):
    """The versions are looked at here, not by Pair.run()."""
    execute(pair.args("--json"), pair.env(**more), (OK, FAILED, LOOK))


def check(pair, before, mine, act, had):
    kept = versions(*pair.roots)
    kept |= {("file", full.read_bytes()) for full in pair.base.glob("spare-*") if full.is_file()}
    whole = b"\n".join(content for _, content in kept)
    if act in ("replaces", "appends", "creates"):
        assert mine in whole, "what the user wrote is lost"
    destroyed = had if act in ("replaces", "deletes") else set()
    lost = {what for what in before - kept - destroyed if what[1] not in whole}
    assert not lost, f"lost: {lost}"


def table():
    number = 0
    for point in POINTS:
        for job in JOBS:
            for act in ACTS:
                number += 1
                if (point, job) in NOT_PASSED:
                    continue
                sides = SIDES if os.environ.get("OSYNC_LONG") else (SIDES[number % 2],)
                for side in sides:
                    yield pytest.param(point, job, act, side, id=f"{point}-{job}-{act}-{side}")


@pytest.mark.parametrize("point,job,act,side", table())
def test_i28_i29_i30_i31_what_a_user_does_at_a_named_point_survives(local, point, job, act, side):
    race(local, point, job, act, side)


@pytest.mark.parametrize("side", SIDES)
def test_i28_an_edit_in_the_moment_in_which_its_time_is_set_is_seen(local, side):
    """Of the same size, and the time that it had is overwritten by the one that is set."""
    local.write("initiator", "x", "as agreed")
    local.run()
    local.run()
    os.utime(local.path(side, "x"))
    path = local.path(OTHER[side], "x")
    run_anyhow(local, {"OSYNC_POINT": f"before-times=printf 'as edited' >{path}"})
    local.run()
    assert local.both("x") == b"as edited"


@pytest.mark.parametrize("side", SIDES)
def test_i29_what_is_written_to_a_version_that_was_in_place_for_a_moment_is_kept(local, side):
    """Opened between the exchange and the put-back, written to when the run has ended."""
    local.write("initiator", "log")
    local.run()
    local.write(side, "log")
    log, mark = local.path(OTHER[side], "log"), local.base / "mark"
    late = f"(echo >{mark}.open; until [ -e {mark}.go ]; do sleep 0.01; done; echo late >&3; " \
        f"echo >{mark}.done) 3>>{log} >/dev/null 2>&1 & " \
        f"until [ -e {mark}.open ]; do sleep 0.01; done"
    run_anyhow(local, {"OSYNC_POINT": f"before-place=echo edited >>{log}\n"
                                      f"between-exchange-and-look={late}"})
    Path(f"{mark}.go").touch()
    assert eventually(Path(f"{mark}.done").exists)
    kept = [content for _, _, content in local.trash(OTHER[side])]
    assert [content for content in kept if content.endswith(b"late\n")], kept
    local.run(expect=LOOK)

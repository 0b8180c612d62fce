# SPDX-License-Identifier: BSD-2-Clause
"""Peers that lie: each ends with a word about who it was, and nothing is lost or touched outside."""

import os
import re
import sys
from pathlib import Path

import pytest
from harness import FAILED, LOOK, OK, OSYNC, UNREACHABLE, execute, stamps

LIAR = Path(__file__).with_name("liar.py")
RELEASE = os.environ.get("OSYNC_RELEASE")
# What no terminal is to be told: C0 but the line end, DEL, C1.
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")
HURRY = {"OSYNC_HURRY": "40"}


class Lied:
    """A pair whose target is reached through the liar, once it has been told what to say."""

    def __init__(self, pair):
        self.pair = pair
        self.script = pair.base / "lie.py"
        self.outside = pair.base / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_text("secret")
        (pair.base / "secret").write_text("secret")
        pair.target_url = lambda: f"ssh://nobody@nowhere/{pair.target}"
        pair.options = ["--set", "TRANSPORT=command", "--remote-osync", OSYNC,
                        # The liar reads the frames.
                        "--set", "COMPRESSION=off",
                        "--set", f"TRANSPORT_COMMAND={sys.executable} {LIAR} {self.script}"]
        self.tells("")
        # The oracles follow an honest run.
        pair.verify = self.verify

    def verify(self):
        self.tells("")
        self.pair.run(expect=None)
        type(self.pair).verify(self.pair)

    def tells(self, script):
        self.script.write_text(script)

    def run(self, script, expect=FAILED, options=()):
        """A run with the lie; what is beside the roots stays as it is."""
        self.tells(script)
        before = (stamps(self.outside), (self.pair.base / "secret").read_text())
        result = self.pair.run(*options, expect=expect, env=HURRY)
        assert (stamps(self.outside), (self.pair.base / "secret").read_text()) == before
        assert not CONTROL.search(result.said.replace("\n", "")), repr(result.said)
        self.tells("")
        return result


@pytest.fixture
def lied(local):
    return Lied(local)


# Names ------------------------------------------------------------------------------

NO_PATHS = [b"../secret", b"../../outside/secret", b"a/../../secret", b"/etc/osync-test", b"", b"a//b",
            b"a/", b"./a", b"a/.", b"a/..", b"nul\0byte", b"x" * 300, b"/".join([b"y" * 200] * 400)]


@pytest.mark.parametrize("path", NO_PATHS, ids=range(len(NO_PATHS)))
def test_i35_a_listed_name_that_is_no_path_ends_the_run(lied, path):
    pair = lied.pair
    pair.write("target", "a", "content")
    result = lied.run(f"""
def from_target(kind, data):
    if kind == LIST:
        rest = first_path(data)[1]
        data = item({path!r}, rest[0], rest[1:])
    return [(kind, data)]
""")
    assert result.says("target", "malformed"), repr(result)
    assert pair.names("initiator") == []


@pytest.mark.parametrize("path", [b".osync_workdir/identity", b".osync_workdir/state/x", b".osync_workdir",
                                  b"d/.osync_workdir/x"])
def test_i35_a_listed_name_of_osyncs_own_is_not_written(lied, path):
    """It is a path; the agent that is to write there does not."""
    pair = lied.pair
    pair.write("target", "a", "content")
    pair.folder("initiator", "d/.osync_workdir")
    pair.folder("target", "d")
    lied.run(f"""
def from_target(kind, data):
    if kind == LIST:
        rest = first_path(data)[1]
        data += item({path!r}, rest[0], rest[1:]) if {path!r} > b"a" else b""
        data = data if {path!r} > b"a" else item({path!r}, rest[0], rest[1:]) + data
    return [(kind, data)]
""", expect=(FAILED, LOOK))
    identity = (pair.workdir("initiator") / "identity")
    assert not identity.exists() or len(identity.read_text()) == 37
    assert not (pair.workdir("initiator") / "state" / "x").exists()
    assert not (pair.initiator / "d/.osync_workdir/x").exists()
    pair.at_rest = False


@pytest.mark.parametrize("path", NO_PATHS[:-2], ids=range(len(NO_PATHS) - 2))
def test_i35_an_agent_refuses_a_name_that_is_no_path(lied, path):
    """The hostile initiator: its operation does not even begin."""
    pair = lied.pair
    pair.write("initiator", "a", "content")
    result = lied.run(f"""
def from_initiator(kind, data):
    if kind == OP:
        number, at = read_uint(data)
        size, end = read_uint(data, at + 1)
        data = data[:at + 1] + text({path!r}) + data[end + size:]
    return [(kind, data)]
""")
    assert result.says("target"), repr(result)
    assert pair.names("target") == []


# Links that appear while it runs ----------------------------------------------------


@pytest.mark.parametrize("side", ["initiator", "target"])
@pytest.mark.parametrize("point", ["after-scan", "before-journal"])
def test_i34_a_folder_swapped_for_a_link_during_the_run_is_not_followed(local, side, point):
    outside = local.base / "outside"
    outside.mkdir()
    (outside / "old").write_text("outside")
    other = "target" if side == "initiator" else "initiator"
    local.write("initiator", "d/old", "one")
    local.run()
    local.write(other, "d/new", "two")
    local.write(other, "d/old", "three")
    local.write(other, "e/f", "four")
    root = local.root(side)
    before = stamps(outside)
    local.run(expect=None, env={"OSYNC_POINT": f"{point}=test -L {root}/d || "
                                f"(mv {root}/d {root}/moved; ln -s {outside} {root}/d)"})
    assert stamps(outside) == before
    local.run(expect=None)
    assert stamps(outside) == before
    assert b"three" in local.contents(other)
    local.run(expect=None)


# Content that is not what was said --------------------------------------------------

CONTENT_LIES = {
    "changed": "DATA: [(kind, data[:-1] + bytes([data[-1] ^ 1]))]",
    "cut": "DATA: [(kind, data[:-1])]",
    "left out": "DATA: []",
    "said twice": "DATA: [(kind, data)] * 2",
    "longer": "DATA: [(kind, data + b'more')]",
    "a hole of terabytes": "DATA: [(HOLE, data[:1] + uint(1 << 42)), (kind, data)]",
    "holes": "DATA: [(HOLE, data[:1] + uint(1 << 30))] * 100 + [(kind, data)]",
    "of another file": "DATA: [(kind, uint(77) + data[1:])]",
    "digest": "READ_END: [(kind, data.replace(data[-20:-4], bytes(16)))]",
    "ended twice": "READ_END: [(kind, data)] * 2",
    "fetched": "READ_END: [(FETCHED, data)]",
    "fetched as well": "READ_END: [(FETCHED, data[:-1]), (kind, data)]",
    "done before": "READ_END: [(DONE, data[:3] + bytes(1)), (kind, data)]",
}


@pytest.mark.parametrize("lie", CONTENT_LIES)
def test_i19_content_that_is_not_what_was_sent_is_not_placed(lied, lie):
    pair = lied.pair
    old = pair.write_both("file", "the old content")
    pair.run()
    new = pair.write("target", "file", "the new content of the file")
    kind, frames = CONTENT_LIES[lie].split(":", 1)
    result = lied.run(f"""
def from_target(kind, data):
    return {frames} if kind == {kind} else [(kind, data)]
""")
    assert result.says("target") or result.problems, repr(result)
    # It was well when it ended first, and may be in its place before it does so again.
    placed = pair.read("initiator", "file")
    assert placed == old or (placed == new and lie == "ended twice")
    pair.run()
    assert pair.both("file") == new


def test_i19_content_changed_on_its_way_to_the_target_is_not_placed(lied):
    pair = lied.pair
    old = pair.write_both("file", "the old content")
    pair.run()
    new = pair.write("initiator", "file", "the new content")
    lied.run("""
def from_initiator(kind, data):
    return [(kind, data[:-1] + b"X" if kind == DATA else data)]
""")
    assert pair.read("target", "file") == old
    pair.run()
    assert pair.both("file") == new


def test_i34_no_path_is_asked_of_another_machine_that_says_it_can_fetch(lied):
    """It is no business of the target's where the initiator's files are, and it could say anything of them."""
    pair = lied.pair
    content = pair.write("initiator", "file")
    lied.run("""
def from_target(kind, data):
    return [(kind, data[:-1] + bytes([data[-1] | 16]) if kind == WELCOME else data)]

def from_initiator(kind, data):
    assert kind != FETCH
    return [(kind, data)]
""", expect=OK)
    assert pair.both("file") == content


def test_i19_a_listing_that_lies_about_the_type_destroys_nothing(lied):
    """A file is said to be a folder, and the other way round."""
    pair = lied.pair
    for name in ("a", "b/c"):
        pair.write("initiator", name, "one")
    pair.run()
    pair.write("target", "a", "two, and longer")
    result = lied.run("""
def from_target(kind, data):
    if kind == LIST:
        path, rest = first_path(data)
        at = data.index(rest)
        data = data[:at + 1] + bytes([{1: 2, 2: 1}.get(rest[1], rest[1])]) + data[at + 2:]
    return [(kind, data)]
""", expect=None)
    assert result.code in (OK, FAILED, LOOK), repr(result)
    pair.run(expect=None)
    assert {b"one", b"two, and longer"} <= pair.contents("initiator") | {
        content for _, _, content in pair.trash("initiator")}
    pair.run(expect=None)


def test_i5_a_listing_that_breaks_off_proves_nothing(lied):
    """Its end says that it could not be completed: what it did not mention may well be there."""
    pair = lied.pair
    for number in range(20):
        pair.write("initiator", f"file {number}", str(number))
    pair.run()
    pair.write("target", "new", "new")
    result = lied.run("""
def from_target(kind, data):
    if kind == LISTED:
        data = failure(1, b"the disk does not answer") + data[2:]
    return [(kind, data)] if kind != LIST else []
""")
    assert result.says("cannot list the target", "the disk does not answer"), repr(result)
    assert len(pair.names("initiator")) == 20
    pair.run()
    assert pair.both("new") == b"new"


def test_i5_what_nobody_knows_cannot_be_the_same(lied):
    """On a first run all is listed: a path of which only that is said is neither there nor gone."""
    lied.pair.write("initiator", "a", "content")
    result = lied.run("""
def from_target(kind, data):
    return [(LIST, item(b"a", SAME))] * (kind == LISTED) + [(kind, data)]
""")
    assert result.says("target"), repr(result)
    assert lied.pair.names("initiator") == ["a"] and not lied.pair.names("target")


def test_i5_a_path_that_is_said_to_be_the_same_and_never_was_is_looked_at(lied):
    """The target's memory is wrong, and says so in the middle of its listing: all is listed again."""
    pair = lied.pair
    for name in ("a", "d", "m"):
        pair.write("initiator", name, name)
    pair.run()
    pair.write("initiator", "c", "new")
    result = lied.run("""
def from_target(kind, data):
    if kind == LISTED and not state:
        state["told"] = True
        ended = data[:2] + bytes(8) + data[10:]
        return [(LIST, item(b"c", SAME) + item(b"d", SAME)), (kind, ended)]
    return [(kind, data)]
""", expect=OK, options=["--verbose"])
    assert result.says("listing both in full"), repr(result)
    assert pair.both("c") == b"new" and pair.names("target") == ["a", "c", "d", "m"]


# Memory and time --------------------------------------------------------------------

@pytest.mark.skipif(not RELEASE, reason="a sanitizer's memory cannot be limited")
@pytest.mark.parametrize("kind", ["ENTRY", "GONE"])
def test_i35_a_listing_without_end_ends(lied, kind):
    pair = lied.pair
    pair.write("target", "a", "content")
    lied.tells("""
real = None
def from_target(kind, data):
    global real
    if kind == LIST:
        real = first_path(data)[1][1:]
    return endless() if kind == LISTED else [(kind, data)]

def endless():
    path = b"/".join([b"z" * 200] * 19)
    number = 0
    while True:
        rest = bytes([%s]) + (real if %s == ENTRY else b"")
        data = item(path + b"%%012d" %% number, rest[0], rest[1:])
        for number in range(number + 1, number + 1000):
            data += uint(len(path)) + text(b"%%012d" %% number) + rest
        number += 1
        yield LIST, data
""" % (kind, kind))
    # The agent is the child of what is limited.
    limited = ["sh", "-c", 'ulimit -d 262144; exec "$@"', "sh", RELEASE,
               *pair.args("--json", "--remote-osync", RELEASE)[1:]]
    result = execute(limited, pair.env(), FAILED)
    assert result.says("target", "more than this machine has memory for"), repr(result)
    assert pair.names("initiator") == []
    lied.tells("")


@pytest.mark.parametrize("frames", ["[(LIST, b'')]", "[(NAME, bytes(1) + uint(7) + text(b'x')) "
                                    "for n in range(70000)]"])
def test_i35_a_listing_of_nothing_but_noise_ends(lied, frames):
    pair = lied.pair
    pair.write("target", "a", "content")
    result = lied.run(f"""
def from_target(kind, data):
    return {frames} + [(kind, data)] if kind == LISTED else [(kind, data)]
""")
    assert result.says("target"), repr(result)
    assert pair.names("initiator") == []


# Words ------------------------------------------------------------------------------

EVIL = b"\\x1b]0;owned\\x07\\x1b[31m\\r\\n\\x7f\\xc2\\x9b31m\\xff"
WORDS = {
    "error": f"""
def from_target(kind, data):
    return [(ERROR, failure(1, b"{EVIL.decode()}"))] if kind == WELCOME else [(kind, data)]
""",
    "lock": f"""
def from_target(kind, data):
    return [(LOCKED, failure(8, b"{EVIL.decode()}"))] if kind == LOCKED else [(kind, data)]
""",
    "done": f"""
def from_target(kind, data):
    if kind == DONE:
        data = data[:1] + failure(2, b"{EVIL.decode()}") + bytes([0])
    return [(kind, data)]
""",
    "noise": f"noise = b'{EVIL.decode()}'",
    "no agent": f"noise = b'{EVIL.decode()}' * 10000",
    "owner": f"""
def from_target(kind, data):
    return [(NAME, bytes(1) + uint(0) + text(b"{EVIL.decode()}"))] if kind == NAME else [(kind, data)]
""",
    "listed": f"""
def from_target(kind, data):
    return [(LISTED, failure(1, b"{EVIL.decode()}") + uint(0) + bytes(8))] if kind == LISTED else [(kind, data)]
""",
}


@pytest.mark.parametrize("where", WORDS)
def test_i69_words_of_a_peer_reach_no_terminal_as_they_are(lied, where):
    pair = lied.pair
    pair.write("initiator", "a", "content")
    lied.run(WORDS[where], expect=None, options=["-vv"])
    lied.tells(WORDS[where])
    human = pair.run_human("-vv", expect=None)
    assert not CONTROL.search((human.out + human.err).replace("\n", "")), repr(human)
    lied.tells("")
    pair.run()


# Versions, and what login shells say ------------------------------------------------


def test_i44_an_initiator_of_another_version_is_told_what_to_do(lied):
    lied.pair.write("initiator", "a")
    result = lied.run("""
def from_initiator(kind, data):
    return [(kind, uint(12) + uint(19) + b"whatever that is") if kind == HELLO else (kind, data)]
""", expect=UNREACHABLE)
    assert result.says("install the same osync on both machines", "12 to 19"), repr(result)
    assert lied.pair.names("target") == []


def test_i44_an_agent_of_another_version_is_not_worked_with(lied):
    lied.pair.write("initiator", "a")
    result = lied.run("""
def from_target(kind, data):
    return [(kind, uint(12) + data[1:] if kind == WELCOME else data)]
""")
    assert result.says("target"), repr(result)
    assert lied.pair.names("target") == []


@pytest.mark.parametrize("data", ["b''", "b'\\xff' * 40", "data[:-1]", "data + b'x'"])
def test_i44_a_corrupt_hello_is_refused(lied, data):
    lied.pair.write("initiator", "a")
    result = lied.run(f"""
def from_initiator(kind, data):
    return [(kind, {data} if kind == HELLO else data)]
""", expect=(FAILED, UNREACHABLE))
    assert result.says("target"), repr(result)
    assert lied.pair.names("target") == []


@pytest.mark.parametrize("noise", [b"Welcome to this server!\n", b"\xe4\xf6\xfc \xff\xfe\n", b"\0\0osync\n",
                                   b"\0osync\0" * 100, b"x" * 60000, b"\0osync\1"])
def test_i44_what_a_login_prints_is_skipped_and_said(lied, noise):
    pair = lied.pair
    content = pair.write("initiator", "a")
    result = lied.run(f"noise = {noise!r}", expect=OK)
    assert pair.both("a") == content
    assert result.says("target", "prints"), repr(result)


def test_i44_what_prints_without_end_is_no_agent(lied):
    lied.pair.write("initiator", "a")
    result = lied.run("noise = b'x' * 100000", expect=UNREACHABLE)
    assert result.says("target", "not an osync agent"), repr(result)
    assert lied.pair.names("target") == []


# Each message in each state ---------------------------------------------------------

BENT = """
import random
random.seed({seed})
HOW = {how!r}

def {direction}(kind, data):
    state["n"] = state.get("n", 0) + 1
    if state["n"] != {number}:
        return [(kind, data)]
    if HOW == "twice":
        return [(kind, data)] * 2
    if HOW == "cut":
        return [(kind, data[:len(data) // 2])] if data else [(kind, b"x")]
    if HOW == "other":
        # A frame that becomes one without meaning is one that is lost, for which time must pass.
        return [(random.choice([n for n in range(1, 40) if n not in (PING, PONG, CREDIT)]), data)]
    bent = bytearray(data or b"x")
    bent[random.randrange(len(bent))] ^= 1 << random.randrange(8)
    return [(kind, bytes(bent))]
"""


HOW = ["twice", "cut", "other", "bit"]
# All of them takes minutes: OSYNC_LONG=1.
BENDS = [(number, how) for number in range(1, 13) for how in HOW
         if os.environ.get("OSYNC_LONG") or how == HOW[number % 4]]


@pytest.mark.parametrize("number, how", BENDS)
@pytest.mark.parametrize("direction", ["from_target", "from_initiator"])
def test_i35_any_frame_of_a_session_may_be_bent(lied, direction, number, how):
    """Whatever becomes of it, it ends, nothing is lost (the harness looks), and honest runs make it good."""
    pair = lied.pair
    pair.write("initiator", "d/changed", "old")
    pair.write("initiator", "gone", "gone")
    pair.run()
    pair.write("initiator", "d/changed", "new here")
    pair.write("target", "there", "new there")
    pair.remove("target", "gone")
    lied.run(BENT.format(seed=number, how=how, direction=direction, number=number), expect=None)
    # An identity that was bent is a guard's business, an entry that was bent may be a conflict's.
    pair.run("--adopt", expect=None)
    assert {b"new here", b"new there"} <= pair.contents("initiator") & pair.contents("target")


def test_a_lie_is_told_by_who_is_named(lied):
    """The run's own agent would be called the initiator."""
    lied.pair.write("initiator", "a")
    result = lied.run("""
def from_target(kind, data):
    return [(kind, b"nonsense" if kind == READY else data)]
""")
    assert result.says("the target sent a malformed"), repr(result)


def test_the_liar_is_honest_when_it_is_not_told_to_lie(lied):
    """Otherwise none of the above would prove anything."""
    content = lied.pair.write("target", "a", os.urandom(300000))
    lied.pair.run()
    assert lied.pair.both("a") == content

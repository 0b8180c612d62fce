# SPDX-License-Identifier: BSD-2-Clause
"""The filter leaves out what rsync leaves out.

Rules, by hand and at random, are given to the rsync that is installed and to
model/filter (through tests/tools/filtertool.c); what each of them lists of the
same tree must be the same. OSYNC_FILTER_EXAMPLES=N looks at N random trees, and
at other ones each time.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["tests/tools/filtertool.c", "src/model/filter.c", "src/model/glob.c",
           *(f"src/base/{name}.c" for name in "arena buf cleanup codec digest err".split())]

EXAMPLES = int(os.environ.get("OSYNC_FILTER_EXAMPLES", "0"))
# Each random tree is listed with this many lists of rules.
LISTS_PER_TREE = 6

# rsync reads RSYNC_* and the locale; neither may depend on who runs the test.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


# The two to compare -----------------------------------------------------------
#
# Rules are a list of steps: ("arg", sign, pattern) is --include= (sign b"+") or
# --exclude= (b"-"), ("file", sign, bytes) the same with -from. A tree maps paths
# to True for a folder. Both give the set of paths that stay, None for an error.


def rsync_keeps(source, steps):
    option = {("arg", b"+"): b"--include=", ("arg", b"-"): b"--exclude=",
              ("file", b"+"): b"--include-from=", ("file", b"-"): b"--exclude-from="}
    with tempfile.TemporaryDirectory() as folder:
        arguments = []
        for number, (how, sign, value) in enumerate(steps):
            if how == "file":
                rules = Path(folder, f"rules{number}")
                rules.write_bytes(value)
                value = os.fsencode(rules)
            arguments.append(option[how, sign] + value)
        done = subprocess.run(["rsync", "-rln", "-8", "--out-format=%n", *arguments,
                               f"{source}/", f"{folder}/nowhere/"],
                              env=ENVIRONMENT, capture_output=True, timeout=60)
    if done.returncode == 1:
        return None
    assert done.returncode == 0, done.stderr
    names = {unescape(line) for line in done.stdout.splitlines()}
    return {name.rstrip(b"/") for name in names - {b"./"}}


def unescape(line):
    """Undo rsync's \\#ooo for a byte that it does not print."""
    return re.sub(rb"\\#([0-7]{3})", lambda match: bytes([int(match[1], 8)]), line)


class Tool:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, commands):
        """One answer for each command; both fit into a pipe as long as they are few."""
        answers = []
        for first in range(0, len(commands), 200):
            part = commands[first:first + 200]
            self.process.stdin.write(b"".join(command + b"\n" for command in part))
            self.process.stdin.flush()
            answers += [self.process.stdout.readline().rstrip(b"\n") for _ in part]
        return answers

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(timeout=60) == 0

    def keeps(self, tree, steps):
        verbs = {"arg": b"add", "file": b"text"}
        commands = [b" ".join((verbs[how], sign, hexed(value))) for how, sign, value in steps]
        answers = self.ask([b"new", *commands])
        if any(answer.startswith(b"error ") for answer in answers):
            return None
        assert set(answers) == {b"ok"}
        assert self.ask([b"wire"]) == [b"ok"]
        return self.walk(tree)

    def walk(self, tree):
        """Ask for everything, then take away what is below what is out."""
        paths = sorted(tree)
        answers = self.ask([(b"dir " if tree[path] else b"file ") + hexed(path) for path in paths])
        kept = set()
        for path, answer in zip(paths, answers):
            parent = path.rpartition(b"/")[0]
            if answer == b"in" and (not parent or parent in kept):
                kept.add(path)
        return kept


def hexed(data):
    return data.hex().encode()


def plant(folder, tree):
    for path in sorted(tree):
        place = os.path.join(os.fsencode(folder), path)
        if tree[path]:
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL))


def grow(paths):
    """A tree with these paths; one that ends with b"/" is a folder. The first one wins."""
    tree = {}
    for path in paths:
        parts = path.rstrip(b"/").split(b"/")
        above = [b"/".join(parts[:depth]) for depth in range(1, len(parts))]
        if any(tree.get(folder) is False for folder in above):
            continue
        tree.update(dict.fromkeys(above, True))
        tree.setdefault(b"/".join(parts), path.endswith(b"/"))
    return tree


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    program = tmp_path_factory.mktemp("filtertool") / "filtertool"
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Isrc", "-O1", "-g",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                    "-o", program, *SOURCES, "-lxxhash"], cwd=ROOT, check=True)
    tool = Tool(program)
    yield tool
    tool.close()


# By hand -----------------------------------------------------------------------

ZOO = grow(
    [b"n" + bytes([byte]) for byte in range(1, 256) if byte != 0x2f]
    + [bytes([byte]) for byte in b"ab!#;-+*?[]\\^_ "]
    + b"""foo foo.o foo.c -foo _foo !foo #foo ;foo foo- axxb x] x[ x- x! x^ xb qb q\\b a\\b a\\ a\\\\b
          a*b a**b a?b [a] a-b f[oo \\* \\** ** *** .foo ..foo ... .hidden Foo FOO
          d/foo d/foo.o d/a d/d d/x/y d/x/foo/z d/xb d/* d/foo\\bar d/.hidden
          e/d/a e/d/foo e/d/x/y e/d/e/d/a e/d/e/d/foo/bar dd/dd/dd ab/c a-c/bc/c ab/foo/ab/foo
          deep/er/and/deep/er/and/foo.o build/out.o src/build/out.o src/lib/build/x/out.o
          n/m/o n/n/n/n same/same/same empty/ d/empty/ foo.d/ foo.d/foo.d/""".split()
    + [b"- foo", b"+ foo", b"! foo", b"foo ", b" foo", b"d/ foo", b"merge foo", b". foo", b": foo",
       b"-s foo", b"- ", b"+ ", b"! ", b"  ", "é".encode(), "d/é".encode(), b"\xe9", b"foo\xff",
       b"foo\nbar", b"foo\rbar", b"\xef\xbb\xbffoo", b"hide foo", b"-, foo"])

# Patterns, each alone as --exclude=, and some as --include= before --exclude=*.
PATTERNS = [
    # Names, anchors and folders.
    b"foo", b"/foo", b"foo/", b"/foo/", b"d/foo", b"/d/foo", b"d/foo/", b"x/", b"d/x/", b"/e/d/",
    b"e/d", b"same/same", b"/same/same", b"n/n", b"n/n/n/n/n", b"Foo", b".", b"./", b"..", b"d/.",
    b"./foo", b"d/./foo", b"d/../foo", b".foo", b"empty", b"empty/", b"foo.d/foo.d/",
    # A second slash is never skipped: these match nothing, not even the root.
    b"/", b"//", b"///", b"d//", b"//d", b"d//foo", b"d//f*", b"*d//", b"//*", b"**//",
    # Spaces and the signs of the other syntaxes are parts of a name.
    b"foo ", b" foo", b"  ", b"- foo", b"+ foo", b"-foo", b"-s foo", b"-, foo", b"-_foo", b"_foo",
    b"-", b"+", b"!", b"! ", b"!foo", b"! foo", b". foo", b": foo", b"merge foo", b"hide foo",
    b"#foo", b";foo", b"#", b";", b"- #foo", b"- ;foo", b"- !", b"- - foo", b"+ + foo", b"-  foo",
    # An error for rsync, which other prefixes are not.
    b"- ", b"+ ",
    # Stars.
    b"*", b"/*", b"*/", b"/*/", b"*.o", b"*.o/", b"foo*", b"*foo", b"*o*", b"*/*", b"*/*/", b"/*/*",
    b"*/*/*", b"a*b", b"*b/c", b"*/c", b"b/c", b"d/*", b"/d/*", b"d*/a", b"e*/d/", b"f*o*", b"?",
    b"??", b"*?", b"?*", b"/?", b"?/?", b"*?*", b".*", b"*.", b".?*", b"n?", b"n??", b"n*",
    # "**" makes the whole path count, from any component on. At the front it may be
    # nothing together with the slash behind it, but not when anchored, and not inside:
    # d/**/foo does not match d/foo.
    b"**", b"/**", b"**/", b"/**/", b"**foo", b"**/foo", b"/**foo", b"/**/foo", b"**/d/foo",
    b"d/**", b"/d/**", b"d**", b"d**foo", b"d/**/foo", b"d/**foo", b"d**/foo", b"d/**/", b"**d",
    b"**d/", b"**/d/**", b"/**/d/**", b"**d/**", b"**/d", b"*/**", b"**/*", b"**/*/", b"**?",
    b"?**", b"**/**", b"**/**/**", b"**a**b**", b"**/?", b"**/??/**", b"**.o", b"deep/**/foo.o",
    b"and/**", b"er**er", b"er/**/foo.o", b"build/**", b"**/build/**", b"src/**/build/", b"a**b",
    # "***" at the end also matches the folder itself, with or without a slash before it;
    # and a slash behind it does not change that.
    b"***", b"/***", b"*/***", b"**/***", b"d/***", b"/d/***", b"d***", b"/d***", b"d/***/",
    b"***/", b"***foo", b"***/foo", b"d***foo", b"/d/***/foo", b"e/d/***", b"x/***", b"foo/***",
    b"?***", b"??***", b"[d]***", b"****", b"d/****", b"d*/***", b"empty/***", b"foo.o/***",
    # Brackets never match a slash, but a slash in them counts as one when the components
    # are counted that are compared: [/x]b matches nothing, /[/x]b matches xb.
    b"[/x]b", b"/[/x]b", b"d/[/x]b", b"[x/]?", b"d[/]a", b"/d[/]a", b"/d[^b]a", b"**[/]a",
    b"**d[/]a", b"**[!a]b", b"**[!/]b", b"d?a", b"/d?a", b"/d**[^b]a", b"n[--/]", b"n[.-0]",
    b"x[[]", b"x[]]", b"x[]-]", b"x[!]]", b"x[^]]", b"x[!a]", b"x[^a]", b"x[!!]", b"x[^^]",
    b"x[a^]", b"x[\\]]", b"x[[-]]", b"n[a-e]", b"n[!a-e]", b"n[a-Z]", b"n[\x01-\xff]",
    b"n[\x80-\xff]", b"n[!\x01-\x7f]", b"n[a-c-e]", b"n[a-c-]", b"n[-a]", b"n[!-a]", b"n[--0]",
    b"n[a--]", b"n[a-c--z]", b"n[]-a]", b"n[\\]-a]", b"n[a-\\]]", b"n[\\[-\\]]", b"n[\\1-\\9]",
    b"n[a\\-z]", b"n[\\-a]", b"n[\\\\]", b"n[\\a]",
    # A range that is upside down holds its first byte.
    b"n[c-a]", b"n[Z-A]", b"n[!c-a]", b"n[c-cx]",
    # An open bracket, an unknown class or a backslash at the end: nothing matches.
    b"x[", b"n[", b"n[]", b"n[!]", b"n[^]", b"n[!", b"n[a", b"n[a-", b"n[a-]", b"n[\\", b"n[\\]",
    b"[", b"[]", b"]", b"*[", b"f[oo", b"x[]a", b"n[[:foo:]]", b"n[[:foo:]a]", b"n[a[:foo:]]",
    b"n[[:ALPHA:]]", b"n[[::]]", b"n[[::]a]", b"n[[.a.]]", b"n[[=a=]]", b"*\\", b"?\\", b"n?\\",
    # Classes, and what only looks like one.
    *(b"n[[:%s:]]" % name for name in b"""alnum alpha blank cntrl digit graph lower print punct
                                          space upper xdigit""".split()),
    b"n[![:print:]]", b"n[[:alpha:][:digit:]]", b"n[[:alpha:]-z]", b"n[[:alpha:]-]", b"n[1[:upper:]]",
    b"n[[:lower:]-[:digit:]]", b"n[a-[:digit:]]", b"n[[:]", b"n[[:]]", b"n[[:alpha]", b"n[:alpha:]",
    b"n[[:alpha:]", b"n[[:al]pha:]]", b"n[[:alpha:a]", b"n[[:a\\]b:]]", b"n[[:-a]", b"n[[-a]",
    b"n[[a:]", b"n[\\[:alpha:]]", b"n[[\\:alpha:]]", b"n[:]", b"n[[]",
    # A backslash is itself, until there is a wildcard anywhere: a\b is that file,
    # a\b* is ab*, and a\*b (the star is one, escaped or not) is the file a*b.
    b"a\\b", b"a\\b*", b"a\\\\b", b"a\\\\b*", b"a\\*b", b"a\\?b", b"a\\**b", b"a\\*\\*b", b"q\\b",
    b"q\\b?", b"?\\b", b"\\", b"\\\\", b"\\\\*", b"*\\\\", b"\\*", b"\\**", b"\\***", b"\\*\\*",
    b"/\\*", b"d/\\*", b"[*]", b"[**]", b"[*]*", b"\\[a\\]", b"\\[a]", b"\\[", b"d\\/a", b"d\\/a*",
    b"?\\/a", b"d/\\a*", b"f\\oo/", b"f?o\\/", b"foo\\bar", b"d/foo\\bar", b"foo\\\\bar", b"\\f?o",
    # Bytes: '?' is half of an e with an accent in UTF-8.
    "é".encode(), "?é".encode(), b"\xc3?", b"\xc3*", "[é]".encode(), "d/??".encode(), b"\xe9", b"[\xe9]",
    b"foo\xff", b"foo?", b"foo\nbar", b"foo\rbar", b"foo?bar", b"\xef\xbb\xbffoo", b"n\xe9", b"n[\xe9]",
]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo")
    plant(folder, ZOO)
    return folder


def compare(tool, folder, tree, steps):
    """What both keep, after having seen that it is the same."""
    theirs = rsync_keeps(folder, steps)
    ours = tool.keeps(tree, steps)
    if theirs is None or ours is None:
        assert theirs == ours, f"only one of the two refuses {steps}"
    else:
        assert sorted(ours) == sorted(theirs), f"different lists for {steps}"
    return ours


def test_without_rules_everything_stays(tool, zoo):
    assert compare(tool, zoo, ZOO, []) == set(ZOO)


@pytest.mark.parametrize("part", range(4))
def test_each_pattern_matches_what_it_matches_for_rsync(tool, zoo, part):
    matched = 0
    for pattern in PATTERNS[part::4]:
        kept = compare(tool, zoo, ZOO, [("arg", b"-", pattern)])
        matched += kept is not None and kept != set(ZOO)
    assert matched > len(PATTERNS) // 10


def test_a_pattern_brings_back_what_a_later_one_excludes(tool, zoo):
    for pattern in PATTERNS[::4]:
        compare(tool, zoo, ZOO, [("arg", b"+", pattern), ("arg", b"-", b"*")])


# Whole lists: what is surprising in them is said where it is.
LISTS = [
    # The first rule that matches decides; a folder that is out hides what is below it.
    [("arg", b"+", b"foo"), ("arg", b"-", b"foo")],
    [("arg", b"-", b"foo"), ("arg", b"+", b"foo")],
    [("arg", b"+", b"/d/foo"), ("arg", b"-", b"d")],
    [("arg", b"+", b"*/"), ("arg", b"+", b"*.o"), ("arg", b"-", b"*")],
    [("arg", b"+", b"*.o"), ("arg", b"-", b"*")],
    [("arg", b"+", b"/d/***"), ("arg", b"-", b"*")],
    [("arg", b"+", b"d/***"), ("arg", b"-", b"*")],
    [("arg", b"+", b"/d/"), ("arg", b"+", b"/d/x/***"), ("arg", b"-", b"*")],
    # "!" forgets what came before, also from other options and files, and adds nothing.
    [("arg", b"-", b"foo"), ("arg", b"-", b"!"), ("arg", b"-", b"a")],
    [("arg", b"-", b"foo"), ("arg", b"+", b"!"), ("arg", b"-", b"a")],
    [("arg", b"-", b"foo"), ("file", b"-", b"a\n!\nd\n")],
    [("arg", b"-", b"foo"), ("file", b"-", b"a\n! \n!foo\n! foo\n- !\n")],
    [("arg", b"-", b"foo"), ("arg", b"-", b"+ !"), ("arg", b"-", b"!x")],
    # Prefixes say the kind, whatever the option or the file is for.
    [("file", b"+", b"- foo\n+ d\n- *\n")],
    [("file", b"-", b"+ foo\n- d\n*\n")],
    [("arg", b"+", b"- foo"), ("arg", b"-", b"+ *")],
    # Lines end with LF, CR or both, the last one with nothing.
    [("file", b"-", b"foo\r\na\r\n")],
    [("file", b"-", b"foo\ra\rd")],
    [("file", b"-", b"foo\n\r\n\r\r\n\n\na")],
    [("file", b"-", b"foo\rbar\n")],
    # Comments begin in the first column and with either sign; behind a prefix they do not.
    [("file", b"-", b"#foo\n;foo\n #foo\n- #foo\n- ;foo\n")],
    [("file", b"-", b"#\n;\na#b\n#- foo\n;!\n")],
    # Spaces are part of the pattern, so a line of spaces is a pattern.
    [("file", b"-", b" foo\nfoo \n  \n")],
    # Merge files and modifiers are names here.
    [("file", b"-", b". foo\n: foo\nmerge foo\n-s foo\nhide foo\n-! foo\n")],
    # A byte order mark is part of the first pattern.
    [("file", b"-", b"\xef\xbb\xbffoo\n")],
    # rsync refuses both; the rest of the file does not matter.
    [("file", b"-", b"foo\n- \nd\n")],
    [("file", b"+", b"+ ")],
    [("file", b"-", b"")],
    [("file", b"-", b"\n")],
]


@pytest.mark.parametrize("number", range(len(LISTS)))
def test_a_list_of_rules_decides_as_in_rsync(tool, zoo, number):
    compare(tool, zoo, ZOO, LISTS[number])


def test_a_symlink_to_a_folder_is_not_a_folder(tool, tmp_path):
    tree = grow([b"folder/", b"link"])
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert compare(tool, tmp_path, tree, [("arg", b"-", b"*/")]) == {b"link"}
    assert compare(tool, tmp_path, tree, [("arg", b"-", b"link/***")]) == set(tree)


def test_a_pattern_that_makes_others_slow_is_answered(tool, tmp_path):
    name = b"a" * 250
    plant(tmp_path, {name: False})
    tree = {name: False}
    assert compare(tool, tmp_path, tree, [("arg", b"-", b"a*a*b")]) == set(tree)
    # Without a bound this takes longer than the universe will; rsync is not asked.
    assert tool.keeps(tree, [("arg", b"-", b"a*" * 100 + b"b")]) == set(tree)
    assert tool.keeps(tree, [("arg", b"-", b"**a" * 100 + b"**a")]) == set()


# What osync adds -----------------------------------------------------------------


def test_what_belongs_to_osync_cannot_be_included(tool):
    tree = grow([b".osync_workdir/", b"d/.osync_workdir/lock", b"e/.osync_workdir", b".osync_workdir2",
                 b"d/x.osync_workdir", b".osync-update.push", b"d/.osync-update.push"])
    kept = tool.keeps(tree, [("arg", b"+", b"**"), ("arg", b"+", b".osync_workdir/***")])
    assert kept == {b"d", b"e", b".osync_workdir2", b"d/x.osync_workdir", b"d/.osync-update.push"}


@pytest.mark.parametrize("command, message", [
    (b"add - ", b"rules: empty pattern"),
    (b"add - " + hexed(b"+ "), b"rules: no pattern behind '+ '"),
    (b"text - " + hexed(b"a\r\n#x\n- \n"), b"rules:3: no pattern behind '- '"),
    (b"text - " + hexed("ab\n".encode("utf-16-le")),
     b"rules:1: NUL byte in a pattern (is the file UTF-16?)"),
    (b"text + " + hexed(b"\n\n" + b"a" * 4097), b"rules:3: pattern of more than 4096 bytes"),
    (b"list + " + hexed(b";") + b" " + hexed(b"a;;- ;b"), b"rules: no pattern behind '- '"),
])
def test_what_cannot_be_meant_is_refused_with_its_place(tool, command, message):
    assert tool.ask([b"new", command]) == [b"ok", b"error " + message]


# At random -----------------------------------------------------------------------

PIECES = [b"*", b"*", b"**", b"**", b"***", b"?", b"/", b"/", b"/", b"a", b"a", b"b", b"ab", b"foo",
          b".o", b".", b"-", b"[ab]", b"[!a]", b"[^b-z]", b"[[:alpha:]]", b"[![:punct:]]", b"[]a]",
          b"[/a]", b"[a-", b"[", b"]", b"!", b"^", b"\\", b"\\", b"\\*", b"\\[", b"\xc3\xa9", b"\xff",
          b" ", b"+", b"#", b"[a\\]]", b"[*]", b"[b-a]", b"[[:x:]]", b"a/b", b"**/", b"/**", b"b/a"]
COMPONENTS = [b"a", b"b", b"ab", b"ba", b"aa", b"foo", b"foo.o", b"a.o", b".o", b"a*b", b"a\\b", b"[a]",
              b"a]", b"[", b"?", b"-", b"!", b"\\", b"*", b"**", b"\xc3\xa9", b"\xff", b" ", b"+ a", b"#"]

patterns = st.builds(
    lambda prefix, slash, pieces, end: prefix + slash + b"".join(pieces) + end,
    st.sampled_from([b""] * 16 + [b"- ", b"+ "]), st.sampled_from([b"", b"", b"/"]),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6),
    st.sampled_from([b"", b"", b"", b"/", b"/**", b"/***"]))
signs = st.sampled_from([b"+", b"-", b"-"])
lines = st.one_of(patterns, patterns, patterns, st.sampled_from([b"", b"#a", b";a", b"!", b"- ", b" a"]))


@st.composite
def texts(draw):
    written = draw(st.lists(lines, max_size=5))
    ends = draw(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r"]),
                         min_size=len(written), max_size=len(written)))
    return b"".join(line + end for line, end in zip(written, ends))


rules = st.lists(
    st.one_of(st.tuples(st.just("arg"), signs, patterns), st.tuples(st.just("arg"), signs, patterns),
              st.tuples(st.just("file"), signs, texts())),
    min_size=1, max_size=5)


@st.composite
def likenesses(draw, pattern):
    """A path that a pattern might match, had its author meant it so."""
    fillings = {b"**": [b"", b"a", b"a/b", b"/", b"b/a/"], b"*": [b"", b"a", b"ab", b"*"],
                b"?": [b"a", b"b", b"?"], b"[": [b"a", b"b", b"]", b"[", b"-"]}

    def fill(match):
        found = match[0]
        if found[:1] == b"\\":
            return draw(st.sampled_from([found, found[1:]]))
        kind = b"**" if found[:2] == b"**" else found[:1]
        return draw(st.sampled_from(fillings[kind]))

    filled = re.sub(rb"\\.|\*+|\?|\[[!^]?\]?[^]]*\]+", fill, pattern, flags=re.S)
    front = draw(st.sampled_from([b"", b"", b"a/", b"b/a/"]))
    return front + filled + draw(st.sampled_from([b"", b"", b"/", b"/a"]))


def as_path(text):
    """The nearest valid path, b"" where there is none."""
    parts = [part[:200] for part in text.split(b"/") if part not in (b"", b".", b"..")]
    return b"/".join(parts) + (b"/" if parts and text.endswith(b"/") else b"")


@st.composite
def trees(draw, wanted):
    names = st.lists(st.sampled_from(COMPONENTS), min_size=1, max_size=4)
    paths = [as_path(draw(likenesses(pattern))) for pattern in wanted for _ in range(2)]
    paths += draw(st.lists(st.builds(lambda parts, end: b"/".join(parts) + end, names,
                                     st.sampled_from([b"", b"/"])), max_size=15))
    return grow(path for path in paths if path)


def wanted_by(steps):
    """The patterns in these rules, without their prefixes."""
    found = []
    for how, _, value in steps:
        found += re.split(rb"[\r\n]+", value) if how == "file" else [value]
    return [re.sub(rb"^[+-] ", b"", pattern) for pattern in found if pattern]


@st.composite
def cases(draw):
    lists = draw(st.lists(rules, min_size=LISTS_PER_TREE, max_size=LISTS_PER_TREE))
    wanted = [pattern for steps in lists for pattern in wanted_by(steps)]
    return lists, draw(trees(wanted))


@settings(max_examples=EXAMPLES or 35, derandomize=not EXAMPLES, database=None, deadline=None,
          print_blob=False, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_random_rules_on_a_random_tree(tool, case):
    lists, tree = case
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, tree)
        for steps in lists:
            compare(tool, folder, tree, steps)


def test_random_rules_are_worth_comparing(tool):
    """Most random lists neither keep nor lose everything, nor are they refused."""
    seen = []

    @settings(max_examples=40, derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def look(case):
        lists, tree = case
        for steps in lists:
            kept = tool.keeps(tree, steps)
            seen.append(kept is not None and 0 < len(kept) < len(tree))

    look()
    assert sum(seen) > len(seen) / 3

# SPDX-License-Identifier: BSD-2-Clause
"""A folder of bitpocket's becomes one of osync's: `osync init` reads its files and runs nothing."""

import shlex
import shutil
import subprocess

import pytest
from harness import CONFIG, OK, OSYNC, USAGE, snapshot, stamps, token, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshd import make_key
from test_init import Folder


class Pocket(Folder):
    """What `bitpocket init` and some years of use leave."""

    def __init__(self, base, server=None):
        super().__init__(base, server)
        self.target.mkdir()
        self.dot = self.path / ".bitpocket"
        for folder in ("state", "tmp", "backups/2020-01-01.000000"):
            (self.dot / folder).mkdir(parents=True)
        (self.dot / "backups/2020-01-01.000000/old").write_text("old")
        self.write("x")
        shutil.copy2(self.path / "x", self.target / "x")

    def file(self, name, *lines):
        (self.dot / name).write_text("".join(f"{line}\n" for line in lines))

    def says(self, *lines):
        self.file("config", "## Host and path of central storage", *lines)

    @property
    def rules(self):
        return self.home / ".config/osync/work.rules"

    def names(self, root=None):
        return sorted(path for path, _, _ in walk(root or self.target))


@pytest.fixture(name="pocket")
def fixture_pocket(tmp_path):
    pocket = Pocket(tmp_path)
    pocket.says(f'REMOTE_PATH="{pocket.target}"')
    return pocket


@pytest.fixture(name="far")
def fixture_far(tmp_path, server):
    pocket = Pocket(tmp_path, server)
    key = make_key(pocket.dot / "id_rsa")
    server.authorize(key)
    pocket.known = tmp_path / "known"
    shutil.copy(server.known_hosts, pocket.known)
    pocket.says(f"REMOTE_HOST={server.user}@{server.host}", f'REMOTE_PATH="{pocket.target}"',
                  f'RSYNC_RSH="ssh -p {server.port} -i $DOT_DIR/id_rsa -F {tmp_path}/ssh_config'
                  f' -o UserKnownHostsFile={tmp_path}/known -q"')
    (tmp_path / "ssh_config").write_text(
        "IdentitiesOnly yes\nIdentityAgent none\nGlobalKnownHostsFile none\n")
    return pocket


def test_a_pocket_goes_on_as_a_folder_of_osync(far):
    far.file("exclude", "*.avi", "/misio.txt")
    for name in ("d/film.avi", "misio.txt", "d/misio.txt"):
        far.write(name)
    (far.target / ".bitpocket/tmp").mkdir(parents=True)
    before = stamps(far.dot)
    shown = far.run(f"osync init --remote-osync '{OSYNC}'").out
    assert str(far.dot / "id_rsa") in shown and str(far.rules) in shown
    assert f'restrict,command="{OSYNC} agent' in shown
    far.run("osync")
    assert far.names() == [".bitpocket", ".bitpocket/tmp", "d", "d/misio.txt", "x"]
    assert stamps(far.dot) == before and not far.keys
    assert far.run("osync --summary").out.count("create") == 0


def test_a_first_run_beside_its_saved_tree_deletes_nothing(pocket):
    (pocket.target / "only there").write_text("there")
    pocket.write("only here")
    pocket.file("state/tree-prev", "/x", "/only there", "/only here", "/gone")
    pocket.run("osync init")
    before = snapshot(pocket.path)["x"], snapshot(pocket.target)["x"]
    pocket.run("osync")
    assert pocket.names() == ["only here", "only there", "x"]
    assert (pocket.path / "only there").read_text() == "there"
    assert (snapshot(pocket.path)["x"], snapshot(pocket.target)["x"]) == before
    (pocket.target / "x").unlink()
    pocket.run("osync")
    assert not (pocket.path / "x").exists(), "from then on deletions are followed"


def test_nothing_in_its_files_is_executed(pocket):
    owned = pocket.base / "owned"
    pocket.says(f'REMOTE_PATH="{pocket.target}"', f"touch {owned}", f"A=$(touch {owned})",
                  f"B=`touch {owned}`", f"C=1; touch {owned}", f"[ 1 ] && . {owned}")
    said = pocket.run("osync init").err
    for line in range(3, 8):
        assert f".bitpocket/config:{line}: " in said
    assert not owned.exists()


@pytest.mark.parametrize("line, word, code", [
    ("REMOTE_PATH=$(echo /x)", "REMOTE_PATH", CONFIG),
    ("REMOTE_PATH=", "REMOTE_PATH", CONFIG),
    ("REMOTE_HOST=`hostname`", "REMOTE_HOST", CONFIG),
    ('RSYNC_OPTS="--max-size=1M"', "--max-size=1M", CONFIG),
    ('RSYNC_OPTS="--exclude \'a b\'"', "b'", CONFIG),
    ("SLOW_SYNC_TIME=soon\nSLOW_SYNC_START_CMD=x", "SLOW_SYNC_TIME", USAGE),
])
def test_what_may_not_be_left_out_stops_it(pocket, line, word, code):
    with open(pocket.dot / "config", "a", encoding="ascii") as config:
        config.write(line + "\n")
    before = stamps(pocket.home)
    assert word in pocket.run("osync init", code).err
    assert stamps(pocket.home) == before


@pytest.mark.parametrize("rule", ["P keep", ": .rules", "-s x", "hide x", "merge other", "-x",
                                  "- ", "dir-merge,- x", "x"])
def test_rules_that_have_no_counterpart_stop_it(pocket, rule):
    pocket.file("filter", "- a", "# fine", rule)
    before = stamps(pocket.home)
    assert ".bitpocket/filter:3: " in pocket.run("osync init", CONFIG).err
    assert stamps(pocket.home) == before


def test_its_files_can_be_left_alone_but_its_folder_is_never_synced(pocket):
    pocket.says("REMOTE_PATH=$(x)")
    pocket.file("filter", "P x")
    pocket.run(f"osync init '{pocket.target}' --no-bitpocket")
    pocket.write("y")
    pocket.run("osync")
    assert pocket.names() == ["x", "y"]


def test_another_target_can_be_named(pocket):
    other = pocket.base / "other"
    other.mkdir()
    pocket.file("exclude", "*.avi")
    pocket.write("a.avi")
    pocket.run(f"osync init '{other}'")
    pocket.run("osync")
    assert pocket.names(other) == ["x"]


def test_what_has_no_counterpart_and_does_no_harm_is_named(pocket):
    with open(pocket.dot / "config", "a", encoding="ascii") as config:
        config.write('RSYNC_OPTS="-L -v --progress"\nBACKUPS=false\nMY_OWN=1\n')
    said = pocket.run("osync init").err
    assert "-L" in said and "BACKUPS" in said and "MY_OWN" in said and "progress" not in said


def test_its_options_and_commands_are_taken_over(pocket):
    with open(pocket.dot / "config", "a", encoding="ascii") as config:
        config.write('RSYNC_OPTS="-XH --exclude *.o"\nSLOW_SYNC_TIME=1\n'
                     "SLOW_SYNC_START_CMD='echo \"it'\\''s\" slow >> .bitpocket/said'\n"
                     'SLOW_SYNC_STOP_CMD="echo over >> .bitpocket/said"\n')
    pocket.write("a.o")
    pocket.run("osync init --set LOCAL_RUN_BEFORE_CMD='sleep 2'")
    text = pocket.profile.read_text()
    assert "PRESERVE_XATTR=yes" in text and "PRESERVE_HARDLINKS=yes" in text
    pocket.run("osync work", cwd=pocket.home)
    assert (pocket.dot / "said").read_text() == "it's slow\nover\n"
    assert pocket.names() == ["x"]


def test_an_ssh_that_osync_does_not_know_is_called_itself(far):
    config = far.dot / "config"
    config.write_text(config.read_text().replace("-q", "-o ServerAliveCountMax=9"))
    far.run(f"osync init --remote-osync '{OSYNC}'")
    content = far.write("y")
    far.run("osync", cwd=far.path)
    assert "TRANSPORT_COMMAND=" in far.profile.read_text()
    assert (far.target / "y").read_bytes() == content


def test_its_patterns_are_not_mixed_with_others(pocket):
    before = stamps(pocket.home)
    said = pocket.run("osync init --set RSYNC_EXCLUDE_PATTERN='*.o'", USAGE).err
    assert "RSYNC_EXCLUDE_PATTERN" in said
    assert stamps(pocket.home) == before


# What rsync itself makes of the same files ---------------------------------------------------

NAMES = ["a", "b", "ab", "a/", "/a", "b/", "/b/a", "a/b", "*", "a*", "?", "/*", "**/a", "b/***",
         "*b", "/ab", "a/**", "[ab]"]
TREE = ["a/a", "a/b", "a/ab/a", "b/a", "b/b/b", "ab/a", "c/a", "c/b", "c/c", "d"]

patterns = st.lists(st.one_of(
    st.sampled_from(NAMES), st.builds("{} {}".format, st.sampled_from("+-"),
                                      st.sampled_from(NAMES)),
    st.sampled_from(["# comment", "; comment", ""])), max_size=5)
filters = st.lists(st.one_of(
    st.builds("{}{}".format, st.sampled_from(["+ ", "- ", "+_", "exclude ", "include_"]),
              st.sampled_from(NAMES)),
    st.sampled_from(["# comment", "; comment", "", "clear", "!"])), max_size=5)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(exclude=patterns, include=patterns, filter_=filters, crlf=st.booleans())
def test_the_same_is_synced_as_by_rsync(tmp_path_factory, exclude, include, filter_, crlf):
    pocket = Pocket(tmp_path_factory.mktemp("pocket"))
    pocket.says(f'REMOTE_PATH="{pocket.target}"')
    (pocket.target / "x").unlink()
    for name in TREE:
        pocket.write(name)
    end = "\r\n" if crlf else "\n"
    for name, lines in (("exclude", exclude), ("include", include), ("filter", filter_)):
        (pocket.dot / name).write_bytes("".join(line + end for line in lines).encode())
    expected = subprocess.run(
        ["rsync", "-r", "--list-only", "--exclude", "/.bitpocket", "--filter",
         "merge_.bitpocket/filter", "--include-from", ".bitpocket/include", "--exclude-from",
         ".bitpocket/exclude", "."], cwd=pocket.path, check=True, capture_output=True,
        text=True).stdout.splitlines()
    pocket.run("osync init")
    pocket.run("osync", expect=OK)
    listed = {line.split(None, 4)[4] for line in expected} - {".", ".bitpocket"}
    listed = {name for name in listed if not name.startswith(".bitpocket/")}
    assert set(pocket.names()) == listed, pocket.rules.read_text()


def test_a_name_that_needs_quotes_survives(tmp_path):
    pocket = Pocket(tmp_path)
    target = tmp_path / "it's $HOME"
    target.mkdir()
    pocket.says(f"REMOTE_PATH={shlex.quote(str(target))}")
    pocket.run("osync init")
    content = token()
    (pocket.path / "y").write_bytes(content)
    pocket.run("osync")
    assert (target / "y").read_bytes() == content

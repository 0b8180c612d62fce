# SPDX-License-Identifier: BSD-2-Clause
"""As an ordinary user: what may not be read is unknown, never deleted."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from harness import FAILED, OK, OSYNC, OTHER, SIDES, Pair, execute, nothing_lost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")

NOBODY = 65534


class UserPair(Pair):
    """A pair whose folders belong to nobody, who also runs the program."""

    def args(self, *options):
        args = super().args(*options)
        args[0] = str(self.base / "osync")
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *args]

    def write(self, side, name, content=None, **more):
        content = super().write(side, name, content, **more)
        self.give()
        return content

    def give(self):
        """All of it belongs to nobody, but for what somebody took away on purpose."""
        for root in (self.home, *self.roots):
            for folder, _, files in os.walk(root):
                for path in (folder, *(os.path.join(folder, name) for name in files)):
                    if path not in self.taken:
                        os.lchown(path, NOBODY, NOBODY)

    taken = ()

    def take(self, side, name):
        """Root takes a file or folder away: nobody can look into it any more."""
        path = self.path(side, name)
        self.taken = (*self.taken, str(path))
        os.chown(path, 0, 0)

    def give_back(self):
        self.taken = ()
        self.give()


@pytest.fixture
def user():
    # pytest's own temporary folders are closed to nobody, and so may the checkout be.
    base = Path(tempfile.mkdtemp(prefix="osync-test-"))
    base.chmod(0o755)
    shutil.copy(OSYNC, base / "osync")
    pair = UserPair(base)
    pair.give()
    yield pair
    shutil.rmtree(base)


def fill(user):
    for name in ("secret/one", "secret/two/three", "open/four"):
        user.write("initiator", name)
    for folder in ("secret", "secret/two", "open"):
        user.path("initiator", folder).chmod(0o700)
    user.run()


def test_an_ordinary_user_can_sync(user):
    content = user.write("initiator", "d/x")
    user.run()
    assert user.both("d/x") == content
    assert user.lstat("target", "d/x").st_uid == NOBODY


@pytest.mark.parametrize("side", SIDES)
def test_i5_nothing_below_an_unreadable_folder_is_deleted(user, side):
    fill(user)
    user.take(side, "secret")
    new = user.write(side, "open/new")
    before = {name: user.read(OTHER[side], name) for name in ("secret/one", "secret/two/three")}
    result = user.run(expect=FAILED)
    assert [problem["path"] for problem in result.problems] == ["secret"], repr(result)
    assert result.summary["failed"] == 1
    assert {name: user.read(OTHER[side], name) for name in before} == before
    assert user.both("open/new") == new, "the rest was not synced"
    user.run(expect=FAILED)
    user.give_back()
    user.run(expect=OK)


@pytest.mark.parametrize("side", SIDES)
def test_i5_an_edit_below_an_unreadable_folder_waits(user, side):
    fill(user)
    user.take(side, "secret")
    edited = user.write(OTHER[side], "secret/one")
    user.run(expect=FAILED)
    user.give_back()
    user.run()
    assert user.both("secret/one") == edited


@pytest.mark.parametrize("side", SIDES)
def test_i5_a_deletion_below_an_unreadable_folder_waits(user, side):
    fill(user)
    user.take(side, "secret")
    user.remove(OTHER[side], "secret/one")
    user.run(expect=FAILED)
    user.give_back()
    user.run()
    assert user.gone("secret/one")


def test_i41_an_unreadable_file_fails_alone(user):
    user.write("initiator", "x", mode=0o600)
    user.write("initiator", "y")
    user.take("initiator", "x")
    result = user.run(expect=FAILED)
    assert [problem["path"] for problem in result.problems] == ["x"]
    assert user.names("target") == ["y"]
    user.give_back()
    user.run()
    assert user.both("x")


@pytest.mark.parametrize("side", SIDES)
def test_i41_a_synced_file_that_became_unreadable_is_not_deleted(user, side):
    content = user.write("initiator", "x", mode=0o600)
    user.run()
    user.take(side, "x")
    user.run(expect=(OK, FAILED))
    assert user.read(OTHER[side], "x") == content
    user.give_back()
    user.run()


@pytest.mark.parametrize("side", SIDES)
def test_i37_a_folder_that_may_not_be_written_fails_alone_and_is_tried_again(user, side):
    user.write("initiator", "closed/x", mode=0o644)
    user.path("initiator", "closed").chmod(0o755)
    user.run()
    user.take(side, "closed")
    pending = user.write(OTHER[side], "closed/y")
    edited = user.write(OTHER[side], "open")
    result = user.run(expect=FAILED)
    assert "closed/y" in [problem["path"] for problem in result.problems]
    assert user.both("open") == edited
    user.give_back()
    again = user.run()
    assert again.ops("create") == ["closed/y"]
    assert user.both("closed/y") == pending


def test_a_folder_without_any_permission_is_not_emptied(user):
    fill(user)
    user.path("initiator", "secret").chmod(0)
    user.run(expect=FAILED)
    assert (user.target / "secret/one").exists()
    assert (user.target / "secret/two/three").exists()
    for side in SIDES:
        user.path(side, "secret").chmod(0o700)
    user.run()


def test_a_root_that_may_not_be_read_stops_the_run(user):
    fill(user)
    with nothing_lost(*user.roots):
        user.target.chmod(0o700)
        os.chown(user.target, 0, 0)
        result = execute(user.args("--json"), user.env(), None)
        os.chown(user.target, NOBODY, NOBODY)
        user.target.chmod(0o755)
    assert result.code not in (0, 2), repr(result)
    assert str(user.target) in result.said
    user.run()


def test_owners_that_may_not_be_set_do_not_keep_a_run_busy(user):
    user.write("initiator", "x")
    user.run()
    os.chown(user.path("initiator", "x"), 0, 0)
    user.path("initiator", "x").chmod(0o644)
    user.run()
    assert user.run().changes == []
    os.chown(user.path("initiator", "x"), NOBODY, NOBODY)
    user.run()


@pytest.mark.parametrize("side", SIDES)
def test_i37_a_folder_made_below_a_rename_that_failed_is_not_agreed_on(user, side):
    other = "target" if side == "initiator" else "initiator"
    for name in ("p/d/one", "p/d/two"):
        user.write("initiator", name)
    user.run()
    user.path(side, "p/d").rename(user.path(side, "p/e"))
    user.path(other, "p/d/new").mkdir()
    user.give()
    user.take(other, "p")
    user.path(other, "p").chmod(0o555)
    user.run(expect=FAILED)
    content = user.write(side, "p/e/new/three")
    user.give_back()
    user.path(other, "p").chmod(0o755)
    user.run()
    assert user.both("p/e/new/three") == content
    assert not user.path(other, "p/d").exists()


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", ["edit", "move"])
def test_i41_a_kill_leaves_no_folder_writable(user, side, what):
    """What the run has opened for the moment is not taken for what a user wants."""
    user.write("initiator", "d/x")
    user.write("initiator", "d/sub/y")
    for folder in ("d", "d/sub"):
        user.path("initiator", folder).chmod(0o555)
    user.run()
    if what == "edit":
        user.write(side, "d/x")
    else:
        user.rename(side, "d/sub", "sub")
    user.run(env={"OSYNC_POINT": "before-place=kill -9 $PPID"}, expect=None)
    opened = [user.path(OTHER[side], folder).stat().st_mode & 0o777 for folder in ("d", "d/sub")]
    assert opened == [0o755, 0o555 if what == "edit" else 0o755]
    user.run()
    for root in SIDES:
        for folder in ("d", "d/sub" if what == "edit" else "sub"):
            assert user.path(root, folder).stat().st_mode & 0o777 == 0o555
    assert not list(user.root(OTHER[side]).glob(".osync_workdir/unlocked"))


def test_i41_what_a_user_made_of_a_folder_after_a_kill_stays(user):
    user.write("initiator", "d/x")
    user.path("initiator", "d").chmod(0o555)
    user.run()
    user.write("initiator", "d/x")
    user.run(env={"OSYNC_POINT": "before-place=kill -9 $PPID"}, expect=None)
    user.path("target", "d").chmod(0o700)
    user.run()
    assert user.path("initiator", "d").stat().st_mode & 0o777 == 0o700

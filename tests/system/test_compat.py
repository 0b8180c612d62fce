# SPDX-License-Identifier: BSD-2-Clause
"""Every key and every option of osync 1.3: taken, taken with a warning, or refused by name."""

import fcntl
import re

import osync13
import pytest
from harness import CONFIG, GUARD, LOCKED, LOOK, OK, OSYNC, SIDES, USAGE, Pair, execute, token
from sshd import Sshd
from test_cron import cron, silent
from test_mail import Mta

# Values of the sample that stand for places.
PLACES = ("INITIATOR_SYNC_DIR", "TARGET_SYNC_DIR", "SSH_RSA_PRIVATE_KEY", "LOGFILE")
ROUNDS = 3


def written(pair, changes):
    """A file of osync 1.3 for this pair, with these values; its path."""
    places = {"INITIATOR_SYNC_DIR": f'"{pair.initiator}"', "TARGET_SYNC_DIR": f'"{pair.target_url()}"',
              "LOGFILE": f'"{pair.base}/osync.log"'}
    if pair.server:
        places["SSH_RSA_PRIVATE_KEY"] = f'"{pair.server.key}"'
    path = pair.base / "sync.conf"
    path.write_text(osync13.file_with({**places, **changes}))
    path.chmod(0o600)
    return path


def lists(pair):
    """What the values name beside the file and at home."""
    for folder in (pair.base, pair.home):
        for name in ("include.list", "exclude.list"):
            (folder / name).write_text("/nothing\n")


def run(pair, changes, *options, expect=OK):
    return execute([OSYNC, str(written(pair, changes)), *options], pair.env(), expect)


def line_of(result, word):
    """The one line that is about it."""
    lines = [line for line in result.err.splitlines()
             if re.search(rf":\d+: (warning: )?{word}\b", line)]
    assert len(lines) == 1, f"{word}: {result!r}"
    return lines[0]


# -- keys

def values_taken(number):
    """For each key one value that is taken, another one in each round."""
    taken = {key: values[number % len(values)] for key, values in osync13.TAKEN.items()}
    for key in osync13.SWITCHES:
        words = ["no", "Yes"] if number % 2 else ["True", '"false"']
        taken[key] = words[number // 2 % 2] if key not in osync13.ONLY else osync13.ONLY[key]
    # Anybody on the way could pose as the server: that is said.
    return {**taken, "SSH_IGNORE_KNOWN_HOSTS": "no"}


def test_no_key_is_without_a_verdict():
    known = {*osync13.keys(), *osync13.ABSENT}
    assert len(osync13.keys()) == 76 and len(known) == 78
    sets = (osync13.TAKEN, osync13.WARNED, osync13.REFUSED, osync13.ONLY)
    judged = {*osync13.SWITCHES, *(key for keys in sets for key in keys)}
    assert known - judged == {"TARGET_SYNC_DIR", "SSH_RSA_PRIVATE_KEY", "LOGFILE", "SMTP_USER",
                              "SMTP_PASSWORD", "REMOTE_RUN_BEFORE_CMD", "REMOTE_RUN_AFTER_CMD"}
    assert judged <= known


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_key_is_taken_without_a_word(local, number):
    lists(local)
    result = run(local, values_taken(number), "--dry-run")
    assert result.err == "", repr(result)
    local.at_rest = False


@pytest.mark.parametrize("switch", ["yes", "NO", '"true"', "False"])
def test_every_switch_takes_all_its_words(local, switch):
    words = {key: switch for key in osync13.SWITCHES if key not in osync13.ONLY}
    assert run(local, {**words, "CREATE_DIRS": "no"}, "--dry-run").err == ""
    local.at_rest = False


def test_what_has_no_effect_is_warned_about_by_name_and_line(local):
    content = local.write("initiator", "x")
    path = written(local, {key: value for key, (value, _) in osync13.WARNED.items()})
    numbers = {line.partition("=")[0]: number
               for number, line in enumerate(path.read_text().splitlines(), 1)}
    result = execute([OSYNC, str(path)], local.env())
    for key, (_, word) in osync13.WARNED.items():
        assert line_of(result, key).startswith(f"{path}:{numbers[key]}: warning: {key} ")
        assert word in line_of(result, key)
    assert len(result.err.splitlines()) == len(osync13.WARNED), repr(result)
    assert local.both("x") == content
    local.name = "sync_test"


@pytest.mark.parametrize("refused", [osync13.REFUSED, osync13.OLD])
def test_what_is_refused_is_so_by_name_with_the_reason_and_all_at_once(local, refused):
    local.write("initiator", "x")
    result = run(local, {key: value for key, (value, _) in refused.items()}, expect=CONFIG)
    for key, (_, word) in refused.items():
        assert word in line_of(result, key), key
    assert len(result.err.splitlines()) == len(refused), repr(result)
    assert local.names("target") == [] and not local.workdir("initiator").exists()
    local.at_rest = False


@pytest.mark.parametrize("key", sorted({*osync13.REFUSED, *osync13.OLD}))
def test_each_of_them_is_refused_alone(local, key):
    value, word = {**osync13.REFUSED, **osync13.OLD}[key]
    result = run(local, {key: value}, expect=CONFIG)
    assert word in line_of(result, key) and len(result.err.splitlines()) == 1
    local.at_rest = False


def test_a_file_of_an_older_osync_is_refused_with_what_has_changed(local):
    result = run(local, {"CONFIG_FILE_REVISION": "1.2.0"}, expect=CONFIG)
    assert result.says("MASTER_SYNC_DIR", "INITIATOR_SYNC_DIR", "osync-upgrade-conf")
    local.at_rest = False


@pytest.mark.parametrize("first, expected", [("include", ["d", "d/keep.txt"]), ("exclude", ["d"])])
def test_patterns_come_from_files_in_the_order_asked_for(local, first, expected):
    (local.base / "in.list").write_text("/d/keep.txt\n")
    (local.base / "out.list").write_text("# all others\n*.txt\n")
    for name in ("keep", "other"):
        local.write("initiator", f"d/{name}.txt")
    run(local, {"RSYNC_PATTERN_FIRST": first, "RSYNC_INCLUDE_FROM": "in.list",
                "RSYNC_EXCLUDE_FROM": "out.list"})
    assert local.names("target") == expected
    local.at_rest = False


@pytest.mark.parametrize("switch", ["true", "false"])
def test_executability_alone_is_synced_where_permissions_are_not(local, switch):
    changes = {"PRESERVE_PERMISSIONS": "false", "PRESERVE_EXECUTABILITY": switch}
    local.write("initiator", "x", mode=0o644)
    run(local, changes)
    local.path("target", "x").chmod(0o640)
    local.path("initiator", "x").chmod(0o755)
    run(local, changes)
    assert local.lstat("target", "x").st_mode & 0o777 == (0o750 if switch == "true" else 0o640)
    local.at_rest = False


def test_conflicts_are_mailed_where_only_that_is_asked_for(local, tmp_path):
    mta = Mta(tmp_path)
    changes = {"DESTINATION_MAILS": "me@example.org", "ALERT_CONFLICTS": "true",
               "SMTP_SERVER": "", "SENDER_MAIL": "", "MAIL_ON": "error",
               "SENDMAIL": f'"{mta.program} -t -i"'}
    for side in SIDES:
        local.write(side, "x")
    run(local, changes, "--silent", expect=LOOK)
    mail, = mta.mails
    assert "wants a look" in mail["Subject"]
    assert re.search(r"\bconflict\b.*\bx\b", mail.get_body().get_content())
    local.name = "sync_test"


# -- options

@pytest.mark.parametrize("option", osync13.OPTIONS)
def test_every_option_is_taken(local, option):
    result = run(local, {}, option, *(["--dry"] if option != "--initialize" else []))
    assert result.err == "" or option == "--verbose", repr(result)
    if "=" in option:
        again = run(local, {}, *option.split("=", 1), "--dry")
        assert again.err == "", repr(again)
    local.at_rest = False


def test_all_options_at_once_are_taken(local):
    result = run(local, {}, *osync13.OPTIONS)
    assert (result.out, result.err) == ("", "")
    local.at_rest = False


def test_an_option_that_changes_nothing_is_warned_about(local):
    for option, word in osync13.OPTIONS_WARNED.items():
        result = run(local, {}, option)
        assert option in result.err and word in result.err and len(result.err.splitlines()) == 1
    local.name = "sync_test"


def test_an_option_that_is_refused_is_so_by_name(local):
    local.write("initiator", "x")
    for option, word in osync13.OPTIONS_REFUSED.items():
        result = run(local, {}, option, expect=USAGE)
        assert option in result.err and word in result.err and len(result.err.splitlines()) == 1
    result = run(local, {}, *osync13.OPTIONS_REFUSED, expect=USAGE)
    assert len(result.err.splitlines()) == len(osync13.OPTIONS_REFUSED), repr(result)
    assert local.names("target") == []
    local.at_rest = False


def test_folders_may_be_named_instead_of_a_file(local):
    content = local.write("initiator", "x")
    args = [OSYNC, f"--initiator={local.initiator}", f"--target={local.target}", "--silent"]
    execute(args, local.env())
    assert local.both("x") == content
    assert any("quicksync_task" in path.name for path in local.state_folder().iterdir())
    local.name = "quicksync_task"


# -- the sample, with only its paths changed

@pytest.fixture(name="shipped", params=["local", "ssh"])
def fixture_shipped(request, tmp_path):
    """A pair as the sample means it; on the server, osync is where a login finds it."""
    if request.param == "local":
        yield Pair(tmp_path)
        return
    for name in ("server", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin" / "osync").symlink_to(OSYNC)
    with Sshd(tmp_path / "server", options=[f"SetEnv PATH={tmp_path}/bin:/usr/bin:/bin"]) as server:
        yield Pair(tmp_path, server)


def line_of_cron(pair, path):
    """The line that stands in the crontab. Where the server's key is known is no part of the file."""
    known = f"SSH_CONFIG_FILE='{pair.server.config}' " if pair.server else ""
    return f"{known}osync '{path}' --silent"


def test_a_crontab_line_of_old_says_no_more_than_one_of_osync_cron(local):
    line = f"osync '{written(local, {'RSYNC_OPTIONAL_ARGS': '--modify-window=2'})}' --silent"
    local.write("initiator", "x")
    assert "RSYNC_OPTIONAL_ARGS" in cron(local.home, line).err
    assert silent(cron(local.home, line))
    with open(local.workdir("target") / "lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert silent(cron(local.home, line, LOCKED))
    local.initiator.rename(local.base / "away")
    assert str(local.initiator) in cron(local.home, line, GUARD).err
    assert silent(cron(local.home, line, GUARD))
    # Who looks is told.
    assert str(local.initiator) in cron(local.home, line.replace("--silent", "-q"), GUARD).err
    (local.base / "away").rename(local.initiator)
    assert "works again" in cron(local.home, line).err
    assert silent(cron(local.home, f"{line} --verbose"))
    local.name = "sync_test"


def test_the_sample_just_works(shipped):
    path = written(shipped, {})
    changed = {line.partition("=")[0] for line, was in zip(path.read_text().splitlines(),
                                                            osync13.SAMPLE.splitlines())
               if line != was}
    assert changed <= set(PLACES)
    shipped.target.rmdir()  # CREATE_DIRS=true
    line = line_of_cron(shipped, path)
    new = shipped.write("initiator", "d/new")
    assert silent(cron(shipped.home, line))
    assert shipped.both("d/new") == new
    # Everything that it is for: an edit, a deletion, something new of the other side, a conflict.
    edited = shipped.write("target", "d/new", token(100_000))
    shipped.write("target", "other")
    assert silent(cron(shipped.home, line))
    assert shipped.both("d/new") == edited
    shipped.remove("initiator", "other")
    assert silent(cron(shipped.home, line))
    assert shipped.gone("other")
    log = (shipped.base / "osync.log").read_text()
    assert log.count("exit code 0") == 3, log
    shipped.name = "sync_test"
    if shipped.server:
        shipped.login = lambda: ["--set", f"SSH_CONFIG_FILE={shipped.server.config}"]

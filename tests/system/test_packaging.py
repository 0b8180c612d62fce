# SPDX-License-Identifier: BSD-2-Clause
"""What packaging/ gives people to copy: each line and each unit, started as cron and systemd do.

Of what they say only the places are changed: /usr/local/bin is a folder with what `make install`
puts there, /srv/osync a folder of the test.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import HANG_S, OK, OSYNC, Result
from test_cron import profile, silent
from test_reap import killed

TOP = Path(__file__).parents[2]
UNITS = TOP / "packaging/systemd"


def lines_of_crontab():
    """[(five fields, command)] of the example."""
    found = []
    for line in (TOP / "packaging/crontab.example").read_text().splitlines():
        if line and not line.startswith("#"):
            *when, command = line.split(None, 5)
            found.append((when, command))
    return found


def value(unit, key):
    return re.search(rf"^{key}=(.*)$", (UNITS / unit).read_text(), re.M)[1]


@pytest.fixture(name="machine")
def fixture_machine(local):
    """A pair whose target is a synced folder of a server; its profile is "home"."""
    local.bin, local.srv = local.base / "bin", local.base / "srv"
    local.bin.mkdir()
    local.srv.mkdir()
    (local.bin / "osync").symlink_to(OSYNC)
    for script in ("osync-reap", "osync-upgrade-conf"):
        shutil.copy(TOP / "scripts" / script, local.bin)
    local.target.rmdir()
    local.target = local.srv / "alice"
    local.target.mkdir()
    local.name = "home"
    profile(local, "home", f"LOGFILE={local.base}/log")
    local.write("initiator", "x")
    return local


def play(machine, command, env, expect=OK):
    """Run it with nothing but this environment, as /bin/sh understands it."""
    text = command.replace("/usr/local/bin", str(machine.bin)).replace("/srv/osync", str(machine.srv))
    done = subprocess.run(["env", "-i", *env, "/bin/sh", "-c", text], cwd=machine.home, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG_S)
    result = Result(done.returncode, done.stdout, done.stderr)
    assert result.code == expect, repr(result)
    return result


def by_cron(machine, command):
    """As the cron of Debian starts the lines of a user."""
    return play(machine, command, [f"HOME={machine.home}", "LOGNAME=root", "SHELL=/bin/sh",
                                   "PATH=/usr/bin:/bin"])


def by_systemd(machine, unit):
    """As systemd starts a service of a user: words, no shell."""
    command = " ".join(map(shlex.quote, value(unit, "ExecStart").replace("%i", "home").split()))
    return play(machine, command, [f"HOME={machine.home}", "USER=root",
                                   "PATH=/usr/local/bin:/usr/bin:/bin"])


def test_the_lines_that_sync_do_so_and_say_nothing(machine):
    lines = [command for _, command in lines_of_crontab() if "reap" not in command]
    assert len(lines) == 2
    for number, line in enumerate(lines):
        content = machine.write("initiator", f"file{number}")
        assert silent(by_cron(machine, line)), line
        assert machine.both(f"file{number}") == content


def leave_a_dead_run(machine):
    machine.run()
    machine.write("initiator", "x")
    killed(machine)
    (machine.workdir("target") / "stage").mkdir(exist_ok=True)
    left = machine.workdir("target") / "stage/s-4711"
    left.write_bytes(b"half")
    return left


def test_the_line_of_a_server_cleans_up_and_says_nothing(machine):
    left = leave_a_dead_run(machine)
    line, = (command for _, command in lines_of_crontab() if "reap" in command)
    assert silent(by_cron(machine, line))
    assert not left.exists() and (machine.workdir("target") / "lock").read_bytes() == b""
    machine.run()


def test_the_wrapper_says_what_is_wrong_and_is_never_started_twice(machine):
    left = leave_a_dead_run(machine)
    wrapper = f"{machine.bin}/osync-reap"
    path = ["PATH=/usr/bin:/bin"]
    assert "no-such" in play(machine, f"{wrapper} {machine.base}/no-such", path, expect=1).err
    play(machine, wrapper, path)  # help
    # Another one is still at it.
    held = f"flock {machine.srv} {wrapper} {machine.srv}"
    assert silent(play(machine, held, path)) and left.exists()
    # From a path, options before the folder.
    named = f"cd {machine.srv} && osync-reap --json ../srv"
    assert "s-4711" in play(machine, named, [f"PATH={machine.bin}:/usr/bin:/bin"]).out
    assert not left.exists()
    machine.run()


def test_the_services_do_what_they_are_for(machine):
    left = leave_a_dead_run(machine)
    assert silent(by_systemd(machine, "osync-reap.service"))
    assert not left.exists()
    for unit in ("osync@.service", "osync-batch.service"):
        content = machine.write("initiator", unit)
        assert silent(by_systemd(machine, unit)), unit
        assert machine.both(unit) == content
        assert value(unit, "SuccessExitStatus") == "2 75"


@pytest.mark.parametrize("timer", sorted(path.name for path in UNITS.glob("*.timer")))
def test_the_units_are_what_systemd_understands(machine, timer):
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("no systemd-analyze")
    folder = machine.base / "units"
    folder.mkdir()
    for path in UNITS.iterdir():
        text = path.read_text().replace("/usr/local/bin", str(machine.bin))
        (folder / path.name.replace("@.", "@home.")).write_text(text)
    names = [timer, timer.replace(".timer", ".service")]
    done = subprocess.run([program, "verify", "--man=no",
                           *(folder / name.replace("@.", "@home.") for name in names)],
                          check=False, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "osync" in line]
    assert not ours, done.stderr
    machine.at_rest = False


def test_the_times_of_the_lines_are_times():
    for when, command in lines_of_crontab():
        assert len(when) == 5 and all(re.fullmatch(r"[0-9*/,-]+", word) for word in when), command
    for path in UNITS.glob("*.timer"):
        spoken = re.search(r"^OnCalendar=(.*)$", path.read_text(), re.M)
        if spoken and shutil.which("systemd-analyze"):
            subprocess.run(["systemd-analyze", "calendar", spoken[1]], check=True,
                           capture_output=True)


def test_the_libraries_that_a_server_needs_are_named():
    """By the names of Debian's packages; OpenSSL comes with libssh2, and the C library is there."""
    release = os.environ["OSYNC_RELEASE"]
    dynamic = subprocess.run(["readelf", "-d", release], capture_output=True, text=True, check=True,
                             timeout=HANG_S).stdout
    needed = re.findall(r"\(NEEDED\).*\[(lib\w+)\.so\.(\d+)\]", dynamic)
    packages = {re.sub(r"(\d)$", r"\1-", library) + version for library, version in needed
                if library not in ("libc", "libcrypto")}
    named = re.search(r"apt-get install -y (.*?) &&", (TOP / "README.md").read_text())[1]
    assert packages == set(named.split())
    advice = re.search(r"install (lib.*?) there", re.sub(r'"\s+"', "",
                       (TOP / "src/transport/account.c").read_text()))[1]
    assert packages == set(re.findall(r"lib[\w-]+", advice))

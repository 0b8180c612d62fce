# SPDX-License-Identifier: BSD-2-Clause
"""Where everything is measured: a folder, a server on loopback, the commands of every tool.

    with Scene(folder) as scene:
        sample = scene.run("osync", scene.osync(here, there))

`here` is a folder of this machine; the other one is on the server, at `there`. A scene's line
is the server itself; inside `with scene.over(Line(...))` commands take that way.
"""

import contextlib
import getpass
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from sshd import Sshd

import meter

OSYNC = Path(os.environ.get("OSYNC", "build/release/osync")).absolute()
WORKDIR = ".osync_workdir"
# Notes the size of the program's largest process. What unison knows is to be forgotten with us.
FAR_END = """\
#!/bin/sh
export UNISON={home}/far-unison
exec /usr/bin/time -q -a -o {peak} -f %M {program} "$@"
"""


class Scene:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.peak = self.folder / "peak"
        (self.folder / "sshd").mkdir()
        self.server = Sshd(self.folder / "sshd", options=["LogLevel DEBUG1"])
        self.port = None
        self.far = {}

    def __enter__(self):
        self.server.start()
        self.port = self.server.port
        for tool, program in (("osync", OSYNC), ("rsync", shutil.which("rsync")),
                              ("unison", shutil.which("unison"))):
            script = self.far[tool] = self.folder / f"far-{tool}"
            script.write_text(FAR_END.format(peak=self.peak, home=self.home, program=program))
            script.chmod(0o755)
        with self.server.known_hosts.open("a", encoding="ascii") as file:
            # By its alias: a line to it has another port.
            for key in self.server.host_keys:
                file.write(f"127.0.0.1 {self.server.public(key)}\n")
        with self.server.config.open("a", encoding="ascii") as file:
            file.write("HostKeyAlias 127.0.0.1\nLogLevel ERROR\n")
        return self

    def __exit__(self, *exception):
        self.server.stop()

    @contextlib.contextmanager
    def over(self, line):
        """Commands that are made in here reach the server over this line."""
        with line:
            self.port = line.port
            yield line
            self.port = self.server.port

    # -- folders

    def fresh(self, name):
        """An empty folder of this name."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def forget(self):
        """Nothing is left of what the tools know about any pair of folders."""
        shutil.rmtree(self.home)
        self.home.mkdir()

    # -- commands

    def osync(self, here, there, *options):
        return [OSYNC, "--initiator", here, "--instance-id", "bench", "--quiet",
                "--target", f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}/{there}",
                "--set", f"SSH_CONFIG_FILE={self.server.config}", "--ssh-key", self.server.key,
                "--known-hosts", self.server.known_hosts, "--remote-osync", self.far["osync"],
                "--allow-deletes", *options]

    def osync_local(self, here, there, *options):
        return [OSYNC, "--initiator", here, "--instance-id", "bench", "--quiet",
                "--target", there, "--allow-deletes", *options]

    def ssh(self, *options):
        return ["ssh", "-F", str(self.server.config), "-p", str(self.port), *options]

    def rsync(self, source, target, *options, back=False):
        """One way: to the server, or back from it."""
        near, far = source, f"127.0.0.1:{target}"
        first, second = (far, near) if back else (near, far)
        return ["rsync", "-a", f"--exclude={WORKDIR}", "-e", shlex.join(self.ssh()),
                f"--rsync-path={self.far['rsync']}", *options, f"{first}/", f"{second}/"]

    def unison(self, here, there):
        return ["unison", here, f"ssh://127.0.0.1/{there}", "-batch", "-silent", "-times",
                "-perms", "-1", "-ignore", f"Name {WORKDIR}", "-confirmbigdel=false",
                "-servercmd", self.far["unison"], "-sshargs", shlex.join(self.ssh()[1:])]

    def tar(self, here, there):
        far = shlex.join(["tar", "-C", str(there), "-xf", "-"])
        return self.shell(f"tar -C {shlex.quote(str(here))} --exclude={WORKDIR} -cf - . | "
                          f"{shlex.join(self.ssh('127.0.0.1', far))}")

    def cat(self, source, target, back=False):
        """A file to the server, or back from it, as osync would encrypt it."""
        cipher, mac = self.methods()
        far = f"cat > {shlex.quote(str(target))}" if not back else f"cat {shlex.quote(str(source))}"
        ssh = shlex.join(self.ssh("-c", cipher, "-m", mac, "127.0.0.1", far))
        return self.shell(f"{ssh} > {shlex.quote(str(target))}" if back else
                          f"{ssh} < {shlex.quote(str(source))}")

    @staticmethod
    def shell(script):
        return ["bash", "-o", "pipefail", "-c", script]

    def methods(self):
        """Cipher and MAC that osync takes with this server."""
        if not getattr(self, "taken", None):
            before = self.server.log.stat().st_size
            near, far = self.fresh("methods-a"), self.fresh("methods-b")
            self.run(self.osync(near, far))
            with self.server.log.open("rb") as log:
                log.seek(before)
                said = log.read().decode(errors="replace")
            found = re.search(r"kex: client->server cipher: (\S+) MAC: (\S+)", said)
            cipher, mac = found[1], found[2]
            self.taken = cipher, "hmac-sha2-256" if mac == "<implicit>" else mac
        return self.taken

    # -- measuring

    def run(self, command, ends=(0,)):
        """A Sample of this command."""
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("OSYNC", "UNISON", "SSH_"))}
        env["HOME"] = str(self.home)
        return meter.measure(command, env, self.server.process.pid, self.peak, ends)

    def counted(self, make_command, connections=1):
        """A Sample of the command that `make_command()` makes, and what it puts on the line."""
        from proxy import Line
        with self.over(Line(self.server.port)) as line:
            sample = self.run(make_command())
            counts = line.counts(connections)
        sample.sent, sample.received, sample.trips = counts.sent, counts.received, counts.trips
        return sample

    @staticmethod
    def same(one, other):
        """Stop where two trees differ: what did not work is not fast."""
        done = subprocess.run(["rsync", "-nrlc", "--itemize-changes", "--delete",
                               f"--exclude={WORKDIR}", f"{one}/", f"{other}/"],
                              check=True, capture_output=True, text=True)
        if done.stdout.strip():
            raise RuntimeError(f"{one} and {other} differ:\n{done.stdout[:2000]}")

# SPDX-License-Identifier: BSD-2-Clause
"""A real sshd on loopback, for one test or for many.

    server = Sshd(folder)       folder: empty, ours, kept until the end
    server.start()
    server.url("/srv/tree")     ssh://USER@127.0.0.1:PORT//srv/tree
    server.key                  a private key that may log in (ed25519)
    server.known_hosts          a file that knows the server
    server.config               an ssh_config for SSH_CONFIG_FILE: nothing of the user's own
    server.stop()

It has keys, configuration and port of its own and reads nothing of the
machine's. The login user is whoever runs the tests. OpenSSH takes the home
folder from the password file, whatever HOME says, so only `config` and explicit
files keep the user's own ~/.ssh out of a test.
"""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
# Only there so that a server that does not come up is a failure.
START_S = 30

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
{host_keys}
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/pid
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PrintMotd no
LogLevel VERBOSE
MaxStartups 100
# Bash reads the user's ~/.bashrc in the first shell of a session over ssh, whatever that may do.
SetEnv SHLVL=2
"""


def make_key(path, kind="ed25519", passphrase="", *options):
    """ssh-keygen; the path of the private key."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", Path(path).name,
                    "-f", str(path), *options], check=True, stdin=subprocess.DEVNULL)
    return Path(path)


def free_port():
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    host = "127.0.0.1"

    def __init__(self, folder, host_keys=("ed25519", "ecdsa"), options=(), env=None):
        """`options`: further lines of sshd_config, which win. `env`: for sshd itself."""
        self.folder = Path(folder)
        self.options = options
        self.env = env
        self.user = getpass.getuser()
        self.port = None
        self.process = None
        self.log = self.folder / "log"
        self.key = make_key(self.folder / "client_key")
        self.authorized_keys = self.folder / "authorized_keys"
        self.authorize(self.key)
        self.known_hosts = self.folder / "known_hosts"
        self.config = self.folder / "ssh_config"
        self.host_keys = [make_key(self.folder / f"host_{kind}", kind) for kind in host_keys]

    def authorize(self, key, prefix=""):
        """Let this key (a private key's path) log in."""
        with open(self.authorized_keys, "a", encoding="ascii") as file:
            file.write(prefix + Path(f"{key}.pub").read_text(encoding="ascii"))

    def start(self):
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        for _ in range(5):  # somebody may take the port before we do
            self.port = free_port()
            self.write_files()
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    [SSHD, "-D", "-e", "-f", self.folder / "sshd_config"], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, env={**os.environ, **(self.env or {})})
            if self.comes_up():
                return self
            self.stop()
        raise RuntimeError(f"sshd does not start: {self.log.read_text(errors='replace')}")

    def comes_up(self):
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), timeout=START_S) as probe:
                    return probe.recv(4) == b"SSH-"
            except ConnectionRefusedError:
                time.sleep(0.02)
            except OSError:
                return False
        return False

    def write_files(self):
        lines = [*self.options, CONFIG.format(
            port=self.port, folder=self.folder,
            host_keys="\n".join(f"HostKey {key}" for key in self.host_keys))]
        (self.folder / "sshd_config").write_text("\n".join(lines))
        self.known_hosts.write_text("".join(
            f"[{self.host}]:{self.port} {self.public(key)}\n" for key in self.host_keys))
        self.config.write_text(
            f"IdentityFile {self.key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self.known_hosts}\nGlobalKnownHostsFile none\n")

    @staticmethod
    def public(key):
        """'ssh-ed25519 AAAA...', without the comment."""
        return " ".join(Path(f"{key}.pub").read_text(encoding="ascii").split()[:2])

    def fingerprint(self, number=0):
        """What ssh-keygen -l says of a host key: (SHA256:..., kind)."""
        words = subprocess.run(["ssh-keygen", "-l", "-f", f"{self.host_keys[number]}.pub"],
                               check=True, capture_output=True, text=True).stdout.split()
        return words[1], words[-1].strip("()")

    def url(self, path):
        return f"ssh://{self.user}@{self.host}:{self.port}/{Path(path).absolute()}"

    def stop(self):
        """End the server. Sessions that are still open end when their clients do."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=START_S)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

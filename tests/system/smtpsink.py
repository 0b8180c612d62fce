# SPDX-License-Identifier: BSD-2-Clause
"""A real SMTP server on loopback (aiosmtpd) that keeps what it is given."""

import asyncio
import email
import email.policy
import ssl
import subprocess
import threading

from aiosmtpd.smtp import SMTP, AuthResult


class Mail:
    """One delivery."""

    def __init__(self, envelope):
        self.sender, self.recipients = envelope.mail_from, list(envelope.rcpt_tos)
        self.raw = envelope.original_content or envelope.content

    @property
    def message(self):
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @property
    def subject(self):
        return self.message["Subject"]

    @property
    def text(self):
        return self.message.get_body().get_content()

    @property
    def log(self):
        attached, = self.message.iter_attachments()
        return attached.get_content()


def certificate(folder):
    """A certification authority of our own, and a certificate of localhost by it."""
    run = dict(check=True, capture_output=True, cwd=folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                    "-subj", "/CN=test authority", "-days", "2"], **run)
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", "server.key", "-out", "server.csr",
                    "-subj", "/CN=localhost"], **run)
    (folder / "ext").write_text("subjectAltName=DNS:localhost\n")
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
                    "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "2",
                    "-extfile", "ext"], **run)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


class Sink:
    """A context manager; `mode` is none, tls (STARTTLS) or ssl."""

    def __init__(self, folder, mode="none", user=None, password=None, refused=(), mute=False):
        self.folder, self.mode = folder, mode
        self.login = (user, password) if user else None
        self.refused = refused
        self.mute = mute
        self.mails = []
        self.port = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    # -- aiosmtpd's handler

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        self.mails.append(Mail(envelope))
        return "250 OK"

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == self.login, handled=False)

    # -- the server

    def protocol(self, context):
        if self.mute:
            return asyncio.Protocol()
        starttls = context if self.mode == "tls" else None
        return SMTP(self, hostname="localhost", tls_context=starttls, require_starttls=bool(starttls),
                    auth_required=bool(self.login), auth_require_tls=False,
                    authenticator=self.authenticate if self.login else None, loop=self.loop)

    async def listen(self, context):
        server = await self.loop.create_server(
            lambda: self.protocol(context), "127.0.0.1", 0,
            ssl=context if self.mode == "ssl" else None)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def __enter__(self):
        context = certificate(self.folder) if self.mode != "none" else None
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self.listen(context), self.loop).result(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def keys(self):
        """What a configuration says to reach it."""
        lines = ["SMTP_SERVER=localhost", f"SMTP_PORT={self.port}", f"SMTP_ENCRYPTION={self.mode}"]
        return lines + ([f"SMTP_CA_FILE={self.folder}/ca.pem"] if self.mode != "none" else [])

# SPDX-License-Identifier: BSD-2-Clause
"""Who is told of trouble, by mail: over a real SMTP server and through a sendmail."""

import email
import email.policy
import fcntl
import os
import re
import socket
import stat

import pytest
from harness import FAILED, GUARD, LOCKED, LOOK, OK, UNREACHABLE, WORKDIR, eventually, execute
from smtpsink import Sink
from test_cron import cron, profile, silent

ME = "alice@example.org"


class Mta:
    """A sendmail: keeps its arguments and what it is given, a mail a file."""

    def __init__(self, folder, behaviour="exit 0"):
        self.folder = folder / "mta"
        self.folder.mkdir()
        self.program = self.folder / "sendmail"
        self.program.write_text(
            f"#!/bin/sh\necho \"$@\" >>'{self.folder}/arguments'\n"
            f"cat >'{self.folder}/'$$.mail\n{behaviour}\n")
        self.program.chmod(0o755)

    def keys(self):
        return [f'SENDMAIL="{self.program} -t -i"']

    @property
    def mails(self):
        paths = sorted(self.folder.glob("*.mail"), key=lambda path: path.stat().st_mtime_ns)
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                for path in paths]

    @property
    def subjects(self):
        return [mail["Subject"] for mail in self.mails]


@pytest.fixture(name="mta")
def fixture_mta(tmp_path):
    return Mta(tmp_path)


def text_of(mail):
    return mail.get_body().get_content()


def set_up(pair, *keys, name="test"):
    """A profile with mail, synced once."""
    path = profile(pair, name, f"DESTINATION_MAILS={ME}", *keys)
    pair.write("initiator", "x")
    assert silent(cron(pair.home, f"osync cron {name}"))
    return path


def run(pair, expect=OK, name="test"):
    return cron(pair.home, f"osync cron {name}", expect)


class Gone:
    """The initiator's folder is away for a while."""

    def __init__(self, pair):
        self.path, self.away = pair.initiator, pair.base / "away"

    def __enter__(self):
        self.path.rename(self.away)

    def __exit__(self, *_):
        self.away.rename(self.path)


def memory(pair):
    path, = (pair.home / ".local/state/osync").glob("*.alerts")
    return path


def age(pair, hours):
    """As if all that is remembered had happened so many hours earlier."""
    path, shift = memory(pair), int(hours * 3600)

    def earlier(match):
        return match[0] if match[0] == "0" else str(int(match[0]) - shift)

    lines = []
    for line in path.read_text().splitlines():
        words = line.split(" ")
        places = {"told": (1, 3), "trouble": (3, 4, 5)}.get(words[0], ())
        for place in places:
            words[place] = re.sub(r"\d+", earlier, words[place])
        lines.append(" ".join(words) + "\n")
    path.write_text("".join(lines))


# -- what is told, and when

def test_trouble_is_mailed_once_and_its_end_once(local, mta):
    set_up(local, *mta.keys())
    assert not mta.mails
    with Gone(local):
        for _ in range(3):
            assert silent(run(local, GUARD))
        assert len(mta.mails) == 1
        age(local, 25)
        run(local, GUARD)
        assert len(mta.mails) == 2
    for _ in range(3):
        assert silent(run(local))
    assert [subject.partition(": ")[2].partition(": ")[2] for subject in mta.subjects] == [
        "stopped before any change", "stopped before any change", "works again"]
    assert "stopped before any change, from 20" in text_of(mta.mails[-1])


def test_a_mail_says_what_happened_what_it_means_and_what_to_do(local, mta):
    path = set_up(local, *mta.keys())
    with Gone(local):
        run(local, GUARD)
    mail, = mta.mails
    lines = text_of(mail).splitlines()
    host = socket.gethostname()
    assert mail["Subject"] == f"osync: test on {host}: stopped before any change"
    assert mail["To"] == ME
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime and mail["Message-ID"]
    assert str(local.initiator) in lines[0] and "missing" in lines[0]
    assert lines[1].startswith("Nothing was changed")
    assert "bring it back" in lines[2]
    assert any(str(path) in line and "job test" in line for line in lines)
    attached, = mail.iter_attachments()
    assert attached.get_filename().startswith("osync-20")
    assert "ended with exit code 3" in attached.get_content()
    assert (mta.folder / "arguments").read_text() == "-t -i\n"


def test_conflicts_are_listed(local, mta):
    set_up(local, *mta.keys())
    local.write("initiator", "ä b.txt", "one")
    local.write("target", "ä b.txt", "two")
    assert silent(run(local, LOOK))
    mail, = mta.mails
    assert "something wants a look" in mail["Subject"]
    assert "Conflicts (1):\n" in text_of(mail)
    assert [line for line in text_of(mail).splitlines()
            if "conflict" in line and "ä b.txt" in line and "kept as" in line]
    # It is over: said once, and no end of it.
    run(local)
    assert len(mta.mails) == 1


def test_a_second_conflict_soon_after_is_not_lost(local, mta):
    set_up(local, *mta.keys())
    for name in ("first", "second", "third"):
        local.write("initiator", name, "one")
        local.write("target", name, "two")
        run(local, LOOK)
    assert len(mta.mails) == 1
    age(local, 1)
    run(local)
    assert len(mta.mails) == 2
    assert "2 things that want a look" in text_of(mta.mails[1])


def test_paths_that_fail_are_listed(local, mta):
    set_up(local, *mta.keys())
    (local.workdir("target") / "trash").write_bytes(b"")
    local.write("initiator", "x", "not to be had")
    run(local, FAILED)
    mail, = mta.mails
    assert text_of(mail).startswith("1 path could not be synced.\n")
    assert [line for line in text_of(mail).splitlines() if line.startswith("  'x': ")]
    (local.workdir("target") / "trash").unlink()
    run(local)
    assert mta.subjects[1].endswith("works again")


def test_a_lock_is_quiet_until_it_has_lasted(local, mta):
    set_up(local, *mta.keys())
    with open(local.workdir("target") / "lock", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(4):
            assert silent(run(local, LOCKED))
        assert not mta.mails
        age(local, 2.1)
        assert silent(run(local, LOCKED))
        assert "locked by another run" in mta.subjects[0]
        run(local, LOCKED)
    run(local)
    assert len(mta.mails) == 2


def test_being_offline_is_a_line_in_the_log_until_it_has_lasted(local, mta):
    log = local.base / "log"
    path = set_up(local, *mta.keys(), "OFFLINE_ALERT_AFTER=36000", f"LOGFILE={log}")
    path.write_text(path.read_text().replace(str(local.target), "ssh://127.0.0.1:1//x")
                    + "SSH_CONFIG_FILE=/dev/null\n")
    size = log.stat().st_size
    for _ in range(3):
        assert silent(run(local, UNREACHABLE))
    assert log.read_text()[size:].count(" error ") == 3
    assert not mta.mails
    age(local, 10)
    assert silent(run(local, UNREACHABLE))
    assert "cannot be reached" in mta.subjects[0]


def test_only_what_is_asked_for_is_mailed(local, mta):
    set_up(local, *mta.keys(), "MAIL_ON=conflict")
    with Gone(local):
        run(local, GUARD)
    run(local)
    assert not mta.mails
    local.write("initiator", "y", "one")
    local.write("target", "y", "two")
    run(local, LOOK)
    assert len(mta.mails) == 1


def test_success_is_mailed_where_it_is_asked_for(local, mta):
    profile(local, "test", f"DESTINATION_MAILS={ME}", *mta.keys(), "ALWAYS_SEND_MAILS=yes")
    local.write("initiator", "x")
    for _ in range(2):
        run(local)
    assert [subject.rpartition(": ")[2] for subject in mta.subjects] == ["in sync"] * 2
    assert "1 create" in text_of(mta.mails[0])


def test_several_get_one_mail(local, mta):
    set_up(local, *mta.keys(), f'DESTINATION_MAILS="{ME} bob@example.org, root"')
    with Gone(local):
        run(local, GUARD)
    mail, = mta.mails
    assert mail["To"] == f"{ME}, bob@example.org, root"


def test_a_run_by_hand_mails_and_prints(local, mta):
    path = set_up(local, *mta.keys())
    with Gone(local):
        result = execute([*local.args()[:1], str(path)], local.env(), GUARD)
        assert "missing" in result.err
        execute([*local.args()[:1], str(path), "--dry-run"], local.env(), GUARD)
    assert len(mta.mails) == 1
    run(local)
    assert len(mta.mails) == 2


def test_a_warning_of_the_configuration_is_told_once(local, mta):
    set_up(local, *mta.keys())
    path = profile(local, "test", f"DESTINATION_MAILS={ME}", *mta.keys(), "CHECKSOM=yes")
    for _ in range(3):
        assert silent(run(local))
    mail, = mta.mails
    assert f"{path}:" in text_of(mail) and "CHECKSUM" in text_of(mail)
    # A run by hand has it too: it is not over.
    assert "CHECKSUM" in execute([*local.args()[:1], str(path)], local.env()).err
    run(local)
    assert len(mta.mails) == 1


def test_a_log_that_cannot_be_written_is_told_once(local, mta):
    set_up(local, *mta.keys())
    profile(local, "test", f"DESTINATION_MAILS={ME}", *mta.keys(), "LOGFILE=/dev/full")
    for _ in range(3):
        assert silent(run(local))
    mail, = mta.mails
    assert "cannot write the log '/dev/full'" in text_of(mail)


# -- without mail: cron's own

def test_without_an_address_cron_gets_what_would_be_mailed(local):
    profile(local, "test")
    local.write("initiator", "x")
    assert silent(run(local))
    with Gone(local):
        first = run(local, GUARD)
        assert "stopped before any change" in first.err and str(local.initiator) in first.err
        assert first.out == ""
        assert silent(run(local, GUARD))
    assert "works again" in run(local).err
    assert silent(run(local))


def test_the_memory_survives_and_does_not_grow(local, mta):
    set_up(local, *mta.keys())
    for number in range(25):
        local.write("initiator", f"{number}", "one")
        local.write("target", f"{number}", "two")
        run(local, LOOK)
        age(local, 0.1)
    path = memory(local)
    assert path.stat().st_size < 4096
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]
    # One at once, and then one an hour.
    assert len(mta.mails) == 3
    path.write_text("damaged")
    assert silent(run(local))
    assert len(mta.mails) == 3


# -- SMTP

def tell(pair, sink, *more, expect=GUARD):
    """Trouble over a sink."""
    set_up(pair, *sink.keys(), *more)
    with Gone(pair):
        result = run(pair, expect)
    return result


@pytest.mark.parametrize("mode", ["none", "tls", "ssl"])
def test_mail_goes_out_over_smtp(local, tmp_path, mode):
    with Sink(tmp_path, mode) as sink:
        assert silent(tell(local, sink, "SENDER_MAIL=osync@example.org"))
    mail, = sink.mails
    assert (mail.sender, mail.recipients) == ("osync@example.org", [ME])
    assert mail.message["From"] == "osync@example.org"
    assert "stopped before any change" in mail.subject
    assert str(local.initiator) in mail.text
    assert "ended with exit code 3" in mail.log
    assert b"\n" not in mail.raw.replace(b"\r\n", b"")


def test_mail_goes_out_with_a_login(local, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("p=s w\n")
    secret.chmod(0o600)
    with Sink(tmp_path, "tls", "user", "p=s w") as sink:
        assert silent(tell(local, sink, "SMTP_USER=user", f"SMTP_PASSWORD_FILE={secret}"))
    assert len(sink.mails) == 1


def test_a_wrong_password_is_said_and_nothing_is_sent(local, tmp_path):
    with Sink(tmp_path, "tls", "user", "right") as sink:
        result = tell(local, sink, "SMTP_USER=user", "SMTP_PASSWORD=wrong")
    assert not sink.mails
    assert "cannot send mail" in result.err and ME in result.err


def test_a_refused_recipient_keeps_nobody_else_from_being_told(local, tmp_path):
    with Sink(tmp_path, refused=["gone@example.org"]) as sink:
        result = tell(local, sink, f'DESTINATION_MAILS="gone@example.org {ME}"')
        with Gone(local):
            assert silent(run(local, GUARD))
    mail, = sink.mails
    assert mail.recipients == [ME]
    assert "gone@example.org" in result.err and "550" in result.err


@pytest.mark.parametrize("mode", ["tls", "ssl"])
def test_a_server_that_cannot_prove_who_it_is_gets_no_mail(local, tmp_path, mode):
    with Sink(tmp_path, mode) as sink:
        result = tell(local, sink, "SMTP_CA_FILE=/etc/ssl/certs/ca-certificates.crt")
    assert not sink.mails
    assert "cannot send mail" in result.err


def test_starttls_is_never_done_without(local, tmp_path):
    with Sink(tmp_path) as sink:
        result = tell(local, sink, "SMTP_ENCRYPTION=tls")
    assert not sink.mails
    assert "cannot send mail" in result.err


# -- mail that cannot be sent

def test_a_mail_that_cannot_be_sent_is_said_and_tried_again(local, mta):
    log = local.base / "log"
    path = set_up(local, *mta.keys(), f"LOGFILE={log}")
    good = path.read_text()
    path.write_text(good.replace(str(mta.program), "/no/such/sendmail"))
    with Gone(local):
        result = run(local, GUARD)
        assert "cannot send mail" in result.err and "install a mail system" in result.err
        # Said once, logged each time.
        assert silent(run(local, GUARD))
        assert log.read_text().count("cannot send mail") == 2
        path.write_text(good)
        assert silent(run(local, GUARD))
    assert len(mta.mails) == 1


def test_a_good_run_whose_mail_fails_is_good_and_has_exit_code_2(local, tmp_path):
    mta = Mta(tmp_path, "echo 'queue is full' >&2; exit 75")
    profile(local, "test", f"DESTINATION_MAILS={ME}", *mta.keys(), "ALWAYS_SEND_MAILS=yes")
    content = local.write("initiator", "x")
    result = run(local, LOOK)
    assert local.both("x") == content
    assert "ended with status 75" in result.err and "queue is full" in result.err


@pytest.mark.parametrize("how", ["sendmail", "smtp"])
def test_a_mail_server_that_hangs_is_given_up(local, tmp_path, how):
    """After a signal the limit is some seconds: the same way, without a minute's wait."""
    with Sink(tmp_path, mute=True) as sink:
        mta = Mta(tmp_path, "exec sleep 1000")
        keys = sink.keys() if how == "smtp" else mta.keys()
        log = local.base / "log"
        profile(local, "test", f"DESTINATION_MAILS={ME}", *keys, "LOCK_ALERT_AFTER=0",
                f"LOGFILE={log}", "START_JITTER=80000")
        script = (f"osync cron test & pid=$!; while ! grep -qs begins {log}; do sleep 0.05; done; "
                  "kill -TERM $pid; wait $pid")
        result = cron(local.home, script, 128 + 15)
    assert "cannot send mail" in result.err
    assert "time" in result.err.lower()
    local.at_rest = False


def test_a_delivery_left_in_the_background_goes_on(local, tmp_path):
    mta = Mta(tmp_path, f"(sleep 0.5; touch '{tmp_path}/delivered') & exit 0")
    set_up(local, *mta.keys())
    with Gone(local):
        assert silent(run(local, GUARD))
    assert eventually((tmp_path / "delivered").exists)


# -- what is told is only text

NASTY = ["a\nBcc: evil@example.org", "b\r\nSubject: x", "c\r\n.\r\nMAIL FROM:<x>", "d\udcff\udcfe",
         "\n.\n", "From me", "=?UTF-8?Q?x?="]


def test_no_name_gets_out_of_its_line(local, tmp_path):
    with Sink(tmp_path) as sink:
        set_up(local, *sink.keys())
        for name in NASTY:
            local.write("initiator", name, "one")
            local.write("target", name, "two")
        run(local, LOOK)
    mail, = sink.mails
    assert mail.recipients == [ME]
    assert mail.message.keys() == ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
                                   "MIME-Version", "Content-Type"]
    assert mail.message["Subject"].endswith("something wants a look")
    assert not mail.message.defects
    for part in (mail.text, mail.log):
        assert "a\\nBcc: evil@example.org" in part
        assert "d\\xff\\xfe" in part
        assert "\nBcc:" not in part and "\n." not in part and "\r\n." not in part
    mail.raw.decode("ascii")


def test_folders_with_odd_names_make_no_headers(local, mta):
    local.initiator.rename(local.base / "in\nBcc: evil@example.org\xe4")
    local.initiator = local.base / "in\nBcc: evil@example.org\xe4"
    line = (f"osync cron --initiator \"$INITIATOR\" --target {local.target} --instance-id test "
            f"--set DESTINATION_MAILS={ME} --set LOGFILE=/dev/null --set 'SENDMAIL={mta.program}' "
            "--create-dirs")
    line = f"INITIATOR=$(printf '{local.base}/in\\nBcc: evil@example.org\xe4'); export INITIATOR; {line}"
    local.write("initiator", "x")
    cron(local.home, line)
    with Gone(local):
        cron(local.home, line, GUARD)
    mail, = mta.mails
    assert "Bcc" not in mail.keys() and not mail.defects
    assert "in\\nBcc: evil@example.org\xe4" in text_of(mail)
    assert not (local.initiator / WORKDIR / "state/test.log").exists()

# SPDX-License-Identifier: BSD-2-Clause
"""Which mails are due and which are too many, by what README and osync.conf.example say.

One `Postman` watches one machine. It is told of each run when that is over: how it ended and what it
logged, and what it has mailed (or printed, where cron is to mail it). It knows nothing of how
osync decides, only of the words:

  - each trouble is told, and not again before MAIL_REPEAT, also if it came and went in between
  - a target that is locked or off-line is told when that has lasted for so long, and for three runs
  - the end of what was told is told once, by the first run that is well again
  - a conflict is told at once, but within an hour of the last such mail it is only counted, and
    told when the hour is over

A run that was killed has no end, and perhaps no memory: what it had mailed may be mailed again, and
nothing else follows from it.

At what moment between its begin and its end a run looked at the clock is not known here. So a time that
has passed between two runs is an interval, and a complaint is made only where all of it is wrong; where
the machine's clock was set meanwhile, what osync may count begins with the first run after that.
"""

import email
import email.policy
import math
import re
from typing import NamedTuple

from machines import LOCK_ALERT_S, OFFLINE_ALERT_S, REPEAT_S

LOOK_GAP_S = 3600
RUNS = 3
# Clocks are counted in whole seconds.
ROUNDING_S = 2

# What each part of a mail says it means.
PARTS = {
    "failed": "What this run had done is done, the rest waits",
    "paths": "could not be synced.",
    "guard": "Nothing was changed on either side",
    "denied": "Nothing is synced until this is mended",
    "unreachable": "Nothing was synced since then",
    "locked": "Another run is at work on the same folders",
    "stopped": "Each run goes on where the last one was ended",
    "look": "The run has found",
    "setup": "The folders are synced all the same",
    "recovery": "It works again",
    "earlier": "Earlier runs have found",
}
PATIENCE_S = {"unreachable": OFFLINE_ALERT_S, "locked": LOCK_ALERT_S, "stopped": LOCK_ALERT_S}
KIND_OF_CODE = {69: "unreachable", 75: "locked", 3: "guard", 77: "denied"}
CONFLICT = re.compile(r"(?:<<|>>) \S+ +conflict +(.*)")


class Letter(NamedTuple):
    subject: str
    text: str

    @property
    def parts(self):
        words = " ".join(self.text.split())
        return {part for part, said in PARTS.items() if said in words}

    @property
    def first_line(self):
        """Without what may differ from time to time: numbers, names of temporaries."""
        return re.sub(r"[0-9a-fA-F]", "", self.text.splitlines()[0] if self.text else "")

    @property
    def earlier(self):
        found = re.search(r"Earlier runs have found (\d+)", " ".join(self.text.split()))
        return int(found[1]) if found else 0

    @classmethod
    def of_mail(cls, raw):
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        return cls(mail["Subject"], mail.get_body().get_content())

    @classmethod
    def of_print(cls, said):
        subject, _, text = said.partition("\n\n")
        return cls(subject, text)


class End(NamedTuple):
    """How a run ended; `began` and `ended`: Moments."""
    began: object
    ended: object
    code: int
    lines: list  # [(level, text)] of the log
    letters: list

    @property
    def kind(self):
        if self.code >= 128:
            return "stopped"
        if self.code != 1:
            return KIND_OF_CODE.get(self.code)
        return "failed" if any(level == "error" for level, _ in self.lines) else "paths"

    @property
    def conflicts(self):
        found = [CONFLICT.match(text) for _, text in self.lines]
        return [one[1] for one in found if one]

    @property
    def is_good(self):
        return self.code in (0, 2)


class Streak:
    """Since which run, and in how many, a kind of trouble has been there."""

    def __init__(self):
        self.since, self.runs = None, 0

    def found(self, end):
        self.since = self.since or end
        self.runs += 1

    def over(self):
        self.__init__()


class Postman:
    def __init__(self, name):
        self.name = name
        self.told = {}  # (kind, first line): when
        self.owed, self.perhaps_owed = set(), set()
        self.perhaps_forgotten = set()  # kinds that a killed run has told
        # Broken by any other end of a run, and only by one that shows that it is over.
        self.strict = {kind: Streak() for kind in PATIENCE_S}
        self.loose = {kind: Streak() for kind in PATIENCE_S}
        self.look_told = None
        # What a killed run has told, and found, if it came to remember that.
        self.look_perhaps_told, self.killed_text, self.perhaps_pending = None, "", []
        self.settled = None  # the first run's end since the clock was set
        self.pending = []  # conflicts of which nobody knows
        self.seen = set()
        self.counts = {}
        self.wrong = []

    def complain(self, end, what):
        self.wrong.append(f"{self.name}, exit {end.code}: {what}; "
                          f"letters {[letter.subject for letter in end.letters]}; "
                          f"log {[text for level, text in end.lines if level != 'info'][-4:]}")

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # -- for how long

    def at_least(self, then, end):
        if then.began.changes == end.ended.changes:
            return end.began.time_s - then.ended.time_s - ROUNDING_S
        if self.settled and self.settled.began.changes == end.ended.changes:
            return self.at_least(self.settled, end)
        return -math.inf

    def at_most(self, then, end):
        if then.began.changes != end.ended.changes:
            return math.inf
        return end.ended.time_s - then.began.time_s + ROUNDING_S

    # -- a run that was killed

    def killed(self, end):
        self.perhaps_pending += end.conflicts
        for letter in end.letters:
            self.count("by runs that were killed")
            parts = letter.parts
            if {"look", "earlier"} & parts:
                self.look_perhaps_told = end
            self.killed_text += " ".join(letter.text.split())
            self.perhaps_forgotten |= parts
            self.perhaps_owed |= self.owed | (parts & (set(PARTS) - {"look", "setup", "recovery"}))
            self.owed = set()

    # -- a run that has ended

    def ended(self, end):
        self.step(end)
        parts = set()
        if len(end.letters) > 1:
            self.complain(end, "more than one mail of one run")
        for letter in end.letters:
            parts |= letter.parts
            if not letter.parts:
                self.complain(end, f"a mail that says nothing: {letter}")
        for part in sorted(parts):
            self.count(part)
        self.judge_trouble(end, parts)
        self.judge_recovery(end, parts)
        self.judge_looks(end, parts)
        if not self.settled or self.settled.began.changes != end.ended.changes:
            self.settled = end
        if "setup" in parts:
            self.complain(end, "a word about the set-up, with which nothing is wrong")

    def step(self, end):
        for kind in PATIENCE_S:
            if end.kind == kind:
                self.strict[kind].found(end)
                self.loose[kind].found(end)
                continue
            self.strict[kind].over()
            if end.is_good or end.kind == "paths" or \
                    (kind == "unreachable" and end.kind in ("locked", "guard")):
                self.loose[kind].over()

    def told_lately(self, how_long, end, kind, line=None):
        return any(how_long(then, end) < REPEAT_S for (what, said), then in self.told.items()
                   if what == kind and line in (None, said))

    def has_lasted(self, how_long, streak, kind, end):
        return streak.runs >= RUNS and how_long(streak.since, end) >= PATIENCE_S[kind]

    def judge_trouble(self, end, parts):
        kinds = parts & set(PARTS) - {"look", "setup", "recovery", "earlier"}
        for kind in kinds:
            letter = end.letters[0]
            line = "" if kind in PATIENCE_S or kind == "paths" else letter.first_line
            if kind != end.kind:
                self.complain(end, f"told of {kind}, but it is {end.kind}")
            if self.told_lately(self.at_most, end, kind, line) and \
                    kind not in self.perhaps_forgotten:
                self.complain(end, f"told of {kind} again")
            if kind in PATIENCE_S and not self.has_lasted(self.at_most, self.loose[kind], kind, end):
                self.complain(end, f"told of {kind} too early")
            self.perhaps_forgotten.discard(kind)
            self.told[kind, line] = end
            self.owed.add(kind)
        if not end.kind or end.kind in kinds or self.told_lately(self.at_least, end, end.kind):
            return
        if end.kind in PATIENCE_S and not self.has_lasted(
                self.at_least, self.strict[end.kind], end.kind, end):
            return
        self.complain(end, f"nobody was told of {end.kind}")

    def judge_recovery(self, end, parts):
        if "recovery" in parts:
            if not end.is_good:
                self.complain(end, "told that it works, and it does not")
            if not self.owed and not self.perhaps_owed:
                self.complain(end, "told of the end of what nobody was told of")
        elif end.is_good and self.owed:
            self.complain(end, f"nobody was told that it is over: {self.owed}")
        if end.is_good:
            self.owed, self.perhaps_owed = set(), set()

    def look_lately(self, how_long, end):
        return self.look_told is not None and how_long(self.look_told, end) < LOOK_GAP_S

    def look_perhaps_lately(self, end):
        """Whether osync may take it for told lately, by this run or by one that was killed."""
        told = self.look_perhaps_told
        return self.look_lately(self.at_least, end) or \
            told is not None and self.at_least(told, end) < LOOK_GAP_S

    def take_pending(self, lines):
        """What a killed run has told may be told again, or not."""
        for line in lines:
            known = " ".join(line.split()) in self.killed_text
            (self.perhaps_pending if known else self.pending).append(line)

    def judge_looks(self, end, parts):
        new = [line for line in end.conflicts if line not in self.seen]
        self.seen.update(new)
        earlier = sum(letter.earlier for letter in end.letters)
        if "look" in parts:
            if not end.conflicts and end.code != 2:
                self.complain(end, "told to look where there is nothing")
            if self.look_lately(self.at_most, end) and "look" not in self.perhaps_forgotten:
                self.complain(end, "told to look too soon after the last time")
            text = " ".join(end.letters[0].text.split())
            for line in new[:20]:
                if " ".join(line.split()) not in text:
                    self.complain(end, f"a conflict that is not listed: {line}")
        else:
            self.take_pending(new)
            if end.code == 2 and not end.conflicts:
                # Something else wants a look, too little room for example.
                self.perhaps_pending.append("exit 2")
        if earlier and not self.pending and not self.perhaps_pending:
            self.complain(end, f"told of {earlier} conflicts that there were not")
        if {"look", "earlier"} & parts:
            if self.pending and not earlier and "look" not in self.perhaps_forgotten:
                self.complain(end, f"nobody was told of {len(self.pending)} earlier conflicts")
            self.look_told, self.pending, self.perhaps_pending = end, [], []
            self.perhaps_forgotten -= {"look", "earlier"}
        elif self.pending and not self.look_perhaps_lately(end):
            self.complain(end, f"nobody was told of {len(self.pending)} conflicts")
            self.pending = []

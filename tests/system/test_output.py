# SPDX-License-Identifier: BSD-2-Clause
"""What is printed, for people and for programs."""

import json

import pytest
from harness import FAILED, LOOK, OK, OSYNC, SIDES, UNREACHABLE, execute

COUNTS = {"create", "update", "delete", "move", "metadata"}
SUMMARY = {"event", "exit", "run", "dry_run", "to_target", "to_initiator", "conflicts", "failed",
           "skipped", "scanned", "hashed_bytes", "sent_bytes", "received_bytes", "duration_ms"}
OPS = COUNTS | {"conflict"}


def changes_of_every_sort(pair):
    """A synced pair and then one change of each sort in each direction."""
    for side in SIDES:
        for name in ("update", "delete", "metadata", "old name"):
            pair.write("initiator", f"{side}/{name}", mode=0o644)
    pair.write("initiator", "conflict.txt")
    pair.run()
    for side in SIDES:
        pair.write(side, f"{side}/create")
        pair.write(side, f"{side}/update")
        pair.remove(side, f"{side}/delete")
        pair.path(side, f"{side}/metadata").chmod(0o600)
        pair.rename(side, f"{side}/old name", f"{side}/new name")
        pair.write(side, "conflict.txt")


def test_json_is_one_object_a_line_and_the_summary_last(pair):
    changes_of_every_sort(pair)
    result = pair.run(expect=LOOK)
    events = [json.loads(line) for line in result.out.splitlines()]
    assert all(event["event"] in ("change", "problem", "summary") for event in events)
    assert [event["event"] for event in events].count("summary") == 1
    assert events[-1]["event"] == "summary"


def test_the_json_summary_has_all_its_fields(pair):
    changes_of_every_sort(pair)
    summary = pair.run(expect=LOOK).summary
    assert SUMMARY <= summary.keys()
    assert set(summary["to_target"]) == set(summary["to_initiator"]) == COUNTS
    assert set(summary["scanned"]) == set(SIDES)
    assert summary["exit"] == LOOK
    assert summary["dry_run"] is False
    assert summary["conflicts"] == 1
    assert summary["failed"] == summary["skipped"] == 0
    for name in ("hashed_bytes", "sent_bytes", "received_bytes", "duration_ms"):
        assert isinstance(summary[name], int) and summary[name] >= 0


def test_each_change_is_one_json_line(pair):
    changes_of_every_sort(pair)
    result = pair.run(expect=LOOK)
    for side, other in (SIDES, SIDES[::-1]):
        for op in ("create", "update", "delete", "metadata"):
            change = result.change(f"{side}/{op}")
            assert (change.op, change.to) == (op, other)
        move = result.change(f"{side}/new name")
        assert (move.op, move.to, move.origin) == ("move", other, f"{side}/old name")
    assert all(change.op in OPS and change.to in SIDES for change in result.changes)
    assert "conflict.txt" in result.ops("conflict")


def test_the_summary_counts_the_changes_told(pair):
    changes_of_every_sort(pair)
    result = pair.run(expect=LOOK)
    for side in SIDES:
        counts = result.summary[f"to_{side}"]
        told = {op: len([c for c in result.changes if c.op == op and c.to == side])
                for op in COUNTS - {"create"}}
        assert {op: counts[op] for op in told} == told
        # The conflict copy may be counted as a create or as part of the conflict.
        creates = len([c for c in result.changes if c.op == "create" and c.to == side])
        assert creates <= counts["create"] <= creates + 1


def test_sent_and_received_bytes_tell_the_truth(pair):
    pair.write("initiator", "up", b"".join(bytes([n % 251]) * 97 for n in range(3000)))
    pair.write("target", "down", b"".join(bytes([n % 241]) * 89 for n in range(1000)))
    first = pair.run().summary
    second = pair.run().summary
    assert first["sent_bytes"] > second["sent_bytes"]
    assert first["received_bytes"] > second["received_bytes"]


def test_each_run_has_a_name_of_its_own(local):
    local.write("initiator", "x")
    names = {local.run().summary["run"] for _ in range(4)}
    assert len(names) == 4


def test_people_get_a_line_for_each_change_and_a_summary(pair):
    changes_of_every_sort(pair)
    lines = pair.run_human(expect=LOOK).out.splitlines()
    for side in SIDES:
        for op in ("create", "update", "delete", "metadata", "new name"):
            assert sum(f"{side}/{op}" in line for line in lines) == 1, (side, op, lines)
    assert any("conflict.txt" in line for line in lines)
    assert lines[-1].strip() and "/" not in lines[-1].replace("/s", "")


def test_the_direction_of_a_change_can_be_seen(local):
    local.write("initiator", "aaa")
    local.write("target", "bbb")
    lines = local.run_human().out.splitlines()
    up, = [line.replace("aaa", "NAME") for line in lines if "aaa" in line]
    down, = [line.replace("bbb", "NAME") for line in lines if "bbb" in line]
    assert up != down


def test_i69_names_are_escaped_for_people(local):
    names = ["ESC\x1b]0;owned\x07", "NEW\nline", "DEL\x7f", "C1 \u009b31m", "BAD\udcff"]
    for name in names:
        local.write("initiator", name)
    result = local.run_human()
    raw = result.out.encode("utf-8", "surrogateescape")
    for byte in (b"\x1b", b"\x07", b"\x7f", b"\xff", "\u009b".encode()):
        assert byte not in raw, raw
    assert "NEW\\nline" in result.out
    lines = result.out.splitlines()
    for name in names:
        assert len([line for line in lines if name[:3] in line]) == 1, name


def test_names_are_escaped_in_messages(local):
    local.write("initiator", "x")
    local.initiator.rename(local.base / "esc\x1b[31m")
    local.initiator = local.base / "no such\x1b[31m"
    result = execute(local.args(), local.env(), None)
    assert "\x1b" not in result.out + result.err
    local.initiator = local.base / "esc\x1b[31m"
    local.at_rest = False


def test_utf8_names_are_printed_as_they_are(local):
    local.write("initiator", "ÄÖ €😀")
    assert "ÄÖ €😀" in local.run_human().out


@pytest.mark.parametrize("option", ["--quiet", "-q", "--silent"])
def test_quiet_success_says_nothing(pair, option):
    pair.write("initiator", "x")
    pair.write("target", "y")
    result = pair.run_human(option)
    assert (result.out, result.err) == ("", "")
    assert pair.both("x") and pair.both("y")


def test_quiet_does_not_hide_an_error(local):
    local.initiator.rmdir()
    result = execute(local.args("--quiet"), local.env(), None)
    assert result.code in (FAILED, 3)
    assert str(local.initiator) in result.said
    local.initiator.mkdir()


def test_a_run_without_changes_prints_no_change(local):
    local.write("initiator", "secret-name")
    local.run()
    assert "secret-name" not in local.run_human().out


def test_verbose_says_more(local):
    local.write("initiator", "x")
    local.run()
    calm = local.run_human()
    chatty = local.run_human("--verbose")
    assert len(chatty.out + chatty.err) > len(calm.out + calm.err)


@pytest.mark.parametrize("option", ["--verbose", "-v", "--summary"])
def test_json_stays_json_whatever_else_is_asked(pair, option):
    pair.write("initiator", "x")
    result = pair.run(option)
    assert [event["event"] for event in result.events] == ["change", "summary"]


def test_a_failed_run_ends_with_a_summary_or_an_error(remote):
    remote.write("initiator", "x")
    remote.target_url = lambda: "ssh://127.0.0.1:1//nowhere"
    result = remote.run(expect=UNREACHABLE)
    assert result.said.strip() or result.summary["exit"] == UNREACHABLE
    for line in result.out.splitlines():
        json.loads(line)
    remote.at_rest = False


@pytest.mark.parametrize("option", ["--version", "--help", "-h"])
def test_version_and_help_are_answered(local, option):
    result = execute([OSYNC, option], local.env(), OK)
    assert "osync" in result.out
    assert result.err == ""


def test_help_names_every_option_of_the_core(local):
    text = execute([OSYNC, "--help"], local.env(), OK).out
    for option in ("--initiator", "--target", "--instance-id", "--dry-run", "--json", "--summary",
                   "--verbose", "--quiet", "--config", "--ssh-key", "--known-hosts",
                   "--remote-osync", "--allow-deletes", "--adopt", "--version", "--help"):
        assert option in text, option


def test_options_may_be_written_with_an_equals_sign(local):
    local.initiator.rename(local.base / "with=equals=signs")
    local.initiator = local.base / "with=equals=signs"
    content = local.write("initiator", "x")
    execute([OSYNC, "sync", f"--initiator={local.initiator}", f"--target={local.target}",
             "--instance-id=test", "--quiet"], local.env())
    assert local.both("x") == content


def test_list_state_prints_what_was_agreed(pair):
    pair.write("initiator", "d/one")
    pair.write("target", "d/two \x1b")
    pair.run()
    text = pair.list_state()
    assert "d/one" in text and "d/two" in text
    assert "\x1b" not in text


def test_list_state_of_a_pair_that_never_ran_prints_nothing_and_makes_nothing(local):
    local.write("initiator", "d/one")
    before = local.stamps()
    args = [OSYNC, "list", "--state", "--initiator", str(local.initiator), "--target",
            str(local.target), "--instance-id", "test"]
    result = execute(args, local.env(), None)
    assert "d/one" not in result.out
    assert local.stamps() == before
    local.at_rest = False

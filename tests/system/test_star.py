# SPDX-License-Identifier: BSD-2-Clause
"""Several initiators share one target."""

import threading

import pytest
from harness import LOOK, OK, Pair, finish


@pytest.fixture(params=["local", "ssh"])
def star(request, tmp_path):
    """Two initiators with one target."""
    server = request.getfixturevalue("server") if request.param == "ssh" else None
    return [Pair(tmp_path, server, initiator=name, name=name) for name in ("anna", "bert")]


def sync_in_turn(pairs, rounds=2):
    for _ in range(rounds):
        for pair in pairs:
            pair.run(expect=(OK, LOOK))


def at_once(pairs):
    """Start all at the same moment; returns their results."""
    processes = [pair.start("--lock-wait", "30") for pair in pairs]
    results = [None] * len(pairs)

    def wait(number):
        results[number] = finish(processes[number], None)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def assert_rest(pairs):
    for pair in pairs:
        pair.verify()


def test_two_initiators_that_start_at_the_same_second_both_succeed(star):
    contents = set()
    for pair in star:
        contents |= {pair.write("initiator", f"{pair.name}/{number}") for number in range(40)}
    contents |= {star[0].write("target", f"there/{number}") for number in range(40)}
    for _ in range(2):
        results = at_once(star)
        assert [result.code for result in results] == [OK, OK], "\n".join(map(repr, results))
    assert star[0].contents("initiator") == star[1].contents("initiator") == contents
    assert star[0].contents("target") == contents
    assert_rest(star)


def test_two_initiators_with_one_profile_name_do_not_confuse_each_other(tmp_path):
    star = [Pair(tmp_path, initiator=name, name="same") for name in ("anna", "bert")]
    kept = star[0].write("initiator", "x")
    sync_in_turn(star)
    star[0].remove("initiator", "x")
    new = star[1].write("initiator", "y")
    sync_in_turn(star)
    assert star[0].contents("initiator") == star[1].contents("initiator") == {new} != {kept}
    assert_rest(star)


def test_an_edit_travels_through_the_target(star):
    anna, bert = star
    content = anna.write("initiator", "x")
    sync_in_turn(star, 1)
    assert bert.read("initiator", "x") == content
    edited = bert.write("initiator", "x")
    sync_in_turn(star)
    assert anna.read("initiator", "x") == edited
    assert_rest(star)


def test_i18_a_deletion_travels_and_an_offline_initiator_does_not_bring_the_file_back(star):
    anna, bert = star
    anna.write("initiator", "x")
    stays = anna.write("initiator", "stays")
    sync_in_turn(star)
    anna.remove("initiator", "x")
    for _ in range(3):
        anna.run()
    bert.run()
    assert bert.contents("initiator") == anna.contents("initiator") == {stays}
    assert_rest(star)


def test_i46_three_initiators_come_to_rest_within_two_rounds(tmp_path):
    star = [Pair(tmp_path, initiator=name, name=name) for name in ("anna", "bert", "cara")]
    star[0].write("initiator", "shared", "first")
    star[0].write("initiator", "d/moved")
    star[0].write("initiator", "gone")
    sync_in_turn(star)
    for pair in star:
        pair.write("initiator", "shared", f"the version of {pair.name}")
        pair.write("initiator", f"d/{pair.name}")
    star[1].rename("initiator", "d/moved", f"d/{star[1].name} moved it")
    star[2].remove("initiator", "gone")
    sync_in_turn(star, rounds=2)
    quiet = [pair.run(expect=OK) for pair in star]
    assert [result.changes for result in quiet] == [[], [], []]
    assert all(result.summary["hashed_bytes"] == 0 for result in quiet)
    assert star[0].names("initiator") == star[1].names("initiator") == star[2].names("initiator")
    versions = {f"the version of {pair.name}".encode() for pair in star}
    assert versions <= star[0].contents("target")
    assert_rest(star)


def test_i14_a_conflict_seen_by_several_initiators_makes_one_copy(star):
    anna, bert = star
    anna.write("initiator", "x.txt")
    sync_in_turn(star)
    here = anna.write("initiator", "x.txt")
    there = bert.write("initiator", "x.txt")
    for pair in (anna, bert, anna, bert, anna):
        pair.run(expect=(OK, LOOK))
    for pair in star:
        assert pair.contents("initiator") == pair.contents("target") == {here, there}
        assert len(pair.conflict_copies("initiator", "x")) == 1
    assert_rest(star)


def test_one_edit_made_alike_everywhere_is_no_conflict(star):
    for pair in star:
        pair.write("initiator", "x", "alike")
    star[0].write("target", "x", "alike")
    for pair in star:
        result = pair.run(expect=OK)
        assert result.summary["conflicts"] == 0
    assert_rest(star)


def test_a_deletion_of_one_and_an_edit_of_the_other_keeps_the_edit(star):
    anna, bert = star
    anna.write("initiator", "x")
    sync_in_turn(star)
    anna.remove("initiator", "x")
    edited = bert.write("initiator", "x")
    sync_in_turn(star)
    assert anna.read("initiator", "x") == edited
    assert_rest(star)


def test_a_new_initiator_with_old_copies_loses_nothing(tmp_path):
    anna = Pair(tmp_path, initiator="anna", name="anna")
    new = anna.write("initiator", "x.txt")
    anna.write("initiator", "alike", "alike")
    anna.run()
    bert = Pair(tmp_path, initiator="bert", name="bert")
    old = bert.write("initiator", "x.txt", mtime=1_500_000_000)
    bert.write("initiator", "alike", "alike")
    mine = bert.write("initiator", "mine")
    bert.run(expect=LOOK)
    anna.run()
    for pair in (anna, bert):
        assert pair.contents("initiator") == {new, old, mine, b"alike"}
    assert_rest([anna, bert])

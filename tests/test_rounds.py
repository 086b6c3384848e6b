"""A reconvergence: one record from Steady to Steady, whatever came in between."""

from datetime import UTC, datetime

from hostlink.core.effects import Transition
from hostlink.core.table import State, Trigger
from hostlink.rounds import KEPT, Rounds

NOW = datetime(2026, 11, 24, tzinfo=UTC)
STEADY, MIRRORING, PUNTING, RECOVERING = State.STEADY, State.MIRRORING, State.PUNTING, State.RECOVERING


def go(rounds, frm, to, at_s, trigger=Trigger.HOST_CHANGED, why="the host changed: route"):
    return rounds.moved(Transition(frm, to, trigger, why, None), NOW, at_s)


def test_one_round_with_its_reason_its_work_and_its_time():
    rounds = Rounds()
    assert go(rounds, STEADY, MIRRORING, 1.0) is None
    rounds.changed(["add route a"])
    assert go(rounds, MIRRORING, MIRRORING, 1.1, Trigger.MIRRORED, "again") is None
    rounds.changed(["add route b"])
    go(rounds, MIRRORING, PUNTING, 1.2, Trigger.MIRRORED, "mirrored")
    ended = go(rounds, PUNTING, STEADY, 1.25, Trigger.PATH_PROVED, "the path is proved")
    assert ended is rounds.last
    assert (ended.at, ended.why, ended.audit) == (NOW, "the host changed: route", False)
    assert (ended.changes, ended.count, ended.duration_s) == (("add route a", "add route b"), 2, 0.25)


def test_of_many_changes_a_few_are_kept_and_all_are_counted():
    rounds = Rounds()
    go(rounds, STEADY, MIRRORING, 0)
    rounds.changed([f"change {number}" for number in range(KEPT - 1)])
    rounds.changed(["one", "two", "three"])
    go(rounds, PUNTING, STEADY, 1)
    assert (len(rounds.last.changes), rounds.last.changes[-1], rounds.last.count) == (KEPT, "one", KEPT + 2)


def test_an_audit_that_finds_nothing_leaves_the_last_reconvergence_as_it_was():
    rounds = Rounds()
    go(rounds, STEADY, MIRRORING, 0)
    before = go(rounds, PUNTING, STEADY, 1)
    for trigger in (Trigger.DEADLINE_PASSED, Trigger.AUDIT_REQUESTED):
        go(rounds, STEADY, MIRRORING, 2, trigger, "audit")
        audit = go(rounds, PUNTING, STEADY, 3)
        assert (rounds.last, rounds.last_audit, audit.count) == (before, audit, 0)


def test_an_audit_that_found_something_is_both():
    rounds = Rounds()
    go(rounds, STEADY, MIRRORING, 0, Trigger.DEADLINE_PASSED, "audit")
    rounds.changed(["add address"])
    ended = go(rounds, PUNTING, STEADY, 1)
    assert rounds.last is rounds.last_audit is ended


def test_a_round_that_ends_in_recovering_is_none():
    rounds = Rounds()
    go(rounds, STEADY, MIRRORING, 0)
    assert go(rounds, MIRRORING, RECOVERING, 1, Trigger.VPP_LOST) is None
    assert rounds.last is None
    assert go(rounds, RECOVERING, State.DETECTING, 2, Trigger.GIVEN_BACK) is None

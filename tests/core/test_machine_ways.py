"""What the guards decide: the ways that the plain cells (test_machine_cells.py) do not take."""

from dataclasses import replace

import pytest
from machine_driver import BOOM, FIT, Driver, published, started

from hostlink.core.effects import (
    ArmTimer,
    CancelStep,
    DisarmTimer,
    Finish,
    Refuse,
)
from hostlink.core.events import (
    Captured,
    DeadlinePassed,
    Event,
    GivenBack,
    HostChanged,
    Inspected,
    Mirrored,
    PathProved,
    ReleaseRequested,
    ResumeRequested,
    StepFailed,
    StopRequested,
    UplinkLost,
    VppChanged,
    VppFound,
    VppLost,
)
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Facts, Problem
from hostlink.core.table import HoldKind, State, Step

LEFTOVERS = replace(FIT, leftovers=True)
ALIVE = replace(FIT, takeover_alive=True)
NO_VPP = replace(FIT, vpp_reachable=False)
STUCK_ROUTE = Problem("HL-406", "the route 10.9.0.0/16 did not come back")


def given_back(driver: Driver, residue: tuple[Problem, ...] = ()) -> None:
    driver.send(GivenBack(driver.step, residue))
    assert driver.state is State.DETECTING


# ----------------------------------------------------------------------------------------------------------- detecting


def test_what_is_missing_is_the_reason() -> None:
    driver = Driver()
    driver.look(Facts())
    assert driver.machine.why == "the uplink is not there; VPP does not answer"
    driver.overdue()
    driver.look(replace(FIT, obstacles=(Problem("HL-204", "VPP lacks af_packet_create_v3"),)))
    assert driver.state is State.DETECTING
    assert driver.machine.why == "VPP lacks af_packet_create_v3"
    assert [problem.code for problem in driver.machine.problems] == ["HL-204"]


def test_many_obstacles_are_counted_in_the_reason_and_whole_in_the_problems() -> None:
    driver = Driver()
    driver.look(replace(FIT, obstacles=tuple(Problem("HL-204", f"lacks {n}") for n in range(5))))
    assert driver.machine.why == "lacks 0; lacks 1; lacks 2; and 2 more"
    assert len(driver.machine.problems) == 5


def test_looks_again_after_two_seconds_without_a_word_to_watchers() -> None:
    driver = Driver()
    assert published(driver.look(Facts())) is not None
    assert driver.armed_s == 2.0
    assert published(driver.overdue()) is None
    assert driver.kind is Step.INSPECT
    assert published(driver.look(Facts())) is None


@pytest.mark.parametrize("event", [HostChanged("a"), VppChanged("b"), VppLost("c"), VppFound(), UplinkLost("d")])
def test_a_wake_up_while_waiting_looks_at_once(event: Event) -> None:
    driver = Driver()
    driver.look(Facts())
    assert started(driver.send(event)) is Step.INSPECT


def test_a_wake_up_during_a_look_is_not_lost_and_does_not_begin_it_anew() -> None:
    driver = Driver()
    assert driver.send(VppFound()) == ()
    assert started(driver.look(NO_VPP)) is Step.INSPECT
    assert not driver.machine.dirty
    assert started(driver.look(NO_VPP)) is None


def test_a_look_that_hangs_is_given_up_and_told() -> None:
    driver = Driver()
    first = driver.step
    assert CancelStep(first) in driver.overdue()
    assert driver.kind is Step.INSPECT
    assert driver.machine.problems == (Problem("HL-403", "eth1: Detecting took longer than 10 s"),)
    assert driver.send(Inspected(first, FIT)) == ()
    driver.look(NO_VPP)
    assert driver.machine.problems == ()


def test_a_takeover_that_is_alive_is_adopted() -> None:
    driver = Driver()
    assert started(driver.look(ALIVE)) is Step.MIRROR
    assert driver.machine.why == "adopted: the takeover of an earlier run is alive"


def test_a_takeover_that_is_alive_against_an_operators_hold_is_given_back() -> None:
    driver = Driver()
    driver.send(ReleaseRequested())
    given_back(driver)
    assert started(driver.look(ALIVE)) is Step.GIVE_BACK
    assert driver.machine.hold is not None


def test_leftovers_are_given_back_three_times_and_then_wait_for_an_operator() -> None:
    driver = Driver()
    for _ in range(3):
        assert started(driver.look(LEFTOVERS)) is Step.GIVE_BACK
        given_back(driver, (STUCK_ROUTE,))
    assert started(driver.look(LEFTOVERS)) is None
    assert "then resume" in driver.machine.why
    assert STUCK_ROUTE in driver.machine.problems
    driver.send(ResumeRequested())
    assert started(driver.look(LEFTOVERS)) is Step.GIVE_BACK


def test_leftovers_are_tried_again_when_the_uplink_comes_back() -> None:
    driver = Driver()
    gone = replace(LEFTOVERS, uplink_found=False)
    for _ in range(3):
        driver.look(gone)
        given_back(driver, (STUCK_ROUTE,))
    assert started(driver.look(gone)) is None
    driver.send(HostChanged("eth1 appeared"))
    assert started(driver.look(LEFTOVERS)) is Step.GIVE_BACK


def test_nothing_is_taken_over_while_something_is_left_over() -> None:
    driver = Driver()
    for _ in range(3):
        driver.look(LEFTOVERS)
        given_back(driver)
    driver.look(LEFTOVERS)
    assert driver.state is State.DETECTING


# --------------------------------------------------------------------------------------------------------------- holds


@pytest.mark.parametrize("state", [State.CAPTURING, State.HANDOVER, State.MIRRORING, State.PUNTING])
def test_a_failed_takeover_is_not_tried_again_until_an_operator_resumes(state: State) -> None:
    driver = Driver().to(state)
    driver.fail()
    given_back(driver)
    driver.look()
    hold = driver.machine.hold
    assert driver.state is State.DETECTING
    assert hold is not None
    assert (hold.kind, hold.problem) == (HoldKind.FAILED, BOOM)
    assert hold.reason == "a takeover failed: VPP said no"
    assert driver.machine.why == "VPP said no"
    assert driver.machine.problems == (BOOM,)
    assert driver.machine.next == "an operator's resume, when the cause is gone, or the end of retry_s"
    assert started(driver.send(ResumeRequested())) is Step.INSPECT
    assert driver.machine.hold is None
    driver.look()
    assert driver.state is State.CAPTURING


def test_a_deadline_is_a_failure_that_says_how_long() -> None:
    driver = Driver().to(State.MIRRORING)
    driver.overdue()
    assert driver.machine.why == "eth1: Mirroring got no further for 30 s"
    assert driver.machine.hold is not None
    assert driver.machine.hold.problem == Problem("HL-403", driver.machine.why)


def test_a_lost_uplink_is_taken_again_when_it_is_back() -> None:
    driver = Driver().to(State.PUNTING)
    driver.send(UplinkLost("eth1 is gone"))
    given_back(driver)
    driver.look(replace(FIT, uplink_found=False))
    assert driver.machine.hold is not None
    assert driver.machine.hold.kind is HoldKind.UPLINK_LOST
    driver.send(HostChanged("eth1 appeared"))
    driver.look()
    assert driver.state is State.CAPTURING


def test_a_release_holds_until_it_is_resumed() -> None:
    driver = Driver().to(State.STEADY)
    assert started(driver.send(ReleaseRequested())) is Step.GIVE_BACK
    given_back(driver)
    driver.look()
    assert driver.state is State.DETECTING
    driver.send(VppFound())
    driver.look()
    assert driver.state is State.DETECTING
    assert driver.machine.hold is not None
    assert driver.machine.hold.kind is HoldKind.OPERATOR
    driver.send(ResumeRequested())
    driver.look()
    assert driver.state is State.CAPTURING


def test_a_release_during_recovering_turns_the_hold_into_the_operators() -> None:
    driver = Driver().to(State.MIRRORING)
    driver.send(VppLost("gone"))
    driver.send(ReleaseRequested())
    given_back(driver)
    driver.look()
    assert driver.state is State.DETECTING
    assert driver.machine.hold is not None
    assert driver.machine.hold.kind is HoldKind.OPERATOR


# ---------------------------------------------------------------------------------------- capturing, mirroring, audits


def test_a_host_that_never_rests_is_captured_all_the_same() -> None:
    driver = Driver().to(State.CAPTURING)
    for _ in range(5):
        assert started(driver.send(HostChanged("a lifetime"))) is Step.CAPTURE
    assert driver.send(HostChanged("a lifetime")) == ()
    driver.send(Captured(driver.step))
    assert driver.state is State.HANDOVER


def test_a_change_during_mirroring_mirrors_again_but_not_for_ever() -> None:
    driver = Driver().to(State.MIRRORING)
    for _ in range(3):
        driver.send(HostChanged("a route"))
        assert started(driver.send(Mirrored(driver.step, ("a route",)))) is Step.MIRROR
        assert not driver.machine.dirty
    driver.send(HostChanged("a route"))
    driver.send(Mirrored(driver.step, ("a route",)))
    assert driver.state is State.PUNTING
    assert driver.machine.dirty
    driver.send(PathProved(driver.step))
    assert driver.state is State.MIRRORING
    assert not driver.machine.dirty


def test_each_round_of_mirroring_has_its_own_tries() -> None:
    driver = Driver().to(State.MIRRORING)
    for _ in range(5):
        driver.send(HostChanged("a route"))
        assert started(driver.send(Mirrored(driver.step))) is Step.MIRROR
        driver.send(Mirrored(driver.step))
        driver.send(PathProved(driver.step))
        assert driver.state is State.STEADY
        driver.send(HostChanged("a route"))


def test_a_change_while_the_path_is_proved_goes_through_mirroring_first() -> None:
    driver = Driver().to(State.PUNTING)
    driver.send(VppChanged("an interface went down"))
    driver.send(PathProved(driver.step))
    assert driver.state is State.MIRRORING


def test_an_audit_that_finds_nothing_is_quiet() -> None:
    driver = Driver().to(State.STEADY)
    moves = [driver.overdue(), driver.send(Mirrored(driver.step)), driver.send(PathProved(driver.step))]
    told = [published(effects) for effects in moves]
    assert [move.quiet for move in told if move] == [True, True, True]
    assert driver.machine.why == "audit: nothing differed"
    assert driver.state is State.STEADY


def test_an_audit_that_finds_something_tells_what() -> None:
    driver = Driver().to(State.STEADY)
    driver.overdue()
    move = published(driver.send(Mirrored(driver.step, ("VPP: add route 10.1.0.0/16 via 10.0.0.254",))))
    assert move is not None
    assert not move.quiet
    assert move.why == "mirrored: VPP: add route 10.1.0.0/16 via 10.0.0.254"
    move = published(driver.send(PathProved(driver.step)))
    assert move is not None
    assert not move.quiet
    assert move.why == "the path is proved: the probes passed"


def test_an_audit_that_finds_something_in_the_punt_path_tells_what() -> None:
    driver = Driver().to(State.STEADY)
    driver.overdue()
    driver.send(Mirrored(driver.step))
    move = published(driver.send(PathProved(driver.step, ("VPP: punt IPv4 UDP to unclaimed ports",))))
    assert move is not None
    assert not move.quiet
    assert move.why == "the path is proved: VPP: punt IPv4 UDP to unclaimed ports"
    assert driver.state is State.STEADY


def test_an_audit_that_found_something_before_it_went_round_again_is_not_quiet() -> None:
    driver = Driver().to(State.STEADY)
    driver.overdue()
    driver.send(Mirrored(driver.step))
    driver.send(HostChanged("a route"))
    driver.send(PathProved(driver.step, ("VPP: punt IPv4 UDP to unclaimed ports",)))
    assert driver.state is State.MIRRORING
    driver.send(Mirrored(driver.step))
    move = published(driver.send(PathProved(driver.step)))
    assert move is not None
    assert not move.quiet
    assert move.why == "the path is proved: the probes passed"


def test_what_follows_an_audit_is_no_audit() -> None:
    driver = Driver().to(State.STEADY)
    driver.overdue()
    driver.send(Mirrored(driver.step))
    driver.send(PathProved(driver.step))
    move = published(driver.send(HostChanged("a lease")))
    assert move is not None
    assert not move.quiet
    assert move.why == "the host changed: a lease"


def test_an_audit_that_ends_the_takeover_is_not_quiet() -> None:
    driver = Driver().to(State.STEADY)
    driver.overdue()
    move = published(driver.send(StepFailed(driver.step, BOOM)))
    assert move is not None
    assert move.to is State.RECOVERING
    assert not move.quiet


# -------------------------------------------------------------------------------------------------- recovering and stop


def test_a_give_back_that_fails_is_tried_again_after_a_wait_and_told_once() -> None:
    driver = Driver().to(State.RECOVERING)
    told = published(driver.fail(Problem("HL-408", "busy")))
    assert told is not None
    assert told.to is State.RECOVERING
    assert driver.machine.next == "the next try to give the NIC back"
    assert Problem("HL-408", "busy") in driver.machine.problems
    assert started(driver.overdue()) is Step.GIVE_BACK
    assert published(driver.fail(Problem("HL-408", "busy"))) is None
    for _ in range(20):
        driver.overdue()
        driver.fail()
    assert driver.state is State.RECOVERING


def test_a_give_back_that_hangs_is_given_up_and_begun_anew() -> None:
    driver = Driver().to(State.RECOVERING)
    step = driver.step
    assert CancelStep(step) in driver.overdue()
    assert driver.kind is Step.GIVE_BACK
    assert Problem("HL-408", "eth1: Recovering took longer than 60 s") in driver.machine.problems


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_a_stop_gives_back_and_finishes(state: State) -> None:
    driver = Driver().to(state)
    driver.send(StopRequested("SIGTERM"))
    assert driver.kind is Step.GIVE_BACK
    assert driver.machine.why == "stopping (SIGTERM): the NIC is given back"
    effects = driver.send(GivenBack(driver.step))
    assert effects[0] == DisarmTimer(driver.timer)
    assert effects[-1] == Finish(clean=True)
    assert (driver.kind, driver.armed_s) == (None, None)
    assert driver.machine.next == "nothing: done"
    assert driver.machine.deadline_s is None
    assert driver.send(HostChanged("x")) == ()
    assert driver.send(StopRequested("SIGINT")) == ()


def test_a_stop_with_residue_is_not_clean() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(StopRequested("SIGTERM"))
    driver.send(GivenBack(driver.step, (STUCK_ROUTE,)))
    assert driver.clean is False
    assert driver.machine.problems == (STUCK_ROUTE,)


def test_a_stop_during_a_wait_keeps_to_it_and_to_its_own_five_tries() -> None:
    driver = Driver().to(State.RECOVERING)
    for _ in range(10):
        driver.fail()
        driver.overdue()
    driver.send(StopRequested("SIGTERM"))
    for _ in range(4):
        assert not any(isinstance(effect, Finish) for effect in driver.fail())
        driver.overdue()
    effects = driver.fail()
    assert effects[-1] == Finish(clean=False)
    assert driver.machine.why == "stopped without having given the NIC back: VPP said no"


def test_a_stop_ends_even_if_every_give_back_hangs() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(StopRequested("SIGTERM"))
    for _ in range(4):
        driver.overdue()
        assert driver.kind is Step.GIVE_BACK
    step = driver.step
    effects = driver.overdue()
    assert CancelStep(step) in effects
    assert effects[-1] == Finish(clean=False)


def test_a_second_stop_does_not_begin_the_count_anew() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(StopRequested("SIGTERM"))
    for _ in range(4):
        driver.fail()
        driver.overdue()
    driver.send(StopRequested("SIGINT"))
    driver.fail()
    assert driver.finished


def test_a_release_after_a_stop_does_not_stay_the_end() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(StopRequested("SIGTERM"))
    driver.send(ReleaseRequested())
    assert driver.machine.hold is not None
    assert driver.machine.hold.kind is HoldKind.STOPPING
    driver.send(GivenBack(driver.step))
    assert driver.finished


# --------------------------------------------------------------------------------------------------------------- stale


def test_the_result_of_a_cancelled_step_changes_nothing() -> None:
    driver = Driver().to(State.MIRRORING)
    old = driver.step
    driver.send(VppLost("gone"))
    for event in (Mirrored(old, ("x",)), StepFailed(old, BOOM), GivenBack(old)):
        assert driver.send(event) == ()
        assert driver.state is State.RECOVERING
        assert driver.machine.problems == (Problem("HL-404", "gone"),)


def test_a_result_from_the_future_changes_nothing() -> None:
    driver = Driver().to(State.CAPTURING)
    assert driver.send(Captured(driver.step + 1)) == ()
    assert driver.state is State.CAPTURING


def test_a_second_result_of_a_step_that_ended_changes_nothing() -> None:
    driver = Driver().to(State.RECOVERING)
    driver.fail()
    assert driver.send(GivenBack(driver.step)) == ()
    assert driver.fail() == ()
    assert driver.state is State.RECOVERING


def test_a_second_result_in_steady_is_refused_as_the_bug_that_it_is() -> None:
    driver = Driver().to(State.STEADY)
    (refusal,) = driver.send(PathProved(driver.step))
    assert isinstance(refusal, Refuse)
    assert driver.send(PathProved(driver.step - 1)) == ()


def test_a_deadline_that_was_disarmed_changes_nothing() -> None:
    driver = Driver().to(State.CAPTURING)
    old = driver.timer
    driver.send(Captured(driver.step))
    assert driver.send(DeadlinePassed(old)) == ()
    assert driver.state is State.HANDOVER


def test_a_machine_is_started_once_and_says_so() -> None:
    machine = UplinkMachine("eth1")
    start = machine.start()
    move = published(start)
    assert move is not None
    assert (move.trigger, move.why) == (None, "started")
    assert isinstance(start[-1], ArmTimer)
    with pytest.raises(RuntimeError, match="the machine of eth1 was started before"):
        machine.start()


def test_what_was_noted_at_the_look_is_shown_while_it_lasts_obstacles_only_before() -> None:
    note, obstacle = Problem("HL-109", "no address"), Problem("HL-204", "lacks")
    driver = Driver()
    driver.look(replace(FIT, notes=(note,), obstacles=(obstacle,)))
    assert driver.machine.problems == (obstacle, note)
    driver.overdue()
    driver.look(replace(FIT, notes=(note,)))
    assert driver.state is State.CAPTURING
    assert driver.machine.problems == (note,)
    assert driver.machine.facts == replace(FIT, notes=(note,))

"""What the machine does about a VPP that was lost: waits for it, with the host's interface in place, or gives back."""

from dataclasses import replace

import pytest
from machine_driver import FIT, Driver, started

from hostlink.core.events import (
    Captured,
    Event,
    GivenBack,
    GoneAround,
    HandedOver,
    ReleaseRequested,
    StopRequested,
    VppFound,
    VppLost,
)
from hostlink.core.model import Problem
from hostlink.core.table import HoldKind, State, Step

LEFTOVERS = replace(FIT, leftovers=True)
NO_VPP = replace(FIT, vpp_reachable=False)


def given_back(driver: Driver, residue: tuple[Problem, ...] = ()) -> None:
    driver.send(GivenBack(driver.step, residue))
    assert driver.state is State.DETECTING


def test_a_lost_vpp_is_waited_for_and_takes_its_part_again() -> None:
    driver = Driver().to(State.STEADY)
    assert started(driver.send(VppLost("the socket closed"))) is Step.GO_AROUND
    assert driver.machine.why == "VPP was lost and is waited for: the socket closed"
    assert driver.machine.next == "VPP to come back; the host's interface stays as it is meanwhile"
    assert [problem.code for problem in driver.machine.problems] == ["HL-404"]
    assert driver.machine.awaits_vpp
    assert driver.send(VppFound(fit=False)) == ()
    assert driver.send(GoneAround(driver.step)) == ()
    assert driver.machine.awaits_vpp
    assert driver.armed_s == 10
    assert started(driver.send(VppFound())) is Step.HAND_OVER
    assert driver.machine.problems == ()
    assert not driver.machine.awaits_vpp
    # Lost once more before it has its part again: still the same takeover.
    driver.send(VppLost("the socket closed", losses=2))
    assert driver.machine.awaits_vpp
    driver.send(VppFound())
    driver.send(HandedOver(driver.step))
    assert driver.kind is Step.MIRROR


def test_a_lost_vpp_that_stays_away_costs_it_the_nic_and_is_taken_again_when_it_is_back() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(VppLost("the socket closed"))
    assert driver.armed_s == 10
    assert started(driver.overdue()) is Step.GIVE_BACK
    given_back(driver)
    driver.look(NO_VPP)
    assert driver.machine.hold is not None
    assert driver.machine.hold.kind is HoldKind.VPP_LOST
    assert driver.machine.why == "VPP has not come back in time: the NIC is given back"
    driver.send(VppFound())
    driver.look()
    assert driver.state is State.CAPTURING
    assert driver.machine.hold is None


@pytest.mark.parametrize("state", [State.HANDOVER, State.MIRRORING, State.PUNTING])
def test_a_first_takeover_that_loses_vpp_is_given_back_at_once(state: State) -> None:
    driver = Driver().to(state)
    assert started(driver.send(VppLost("the socket closed"))) is Step.GIVE_BACK


def test_a_takeover_after_a_give_back_is_a_first_one_again() -> None:
    driver = Driver().to(State.STEADY)
    driver.send(VppLost("gone"))
    driver.overdue()
    given_back(driver)
    driver.look()
    driver.send(Captured(driver.step))
    assert started(driver.send(VppLost("gone"))) is Step.GIVE_BACK


def test_a_vpp_that_is_lost_again_and_again_is_not_waited_for() -> None:
    driver = Driver().to(State.STEADY)
    assert started(driver.send(VppLost("the socket closed", losses=4))) is Step.GIVE_BACK


@pytest.mark.parametrize("event", [StopRequested("SIGTERM"), ReleaseRequested()])
def test_whoever_wants_the_nic_back_does_not_wait_for_vpp(event: Event) -> None:
    driver = Driver().to(State.STEADY)
    driver.send(VppLost("the socket closed"))
    assert started(driver.send(event)) is Step.GIVE_BACK
    assert driver.send(VppFound()) == ()


def test_a_give_back_that_is_told_while_vpp_is_waited_for_ends_the_waiting() -> None:
    """No step that gives back runs then; but what says so all the same must not end the machine (found by chance)."""
    driver = Driver().to(State.STEADY)
    driver.send(VppLost("the socket closed"))
    given_back(driver)
    assert not driver.machine.awaits_vpp
    assert driver.kind is Step.INSPECT


def test_a_host_interface_that_outlived_daemon_and_vpp_is_kept() -> None:
    driver = Driver()
    outlived = replace(LEFTOVERS, host_link_alive=True)
    assert started(driver.look(replace(outlived, vpp_reachable=False))) is Step.GO_AROUND
    assert driver.machine.awaits_vpp
    assert started(driver.send(VppFound())) is Step.HAND_OVER
    driver = Driver()
    assert started(driver.look(outlived)) is Step.HAND_OVER
    driver.send(VppLost("gone"))
    assert driver.machine.awaits_vpp


def test_what_outlived_is_given_back_where_an_operator_wants_it_or_vpp_is_unfit() -> None:
    driver = Driver()
    driver.send(ReleaseRequested())
    given_back(driver)
    outlived = replace(LEFTOVERS, host_link_alive=True)
    assert started(driver.look(outlived)) is Step.GIVE_BACK
    driver = Driver()
    unfit = replace(outlived, obstacles=(Problem("HL-204", "VPP lacks af_packet_create_v3"),))
    assert started(driver.look(unfit)) is Step.GIVE_BACK

"""Holds that outlive a run: kept before the give-back begins, dropped by a resume, shown by the next run."""

from dataclasses import replace

import pytest
from machine_driver import BOOM, FIT, Driver

from hostlink.core.context import Hold
from hostlink.core.effects import (
    DropHold,
    Effect,
    KeepHold,
    StartStep,
)
from hostlink.core.events import (
    GivenBack,
    ReleaseRequested,
    ResumeRequested,
    StopRequested,
    VppLost,
)
from hostlink.core.machine import UplinkMachine
from hostlink.core.model import Problem
from hostlink.core.table import HoldKind, State, Step


def given_back(driver: Driver, residue: tuple[Problem, ...] = ()) -> None:
    driver.send(GivenBack(driver.step, residue))
    assert driver.state is State.DETECTING


def kept(effects: tuple[Effect, ...]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, KeepHold | DropHold)]


def test_a_failure_is_kept_before_its_give_back_begins() -> None:
    driver = Driver().to(State.PUNTING)
    effects = driver.fail()
    keep = KeepHold(driver.machine.hold)
    assert kept(effects) == [keep]
    assert effects.index(keep) < next(n for n, effect in enumerate(effects) if isinstance(effect, StartStep))


def test_an_operators_release_is_kept_and_a_resume_drops_it() -> None:
    driver = Driver().to(State.STEADY)
    assert kept(driver.send(ReleaseRequested())) == [KeepHold(driver.machine.hold)]
    assert kept(driver.send(GivenBack(driver.step))) == []
    assert kept(driver.send(ResumeRequested())) == [DropHold()]
    assert driver.machine.why == "resumed by an operator"


def test_a_stop_leaves_what_is_kept() -> None:
    driver = Driver().to(State.PUNTING)
    driver.fail()
    driver.send(GivenBack(driver.step))
    assert kept(driver.send(StopRequested("SIGTERM"))) == []
    assert kept(driver.send(GivenBack(driver.step))) == []
    assert driver.finished


def test_a_takeover_that_daemons_died_over_is_given_back_and_held() -> None:
    """F46: it is kept before the give-back begins, says why, and nothing is tried again before a resume."""
    driver = Driver()
    effects = driver.look(replace(FIT, takeover_alive=True, given_up=BOOM))
    assert (driver.state, driver.kind) == (State.RECOVERING, Step.GIVE_BACK)
    assert kept(effects) == [KeepHold(Hold(HoldKind.FAILED, "a takeover failed: VPP said no", BOOM))]
    driver.send(GivenBack(driver.step))
    driver.look()
    assert (driver.state, driver.kind, driver.machine.problems) == (State.DETECTING, None, (BOOM,))
    driver.send(ResumeRequested())
    driver.look()
    assert driver.state is State.CAPTURING


def test_under_a_hold_that_stands_it_is_not_said_anew() -> None:
    hold = Hold(HoldKind.OPERATOR, "released by an operator")
    driver = Driver(UplinkMachine("eth1", hold=hold))
    driver.look(replace(FIT, leftovers=True, given_up=BOOM))
    assert (driver.state, driver.machine.hold) == (State.RECOVERING, hold)


def test_what_clears_by_itself_is_not_kept() -> None:
    assert kept(Driver().to(State.PUNTING).send(VppLost("the socket closed"))) == []


@pytest.mark.parametrize("kind", [HoldKind.FAILED, HoldKind.OPERATOR], ids=lambda kind: kind.value)
def test_a_hold_of_an_earlier_run_is_shown_and_nothing_is_taken(kind: HoldKind) -> None:
    hold = Hold(kind, "it failed", BOOM if kind is HoldKind.FAILED else None)
    driver = Driver(UplinkMachine("eth1", hold=hold))
    assert driver.machine.why == "held since an earlier run: it failed"
    driver.look()
    assert (driver.state, driver.machine.hold, driver.kind) == (State.DETECTING, hold, None)
    assert driver.machine.why == "held since an earlier run: it failed"
    driver.overdue()
    driver.look(replace(FIT, takeover_alive=True))
    assert driver.state is State.RECOVERING, "what is alive of it is given back"
    driver.send(GivenBack(driver.step))
    driver.look()
    assert driver.state is State.DETECTING
    driver.send(ResumeRequested(by="the back-off"))
    assert driver.machine.why == "resumed by the back-off"
    driver.look()
    assert driver.state is State.CAPTURING

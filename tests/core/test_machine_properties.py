"""Whatever happens in whatever order: the machine never raises, never stalls, and always gets to its end.

machine_driver.Driver checks every effect against its books: one step and one timer at a time, something always armed.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_driver import BOOM, Driver, plain_event

from hostlink.core.events import (
    DeadlinePassed,
    Event,
    GivenBack,
    Inspected,
    Mirrored,
    PathProved,
    StepFailed,
    StopRequested,
)
from hostlink.core.model import Facts, Problem
from hostlink.core.table import STATES, State, Trigger

PROBLEMS = st.sampled_from([Problem("HL-402", "VPP said no"), Problem("HL-406", "a route did not come back")])
FACTS = st.builds(
    Facts,
    uplink_found=st.booleans(),
    vpp_reachable=st.booleans(),
    takeover_alive=st.booleans(),
    leftovers=st.booleans(),
    obstacles=st.lists(PROBLEMS, max_size=2).map(tuple),
)


@st.composite
def happenings(draw: st.DrawFn) -> tuple[Trigger, int, Facts, tuple[Problem, ...]]:
    """A trigger, by how much its number is off (mostly not at all), and what it may carry."""
    off = draw(st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1]))
    return draw(st.sampled_from(Trigger)), off, draw(FACTS), tuple(draw(st.lists(PROBLEMS, max_size=1)))


def event_of(driver: Driver, happening: tuple[Trigger, int, Facts, tuple[Problem, ...]]) -> Event:
    trigger, off, facts, problems = happening
    step = driver.step + off
    if trigger is Trigger.INSPECTED:
        return Inspected(step, facts)
    if trigger is Trigger.GIVEN_BACK:
        return GivenBack(step, problems)
    if trigger in (Trigger.MIRRORED, Trigger.PATH_PROVED):
        kind = Mirrored if trigger is Trigger.MIRRORED else PathProved
        return kind(step, tuple(problem.detail for problem in problems))
    if trigger is Trigger.STEP_FAILED:
        return StepFailed(step, problems[0] if problems else BOOM)
    return plain_event(trigger, step, driver.timer + off)


@settings(max_examples=400, deadline=None)
@given(st.lists(happenings(), max_size=40), st.booleans())
def test_any_sequence_keeps_the_machine_whole_and_a_stop_always_ends_it(happened: list, hopeless: bool) -> None:
    driver = Driver()
    for happening in happened:
        before = driver.state
        effects = driver.send(event_of(driver, happening))
        machine = driver.machine
        assert machine.state in State
        assert machine.why
        assert machine.next
        assert effects or machine.state is before
        assert driver.finished or (driver.kind is STATES[machine.state].step) or STATES[machine.state].wait_s
    driver.send(StopRequested("SIGTERM"))
    for _ in range(10):
        if driver.finished:
            break
        if driver.kind is None:
            driver.send(DeadlinePassed(driver.timer))
        driver.send(StepFailed(driver.step, BOOM) if hopeless else GivenBack(driver.step))
    assert driver.finished
    assert driver.machine.state is State.DETECTING


@settings(max_examples=100, deadline=None)
@given(st.lists(happenings(), max_size=40))
def test_stale_numbers_change_nothing(happened: list) -> None:
    driver = Driver()
    for happening in happened:
        driver.send(event_of(driver, happening))
        shown = (driver.machine.state, driver.machine.why, driver.machine.problems, driver.kind, driver.armed_s)
        for trigger in Trigger:
            for number in (0, -1, 10_000):
                stale = plain_event(trigger, number, number)
                if hasattr(stale, "step") or hasattr(stale, "timer"):
                    assert driver.send(stale) == ()
        assert shown == (driver.machine.state, driver.machine.why, driver.machine.problems, driver.kind, driver.armed_s)


@settings(max_examples=100, deadline=None)
@given(st.lists(happenings(), max_size=30))
def test_the_same_events_give_the_same_effects(happened: list) -> None:
    one, other = Driver(), Driver()
    for happening in happened:
        assert one.send(event_of(one, happening)) == other.send(event_of(other, happening))

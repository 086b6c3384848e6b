"""Every state x trigger by the public door, against a table that is written here and read from nowhere else."""

import pytest
from machine_driver import Driver, published, started

from hostlink.core.effects import ArmTimer, CancelStep, Refuse
from hostlink.core.machine import UplinkMachine
from hostlink.core.table import State, Step, Trigger

# Each state as it is right after it was entered, its step running. D C H M P S R: that state is entered (anew).
# V: Recovering, VPP is waited for and its step is to go around it
# w: the step ended, the state waits · d: stays, dirty · h: stays, the hold changes · -: ignored · x: refused
CELLS = """
                    detecting capturing handover mirroring punting steady recovering
inspected               w         x        x         x        x       x       x
captured                x         H        x         x        x       x       x
handed_over             x         x        M         x        x       x       x
mirrored                x         x        x         P        x       x       x
path_proved             x         x        x         x        S       x       x
given_back              x         x        x         x        x       x       D
gone_around             x         x        x         x        x       x       x
step_failed             w         R        R         R        R       x       w
deadline_passed         D         R        R         R        R       M       R
host_changed            d         C        -         d        d       M       -
vpp_changed             d         -        -         d        d       M       -
vpp_lost                d         R        R         R        R       V       -
vpp_found               d         -        -         -        -       -       -
uplink_lost             d         R        -         R        R       R       -
stop_requested          R         R        R         R        R       R       h
release_requested       R         R        R         R        R       R       h
resume_requested        x         x        x         x        x       x       x
audit_requested         x         x        x         d        d       M       x
confirm_missed          -         -        R         R        R       R       -
"""
HEAD, *LINES = CELLS.strip().splitlines()
EXPECTED = {
    (State(state), Trigger(line.split()[0])): word
    for line in LINES
    for state, word in zip(HEAD.split(), line.split()[1:], strict=True)
}
ENTERED = {state.value[0].upper(): state for state in State}
STEPS = {
    State.DETECTING: Step.INSPECT,
    State.CAPTURING: Step.CAPTURE,
    State.HANDOVER: Step.HAND_OVER,
    State.MIRRORING: Step.MIRROR,
    State.PUNTING: Step.PUNT,
    State.STEADY: None,
    State.RECOVERING: Step.GIVE_BACK,
}
DEADLINES_S = {
    State.DETECTING: 10,
    State.CAPTURING: 15,
    State.HANDOVER: 20,
    State.MIRRORING: 30,
    State.PUNTING: 30,
    State.STEADY: 60,
    State.RECOVERING: 60,
}
GRACE_S = 10
REFUSALS = {
    State.DETECTING: "In Detecting only a look at the node runs: this result belongs to no step of it.",
    State.CAPTURING: "In Capturing only the snapshot runs: this result belongs to no step of it.",
    State.HANDOVER: "In Handover only the handover runs: this result belongs to no step of it.",
    State.MIRRORING: "In Mirroring only the mirroring runs: this result belongs to no step of it.",
    State.PUNTING: "In Punting only the proof of the path runs: this result belongs to no step of it.",
    State.STEADY: "In Steady no step runs: this result came twice.",
    State.RECOVERING: "In Recovering only the give-back runs: this result belongs to no step of it.",
}
RESUME_REFUSALS = {
    State.DETECTING: (
        "Nothing is held: hostlink takes the uplink over as soon as it and VPP are there and no obstacle is left."
    ),
    State.RECOVERING: "The NIC is being given back. Resume when that is done: `hostlink state --wait detecting`.",
}
NOTHING_TO_COMPARE = "Nothing is taken over yet: there is nothing to compare. `hostlink state` says what is waited for."
AUDIT_REFUSALS = {State.RECOVERING: "The NIC is being given back: there is nothing to compare."}


def test_the_table_here_is_whole() -> None:
    assert len(EXPECTED) == len(State) * len(Trigger) == 133


@pytest.mark.parametrize(("state", "trigger"), EXPECTED, ids=lambda value: value.value)
def test_cell(state: State, trigger: Trigger) -> None:
    driver = Driver().to(state)
    running, step, timer, hold = driver.kind, driver.step, driver.timer, driver.machine.hold
    effects = driver.send(driver.event(trigger))
    word = EXPECTED[state, trigger]

    if word in ENTERED:
        assert driver.state is ENTERED[word]
        assert driver.kind is started(effects) is STEPS[driver.state]
        assert driver.armed_s == DEADLINES_S[driver.state]
        own_result = trigger in (Trigger.STEP_FAILED, Trigger.GIVEN_BACK) or (
            word in "HMPS" and state is not State.STEADY
        )
        assert (CancelStep(step) in effects) is (running is not None and not own_result)
        assert (published(effects) is not None) or driver.state is state
        return
    if word == "V":
        assert (driver.state, driver.kind, driver.armed_s) == (State.RECOVERING, Step.GO_AROUND, GRACE_S)
        assert published(effects) is not None
        return
    assert driver.state is state
    assert started(effects) is None
    if word == "w":
        assert driver.kind is None
        assert effects[-1] == ArmTimer(timer + 1, 2.0)
        return
    assert (driver.kind, driver.step, driver.timer) == (running, step, timer)
    assert driver.machine.dirty is (word == "d")
    assert (driver.machine.hold != hold) is (word == "h")
    if word == "x":
        message = RESUME_REFUSALS.get(state, "Nothing is held: the takeover is under way or done.")
        if trigger is Trigger.AUDIT_REQUESTED:
            message = AUDIT_REFUSALS.get(state, NOTHING_TO_COMPARE)
        elif trigger is not Trigger.RESUME_REQUESTED:
            message = REFUSALS[state]
        assert effects == (Refuse(trigger, state, message),)
    elif word in "-d":
        assert effects == ()


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_what_is_waited_for_is_said(state: State) -> None:
    machine = Driver().to(state).machine
    assert machine.next
    assert machine.why
    assert machine.deadline_s == DEADLINES_S[state]


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_only_the_deadline_of_mirroring_runs_anew_as_the_step_gets_on(state: State) -> None:
    """How long it takes hangs on how many routes the host has; a wait is never for a step."""
    assert Driver().to(state).by_progress is (state is State.MIRRORING)


@pytest.mark.parametrize("state", [state for state in State if STEPS[state]], ids=lambda state: state.value)
def test_deadlines_can_be_given(state: State) -> None:
    machine = UplinkMachine("eth1", deadlines={state: 0.5})
    assert Driver(machine).to(state).armed_s == 0.5


def test_a_state_without_a_step_has_a_wait_and_no_deadline() -> None:
    with pytest.raises(ValueError, match="Steady has no deadline that could be changed"):
        UplinkMachine("eth1", deadlines={State.STEADY: 1})
    with pytest.raises(ValueError, match="Handover has no wait that could be changed"):
        UplinkMachine("eth1", waits={State.HANDOVER: 1})
    assert Driver(UplinkMachine("eth1", waits={State.STEADY: 0.25})).to(State.STEADY).armed_s == 0.25

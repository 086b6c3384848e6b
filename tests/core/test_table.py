"""What is made from states/uplink.toml, and what it names, fit together."""

import pytest

from hostlink.core import actions, machine
from hostlink.core.actions import DOERS
from hostlink.core.guards import JUDGES
from hostlink.core.table import (
    ACTIONS,
    GUARDS,
    HOLDS,
    ROWS,
    STATES,
    STEPS,
    TRIGGERS,
    Action,
    Guard,
    HoldKind,
    State,
    Step,
    Trigger,
)
from hostlink.problems import REGISTER


def test_the_seven_states() -> None:
    titles = [STATES[state].title for state in State]
    assert titles == ["Detecting", "Capturing", "Handover", "Mirroring", "Punting", "Steady", "Recovering"]


def test_each_guard_has_a_judge_and_each_action_a_doer() -> None:
    assert set(JUDGES) == set(Guard)
    assert set(DOERS) == set(Action)


def test_each_name_has_a_text() -> None:
    for names, texts in ((State, STATES), (Step, STEPS), (Trigger, TRIGGERS), (Guard, GUARDS), (Action, ACTIONS)):
        assert list(texts) == list(names)
    assert set(HOLDS) == set(HoldKind)


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_each_state_tells_an_operator_what_to_know_and_do(state: State) -> None:
    text = STATES[state]
    assert all((text.title, text.what, text.know, text.do))
    assert bool(text.doing) is (text.step is not None)
    assert bool(text.waiting) is (text.wait_s is not None)


def test_reasons_are_sentences_that_take_the_detail_only() -> None:
    for row in ROWS:
        if row.why is not None:
            assert row.why.format(detail="the detail")


def test_the_codes_of_core_are_registered_for_what_core_means() -> None:
    titles = {
        actions.VPP_LOST: "VPP lost",
        actions.UPLINK_LOST: "uplink lost",
        machine.STEP_OVERDUE: "deadline passed",
        machine.GIVE_BACK_OVERDUE: "give-back failed, being tried again",
    }
    assert {code: REGISTER[code].title for code in titles} == titles

"""When a problem is shown: what passes by itself in a moment wakes nobody, and a cause hides what it explains."""

from __future__ import annotations

from hostlink.core.model import Problem
from hostlink.problems import REGISTER
from hostlink.problems.showing import Seen, Showing, next_s

NO_ADDRESS, NO_VPP, NO_MESSAGE, AT_ONCE = (Problem(code, "eth0") for code in ("HL-109", "HL-201", "HL-204", "HL-304"))
NO_ADDRESS_S, NO_VPP_S = 15.0, 3.0


def test_the_records_that_are_tested_with_have_the_delays_and_causes_that_are_meant() -> None:
    assert [REGISTER[one.code].delay_s for one in (NO_ADDRESS, NO_VPP, AT_ONCE)] == [NO_ADDRESS_S, NO_VPP_S, 0.0]
    assert REGISTER[NO_MESSAGE.code].depends_on == (NO_VPP.code,)


def shown(seen: tuple[Seen, ...], now_s: float) -> list[str]:
    return [one.problem.code for one in seen if one.is_shown(now_s)]


def test_one_with_a_delay_is_shown_when_it_has_lasted_so_long() -> None:
    showing = Showing()
    times_s = (100.0, 114.9, 115.0, 200.0)
    assert [shown(showing.look([NO_ADDRESS, AT_ONCE], now_s), now_s) for now_s in times_s] == [
        ["HL-304"],
        ["HL-304"],
        ["HL-109", "HL-304"],
        ["HL-109", "HL-304"],
    ]


def test_one_that_goes_and_comes_begins_anew() -> None:
    showing = Showing()
    showing.look([NO_ADDRESS], 0)
    showing.look([], 14)
    (seen,) = showing.look([NO_ADDRESS], 15)
    assert seen == Seen(NO_ADDRESS, 15 + NO_ADDRESS_S, None)


def test_another_detail_is_the_same_problem() -> None:
    showing = Showing()
    showing.look([NO_ADDRESS], 0)
    (seen,) = showing.look([Problem("HL-109", "eth0, still")], 10)
    assert seen.shown_at_s == NO_ADDRESS_S


def test_a_cause_hides_what_depends_on_it_while_it_is_there() -> None:
    showing = Showing()
    for now_s in (0.0, NO_VPP_S):
        seen = showing.look([NO_MESSAGE, NO_VPP], now_s)
        assert [one.hidden_by for one in seen] == ["HL-201", None]
        assert "HL-204" not in shown(seen, now_s)
    assert shown(showing.look([NO_MESSAGE], 4), 4) == ["HL-204"]


def test_the_next_to_be_shown_is_neither_shown_nor_hidden() -> None:
    showing = Showing()
    assert next_s(showing.look([AT_ONCE], 0), 0) is None
    showing.look([NO_VPP, AT_ONCE], 1)
    seen = showing.look([NO_ADDRESS, NO_VPP, NO_MESSAGE, AT_ONCE], 2)
    assert [next_s(seen, now_s) for now_s in (2, 4, 17)] == [1 + NO_VPP_S, 2 + NO_ADDRESS_S, None]
    assert next_s([Seen(NO_ADDRESS, 5.0, NO_VPP.code)], 0) is None

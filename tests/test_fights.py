"""When hostlink gives way: after so many moves in a short time, for the rest of it, each thing by itself."""

from __future__ import annotations

from hostlink.fights import TIMES, WITHIN_S, Fights


def fought(moves_at: list[float]) -> Fights:
    fights = Fights()
    for at in moves_at:
        fights.move("MAC", at)
    return fights


def test_a_few_moves_are_no_fight() -> None:
    fights = fought([float(at) for at in range(TIMES - 1)])
    assert fights.count("MAC", TIMES) == TIMES - 1
    assert not fights.paused("MAC", TIMES)


def test_after_so_many_it_is_left_alone_until_the_first_is_long_ago() -> None:
    fights = fought([float(at) for at in range(TIMES)])
    assert fights.paused("MAC", TIMES)
    assert fights.paused("MAC", WITHIN_S - 0.1)
    assert not fights.paused("MAC", WITHIN_S)


def test_slow_moves_are_no_fight_however_many() -> None:
    fights = fought([number * WITHIN_S / 2 for number in range(100)])
    assert fights.count("MAC", 99 * WITHIN_S / 2) == 2


def test_one_thing_is_not_another() -> None:
    fights = fought([0.0] * TIMES)
    assert fights.paused("MAC", 1.0)
    assert not fights.paused("name", 1.0)
    assert fights.count("name", 1.0) == 0


def test_a_long_fight_fills_no_memory() -> None:
    fights = fought([0.0] * 10_000)
    assert fights.count("MAC", 1.0) == TIMES

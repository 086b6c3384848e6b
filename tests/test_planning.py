"""The plan document: counted whole, told as far as it has room."""

from __future__ import annotations

from hostlink import planning
from hostlink.core.difference import ADD, DELETE, VPP, Kind, Line
from hostlink.planning import MOST

ROUTES4, ROUTES6 = Kind(VPP, "routes", 4, 254), Kind(VPP, "routes", 6, 254)


def many(kind: Kind, count: int, change: str = ADD) -> list[Line]:
    return [Line(kind, change, str(number)) for number in range(count)]


def test_groups_have_so_many_lines_and_count_all() -> None:
    groups, totals = planning.told([*many(ROUTES4, 9), *many(ROUTES6, 2, DELETE)], 5)
    assert [(group["family"], group["count"]) for group in groups] == [(4, 9), (6, 2)]
    first, second = (group["lines"] for group in groups)
    assert first == [{"change": "add", "text": str(number), "was": None} for number in range(5)]
    assert [line["change"] for line in second] == ["delete", "delete"]
    assert totals == {"add": 9, "delete": 2, "change": 0}


def test_an_answer_has_an_end_whatever_is_asked_for() -> None:
    groups, totals = planning.told([*many(ROUTES4, MOST), *many(ROUTES6, 10)], None)
    assert [(group["count"], len(group["lines"])) for group in groups] == [(MOST, MOST // 2), (10, 10)]
    assert totals["add"] == MOST + 10
    groups, _ = planning.told(many(ROUTES4, MOST), None)
    assert len(groups[0]["lines"]) == MOST, "all of what has room"

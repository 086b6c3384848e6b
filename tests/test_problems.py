"""The register of problems: complete, consistent, and every code that hostlink uses is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hostlink
from hostlink.core.model import Problem
from hostlink.problems import REGISTER, Record, Severity, UnknownProblemError, explain, problem

SOURCE = Path(hostlink.__path__[0])
REGISTERS = list((SOURCE / "problems").glob("*.py"))
RECORDS = list(REGISTER.values())


def test_no_code_is_given_twice() -> None:
    written = [
        code for path in REGISTERS for code in re.findall(r"^    Record\(\n +\"(.*)\",$", path.read_text(), re.M)
    ]
    assert sorted(written) == list(REGISTER)


def test_codes_are_in_order_and_in_their_groups() -> None:
    assert list(REGISTER) == sorted(REGISTER)
    assert all(re.fullmatch(r"HL-[1-5]\d\d", code) for code in REGISTER)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.code)
def test_each_says_what_and_what_to_do(record: Record) -> None:
    assert record.title
    assert record.title[0] == record.title[0].lower() or record.title.split()[0] in ("VPP", "VPP's")
    assert record.text.endswith(".")
    assert record.to_do
    assert record.delay_s >= 0
    assert set(record.depends_on) <= set(REGISTER) - {record.code}


@pytest.mark.parametrize("record", [record for record in RECORDS if record.code[3] in "12"], ids=lambda r: r.code)
def test_preflight_problems_say_what_happened_to_the_nic(record: Record) -> None:
    if record.severity is Severity.ERROR:
        assert re.search(r"[Nn]othing was (touched|started)|has touched nothing|waits", record.text)


def test_nothing_depends_on_itself_by_a_detour() -> None:
    def behind(code: str, seen: tuple[str, ...] = ()) -> None:
        assert code not in seen, f"{seen} {code}"
        for other in REGISTER[code].depends_on:
            behind(other, (*seen, code))

    for code in REGISTER:
        behind(code)


def test_every_code_in_the_source_is_registered() -> None:
    used = {
        (path, code)
        for path in [*SOURCE.rglob("*.py"), *SOURCE.parent.glob("states/*.toml")]
        for code in re.findall(r"HL-\d{3}", path.read_text())
    }
    assert {pair for pair in used if pair[1] not in REGISTER} == set()
    assert any(path not in REGISTERS for path, _ in used)


def test_a_case_of_a_problem() -> None:
    assert problem("HL-204", "ip_route_add_del") == Problem("HL-204", "ip_route_add_del")


def test_a_code_may_be_asked_for_as_people_type_it() -> None:
    assert explain("HL-204") is explain("hl-204") is explain("204") is REGISTER["HL-204"]


def test_an_unknown_code_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownProblemError, match="'HL-999'; known are HL-101"):
        problem("HL-999", "x")

"""The contract: what is missing is named, all at once."""

import re
from pathlib import Path

import pytest

import hostlink
from hostlink.vpp.contract import CONTRACT, check_contract
from hostlink.vpp.errors import ContractError, Missing, VppRefused
from hostlink.vpp.retvals import NUMBERS, WORDS, word_for


def whole_table():
    return {f"{name}_{crc}": number for number, (name, crc) in enumerate(CONTRACT.items())}


def test_a_vpp_with_all_of_it_is_fit_whatever_else_it_has():
    assert check_contract(whole_table() | {"acl_dump_ef34fea4": 1200}) == ()


def test_every_missing_and_every_changed_message_is_named_at_once():
    table = whole_table()
    del table[f"tap_create_v3_{CONTRACT['tap_create_v3']}"]
    del table[f"ip_table_dump_{CONTRACT['ip_table_dump']}"]
    table["ip_table_dump_0badc0de"] = 5000
    missing = check_contract(table)
    assert missing == (
        Missing("ip_table_dump", CONTRACT["ip_table_dump"], "0badc0de"),
        Missing("tap_create_v3", CONTRACT["tap_create_v3"]),
    )
    text = str(ContractError(missing))
    assert f"ip_table_dump has CRC 0badc0de, expected {CONTRACT['ip_table_dump']}; tap_create_v3 is missing" in text


def test_a_name_that_only_begins_alike_is_not_taken_for_the_message():
    table = whole_table()
    del table[f"af_packet_dump_{CONTRACT['af_packet_dump']}"]
    table["af_packet_dump_v9_51077d14"] = 5000
    assert check_contract(table) == (Missing("af_packet_dump", CONTRACT["af_packet_dump"]),)


def test_every_message_that_hostlink_names_is_in_the_contract():
    package = Path(hostlink.__file__).parent
    named = {
        name
        for source in [*package.glob("*.py"), *package.glob("steps/*.py"), *package.glob("vpp/**/*.py")]
        for name in re.findall(r"""(?:Request|\.request|\.dump)\(\s*"([a-z0-9_]+)""" + '"', source.read_text())
    }
    assert len(named) > 20
    assert named - CONTRACT.keys() == set()


def test_every_request_is_there_with_what_answers_it():
    unanswered = [
        name
        for name in CONTRACT
        if not name.endswith(("_reply", "_details", "_event"))
        and f"{name}_reply" not in CONTRACT
        and f"{name.removesuffix('_dump')}_details" not in CONTRACT
    ]
    assert unanswered == []
    assert all(len(crc) == 8 and int(crc, 16) >= 0 for crc in CONTRACT.values())


@pytest.mark.parametrize(
    ("number", "word"),
    [(-2, "INVALID_SW_IF_INDEX"), (-74, "UNEXPECTED_INTF_STATE"), (-60, "ADDRESS_NOT_FOUND_FOR_INTERFACE")],
)
def test_numbers_have_vpps_words(number, word):
    assert word_for(number) == word
    assert NUMBERS[word] == number


def test_a_number_that_the_table_lacks_is_still_told():
    assert len(NUMBERS) == len(WORDS)
    assert str(VppRefused("x", {}, -9999)) == "VPP refused x(): -9999 (unknown)"

"""Edits beside the journal: what was followed since the whole was written, and never what is not whole."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest

from hostlink.core.alike import NO_CUT, AlikeEdit, place_of
from hostlink.core.model import Capture, NextHop, Prefix, Route
from hostlink.core.route_edits import RouteEdit
from hostlink.encode import encode
from hostlink.journal import Journal, JournalFault, Phase, journal_for
from tests.test_journal import TAKEOVER, VIEW, packed_view, refusal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return journal_for(tmp_path / "state" / "hostlink", "eth0")


PREFIX = IPv4Network("198.51.100.0/24")
EDIT = RouteEdit(254, PREFIX, (Route(PREFIX, 254, (NextHop(3),), body=b"\x02\x18"),))


def last_good_routes(journal: Journal) -> list[Route]:
    takeover = journal.read()
    assert takeover is not None
    return list(takeover.last_good.routes)


def by_prefix(journal: Journal) -> dict[Prefix, list[Route]]:
    found: dict[Prefix, list[Route]] = {}
    for route in last_good_routes(journal):
        found.setdefault(route.prefix, []).append(route)
    return found


def test_edits_are_read_with_the_rest(journal: Journal) -> None:
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [EDIT])
    assert last_good_routes(journal) == [*VIEW.routes, *EDIT.routes]
    journal.append(taken.generation, [RouteEdit(254, PREFIX), RouteEdit(254, VIEW.routes[0].prefix)])
    assert last_good_routes(journal) == []
    assert journal.read().capture == TAKEOVER.capture  # type: ignore[union-attr]


def test_a_writing_of_the_whole_ends_the_edits_before_it(journal: Journal) -> None:
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [EDIT])
    after = journal.write(replace(taken, phase=Phase.TAKEN))
    assert not journal.edits_path.exists()
    journal.append(taken.generation, [EDIT])  # by a thread that was still at it
    assert last_good_routes(journal) == list(after.last_good.routes)


def test_edits_of_an_earlier_takeover_are_not_taken_for_this_ones(journal: Journal) -> None:
    """The numbers of a new takeover begin at 1 again."""
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [EDIT])
    edits = journal.edits_path.read_bytes()
    journal.discard()
    assert not journal.edits_path.exists()
    journal.edits_path.write_bytes(edits)
    assert journal.write(TAKEOVER).generation == taken.generation
    assert last_good_routes(journal) == list(VIEW.routes)


def test_an_edit_that_a_death_has_torn_never_happened(journal: Journal) -> None:
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [EDIT])
    whole = journal.edits_path.read_bytes()
    for cut in range(len(whole) - 1):
        journal.edits_path.write_bytes(whole[:cut])
        assert last_good_routes(journal) == list(VIEW.routes), cut
    journal.append(taken.generation, [EDIT])  # behind what is torn
    assert last_good_routes(journal) == [*VIEW.routes, *EDIT.routes]


def test_edits_of_routes_that_are_alike_are_read_as_one_for_each(journal: Journal) -> None:
    """IPv4 and IPv6, there and gone, beside one that is of its own kind."""
    taken = journal.write(TAKEOVER)
    four, six = (Route(ip_network(prefix), 254, (NextHop(3),)) for prefix in ("198.51.100.0/24", "2001:db8::/48"))
    fours = [ip_network((0x14000000 + (number << 8), 24)) for number in range(3)]
    sixes = [ip_network("2001:db8:1::/48"), ip_network("2001:db8:2::/64")]

    def together(route: Route | None, version: int, prefixes: list[Prefix]) -> AlikeEdit:
        cut = NO_CUT if route is None else (b"<", b"|", b">")
        return AlikeEdit(254, route, cut, version, b"".join(map(place_of, prefixes)))

    journal.append(taken.generation, [together(four, 4, [*fours, PREFIX]), together(six, 6, sixes), EDIT])
    journal.append(taken.generation, [together(None, 4, fours[:1]), together(None, 6, sixes[1:])])
    read = journal.read()
    assert read is not None
    routes = {route.prefix: route for route in read.last_good.routes if route not in VIEW.routes}
    assert set(routes) == {*fours[1:], PREFIX, sixes[0]}
    assert routes[fours[1]] == replace(four, prefix=fours[1])
    assert routes[fours[1]].body == b"<\x18|\x14\x00\x01\x00>"
    assert routes[sixes[0]].body == b"<\x30|" + sixes[0].network_address.packed + b">"


@pytest.mark.parametrize("places", [b"\x18\x14\x00\x01", b"\x21\x14\x00\x01\x00", b"\x18\x14\x00\x01\x01"])
def test_edits_of_places_that_are_none_never_happened(journal: Journal, places: bytes) -> None:
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [AlikeEdit(254, None, NO_CUT, 4, places)])
    assert journal.read() == taken


def test_edits_of_before_there_were_such_are_read(journal: Journal) -> None:
    taken = journal.write(TAKEOVER)
    text = json.dumps({"generation": taken.generation, "edits": encode((EDIT,))})
    journal.edits_path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()} {text}\n")
    read = journal.read()
    assert read is not None
    assert {route.prefix for route in read.last_good.routes} == {PREFIX, VIEW.routes[0].prefix}


def test_edits_that_others_may_write_are_refused(journal: Journal) -> None:
    taken = journal.write(TAKEOVER)
    journal.append(taken.generation, [EDIT])
    assert stat.S_IMODE(journal.edits_path.stat().st_mode) == 0o600
    journal.edits_path.chmod(0o666)
    assert refusal(journal).fault is JournalFault.FOREIGN


def test_edits_of_a_packed_table_are_read(journal: Journal) -> None:
    """Of it, of what is beside it, and of one that becomes a value and back."""
    view = packed_view()
    written = journal.write(replace(TAKEOVER, capture=Capture("eth0", view), last_good=view))
    gone, odd = IPv4Network("20.0.0.0/24"), IPv4Network("20.0.1.0/24")
    there = {route.prefix: route for route in view.routes}
    single = [replace(there[odd], metric=metric) for metric in (7, 8)]
    block = AlikeEdit(254, there[odd], (b"<", b"|", b">"), 4, place_of(odd) + place_of(PREFIX))
    journal.append(written.generation, [AlikeEdit(254, None, NO_CUT, 4, place_of(gone)), EDIT])
    journal.append(written.generation, [RouteEdit(254, odd, tuple(single)), RouteEdit(254, VIEW.routes[0].prefix)])
    assert by_prefix(journal)[odd] == single
    assert journal.append(written.generation, [block]) == journal.edits_path.stat().st_size
    found = by_prefix(journal)
    assert [route.metric for route in found[odd]] == [0]
    assert gone not in found
    assert VIEW.routes[0].prefix not in found
    assert [route.body for route in found[PREFIX]] == [b"<" + place_of(PREFIX)[:1] + b"|" + place_of(PREFIX)[1:] + b">"]
    assert len(found) == 20_002

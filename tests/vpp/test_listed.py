"""What VPP lists as it did before is not looked up again, and what it says otherwise is found all the same."""

from __future__ import annotations

import random

import pytest

from hostlink.core.alike import place_of, prefix_at
from hostlink.core.model import VppPath
from hostlink.vpp.compared import NOT_LISTED, Compared, Listed, read_compared
from hostlink.vpp.session import open_session
from tests.vpp.test_compared import OTHER, PATHS, SOURCES, entry, places
from tests.vpp.test_routes import VIA, api

SEVERAL = tuple(sorted((VIA, OTHER)))
PORTS = frozenset({1, 2})


class Asked(dict):
    """A dictionary that counts who looks things up in it."""

    count = 0

    def get(self, key, default=None):
        self.count += 1
        return super().get(key, default)


@pytest.fixture
async def there(make_peer):
    """(a session, what VPP lists, in its order)."""
    peer, table = await make_peer("listed.sock", api_json=api()), {}

    async def list_them(request):
        if request.body[0] != SOURCES.own or request.body[5]:
            return
        entries = [entry(place, paths) for place, paths in table.items()]
        await peer.send(*(peer.message("ip_route_v2_details", request.context, one) for one in entries))

    peer.on["ip_route_v2_dump"] = list_them
    async with open_session(peer.path) as session:
        yield session, table


async def looked(session, wanted, before: Compared | None = None, changed=frozenset()) -> Compared:
    listed = NOT_LISTED if before is None else Listed(before.wanted, before.orders, changed)
    return await read_compared(session, SOURCES, PORTS, wanted, listed=listed)


def shuffled(table, seed=1):
    some = list(table.items())
    random.Random(seed).shuffle(some)
    return dict(some)


async def test_what_is_listed_as_before_is_not_looked_up(there):
    session, table = there
    wanted = Asked((place, SEVERAL if number % 7 == 3 else PATHS) for number, place in enumerate(places(3000)))
    table |= shuffled(wanted)
    first = await looked(session, wanted)
    assert wanted.count >= 3000
    wanted.count = 0
    second = await looked(session, wanted, first)
    assert (first.missing, first.others, second.missing, second.others) == (frozenset(), {}, frozenset(), {})
    assert wanted.count < 50
    assert second.orders[4] is first.orders[4]


async def test_of_what_is_filled_again_neighbours_are_not_looked_up(there):
    """VPP was emptied, and has all of it again: but for a few neighbours in its order."""
    session, table = there
    wanted = Asked(dict.fromkeys(places(3000), PATHS))
    whole = list(shuffled(wanted).items())
    table |= whole
    first = await looked(session, wanted)
    table.clear()
    emptied = await looked(session, wanted, first)
    assert len(emptied.missing) == 3000
    for at in range(7, 3000, 100):
        whole[at : at + 2] = reversed(whole[at : at + 2])
    table |= whole
    wanted.count = 0
    again = await looked(session, wanted, emptied)
    assert (again.missing, again.others) == (frozenset(), {})
    assert wanted.count < 50


@pytest.mark.parametrize("seed", range(10))
async def test_what_has_drifted_is_found_beside_an_order(there, seed):
    """Gone, by another gateway, one more, elsewhere in the list; and what is wanted has changed, and been followed."""
    session, table = there
    chance = random.Random(seed)
    wanted = {place: chance.choice((PATHS, SEVERAL)) for place in places(400)}
    table |= shuffled(wanted, seed)
    before = await looked(session, wanted)
    changed, strays = set(), places(20, 0x1E000000)
    for place in chance.sample(places(400), 12):
        match chance.randrange(6):
            case 0:
                del table[place]
            case 1:
                table[place] = (OTHER,)
            case 2:
                table[strays.pop()] = PATHS
            case 3:
                table[place] = table.pop(place)
            case 4:
                changed.add(place)
                wanted[place] = (OTHER,)
                table[place] = chance.choice(((OTHER,), table[place]))
            case 5:
                changed.add(place)
                del wanted[place]
                table.pop(place) if chance.random() < 0.5 else None
    found, alone = await looked(session, wanted, before, changed), await looked(session, wanted)
    assert (set(found.missing), found.others) == (set(alone.missing), alone.others)
    assert found.missing or found.others or changed
    again = await looked(session, wanted, found)
    assert (set(again.missing), again.others) == (set(alone.missing), alone.others)


async def test_another_wish_is_compared_with(there):
    session, table = there
    wanted = dict.fromkeys(places(300), PATHS)
    table |= wanted
    before = await looked(session, wanted)
    other = dict.fromkeys(wanted, (VppPath(1, OTHER.next_hop),))
    assert (await looked(session, other, before)).others.keys() == wanted.keys()
    more = {**wanted, place_of(prefix_at(places(1, 0x1E000000)[0])): PATHS}
    assert len((await looked(session, more, before)).missing) == 1

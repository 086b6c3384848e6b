"""The rows model → VPP: routes added and deleted over the API socket, by hostlink, by a raw socket, by vpp_papi.

All add and delete the same prefixes in the same order through the same gateways of a loopback, on one VPP, after each
other. The first round does not count: in it VPP touches its memory for the first time. hostlink's time goes from packed
destinations, as its model has them, to the last reply looked at; vpp_papi, one by one, does a few: rates are compared.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from itertools import islice

import trio

from hostlink.core.alike import PackedRoutes, Place, prefix_at
from hostlink.core.model import VppPath, VppPaths, VppRoute
from hostlink.lab.real_vpp import heap_mib_for
from hostlink.lab.stage import Dataplane, open_stage
from hostlink.vpp.packed_routes import apply_packed
from hostlink.vpp.routes import own_source
from hostlink.vpp.session import Session, open_session
from tools.benches.goals import Goal, Line
from tools.benches.kernel_routes import place
from tools.benches.measuring import RowFailed, Sizes
from tools.benches.raw import Groups, raw_client
from tools.benches.session import Row, loopback, papi_round

OF_RAW = Goal(least=0.7, of_ratio=True)
_NETWORK = IPv4Network("10.0.0.0/24")
"""What `loopback` is in."""
_UNIT = "routes/s"
in_thread = partial(trio.to_thread.run_sync, abandon_on_cancel=True)
"""Of what blocks; a row that does not end in time does not wait for it."""


async def write_rows(count: int, sizes: Sizes, dataplane: Dataplane) -> list[Line]:
    """Rates of adding and deleting `count` routes."""
    few = min(count, sizes.papi)
    ours, raw, papi = Row("hostlink", count), Row("raw", count), Row("vpp_papi", few)
    async with (
        open_stage(dataplane, vpp_heap_mib=heap_mib_for(count)) as stage,
        open_session(stage.api_socket) as session,
    ):
        groups = grouped(await loopback(session), sizes.gateways(_NETWORK), range(count))
        source_id = await own_source(session)
        with raw_client(stage.api_socket) as client:
            pack = partial(client.changes, session, source_id, groups)
            packed = [await in_thread(partial(pack, is_add=is_add)) for is_add in (True, False)]
            for _ in range(1 + sizes.rounds):
                await _hostlink_round(session, source_id, groups, ours)
                for requests, seconds in zip(packed, (raw.add_s, raw.delete_s), strict=True):
                    seconds.append(await in_thread(client.pump, requests, count))
        values = [VppRoute(0, prefix_at(at), paths) for paths, places in groups for at in places[: few // len(groups)]]
        papi.routes = len(values)
        await in_thread(papi_round, stage.api_socket, source_id, values, papi)
    for row in (ours, raw):
        del row.add_s[0], row.delete_s[0]
    return [line for verb in ("add", "delete") for line in _lines(verb, ours, raw, papi, sizes)]


def _lines(verb: str, ours: Row, raw: Row, papi: Row, sizes: Sizes) -> list[Line]:
    rate, limit, slow = (row.rate(row.add_s if verb == "add" else row.delete_s) for row in (ours, raw, papi))
    name, judged = f"model → VPP, {verb}", sizes.vpp_judged
    return [
        Line(name, ours.routes, rate, _UNIT, "raw socket, packed before", limit, OF_RAW, judged),
        Line(name, ours.routes, rate, _UNIT, "vpp_papi, one by one", slow),
    ]


def grouped(sw_if_index: int, gateways: Sequence[IPv4Address], numbers: range) -> Groups:
    """The /24s of these numbers, by gateway, in the order in which they go out."""
    found: list[tuple[VppPaths, list[Place]]] = []
    for at, gateway in enumerate(gateways):
        places = [place(number) for number in islice(numbers, at, None, len(gateways))]
        if places:
            found.append(((VppPath(sw_if_index, gateway),), places))
    return found


async def _hostlink_round(session: Session, source_id: int, groups: Groups, row: Row) -> None:
    for is_add, seconds in ((True, row.add_s), (False, row.delete_s)):
        packed = PackedRoutes()
        packed.extend(
            [(paths, list(places)) for paths, places in groups if is_add],
            [at for _, places in groups for at in places if not is_add],
        )
        start = time.perf_counter()
        refusals = await apply_packed(session, source_id, packed)
        seconds.append(time.perf_counter() - start)
        if refusals:
            raise RowFailed(f"{len(refusals)} of {row.routes} routes were refused, the first: {refusals[0]}")

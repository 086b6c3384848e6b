"""What was followed goes to the journal beside it, and the whole of it anew before that is too much."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest

from hostlink.clock import boottime_s
from hostlink.config import Config, Match, Paths, UplinkConfig
from hostlink.core.desired_routes import translator_for, vpp_routes
from hostlink.core.route_book import RouteBook
from hostlink.core.route_changes import RouteChange
from hostlink.journal import Phase
from hostlink.kernel.netlink import Netlink
from hostlink.steps import view
from hostlink.steps.context import Node, Uplink
from hostlink.steps.follow import follow
from tests.test_differing import HERE
from tests.test_journal import TAKEOVER


@pytest.mark.parametrize(("limit_bytes", "is_much"), [(1 << 20, False), (10, True)])
async def test_many_edits_are_written_as_a_whole_by_the_next_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit_bytes: int, is_much: bool
) -> None:
    """The file of edits is only ever added to, and one that is too long could not be read when it is needed."""
    monkeypatch.setattr(view, "MANY_EDITS_BYTES", limit_bytes)
    config = UplinkConfig(Match(name="eth0"))
    node = Node(Config((config,), paths=Paths(tmp_path, tmp_path)), cast(Netlink, None))
    uplink = Uplink(node, config, 0, "eth0")
    uplink.remember(TAKEOVER)
    uplink.note_edits(RouteBook(HERE.routes, (), translator_for(HERE, (), 1, ())), [(254, HERE.routes[0].prefix)])
    await view._save(uplink)
    assert uplink.journal.edits_path.stat().st_size > 10
    assert uplink.unsaved is is_much


class Refusing:
    """A VPP's dataplane that refuses all routes, or none."""

    refuses = False

    async def change_routes(self, *_: Any) -> list[str]:
        return ["refused"] if self.refuses else []


async def test_what_was_followed_in_vain_is_in_the_journal_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VPP refuses a route, so everything is looked at; the journal in memory has it by then, and the disk had not."""
    monkeypatch.setattr("hostlink.steps.follow._is_time_to_read_back", _never)
    config = UplinkConfig(Match(name="eth0"))
    node = Node(Config((config,), paths=Paths(tmp_path, tmp_path)), cast(Netlink, None))
    node.vpp.dataplane = dataplane = cast(Any, Refusing())
    uplink = Uplink(node, config, 0, "eth0")
    uplink.remember(replace(TAKEOVER, last_good=HERE, phase=Phase.PROVED, read_at_s=boottime_s()))
    uplink.looked_at_s = boottime_s()
    uplink.book = RouteBook(HERE.routes, vpp_routes(HERE, (), 1, ())[0], translator_for(HERE, (), 1, ()))
    first, second = (replace(HERE.routes[0], prefix=ip_network(f"20.0.{n}.0/24"), body=b"") for n in range(2))
    uplink.inbox.begin_look()
    uplink.inbox.routes([(RouteChange(first), None)])
    assert await follow(uplink, 1) is not None
    await view._save(uplink)
    dataplane.refuses = True
    uplink.inbox.routes([(RouteChange(second), None)])
    assert await follow(uplink, 2) is None
    await uplink.catch_up()
    uplink.looked_at_s = boottime_s()
    await view.keep_last_good(uplink, replace(HERE, routes=(*HERE.routes, first, second)))
    there = uplink.journal.read()
    assert there is not None
    assert {route.prefix for route in there.last_good.routes} >= {first.prefix, second.prefix}


async def _never(_: Uplink) -> bool:
    return False

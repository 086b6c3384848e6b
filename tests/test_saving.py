"""What was followed goes to the journal beside it, and the whole of it anew before that is too much."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from hostlink.config import Config, Match, Paths, UplinkConfig
from hostlink.core.desired_routes import translator_for
from hostlink.core.route_book import RouteBook
from hostlink.kernel.netlink import Netlink
from hostlink.steps import view
from hostlink.steps.context import Node, Uplink
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

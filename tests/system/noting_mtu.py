"""As small_tables; and the MTU of each port that is set up in VPP, and of its device, are noted in a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hostlink.cli import main
from hostlink.core.operations import SetUp, VppOperation
from hostlink.kernel.netlink import open_netlink
from hostlink.kernel.snapshot import find_link
from hostlink.vpp.dataplane import Dataplane
from hostlink.vpp.drivers.af_packet import opened_devices
from tests.system import small_tables

NOTED, NAMESPACE = "HOSTLINK_TEST_NOTED", "HOSTLINK_TEST_NAMESPACE"
"""A file, and where VPP is."""
_apply = Dataplane.apply


def note(lines: Sequence[str]) -> None:
    with Path(os.environ[NOTED]).open("a") as file:
        file.writelines(lines)


async def noting(self: Dataplane, plan: Sequence[VppOperation], *args: Any) -> None:
    ports = {one.sw_if_index: one for one in await self.interfaces()}
    names = await opened_devices(self.session)
    ups = [one.sw_if_index for one in plan if isinstance(one, SetUp) and one.up and one.sw_if_index in names]
    lines = []
    async with open_netlink(os.environ[NAMESPACE]) as there:  # a tap's device is on the host
        for number in ups:
            device = await find_link(there, name=names[number])
            assert device is not None
            lines.append(f"{names[number]} {ports[number].mtu_bytes} {device.mtu_bytes}\n")
    note(lines)
    await _apply(self, plan, *args)


if __name__ == "__main__":
    small_tables.make_small()
    Dataplane.apply = noting  # type: ignore[method-assign]  # in a process of its own
    sys.exit(main())

"""What of a node must be the same before a takeover and after its end, as `ip` and the kernel print it."""

from __future__ import annotations

import json
import re
from typing import Any

from hostlink.lab.layout import NIC
from hostlink.lab.stage import Stage

_SHOWN = ("ifindex", "ifname", "address", "mtu", "qdisc", "txqlen", "link_type", "altnames", "ifalias", "flags")


async def picture(stage: Stage) -> dict[str, Any]:
    """Link attributes, addresses with flags, all routes, rules and neighbours that stay, of the node's NIC."""
    (link,) = json.loads(await stage.on_host("ip", "-json", "-details", "address", "show", "dev", NIC))
    addresses = [
        {key: value for key, value in address.items() if "life_time" not in key} for address in link["addr_info"]
    ]
    routes = await stage.on_host("ip", "-4", "route", "show", "table", "all", "dev", NIC)
    routes6 = await stage.on_host("ip", "-6", "route", "show", "table", "all", "dev", NIC)
    return {
        "link": {key: link.get(key) for key in _SHOWN},
        "addresses": addresses,
        "routes": sorted(routes.splitlines()),
        "routes6": sorted(re.sub(r" expires \S+", "", line) for line in routes6.splitlines()),
        "rules": await stage.on_host("ip", "rule"),
        "sysctls": await stage.on_host("sh", "-c", f"cd /proc/sys/net; grep . ipv?/conf/{NIC}/* 2>/dev/null; true"),
    }

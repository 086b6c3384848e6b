"""One more station on the lab's LAN: another machine, or another router, with a MAC and addresses of its own."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path

import trio

from hostlink.kernel.namespace import inside
from hostlink.lab.children import end_processes_in
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import LAN
from hostlink.lab.network import Lab, LabError, batches

STATION_LINK = "eth0"
"""A station's own link."""
_FORWARDED_S = 5.0
_SYSCTLS = (("accept_dad", "0"), ("accept_ra", "0"))


@asynccontextmanager
async def station(
    lab: Lab, name: str, mac: str, addresses: Sequence[str | IPv4Interface | IPv6Interface] = ()
) -> AsyncIterator[str]:
    """A namespace `hl-<lab>-<name>` with a link `eth0` on the LAN, for the length of the block. Yields the namespace.

    name: letters and digits, and none of the lab's roles; at most 10, for the name of the port on the LAN. Addresses
    are with their prefix length, and there at once: the station looks for no duplicates, and takes no router's advice.
    Its name is of the pattern that `remove_stale_labs` knows, so a killed owner leaves nothing for long.
    """
    if not re.fullmatch(r"[a-z0-9]{1,10}", name):
        raise ValueError(f"a station's name has 1 to 10 of a-z and 0-9, not {name!r}")
    namespace = f"hl-{lab.names.name}-{name}"
    batches([(None, [f"netns add {namespace}"])])
    try:
        _no_duplicate_detection(namespace)
        port = f"to-{name}"
        pair = f"link add name {port} netns {lab.wire} type veth peer name {STATION_LINK} address {mac}"
        batches([(None, [f"{pair} netns {namespace}"])])
        batches([(lab.wire, [f"link set {port} master {LAN} up"])])
        # nodad: even with detection off the kernel makes an address usable later, in a queue behind others' work, and
        # until then the station speaks with its link-local address, from which nobody learns its other addresses' MAC.
        own = [
            f"address add {address} dev {STATION_LINK}{' nodad' if ':' in str(address) else ''}"
            for address in addresses
        ]
        batches([(namespace, ["link set lo up", f"link set {STATION_LINK} up", *own])])
        await _forwarded(lab, port)
        yield namespace
        batches([(lab.wire, [f"link del {port}"])])  # at once: with its namespace it would go some time later
    finally:
        end_processes_in((namespace,))
        batches([(None, [f"netns del {namespace}"])], force=True)


async def _forwarded(lab: Lab, port: str) -> None:
    """A bridge hears of its port's carrier in a queue, and drops frames until then: a second on a busy machine."""
    with trio.move_on_after(_FORWARDED_S * deadline_factor()):
        while True:
            (link,) = json.loads(await lab.exec(lab.wire, ["ip", "-json", "-details", "link", "show", "dev", port]))
            if link["linkinfo"]["info_slave_data"]["state"] == "forwarding":
                return
            await trio.sleep(0.01)
    raise LabError(f"{lab.wire}: the port {port} of the LAN does not forward within {_FORWARDED_S:g} s")


def _no_duplicate_detection(namespace: str) -> None:
    """/proc/sys/net shows the namespace of the thread that looks; a link takes the defaults when it is made."""
    with inside(namespace):
        for name, value in _SYSCTLS:
            for scope in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{scope}/{name}").write_text(value)

"""Messages about the punt path: redirects and set_punt."""

from __future__ import annotations

from hostlink.lab.standin.api_ip import decode_path
from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.interfaces import NONE
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.retvals import INVALID_ADDRESS_FAMILY, UNSPECIFIED, Refused
from hostlink.lab.standin.wire import wire_path

PUNT_L4 = 0


def _version(family: int) -> int:
    if family not in (0, 1):
        raise Refused(INVALID_ADDRESS_FAMILY)
    return 6 if family else 4


@handles("add_del_ip_punt_redirect_v2")
def add_del_ip_punt_redirect_v2(vpp: Vpp, request: Values) -> Reply:
    """Never refuses an absent or a doubled one: see punt.py for what that does to the count."""
    punt = request["punt"]
    redirects = vpp.state.redirects[_version(punt["af"])]
    paths = tuple(decode_path(vpp, path) for path in punt["paths"])
    if request["is_add"]:
        for path in paths:
            vpp.state.uses_next_hop(path.sw_if_index, path.next_hop)
        redirects.add(punt["rx_sw_if_index"], paths)
    else:
        redirects.delete(punt["rx_sw_if_index"])
    return {}


@handles("ip_punt_redirect_v2_dump")
def ip_punt_redirect_v2_dump(vpp: Vpp, request: Values) -> Reply:
    """~0 or 0 asks for that of any interface, another index for that one's."""
    redirects, wanted = vpp.state.redirects[_version(request["af"])].by_interface, request["sw_if_index"]
    return [
        {
            "punt": {
                "rx_sw_if_index": (rx or NONE) if wanted == NONE else rx,
                "af": request["af"],
                "n_paths": len(paths),
                "paths": [wire_path(path) for path in paths],
            }
        }
        for rx, paths in sorted(redirects.items())
        if wanted in (NONE, rx)
    ]


@handles("set_punt")
def set_punt(vpp: Vpp, request: Values) -> Reply:
    punt = request["punt"]
    if punt["type"] != PUNT_L4:
        raise Refused(UNSPECIFIED)
    family, protocol, high, low = punt["punt"][:4]
    vpp.state.punted_ports.set(_version(family), protocol, high << 8 | low, request["is_add"])
    return {}

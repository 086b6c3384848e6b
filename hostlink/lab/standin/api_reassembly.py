"""Messages about reassembly: the limits of each family and kind. Only whole datagrams (FULL) are put together here;
the other kind's limits are kept, and nothing reads them.

VPP refuses none of it: not a limit of 0, nor a kind that there is not (vnet/ip/ip_api.c).
"""

from __future__ import annotations

from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.state import ReassemblyLimits


@handles("ip_reassembly_set")
def ip_reassembly_set(vpp: Vpp, request: Values) -> Reply:
    """Takes all four at once."""
    key = (_version(request), request["type"])
    if key in vpp.state.reassembly:
        vpp.state.reassembly[key] = ReassemblyLimits(
            timeout_ms=request["timeout_ms"],
            max_reassemblies=request["max_reassemblies"],
            max_reassembly_length=request["max_reassembly_length"],
            expire_walk_interval_ms=request["expire_walk_interval_ms"],
        )
    return {}


@handles("ip_reassembly_get")
def ip_reassembly_get(vpp: Vpp, request: Values) -> Reply:
    """For a kind that there is not VPP answers with what is on its stack; here the answer is zeros."""
    limits = vpp.state.reassembly.get((_version(request), request["type"]))
    if limits is None:
        return {}
    return {
        "timeout_ms": limits.timeout_ms,
        "max_reassemblies": limits.max_reassemblies,
        "max_reassembly_length": limits.max_reassembly_length,
        "expire_walk_interval_ms": limits.expire_walk_interval_ms,
        "is_ip6": request["is_ip6"],
    }


def _version(request: Values) -> int:
    return 6 if request["is_ip6"] else 4


@handles("ip_local_reass_enable_disable")
def ip_local_reass_enable_disable(vpp: Vpp, request: Values) -> Reply:
    """Whether fragments for VPP itself are put together."""
    vpp.state.local_reassembly = {4: request["enable_ip4"], 6: request["enable_ip6"]}
    return {}


@handles("ip_local_reass_get")
def ip_local_reass_get(vpp: Vpp, _request: Values) -> Reply:
    """Both families."""
    enabled = vpp.state.local_reassembly
    return {"ip4_is_enabled": enabled[4], "ip6_is_enabled": enabled[6]}

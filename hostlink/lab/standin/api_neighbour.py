"""Messages about neighbours, proxy ARP, ND proxy and router advertisements."""

from __future__ import annotations

from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.interfaces import NONE, Interface, RouterAdvertisements
from hostlink.lab.standin.registry import Reply, Vpp, handles
from hostlink.lab.standin.retvals import INVALID_VALUE, IP6_NOT_ENABLED, NO_SUCH_ENTRY, NO_SUCH_FIB, Refused
from hostlink.lab.standin.state import ProxyArpRange
from hostlink.lab.standin.wire import packed_address, wire_address


@handles("ip_neighbor_add_del")
def ip_neighbor_add_del(vpp: Vpp, request: Values) -> Reply:
    neighbour = request["neighbor"]
    interface = vpp.state.interfaces.find(neighbour["sw_if_index"])
    if interface is None:
        vpp.state.interfaces.get(neighbour["sw_if_index"])
    address = packed_address(neighbour["ip_address"])
    neighbours = vpp.state.neighbours
    if request["is_add"]:
        neighbours.add(neighbour["sw_if_index"], address, neighbour["mac_address"], neighbour["flags"])
    else:
        neighbours.remove(neighbour["sw_if_index"], address)
    return {"stats_index": NONE}


@handles("ip_neighbor_dump")
def ip_neighbor_dump(vpp: Vpp, request: Values) -> Reply:
    wanted = None if request["sw_if_index"] == NONE else request["sw_if_index"]
    now = vpp.state.clock()
    return [
        {
            "age": now - n.updated_at_s,
            "neighbor": {
                "sw_if_index": n.sw_if_index,
                "flags": n.flags,
                "mac_address": n.mac,
                "ip_address": wire_address(n.address),
            },
        }
        for n in vpp.state.neighbours.all(6 if request["af"] else 4, wanted)
    ]


@handles("proxy_arp_add_del")
def proxy_arp_add_del(vpp: Vpp, request: Values) -> Reply:
    proxy = request["proxy"]
    if vpp.state.fib.find(4, proxy["table_id"]) is None:
        raise Refused(NO_SUCH_FIB)
    what = ProxyArpRange(proxy["table_id"], proxy["low"], proxy["hi"])
    ranges = vpp.state.proxy_arp
    if request["is_add"]:
        if what not in ranges:
            ranges.append(what)
    elif what in ranges:
        ranges.remove(what)
    else:
        raise Refused(NO_SUCH_ENTRY)
    return {}


@handles("proxy_arp_dump")
def proxy_arp_dump(vpp: Vpp, _request: Values) -> Reply:
    return [{"proxy": {"table_id": r.table_id, "low": r.low, "hi": r.high}} for r in vpp.state.proxy_arp]


@handles("proxy_arp_intfc_enable_disable")
def proxy_arp_intfc_enable_disable(vpp: Vpp, request: Values) -> Reply:
    """The wish is kept by number, for ever: asked again for a new interface of that number, nothing happens."""
    interface, wanted = vpp.state.interfaces.get(request["sw_if_index"]), vpp.state.proxy_arp_enabled
    if request["enable"] == (interface.sw_if_index in wanted):
        return {}
    interface.proxy_arp = request["enable"]
    wanted ^= {interface.sw_if_index}
    return {}


@handles("proxy_arp_intfc_dump")
def proxy_arp_intfc_dump(vpp: Vpp, _request: Values) -> Reply:
    return [{"sw_if_index": index} for index in sorted(vpp.state.proxy_arp_enabled)]


@handles("ip6nd_proxy_enable_disable")
def ip6nd_proxy_enable_disable(vpp: Vpp, request: Values) -> Reply:
    vpp.state.interfaces.get(request["sw_if_index"]).nd_proxy = request["is_enable"]
    return {}


@handles("sw_interface_ip6nd_ra_config")
def sw_interface_ip6nd_ra_config(vpp: Vpp, request: Values) -> Reply:
    """Turns advertisements on, whatever it was called for, unless it suppresses them; even when it then refuses."""
    interface = vpp.state.interfaces.get(request["sw_if_index"])
    if interface.ip6 is None:
        raise Refused(IP6_NOT_ENABLED)
    radv, on = interface.ip6.radv, request["is_no"] != 1
    radv.send = True
    lifetime_s, max_s, min_s = _wanted_times(radv, request, on)
    _refuse_times(request, lifetime_s, max_s, min_s)
    radv.lifetime_s, radv.max_interval_s, radv.min_interval_s = lifetime_s, max_s, min_s
    if request["suppress"] == 1:
        radv.send = not on
    for field in ("managed", "other", "send_unicast", "cease"):
        if request[field] == 1:
            setattr(radv, field, on)
    if request["ll_option"] == 1:
        radv.link_layer_option = not on
    _restart(vpp, radv, request, on)
    return {}


def _wanted_times(radv: RouterAdvertisements, request: Values, on: bool) -> tuple[int, float, float]:
    """Lifetime, longest and shortest interval, in seconds: zero in the request keeps what is there."""
    fresh = RouterAdvertisements()
    max_s, min_s = float(request["max_interval"]), float(request["min_interval"])
    if max_s and not min_s:
        min_s = float(int(0.75 * max_s))
    max_s = (max_s if on else fresh.max_interval_s) if max_s else radv.max_interval_s
    min_s = (min_s if on else fresh.min_interval_s) if min_s else radv.min_interval_s
    given: int = request["lifetime"] if on else fresh.lifetime_s
    lifetime_s = given if request["default_router"] == 1 else radv.lifetime_s
    return min(lifetime_s, 9000), max_s, min_s


def _refuse_times(request: Values, lifetime_s: int, max_s: float, min_s: float) -> None:
    if lifetime_s and lifetime_s <= max_s:
        raise Refused(INVALID_VALUE)
    if min_s and (min_s > 0.75 * max_s or min_s < 3):
        raise Refused(INVALID_VALUE)
    if request["initial_count"] > 3 or request["initial_interval"] > 16:
        raise Refused(INVALID_VALUE)


def _restart(vpp: Vpp, radv: RouterAdvertisements, request: Values, on: bool) -> None:
    fresh = RouterAdvertisements()
    if request["initial_count"]:
        radv.initial_count = request["initial_count"] if on else fresh.initial_count
    if request["initial_interval"]:
        radv.initial_interval_s = float(request["initial_interval"]) if on else fresh.initial_interval_s
    if request["cease"] == 1 and not on:
        radv.send = True
    radv.initial_left = radv.initial_count - 1
    radv.next_at_s = vpp.state.clock()
    radv.last_s = None


@handles("sw_interface_ip6nd_ra_dump")
def sw_interface_ip6nd_ra_dump(vpp: Vpp, request: Values) -> Reply:
    wanted = request["sw_if_index"]
    return [_ra_details(i) for i in vpp.state.interfaces if i.ip6 and wanted in (NONE, i.sw_if_index)]


def _ra_details(interface: Interface) -> Values:
    assert interface.ip6 is not None
    radv = interface.ip6.radv
    return {
        "sw_if_index": interface.sw_if_index,
        "cur_hop_limit": 64,
        "adv_managed_flag": radv.managed,
        "adv_other_flag": radv.other,
        "adv_router_lifetime": radv.lifetime_s,
        "adv_link_mtu": radv.link_mtu,
        "send_radv": radv.send,
        "cease_radv": radv.cease,
        "send_unicast": radv.send_unicast,
        "adv_link_layer_address": radv.link_layer_option,
        "max_radv_interval": radv.max_interval_s,
        "min_radv_interval": radv.min_interval_s,
        "initial_adverts_count": radv.initial_count,
        "initial_adverts_interval": radv.initial_interval_s,
        "n_advertisements_sent": radv.sent,
        "n_solicitations_rcvd": radv.solicitations,
    }

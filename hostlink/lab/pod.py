"""The lab's CNI: plugs the pod's veth into VPP, as another client of the same VPP would, and knows nothing of hostlink.

A pod has a /32 (IPv6: a /128) and one way out, the link-local gateway of its own veth that VPP answers for (169.254.1.1
and fe80::1). VPP gets a host route and a static neighbour for each of its addresses. Offloads stay on, so the pod's TCP
leaves with partial checksums, and af_packet needs its flag 2 (checksum and GSO offload) or VPP drops it all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hostlink.core.model import IPAddress
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import POD4, POD6, POD_GATEWAY4, POD_GATEWAY6, POD_MAC, VPP_POD_LINK, VPP_POD_MAC
from hostlink.vpp.session import Request, Session, open_session, raise_first

MTU_BYTES = 1500
_ETHERNET_MODE, _OFFLOAD = 1, 2
_STATIC = 1
_REQUEST_S = 5.0
_NO_TABLE = 0xFFFFFFFF


async def attach_pod(api_socket: Path, table_id: int = 0) -> int:
    """Plugs the pod in. Returns its sw_if_index, which stays when this client has gone. Raises any VppError.

    table_id: of VPP's tables of both families by which the pod's packets are forwarded. The way to it is there and
    in table 0: VPP takes a solicitation only from a source that its table has on that link (vnet/ip6-nd/ip6_nd.c).
    """
    async with open_session(os.fspath(api_socket), deadline_s=_REQUEST_S * deadline_factor()) as session:
        sw_if_index = await _open_link(session)
        raise_first(await session.batch(_settings(sw_if_index, table_id)))
        return sw_if_index


async def detach_pod(api_socket: Path, sw_if_index: int, table_id: int = 0) -> None:
    """Takes the pod's routes, neighbours and interface out of VPP. Raises any VppError."""
    async with open_session(os.fspath(api_socket), deadline_s=_REQUEST_S * deadline_factor()) as session:
        raise_first(await session.batch([*_routes(sw_if_index, table_id, is_add=False)]))
        await session.request("af_packet_delete", host_if_name=VPP_POD_LINK)


async def _open_link(session: Session) -> int:
    reply = await session.request(
        "af_packet_create_v3",
        mode=_ETHERNET_MODE,
        flags=_OFFLOAD,
        host_if_name=VPP_POD_LINK,
        hw_addr=VPP_POD_MAC,
        use_random_hw_addr=False,
        num_rx_queues=1,
        num_tx_queues=1,
    )
    return int(reply.sw_if_index)


def _settings(sw_if_index: int, table_id: int) -> list[Request]:
    """MTU before admin-up, admin-up before addresses (vpp-facts: both orders matter to some release).

    And the table before anything that would be in it.
    """
    bound = [{"sw_if_index": sw_if_index, "is_ipv6": six, "vrf_id": table_id} for six in (False, True)]
    return [
        *(Request("sw_interface_set_table", fields) for fields in bound if table_id),
        Request("sw_interface_set_mtu", {"sw_if_index": sw_if_index, "mtu": [MTU_BYTES, 0, 0, 0]}),
        Request("sw_interface_ip6_enable_disable", {"sw_if_index": sw_if_index, "enable": True}),
        Request("sw_interface_ip6nd_ra_config", {"sw_if_index": sw_if_index, "suppress": 1}),
        Request("sw_interface_ip6_set_link_local_address", {"sw_if_index": sw_if_index, "ip": str(POD_GATEWAY6)}),
        Request("sw_interface_set_flags", {"sw_if_index": sw_if_index, "flags": 1}),
        Request(
            "sw_interface_add_del_address",
            {"sw_if_index": sw_if_index, "is_add": True, "prefix": f"{POD_GATEWAY4}/32"},
        ),
        *_routes(sw_if_index, table_id, is_add=True),
    ]


def _routes(sw_if_index: int, table_id: int, *, is_add: bool) -> list[Request]:
    requests = []
    for address in (POD4, POD6):
        way = {"prefix": _host_prefix(address), "n_paths": 1, "paths": [_path(sw_if_index, address)]}
        routes = [{"table_id": table, **way} for table in sorted({0, table_id})]
        neighbour = {"sw_if_index": sw_if_index, "flags": _STATIC, "mac_address": POD_MAC, "ip_address": str(address)}
        requests.append(Request("ip_neighbor_add_del", {"is_add": is_add, "neighbor": neighbour}))
        requests += [
            Request("ip_route_add_del", {"is_add": is_add, "is_multipath": False, "route": route}) for route in routes
        ]
    return requests


def _path(sw_if_index: int, address: IPAddress) -> dict[str, Any]:
    """fib_path of vnet/fib/fib_types.api: the pod itself is the next hop."""
    return {
        "sw_if_index": sw_if_index,
        "table_id": 0,
        "rpf_id": _NO_TABLE,
        "weight": 1,
        "preference": 0,
        "type": 0,
        "flags": 0,
        "proto": int(address.version == 6),
        "nh": {"address": {f"ip{address.version}": str(address)}},
        "n_labels": 0,
        "label_stack": [{}] * 16,
    }


def _host_prefix(address: IPAddress) -> str:
    return f"{address}/{address.max_prefixlen}"

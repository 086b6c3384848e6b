"""Another client of the same VPP, with things of its own on the pod's interface, and what packets say of them.

It has a punt redirect for that interface (what the pod sends to an address of VPP, and VPP has no use for, comes back
to the pod), a range of addresses that proxy ARP answers for, and classifiers that drop one protocol of what the pod
sends and one of what it is sent; on a real VPP with the acl plugin also a list that drops a third. All packets are of
protocols that nobody uses, so nothing but what this client set decides on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import trio
from scapy.layers.l2 import ARP, Ether

from hostlink.core.model import NO_INDEX, Family, VppPath
from hostlink.lab.factor import deadline_factor
from hostlink.lab.frames import Capture, Frame, capture, send_frame
from hostlink.lab.layout import POD4, POD_MAC
from hostlink.lab.pod import attach_pod
from hostlink.lab.stage import Stage
from hostlink.vpp.messages import fib_path
from hostlink.vpp.session import Request, Session, open_session, raise_first
from tests.system.sockets import sender

POD_LINK = "eth0"
SERVICE = IPv4Address("10.99.0.1")
"""An address of VPP that is not the node's: on a loopback of this client."""
PROXIED_LOW, PROXIED, PROXIED_HIGH = (IPv4Address(f"10.77.0.{last}") for last in (1, 5, 9))
COMES_BACK, DROPPED_IN, DROPPED_OUT, DROPPED_BY_LIST = 89, 103, 132, 115
_PROTOCOL_OFFSET = 9
_VECTOR = 16
_ALL = "0.0.0.0/0"
_REQUEST_S = 5.0


@dataclass(slots=True)
class Foreign:
    """The other client. pod, service: sw_if_index of the pod's interface and of its loopback."""

    stage: Stage
    pod: int
    service: int
    with_lists: bool

    async def ask(self, name: str, **fields: Any) -> Any:
        async with _session(self.stage) as session:
            return await session.request(name, **fields)

    async def redirect(self, rx_sw_if_index: int, *, is_add: bool) -> None:
        """A punt redirect to the pod for what comes in on that interface (~0: on any)."""
        path = fib_path(VppPath(self.pod, POD4), Family.IPV4)
        punt = {"rx_sw_if_index": rx_sw_if_index, "af": 0, "n_paths": 1, "paths": [path]}
        await self.ask("add_del_ip_punt_redirect_v2", is_add=is_add, punt=punt)

    async def redirects(self) -> set[int]:
        """The interfaces that redirects of IPv4 are for."""
        async with _session(self.stage) as session:
            found = await session.dump("ip_punt_redirect_v2_dump", sw_if_index=NO_INDEX, af=0)
        return {int(one.punt.rx_sw_if_index) for one in found}

    async def come_back(self) -> set[int]:
        """Of which protocols a packet of the pod comes back to it. A fence behind each says that it had its time."""
        async with capture(self.stage.lab.pod, POD_LINK, lambda frame: not frame.outgoing) as seen:
            protocols = (COMES_BACK, DROPPED_IN, DROPPED_OUT, DROPPED_BY_LIST)
            return {protocol for protocol in protocols if await self._comes_back(seen, protocol)}

    async def _comes_back(self, seen: Capture, protocol: int) -> bool:
        with sender(self.stage.lab.pod, 4, protocol) as sending:
            sending.socket.sendto(b"of the pod", (str(SERVICE), 0))
        for _ in range(2):
            await self.arp(seen, IPv4Address("169.254.1.1"))  # VPP answers for itself, whatever else is set
        return any(_is_protocol(frame, protocol) for frame in seen.frames)

    async def arp(self, seen: Capture, address: IPv4Address, within_s: float = 3.0) -> bool:
        """Whether VPP answers the pod for that address."""
        before = len(seen.matching(lambda frame: _is_answer(frame, address)))
        ask = Ether(src=POD_MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=POD_MAC, psrc=str(POD4), pdst=str(address))
        send_frame(self.stage.lab.pod, POD_LINK, bytes(ask))
        with trio.move_on_after(within_s * deadline_factor()):
            await seen.wait(lambda frame: _is_answer(frame, address), within_s * deadline_factor(), count=before + 1)
            return True
        return False

    async def proxied(self) -> bool:
        """Whether proxy ARP answers the pod for an address of this client's range."""
        async with capture(self.stage.lab.pod, POD_LINK, lambda frame: not frame.outgoing) as seen:
            return await self.arp(seen, PROXIED)

    async def dumps(self) -> dict[str, object]:
        """All that is this client's, as VPP shows it."""
        async with _session(self.stage) as session:
            ranges = await session.dump("proxy_arp_dump")
            enabled = await session.dump("proxy_arp_intfc_dump")
            slots = await session.request("classify_table_by_interface", sw_if_index=self.pod)
            outputs = str((await session.request("cli_inband", cmd="show outacl type ip4")).reply)
            redirects = await session.dump("ip_punt_redirect_v2_dump", sw_if_index=self.pod, af=0)
            bound = [line.split()[:2] for line in outputs.splitlines() if line.split()[:1] == [str(self.pod)]]
            tables = [int(slots.ip4_table_id), *(int(table) for _, table in bound)]
            infos = [await session.request("classify_table_info", table_id=table) for table in tables]
            lists = [await _lists(session, self.pod)] if self.with_lists else []
        return {
            "range": sum((str(one.proxy.low), str(one.proxy.hi)) == _RANGE for one in ranges),
            "proxy ARP": self.pod in {int(one.sw_if_index) for one in enabled},
            "slots": (tables, bound),
            "tables": [(bytes(info.mask), int(info.active_sessions), int(info.next_table_index)) for info in infos],
            "redirect": [
                (int(path.sw_if_index), str(path.nh.address.ip4)) for one in redirects for path in one.punt.paths
            ],
            "lists": lists,
        }


_RANGE = (str(PROXIED_LOW), str(PROXIED_HIGH))


def _session(stage: Stage) -> Any:
    return open_session(stage.api_socket, client_name="another", deadline_s=_REQUEST_S * deadline_factor())


def _is_protocol(frame: Frame, protocol: int) -> bool:
    return frame.data[12:14] == b"\x08\x00" and frame.data[23] == protocol


def _is_answer(frame: Frame, address: IPv4Address) -> bool:
    return frame.data[12:14] == b"\x08\x06" and frame.data[20:22] == b"\0\2" and frame.data[28:32] == address.packed


async def settle_in(stage: Stage, *, with_lists: bool = False) -> Foreign:
    """Plug the pod in and set everything of the other client. with_lists: with the acl plugin, on a real VPP."""
    pod = await attach_pod(stage.api_socket)
    async with _session(stage) as session:
        service = int((await session.request("create_loopback")).sw_if_index)
        proxy = {"table_id": 0, "low": str(PROXIED_LOW), "hi": str(PROXIED_HIGH)}
        requests = [
            Request("sw_interface_set_flags", {"sw_if_index": service, "flags": 1}),
            Request(
                "sw_interface_add_del_address", {"sw_if_index": service, "is_add": True, "prefix": f"{SERVICE}/32"}
            ),
            Request("proxy_arp_add_del", {"is_add": True, "proxy": proxy}),
            Request("proxy_arp_intfc_enable_disable", {"sw_if_index": pod, "enable": True}),
        ]
        raise_first(await session.batch(requests))
        for message, protocol in (
            ("input_acl_set_interface", DROPPED_IN),
            ("output_acl_set_interface", DROPPED_OUT),
        ):
            table = await drop_table(session, {_PROTOCOL_OFFSET: protocol}, vectors=1)
            await bind(session, message, pod, table)
        if with_lists:
            await _set_list(session, pod)
    foreign = Foreign(stage, pod, service, with_lists)
    await foreign.redirect(pod, is_add=True)
    return foreign


async def bind(session: Session, message: str, sw_if_index: int, table: int) -> None:
    """Bind a classifier table to the IPv4 input or output of an interface."""
    none = {"ip6_table_index": NO_INDEX, "l2_table_index": NO_INDEX}
    await session.request(message, sw_if_index=sw_if_index, is_add=True, ip4_table_index=table, **none)


async def drop_table(session: Session, values: dict[int, int], *, vectors: int) -> int:
    """A classifier table with one session that drops what has these bytes at these offsets of the IP header."""
    size = vectors * _VECTOR
    mask, match = bytearray(size), bytearray(size)
    for offset, value in values.items():
        mask[offset], match[offset] = 0xFF, value
    table = await session.request(
        "classify_add_del_table",
        is_add=True,
        table_index=NO_INDEX,
        nbuckets=2,
        memory_size=1 << 20,
        match_n_vectors=vectors,
        next_table_index=NO_INDEX,
        miss_next_index=NO_INDEX,
        current_data_flag=1,
        mask_len=size,
        mask=bytes(mask),
    )
    index = int(table.new_table_index)
    found = {"table_index": index, "hit_next_index": 0, "opaque_index": NO_INDEX}
    await session.request("classify_add_del_session", is_add=True, match_len=size, match=bytes(match), **found)
    return index


async def _set_list(session: Session, sw_if_index: int) -> None:
    """plugins/acl/acl.api: the first rule drops one protocol, the second lets everything else of IPv4 in."""
    every = {"src_prefix": _ALL, "dst_prefix": _ALL, "srcport_or_icmptype_last": 65535}
    every["dstport_or_icmpcode_last"] = 65535
    rules = [{**every, "is_permit": 0, "proto": DROPPED_BY_LIST}, {**every, "is_permit": 1, "proto": 0}]
    made = await session.request("acl_add_replace", acl_index=NO_INDEX, tag="another's", count=2, r=rules)
    await session.request(
        "acl_interface_set_acl_list", sw_if_index=sw_if_index, count=1, n_input=1, acls=[made.acl_index]
    )


async def _lists(session: Session, sw_if_index: int) -> object:
    bound = await session.dump("acl_interface_list_dump", sw_if_index=sw_if_index)
    every = await session.dump("acl_dump", acl_index=NO_INDEX)
    return [list(one.acls) for one in bound], [(str(one.tag), int(one.count)) for one in every]

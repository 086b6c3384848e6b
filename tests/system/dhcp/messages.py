"""DHCP messages among captured frames: what each was, and how it travelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scapy.layers.dhcp import BOOTP, DHCP, DHCPTypes
from scapy.layers.dhcp6 import (
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    dhcp6types,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from hostlink.lab.frames import Frame
from tests.system.wire import parsed

BROADCAST4, SERVERS6 = "255.255.255.255", "ff02::1:2"
"""RFC 2131, 4.1; All_DHCP_Relay_Agents_and_Servers, RFC 8415, 7.1."""
_PORTS4, _PORTS6 = {67, 68}, {546, 547}


@dataclass(frozen=True, slots=True)
class Message4:
    """RFC 2131. kind: "discover", "offer", "request", "ack", "nak", "decline", "release"."""

    kind: str
    xid: int
    outgoing: bool
    mac_source: str
    source: str
    destination: str
    hops: int
    """TTL."""
    ciaddr: str
    yiaddr: str
    requested: str | None
    """Option 50."""
    payload: bytes
    """All of the message: a client that asks again says for how long it has asked (`secs`), so it is another."""

    @property
    def is_unicast(self) -> bool:
        return self.destination != BROADCAST4


@dataclass(frozen=True, slots=True)
class Message6:
    """RFC 8415. kind: "solicit", "advertise", "request", "confirm", "renew", "rebind", "reply", "release"."""

    kind: str
    xid: int
    outgoing: bool
    mac_source: str
    source: str
    destination: str
    hops: int
    """Hop limit."""
    duid: bytes | None
    """The client's."""
    iaid: int | None
    address: str | None
    payload: bytes
    """All of the message; one that is asked again has another elapsed time (RFC 8415, 21.9)."""


def dhcp4(frames: Iterable[Frame]) -> list[Message4]:
    return [message for frame in frames if (message := _message4(frame)) is not None]


def dhcp6(frames: Iterable[Frame]) -> list[Message6]:
    return [message for frame in frames if (message := _message6(frame)) is not None]


def is_dhcp(frame: Frame) -> bool:
    """For a capture's `match`: by the bytes, since everything that passes is asked. No IP options, no extensions."""
    kind, ports = frame.data[12:14], _PORTS4
    if kind == b"\x08\x00" and frame.data[23:24] == b"\x11":
        head = frame.data[34:38]
    elif kind == b"\x86\xdd" and frame.data[20:21] == b"\x11":
        head, ports = frame.data[54:58], _PORTS6
    else:
        return False
    return int.from_bytes(head[:2]) in ports and int.from_bytes(head[2:]) in ports


def first_of_each(messages: Iterable[Message4] | Iterable[Message6]) -> list[str]:
    """The kinds in the order in which they first came: on a slow machine a client asks again before it is answered."""
    return list(dict.fromkeys(message.kind for message in messages))


def _message4(frame: Frame) -> Message4 | None:
    packet = parsed(frame)
    if not packet.haslayer(DHCP):
        return None
    options: dict[str, Any] = dict(option[:2] for option in packet[DHCP].options if isinstance(option, tuple))
    return Message4(
        kind=DHCPTypes[options["message-type"]],
        xid=packet[BOOTP].xid,
        outgoing=frame.outgoing,
        mac_source=packet[Ether].src,
        source=packet[IP].src,
        destination=packet[IP].dst,
        hops=packet[IP].ttl,
        ciaddr=packet[BOOTP].ciaddr,
        yiaddr=packet[BOOTP].yiaddr,
        requested=options.get("requested_addr"),
        payload=bytes(packet[BOOTP]),
    )


def _message6(frame: Frame) -> Message6 | None:
    packet = parsed(frame)
    if not packet.haslayer(IPv6) or not packet.haslayer(UDP):
        return None
    payload = packet[UDP].payload
    if not hasattr(payload, "msgtype"):
        return None
    client, association = packet.getlayer(DHCP6OptClientId), packet.getlayer(DHCP6OptIA_NA)
    return Message6(
        kind=dhcp6types[payload.msgtype].lower(),
        xid=payload.trid,
        outgoing=frame.outgoing,
        mac_source=packet[Ether].src,
        source=packet[IPv6].src,
        destination=packet[IPv6].dst,
        hops=packet[IPv6].hlim,
        duid=bytes(client.duid) if client is not None else None,
        iaid=association.iaid if association is not None else None,
        address=_address(association),
        payload=bytes(payload),
    )


def _address(association: Packet | None) -> str | None:
    """The first of the association."""
    found: Iterator[Packet] = (
        option for option in (association.ianaopts if association is not None else ()) if DHCP6OptIAAddress in option
    )
    option = next(found, None)
    return None if option is None else option.addr

"""A packet on its way through the graph, and what is read from and written into its headers.

Frames come in with what the device said about them (`Offload`): a checksum that the sender left for the NIC to
complete, and the segment size of a frame that is larger than the MTU (kernel: include/uapi/linux/virtio_net.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ETHERNET_BYTES = 14
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
BROADCAST = b"\xff" * 6
GSO_NONE, GSO_TCP4, GSO_UDP, GSO_TCP6 = 0, 1, 3, 4


@dataclass(frozen=True, slots=True)
class Offload:
    """What a virtio-net header says. Offsets in bytes from the start of the Ethernet frame."""

    partial_checksum: bool = False
    checksum_start: int = 0
    checksum_offset: int = 0
    gso_type: int = GSO_NONE
    gso_size: int = 0
    header_bytes: int = 0
    """All headers before the payload to cut; 0 where the sender did not say."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What goes out: to which interface, and what its device has to finish."""

    sw_if_index: int
    data: bytes
    offload: Offload | None = None


@dataclass(slots=True)
class Packet:
    """An IP packet. `data` begins at its IP header and ends where the frame did: VPP forwards the padding of short
    frames.
    """

    data: bytes
    rx: int
    """The sw_if_index that it came in by; 0 for what VPP itself sends."""
    ethernet: bytes = b""
    """The header it came with."""
    offload: Offload | None = None
    locally_originated: bool = False
    """VPP's own or punted: its TTL is left alone."""
    table_id: int | None = None
    """A table that a classifier chose, instead of the interface's."""

    @property
    def source_mac(self) -> bytes:
        return self.ethernet[6:12]


def checksum(data: bytes, start: int = 0) -> int:
    """The internet checksum (RFC 1071) of the bytes, start being a sum already made."""
    if len(data) % 2:
        data += b"\0"
    total: int = start + sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_header_sum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """The part of a TCP, UDP or ICMPv6 checksum that is not in the packet, folded but not inverted."""
    pseudo = source + destination + struct.pack(">II", length, protocol)
    return ~checksum(pseudo) & 0xFFFF


def ethernet_header(destination: bytes, source: bytes, ethertype: int) -> bytes:
    return destination + source + struct.pack(">H", ethertype)


# ----------------------------------------------------------------------------------------------------------------- IPv4


@dataclass(frozen=True, slots=True)
class Ip4:
    """The header fields that the graph decides by."""

    header_bytes: int
    total_bytes: int
    identification: int
    dont_fragment: bool
    more_fragments: bool
    fragment_offset: int
    """In units of eight bytes."""
    ttl: int
    protocol: int
    source: bytes
    destination: bytes

    @property
    def fragment(self) -> bool:
        return self.more_fragments or self.fragment_offset != 0


def parse_ip4(data: bytes) -> Ip4:
    """The header at the start of at least 20 bytes."""
    version_ihl, _, total, ident, fragment, ttl, protocol, _ = struct.unpack_from(">BBHHHBBH", data)
    return Ip4(
        (version_ihl & 15) * 4,
        total,
        ident,
        bool(fragment & 0x4000),
        bool(fragment & 0x2000),
        fragment & 0x1FFF,
        ttl,
        protocol,
        data[12:16],
        data[16:20],
    )


def build_ip4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload: bytes,
    ttl: int = 255,
    identification: int = 0,
    flags: int = 0,
) -> bytes:
    """A packet with a plain header; flags is the raw 16-bit flags and fragment offset field."""
    total = 20 + len(payload)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, identification, flags, ttl, protocol, 0, source, destination)
    return with_header_checksum(header + payload)


def with_header_checksum(data: bytes) -> bytes:
    """The packet with its IPv4 header checksum made anew."""
    length = (data[0] & 15) * 4
    header = data[:10] + b"\0\0" + data[12:length]
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + data[length:]


def with_ttl(data: bytes, ttl: int) -> bytes:
    return with_header_checksum(data[:8] + bytes([ttl]) + data[9:])


# ----------------------------------------------------------------------------------------------------------------- IPv6


@dataclass(frozen=True, slots=True)
class Ip6:
    payload_bytes: int
    next_header: int
    hop_limit: int
    source: bytes
    destination: bytes


def parse_ip6(data: bytes) -> Ip6:
    """The header at the start of at least 40 bytes."""
    _, payload, next_header, hop_limit = struct.unpack_from(">IHBB", data)
    return Ip6(payload, next_header, hop_limit, data[8:24], data[24:40])


def build_ip6(source: bytes, destination: bytes, next_header: int, payload: bytes, hop_limit: int = 255) -> bytes:
    return struct.pack(">IHBB16s16s", 0x60000000, len(payload), next_header, hop_limit, source, destination) + payload


def with_hop_limit(data: bytes, hop_limit: int) -> bytes:
    return data[:7] + bytes([hop_limit]) + data[8:]


def build_icmp6(source: bytes, destination: bytes, message: bytes, hop_limit: int = 255) -> bytes:
    """An ICMPv6 packet; the checksum in `message` (bytes 2 and 3) is made here."""
    message = message[:2] + b"\0\0" + message[4:]
    total = checksum(message, pseudo_header_sum(source, destination, ICMP6, len(message)))
    message = message[:2] + struct.pack(">H", total) + message[4:]
    return build_ip6(source, destination, ICMP6, message, hop_limit)


def multicast_mac(destination: bytes) -> bytes:
    """The Ethernet address of an IPv6 or IPv4 group (RFC 2464, RFC 1112)."""
    if len(destination) == 16:
        return b"\x33\x33" + destination[12:]
    return b"\x01\x00\x5e" + bytes([destination[1] & 0x7F]) + destination[2:]


def l4_checksum_valid(data: bytes, header_bytes: int, source: bytes, destination: bytes, protocol: int) -> bool:
    """Whether the checksum of a whole TCP, UDP or ICMPv6 packet is right; an IPv4 UDP one may be absent."""
    segment = data[header_bytes:]
    if protocol == UDP and len(source) == 4 and segment[6:8] == b"\0\0":
        return True
    return checksum(segment, pseudo_header_sum(source, destination, protocol, len(segment))) == 0

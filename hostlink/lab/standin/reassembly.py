"""Fragments for VPP itself, put together before they are looked at (and punted), within the limits of the API.

As VPP does it (ip4_full_reass.c, ip6_full_reass.c of 26.06): a fragment too many drops all of the datagram
(`fragment chain too long`), unless it completes it. IPv6 counts the first fragment twice. The timeout runs from the
last fragment that came. Fragments that overlap are cut to fit in IPv4, and drop the whole in IPv6 (RFC 8200).
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.packet import Packet, build_ip6, parse_ip4, parse_ip6, with_header_checksum
from hostlink.lab.standin.state import Datagram, State

_FULL = 0
_LARGEST4, _LARGEST6 = 65515, 65535
"""Payload bytes: VPP allows an IPv4 header of 20 bytes, and RFC 8200's whole payload."""


def _add(context: Context, version: int, key: bytes, start: int, piece: bytes, *, more: bool) -> Datagram | None:
    """The datagram with one more piece; None when that piece, or all of it, was dropped."""
    state = context.state
    limits = state.reassembly[version, _FULL]
    if start + len(piece) > (_LARGEST4 if version == 4 else _LARGEST6):
        context.drop("malformed packets" if version == 4 else "drop due to invalid fragment size")
        return None
    datagram = _find(state, version, key)
    if datagram is None:
        context.drop("drops due to concurrent reassemblies limit")
        return None
    new = _uncovered(datagram.pieces, start, piece)
    if not new:
        context.drop("duplicate/overlapping fragments")
        return None
    if version == 6 and new != {start: piece}:
        _abandon(context, key, "overlapping fragments")
        return None
    datagram.fragments += 1 + (version == 6 and not datagram.pieces)
    datagram.pieces |= new
    if not more:
        datagram.length = start + len(piece)
    if datagram.fragments > limits.max_reassembly_length and datagram.whole() is None:
        _abandon(context, key, "fragment chain too long (drop)")
        return None
    return datagram


def _abandon(context: Context, key: bytes, reason: str) -> None:
    del context.state.fragments[key]
    context.drop(reason)


def _find(state: State, version: int, key: bytes) -> Datagram | None:
    """The datagram under way of that key, or a new one; None where there are too many."""
    now, limits = state.clock(), state.reassembly[version, _FULL]
    for old in [one for one, datagram in state.fragments.items() if _late(state, one, now - datagram.last_heard_s)]:
        del state.fragments[old]
    under_way = sum(one[0] == version for one in state.fragments)
    if key not in state.fragments and under_way >= limits.max_reassemblies:
        return None
    datagram = state.fragments.setdefault(key, Datagram(now))
    datagram.last_heard_s = now
    return datagram


def _late(state: State, key: bytes, silent_s: float) -> bool:
    return silent_s > state.reassembly[key[0], _FULL].timeout_ms / 1000


def _uncovered(pieces: dict[int, bytes], start: int, piece: bytes) -> dict[int, bytes]:
    """What of the piece is not there yet, by offset. What came first stays."""
    new = {}
    position, end = start, start + len(piece)
    for at in sorted(pieces):
        if at > position and position < end:
            new[position] = piece[position - start : min(at, end) - start]
        position = max(position, at + len(pieces[at]))
    if position < end:
        new[position] = piece[position - start :]
    return new


@node("ip4-local-full-reassembly")
def ip4_reassembly(context: Context, packet: Packet) -> None:
    header = parse_ip4(packet.data)
    key = b"\4" + packet.data[4:6] + packet.data[9:10] + packet.data[12:20]
    piece = packet.data[header.header_bytes : header.total_bytes]
    start = header.fragment_offset * 8
    datagram = _add(context, 4, key, start, piece, more=header.more_fragments)
    if datagram is None:
        return
    if start == 0:
        datagram.first = packet
    payload = datagram.whole()
    if payload is None or datagram.first is None:
        return
    del context.state.fragments[key]
    head = datagram.first.data[:20]
    whole = head[:2] + struct.pack(">H", 20 + len(payload)) + head[4:6] + b"\0\0" + head[8:] + payload
    context.enqueue("ip4-local", replace(packet, data=with_header_checksum(whole)))


@node("ip6-local-full-reassembly")
def ip6_reassembly(context: Context, packet: Packet) -> None:
    header = parse_ip6(packet.data)
    next_header, _, field16, _ = struct.unpack_from(">BBHI", packet.data, 40)
    key = b"\6" + packet.data[44:48] + packet.data[8:40]
    piece = packet.data[48 : 40 + header.payload_bytes]
    datagram = _add(context, 6, key, field16 & ~7, piece, more=bool(field16 & 1))
    payload = datagram.whole() if datagram else None
    if payload is None:
        return
    del context.state.fragments[key]
    whole = build_ip6(header.source, header.destination, next_header, payload, header.hop_limit)
    context.enqueue("ip6-local", replace(packet, data=whole))

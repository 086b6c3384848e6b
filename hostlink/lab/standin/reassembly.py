"""Fragments for VPP itself, put together before they are looked at (and punted).

As VPP's defaults have it: no more than three fragments to a datagram, no more than 200 ms for it; one more fragment
drops all of it (`fragment chain too long`), which is what keeps large datagrams from the host.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.packet import Packet, build_ip6, parse_ip4, parse_ip6, with_header_checksum
from hostlink.lab.standin.state import Datagram, State

MAX_FRAGMENTS = 3
TIMEOUT_S = 0.2


def _add(context: Context, key: bytes, packet: Packet, offset: int, piece: bytes, more: bool) -> Datagram | None:
    """The datagram with one more piece; None when there are too many."""
    state = context.state
    datagram = _fresh(state, key)
    datagram.pieces[offset] = piece
    if not more:
        datagram.length = offset + len(piece)
    if offset == 0:
        datagram.first = packet
    if len(datagram.pieces) > MAX_FRAGMENTS:
        del state.fragments[key]
        context.drop("fragment chain too long (drop)")
        return None
    return datagram


def _fresh(state: State, key: bytes) -> Datagram:
    now = state.clock()
    for old in [k for k, d in state.fragments.items() if now - d.started_at_s > TIMEOUT_S]:
        del state.fragments[old]
    return state.fragments.setdefault(key, Datagram(now))


@node("ip4-local-full-reassembly")
def ip4_reassembly(context: Context, packet: Packet) -> None:
    header = parse_ip4(packet.data)
    key = packet.data[4:6] + packet.data[9:10] + packet.data[12:20]
    piece = packet.data[header.header_bytes :]
    datagram = _add(context, key, packet, header.fragment_offset * 8, piece, header.more_fragments)
    payload = datagram.whole() if datagram else None
    if payload is None or datagram is None or datagram.first is None:
        return
    del context.state.fragments[key]
    head = datagram.first.data[:20]
    whole = head[:2] + struct.pack(">H", 20 + len(payload)) + head[4:6] + b"\0\0" + head[8:] + payload
    context.enqueue("ip4-local", replace(packet, data=with_header_checksum(whole)))


@node("ip6-local-full-reassembly")
def ip6_reassembly(context: Context, packet: Packet) -> None:
    header = parse_ip6(packet.data)
    next_header, _, field16, _ = struct.unpack_from(">BBHI", packet.data, 40)
    key = packet.data[44:48] + packet.data[8:40]
    piece = packet.data[48 : 40 + header.payload_bytes]
    datagram = _add(context, key, packet, field16 & ~7, piece, bool(field16 & 1))
    payload = datagram.whole() if datagram else None
    if payload is None:
        return
    del context.state.fragments[key]
    whole = build_ip6(header.source, header.destination, next_header, payload, header.hop_limit)
    context.enqueue("ip6-local", replace(packet, data=whole))

"""Ethernet in and out: the MAC check, the way to the protocol, the rewrite and the device's offloads."""

from __future__ import annotations

import struct
from dataclasses import replace

from hostlink.lab.standin.classify import DENY
from hostlink.lab.standin.graph import Context, node
from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.packet import (
    ARP,
    ETHERNET_BYTES,
    IPV4,
    IPV6,
    Offload,
    Packet,
    checksum,
    ethernet_header,
)

_NEXT = {ARP: "arp-input", IPV4: "ip4-input", IPV6: "ip6-input"}


@node("ethernet-input")
def ethernet_input(context: Context, packet: Packet) -> None:
    frame = packet.data
    if len(frame) < ETHERNET_BYTES:
        context.drop("no error")
        return
    interface = context.state.interfaces.get(packet.rx)
    (ethertype,) = struct.unpack_from(">H", frame, 12)
    if not frame[0] & 1 and frame[:6] != interface.mac:
        context.drop("l3 mac mismatch")
        return
    following = _NEXT.get(ethertype)
    if following is None:
        context.drop("unknown ethernet type")
        return
    context.enqueue(following, replace(packet, data=frame[ETHERNET_BYTES:], ethernet=frame[:ETHERNET_BYTES]))


def send_ip(context: Context, packet: Packet, sw_if_index: int, destination_mac: bytes) -> None:
    """An IP packet onto a link: output ACL, Ethernet header, and what of the checksum the device does not do."""
    interface = context.state.interfaces.find(sw_if_index)
    if interface is None:
        context.drop("interface is gone")
        return
    version = packet.data[0] >> 4
    header = ethernet_header(destination_mac, interface.mac, IPV4 if version == 4 else IPV6)
    frame = header + packet.data
    if _denied(context, interface, f"ip{version}", frame):
        return
    offload = packet.offload
    if offload is not None and offload.gso_size and not interface.gso:
        if interface.dev_type != "virtio":
            interface.wedged = True
        context.state.error(f"{interface.name}-tx", "tx gso packet drop")
        return
    if offload is not None and not interface.checksum_offload and not offload.gso_size:
        frame, offload = complete_checksum(frame, offload), None
    context.send(sw_if_index, frame, offload)


def _denied(context: Context, interface: Interface, slot: str, frame: bytes) -> bool:
    index = interface.output_acl.get(slot)
    if index is None or index not in context.state.classifier.tables:
        return False
    session, miss = context.state.classifier.lookup(index, frame, ETHERNET_BYTES)
    if (session.hit_next_index if session else miss) & 0xFFFF != DENY:
        return False
    context.state.error(f"{slot}-outacl", "ACL deny packets")
    return True


def complete_checksum(frame: bytes, offload: Offload) -> bytes:
    """Fills in what the sender left to its NIC: the field holds the pseudo header's sum, the rest is added."""
    if not offload.partial_checksum:
        return frame
    start, field = offload.checksum_start, offload.checksum_start + offload.checksum_offset
    total = checksum(frame[start:]) or 0xFFFF
    return frame[:field] + struct.pack(">H", total) + frame[field + 2 :]

"""Captured frames as scapy reads them: for tests only.

Import layers from where they are (`scapy.layers.inet6`), not from `scapy.all`, which takes seconds. Give every address
of a packet that is built: what is left out scapy takes from the machine's own routes. `bytes(packet)` is the frame.
"""

from __future__ import annotations

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from hostlink.lab.frames import Frame, Match


def parsed(frame: Frame) -> Packet:
    """The frame from its Ethernet header on."""
    return Ether(frame.data)


def has(layer: type[Packet], *, outgoing: bool | None = None, **fields: object) -> Match:
    """Frames that have such a layer with these values of its fields, and go this way (None: any way)."""

    def fits(frame: Frame) -> bool:
        if outgoing is not None and frame.outgoing != outgoing:
            return False
        found = parsed(frame).getlayer(layer)
        return found is not None and all(getattr(found, name) == value for name, value in fields.items())

    return fits

"""The packet graph: nodes that hand packets to each other by name, as VPP's do.

A node is a function of (context, packet). It changes the packet and names the node that goes on with it, or sends a
frame, or drops it with a reason that `show errors` can print. Handing over by name, through a queue, is what lets an
ICMP error be looked up and rewritten like any packet, without one module calling in a circle through all the others.

`Graph.process` is the whole data plane of the stand-in: one frame in, the frames that leave out. It opens nothing.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.packet import Frame, Offload, Packet
from hostlink.lab.standin.state import State

Node = Callable[["Context", Packet], None]
NODES: dict[str, Node] = {}
ASKED_ABOVE_BYTES = 1000


def node(name: str) -> Callable[[Node], Node]:
    """Registers a node under VPP's name for it, so that a trace or an error reads the same on both."""

    def register(function: Node) -> Node:
        NODES[name] = function
        return function

    return register


class Context:
    """What a node may do. `now` is the node that runs: drops are counted in its name."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.frames: list[Frame] = []
        self.now = ""
        self._queue: deque[tuple[str, Packet]] = deque()

    def enqueue(self, name: str, packet: Packet) -> None:
        self._queue.append((name, packet))

    def drop(self, reason: str) -> None:
        self.state.error(self.now, reason)

    def send(self, sw_if_index: int, data: bytes, offload: Offload | None = None) -> None:
        """A whole Ethernet frame to an interface, unless that is down, gone or wedged."""
        interface = self.state.interfaces.find(sw_if_index)
        if interface is None or not interface.up:
            self.state.error("interface-output", "interface is down")
            return
        if interface.wedged:
            self.state.error(f"{interface.name}-tx", "tx sendto temporary failure")
            return
        if self._too_large(interface, len(data)) and not (offload and offload.gso_size):
            interface.wedged = True
            self.state.error(f"{interface.name}-tx", "tx sendto temporary failure")
            return
        interface.count("tx packets")
        interface.count("tx bytes", len(data))
        self.frames.append(Frame(sw_if_index, data, offload))

    @staticmethod
    def _too_large(interface: Interface, size: int) -> bool:
        """For the device as it is now; a small frame is not worth the question."""
        if interface.device_mtu and interface.read_device_mtu is not None and size > ASKED_ABOVE_BYTES:
            with contextlib.suppress(OSError):  # the device is gone, and what is sent to it too
                interface.device_mtu = interface.read_device_mtu()
        return bool(interface.device_mtu) and size > interface.device_mtu + 18

    def run(self) -> None:
        while self._queue:
            self.now, packet = self._queue.popleft()
            NODES[self.now](self, packet)


class Graph:
    def __init__(self, state: State) -> None:
        self.state = state

    def process(self, sw_if_index: int, frame: bytes, offload: Offload | None = None) -> list[Frame]:
        """What leaves because this frame came in by that interface."""
        interface = self.state.interfaces.find(sw_if_index)
        if interface is None or not interface.admin_up:
            return []
        interface.count("rx packets")
        interface.count("rx bytes", len(frame))
        return self.inject("ethernet-input", Packet(frame, sw_if_index, offload=offload))

    def ask_for_next_hops(self) -> list[Frame]:
        """What VPP asks because routes were added."""
        context = Context(self.state)
        wanted, self.state.unresolved = self.state.unresolved, []
        for sw_if_index, address in wanted:
            context.enqueue("ip4-arp-probe" if len(address) == 4 else "ip6-nd-probe", Packet(address, sw_if_index))
        context.run()
        return context.frames

    def tick(self) -> list[Frame]:
        """What leaves because time passed."""
        return self.inject("ip6-ra-process", Packet(b"", 0))

    def inject(self, name: str, packet: Packet) -> list[Frame]:
        """A packet that starts at some node: how what VPP itself says enters the graph."""
        context = Context(self.state)
        context.enqueue(name, packet)
        context.run()
        return context.frames

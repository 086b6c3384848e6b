"""The stand-in without a process: requests and frames in, replies and frames out, devices that are only names.

For unit tests and for replaying what was recorded from a real VPP. Requests take the whole way through framing and
codec. Devices that can be opened are those that the bench was given, and they refuse what a kernel would: an absent
one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from hostlink.lab.standin import nodes  # noqa: F401  (importing it registers the graph's nodes)
from hostlink.lab.standin.apijson import definitions_json
from hostlink.lab.standin.apiserver import HEADER, ApiServer, Connection
from hostlink.lab.standin.codec import Codec, Values
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.faults import Faults
from hostlink.lab.standin.graph import Graph
from hostlink.lab.standin.interfaces import NONE, Interface
from hostlink.lab.standin.packet import Frame, Offload
from hostlink.lab.standin.registry import Opened, TapRequest, Vpp
from hostlink.lab.standin.retvals import INVALID_INTERFACE, SYSCALL_ERROR_3, Refused
from hostlink.lab.standin.state import State


class NamedDevices:
    """Packet sockets and taps that exist only by name; `taps` are those that can be attached to."""

    def __init__(self, names: Mapping[str, int], taps: tuple[str, ...] = ()) -> None:
        self._mtu_bytes = dict(names)
        self._taps = set(taps)
        self.tap_requests: list[TapRequest] = []
        self.closed: list[str] = []

    def open_packet_socket(self, name: str, offload: bool) -> Opened:
        if name not in self._mtu_bytes:
            raise Refused(INVALID_INTERFACE, sw_if_index=0)
        return Opened(name, self._mtu_bytes[name], offload, offload)

    def open_tap(self, request: TapRequest) -> Opened:
        if request.attach and request.name not in self._taps:
            raise Refused(SYSCALL_ERROR_3, sw_if_index=NONE)
        self.tap_requests.append(request)
        return Opened(request.name or "tap0", 0, request.checksum_offload, request.gso)

    def attach(self, opened: Opened, interface: Interface) -> None:
        pass

    def raised(self, interface: Interface, up: bool) -> None:
        pass

    def close(self, interface: Interface) -> None:
        self.closed.append(interface.name)


class Bench:
    """`now_s` is the time that the stand-in sees; move it as you like."""

    def __init__(
        self,
        devices: Mapping[str, int] | None = None,
        taps: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.now_s = 0.0
        self.state = State(lambda: self.now_s)
        self.devices = NamedDevices(devices or {"up0": 1500, "in0": 1500, "pod0": 1500}, taps)
        faults = Faults(environment or {})
        self.vpp = Vpp(self.state, self.devices, definitions_json(api(), faults.without), faults.release)
        self.server = ApiServer(self.vpp, faults)
        self.graph = Graph(self.state)
        self._codec = Codec(api())
        self._received = bytearray()
        self.connection = Connection(self._received.extend, lambda: None)
        self.client_index = 0
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._connect()

    def _connect(self) -> None:
        self._numbers = {"sockclnt_create": 15}
        self._names = {16: "sockclnt_create_reply"}
        (_, reply), *_ = self.send("sockclnt_create", {"name": "bench"})
        self.client_index = reply["index"]
        for entry in reply["message_table"]:
            name = entry["name"].rsplit("_", 1)[0]
            self._numbers[name] = entry["index"]
            self._names[entry["index"]] = name

    def send(self, name: str, fields: Mapping[str, Any], **header: int) -> list[tuple[str, Values]]:
        """Everything that comes back at once, events too: (message name, fields)."""
        values = {"_vl_msg_id": self._numbers[name], "client_index": self.client_index, "context": 7}
        body = self._codec.pack(name, {**values, **header, **fields})
        self.server.receive(self.connection, HEADER.pack(0, len(body), 0) + body)
        return self.received()

    def received(self) -> list[tuple[str, Values]]:
        messages, data = [], bytes(self._received)
        while data:
            (size,) = struct.unpack_from(">8xI", data)
            body, data = data[16 : 16 + size], data[16 + size :]
            name = self._names[int.from_bytes(body[:2])]
            messages.append((name, self._codec.unpack(name, body)))
        self._received.clear()
        return messages

    def call(self, name: str, **fields: Any) -> Values:
        """The one reply of a request."""
        ((_, reply),) = self.send(name, fields)
        return reply

    def dump(self, name: str, **fields: Any) -> list[Values]:
        """The details messages of a dump."""
        return [values for _, values in self.send(name, fields)]

    def feed(self, sw_if_index: int, frame: bytes, offload: Offload | None = None) -> list[Frame]:
        """A packet socket without the virtio-net header does not show what the sender left open."""
        interface = self.state.interfaces.find(sw_if_index)
        seen = offload if interface is not None and interface.checksum_offload else None
        return self.graph.process(sw_if_index, frame, seen)

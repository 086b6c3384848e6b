"""The API's handlers by message name, and what they get to work with.

A handler takes the decoded request and returns the reply's fields (a list of them for a dump), or raises Refused.
What it does not name is zero; `retval` is 0 unless it refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hostlink.lab.standin.codec import Values
from hostlink.lab.standin.faults import RELEASE
from hostlink.lab.standin.interfaces import Interface
from hostlink.lab.standin.state import State

Reply = Values | Sequence[Values] | None
Handler = Callable[["Vpp", Values], Reply]
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    def register(function: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = function
        return function

    return register


@dataclass(frozen=True, slots=True)
class TapRequest:
    """What tap_create_v3 asks of the host's side."""

    name: str | None
    namespace: str | None
    """`pid:N`, a path, or a name under /run/netns; None is the stand-in's own."""
    mac: bytes
    mtu_bytes: int | None
    attach: bool
    persist: bool
    gso: bool
    checksum_offload: bool
    addresses: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening a device found."""

    host_name: str
    mtu_bytes: int = 0
    checksum_offload: bool = False
    gso: bool = False
    read_mtu: Callable[[], int] | None = None
    """Its MTU as it is now."""


class Devices(Protocol):
    """Opens and closes the devices behind interfaces. A failure is Refused, with VPP's number for it."""

    def open_packet_socket(self, name: str, offload: bool) -> Opened: ...

    def open_tap(self, request: TapRequest) -> Opened: ...

    def attach(self, opened: Opened, interface: Interface) -> None:
        """From now on the device's frames are that interface's."""

    def raised(self, interface: Interface, up: bool) -> None:
        """The interface was set admin-up or -down."""

    def close(self, interface: Interface) -> None: ...


@dataclass(frozen=True, slots=True)
class TapDetails:
    """What sw_interface_tap_v2_dump prints of a tap besides its interface."""

    id: int
    host_name: str
    namespace: str
    host_mac: bytes
    host_mtu: int
    flags: int
    rx_ring: int
    tx_ring: int


@dataclass(slots=True)
class Vpp:
    """The stand-in as its handlers see it."""

    state: State
    devices: Devices
    definitions: str = ""
    """The JSON that get_api_json serves."""
    release: str = RELEASE
    """Year and month, as VPP counts them."""
    client_names: dict[int, str] = field(default_factory=dict)
    event_clients: dict[int, int] = field(default_factory=dict)
    """The pid that each subscribed client gave, by client index."""
    packet_sockets: dict[str, int] = field(default_factory=dict)
    """sw_if_index by the device's name."""
    taps: dict[int, TapDetails] = field(default_factory=dict)
    stop: Callable[[], None] = lambda: None

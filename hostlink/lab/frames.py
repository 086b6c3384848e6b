"""Raw frames: what passes a link, as it was on the wire, and frames of one's own.

A capture is an AF_PACKET socket (packet(7)) opened inside the namespace. No task reads it: the kernel keeps what comes
in a large buffer until the capture is asked, so a capture adds nothing to the timing of what it watches.

A VLAN tag that the kernel took off is put back from the auxiliary data (PACKET_AUXDATA), so bytes are those of the
wire; only a checksum may still be wanting (`checksum_pending`), where the sender left it to a NIC.
"""

from __future__ import annotations

import socket as stdlib_socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from hostlink.kernel.namespace import inside
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError

_ETH_P_ALL = 0x0003
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_AUXDATA = struct.Struct("=IIIHHHH")
"""struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid (include/uapi/linux/if_packet.h)."""
_CSUM_NOT_READY, _VLAN_VALID, _VLAN_TPID_VALID = 0x08, 0x10, 0x40
_TPID_8021Q = 0x8100
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 32 << 20
_LARGEST_FRAME = 1 << 17


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, from its destination MAC on. outgoing: the link's own namespace sent it."""

    data: bytes
    outgoing: bool
    checksum_pending: bool = False


Match = Callable[[Frame], bool]


def _any(_: Frame) -> bool:
    return True


class Capture:
    """Frames of a link since the capture was opened, in their order."""

    def __init__(self, sock: stdlib_socket.socket, where: str, match: Match) -> None:
        self._socket, self._where, self._match = sock, where, match
        self._frames: list[Frame] = []

    @property
    def frames(self) -> list[Frame]:
        """All that fitted until now; after the capture's block, until its end."""
        self.drain()
        return self._frames

    def drain(self) -> None:
        """Take over what the kernel has kept."""
        while self._read_one():
            pass

    def matching(self, predicate: Match) -> list[Frame]:
        return [frame for frame in self.frames if predicate(frame)]

    async def wait(self, predicate: Match = _any, within_s: float = 5.0, *, count: int = 1) -> Frame:
        """The first such frame (or the count-th), whether it was here already or comes in time. Raises FlowError.

        within_s: times the lab's deadline factor.
        """
        with trio.move_on_after(within_s * deadline_factor()):
            while len(found := self.matching(predicate)) < count:
                await trio.lowlevel.wait_readable(self._socket)
            return found[count - 1]
        seen = "\n".join(f"  {'out' if frame.outgoing else 'in '} {frame.data.hex(' ', 2)}" for frame in self._frames)
        raise FlowError(
            f"{self._where}: {len(self.matching(predicate))} of {count} frames that were waited for came "
            f"within {within_s:g} s; captured:\n{seen or '  nothing'}"
        )

    def _read_one(self) -> bool:
        if self._socket.fileno() < 0:
            return False
        try:
            data, controls, _, address = self._socket.recvmsg(
                _LARGEST_FRAME, stdlib_socket.CMSG_SPACE(_AUXDATA.size), stdlib_socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return False
        frame = _frame(data, controls, outgoing=address[2] == _PACKET_OUTGOING)
        if self._match(frame):
            self._frames.append(frame)
        return True


@asynccontextmanager
async def capture(namespace: str, link: str, match: Match = _any) -> AsyncIterator[Capture]:
    """Everything that passes that link from now on, both ways, of which `match` says that it is wanted."""
    sock = _open(namespace, link, _ETH_P_ALL)
    try:
        sock.setsockopt(stdlib_socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        seen = Capture(sock, f"{link} in {namespace}", match)
        yield seen
        seen.drain()
    finally:
        sock.close()


def send_frame(namespace: str, link: str, frame: bytes) -> None:
    """Send it as it is, as that link's own. Raises OSError (a link that is down, a frame that is too long)."""
    with _open(namespace, link, 0) as sock:
        sock.send(frame)


def _open(namespace: str, link: str, protocol: int) -> stdlib_socket.socket:
    """Bound before a frame of another link can get in: with protocol 0 a packet socket receives nothing."""
    with inside(namespace):
        sock = stdlib_socket.socket(stdlib_socket.AF_PACKET, stdlib_socket.SOCK_RAW, 0)
    try:
        sock.bind((link, protocol))
    except OSError:
        sock.close()
        raise
    return sock


def _frame(data: bytes, controls: Sequence[tuple[int, int, bytes]], *, outgoing: bool) -> Frame:
    status = tag = 0
    protocol = _TPID_8021Q
    for level, kind, value in controls:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tag, given = _AUXDATA.unpack(value[: _AUXDATA.size])
            protocol = given if status & _VLAN_TPID_VALID else protocol
    if status & _VLAN_VALID:
        data = data[:12] + struct.pack("!HH", protocol, tag) + data[12:]
    return Frame(data, outgoing, bool(status & _CSUM_NOT_READY))

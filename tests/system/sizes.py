"""Large datagrams, bulk, path MTUs and hand-made fragments: what test_sizes.py sends, bare and taken over."""

from __future__ import annotations

import contextlib
import os
import socket as stdlib_socket
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab import layout
from hostlink.lab.children import end_processes_in
from hostlink.lab.factor import deadline_factor
from hostlink.lab.flows import FlowError, tcp_roundtrip, udp_roundtrip
from hostlink.lab.network import Lab, batches
from hostlink.lab.stage import Dataplane

NARROW_MTU = 1300
FAR4, FAR6 = "203.0.113.2", "2001:db8:203::2"
LARGEST_UDP = {4: 65507, 6: 65527}
"""65,535 bytes of IPv4 with its header, and of IPv6 without, less 8 of UDP."""
_IP_MTU_DISCOVER, _IP_MTU, _DO = 10, 14, 2
_IPV6_MTU_DISCOVER, _IPV6_MTU = 23, 24
"""include/uapi/linux/in.h, in6.h; the socket module has none of them."""


@dataclass(frozen=True, slots=True)
class Way:
    """From the namespace of a role to an address where the lab echoes."""

    role: str
    address: IPAddress

    def __str__(self) -> str:
        return f"{self.role} -> {self.address}"


WAYS = (
    Way("wire", layout.HOST4.ip),
    Way("wire", layout.HOST6.ip),
    Way("host", layout.ROUTER4.ip),
    Way("host", layout.ROUTER6.ip),
    Way("host", layout.BEYOND4),
    Way("host", layout.BEYOND6),
)


async def large_datagrams(lab: Lab) -> list[str]:
    """8 kB and the largest there is, there and back, on every way. Returns what did not come back."""
    failed = []
    for way in WAYS:
        for size in (8_192, LARGEST_UDP[way.address.version]):
            try:
                await udp_roundtrip(lab.names.namespace(way.role), way.address, size_bytes=size)
            except FlowError as error:
                failed.append(str(error))
    return failed


def bulk_bytes(dataplane: Dataplane) -> int:
    """100 MB, and 4 MB on the stand-in: that is Python, passes some MB in a second, and models VPP's answers, not its
    speed. 4 MB fill windows and every queue on the way.
    """
    return 100_000_000 if dataplane.real else 4_000_000


async def bulk(lab: Lab, size_bytes: int) -> list[str]:
    """That much there and back at once, by TCP, compared; each way once by each family. Returns what failed."""
    failed = []
    for way in WAYS[:4]:
        try:
            await tcp_roundtrip(lab.names.namespace(way.role), way.address, size_bytes=size_bytes, timeout_s=60)
        except FlowError as error:
            failed.append(str(error))
    return failed


async def set_mtus(lab: Lab, mtu: int) -> None:
    """Of the wire, its bridge, and the host's NIC (or what stands in its place)."""
    for namespace, link in ((lab.wire, "to-host"), (lab.wire, "to-node2"), (lab.node2, "eth0"), (lab.wire, layout.LAN)):
        await lab.exec(namespace, ["ip", "link", "set", link, "mtu", str(mtu)])
    await lab.exec(lab.host, ["ip", "link", "set", layout.NIC, "mtu", str(mtu)])


# ------------------------------------------------------------------------------------------------------- a narrow link


@asynccontextmanager
async def narrow_link(lab: Lab) -> AsyncIterator[str]:
    """A namespace beyond the router behind a link of MTU 1300. Yields it. Its echo server is not in it yet.

    Its TCP announces the segments of a link of 1500 (`advmss`), as a machine does whose narrow link is farther away:
    the host learns the MTU from the router's errors, or never.
    """
    namespace = f"hl-{lab.names.name}-far"  # of the pattern that remove_stale_labs knows
    batches([(None, [f"netns add {namespace}"])])
    try:
        _no_duplicate_detection(namespace)
        pair = f"link add name narrow mtu {NARROW_MTU} netns {lab.wire} type veth peer name eth0 mtu {NARROW_MTU}"
        batches([(None, [f"{pair} netns {namespace}"])])
        near = ["address add 203.0.113.1/24 dev narrow", "address add 2001:db8:203::1/64 dev narrow"]
        far = [
            f"address add {FAR4}/24 dev eth0",
            f"address add {FAR6}/64 dev eth0",
            "route add default via 203.0.113.1 advmss 1460",
            "route add ::/0 via 2001:db8:203::1 advmss 1440",
        ]
        batches([(lab.wire, ["link set narrow up", *near]), (namespace, ["link set lo up", "link set eth0 up", *far])])
        yield namespace
        batches([(lab.wire, ["link del narrow"])])
    finally:
        end_processes_in((namespace,))
        batches([(None, [f"netns del {namespace}"])], force=True)


def _no_duplicate_detection(namespace: str) -> None:
    with inside(namespace):
        for scope in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{scope}/accept_dad").write_text("0")


async def forget_path_mtus(lab: Lab) -> None:
    for family in ("-4", "-6"):
        await lab.exec(lab.host, ["ip", family, "route", "flush", "cache"])


async def learnt_by_udp(lab: Lab, address: str, port: int = layout.ECHO_PORT) -> int:
    """Sends 1,400 bytes that must not be fragmented until the kernel refuses. Returns the path MTU that it knows then.

    Raises FlowError when no error of the router's reaches the socket.
    """
    with _datagrams(lab.host, address) as (sock, level, mtu_option):
        sock.connect((address, port))
        before = sock.getsockopt(level, mtu_option)
        if before <= NARROW_MTU:
            raise FlowError(f"the path to {address} had MTU {before} before anything was sent")
        sock.send(os.urandom(1400))
        with trio.move_on_after(10 * deadline_factor()):
            while True:
                await trio.sleep(0.05)
                with contextlib.suppress(ConnectionRefusedError):
                    try:
                        sock.send(os.urandom(1400))
                    except OSError as error:
                        if error.errno != 90:  # EMSGSIZE
                            raise
                        return sock.getsockopt(level, mtu_option)
        raise FlowError(f"1,400 bytes to {address}: the socket was never told that they are too long")


@contextlib.contextmanager
def _datagrams(namespace: str, address: str) -> Iterator[tuple[stdlib_socket.socket, int, int]]:
    is_ipv6 = ":" in address
    with inside(namespace):
        sock = stdlib_socket.socket(
            stdlib_socket.AF_INET6 if is_ipv6 else stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM
        )
    with sock:
        level = stdlib_socket.IPPROTO_IPV6 if is_ipv6 else stdlib_socket.IPPROTO_IP
        sock.setsockopt(level, _IPV6_MTU_DISCOVER if is_ipv6 else _IP_MTU_DISCOVER, _DO)
        yield sock, level, _IPV6_MTU if is_ipv6 else _IP_MTU


async def known_mtu(lab: Lab, address: str) -> str:
    """What the host's table says of the path: the line of `ip route get`."""
    return await lab.exec(lab.host, ["ip", "route", "get", address])


# ----------------------------------------------------------------------------------------------------------- fragments

SENDER_PORT = 4711
_LAN_HEADER = bytes.fromhex(layout.NIC_MAC.replace(":", "") + layout.ROUTER_MAC.replace(":", ""))


def fragments(version: int, payload: bytes, port: int, identification: int, piece_bytes: int = 1400) -> list[bytes]:
    """A datagram from the router to the host as Ethernet frames with a fragment each (RFC 791, RFC 8200)."""
    source, destination = (layout.ROUTER4.ip, layout.HOST4.ip) if version == 4 else (layout.ROUTER6.ip, layout.HOST6.ip)
    length = 8 + len(payload)
    blank = struct.pack("!HHHH", SENDER_PORT, port, length, 0) + payload
    pseudo = source.packed + destination.packed + struct.pack("!IHH", length, 0, 17)
    whole = blank[:6] + struct.pack("!H", _checksum(pseudo + blank) or 0xFFFF) + payload
    frames = []
    for start in range(0, length, piece_bytes):
        more = start + piece_bytes < length
        frames.append(fragment(version, whole[start : start + piece_bytes], start, identification, more=more))
    return frames


def fragment(version: int, piece: bytes, start: int, identification: int, *, more: bool) -> bytes:
    """One frame with the bytes from `start` on."""
    if version == 4:
        addresses = layout.ROUTER4.ip.packed + layout.HOST4.ip.packed
        field = (0x2000 if more else 0) | start // 8
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(piece), identification, field, 64, 17, 0) + addresses
        head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
        return _LAN_HEADER + b"\x08\x00" + head + piece
    addresses = layout.ROUTER6.ip.packed + layout.HOST6.ip.packed
    extension = struct.pack("!BBHI", 17, 0, start | more, identification)
    return (
        _LAN_HEADER
        + b"\x86\xdd"
        + struct.pack("!IHBB", 6 << 28, 8 + len(piece), 44, 64)
        + addresses
        + extension
        + piece
    )


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@contextlib.contextmanager
def host_receiver(lab: Lab, version: int) -> Iterator[trio.socket.SocketType]:
    """A UDP socket on the host's shared address, at a free port."""
    with inside(lab.host):
        sock = stdlib_socket.socket(
            stdlib_socket.AF_INET6 if version == 6 else stdlib_socket.AF_INET, stdlib_socket.SOCK_DGRAM
        )
    sock.bind((str(layout.HOST4.ip if version == 4 else layout.HOST6.ip), 0))
    with trio.socket.from_stdlib_socket(sock) as wrapped:
        yield wrapped


async def receives(sock: trio.socket.SocketType, payload: bytes, what: str) -> None:
    """The datagram comes, whatever else comes before it. Raises FlowError."""
    with trio.move_on_after(5 * deadline_factor()):
        while await sock.recv(1 << 16) != payload:
            pass
        return
    raise FlowError(f"{what} did not arrive")


def shuffled(frames: Sequence[bytes]) -> list[bytes]:
    """The last first, then every other one."""
    return [*reversed(frames[1::2]), *frames[0::2]]

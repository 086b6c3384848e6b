"""Real packets through the lab: servers, and clients that prove a way there and back.

A client's socket is opened inside its namespace and used from trio's own thread afterwards (a socket stays in the
namespace that it was opened in). Each says exactly what did not come back: FlowError is the proof that failed. All
times given are stretched by the lab's deadline factor.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket as stdlib_socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import trio

from hostlink.core.model import IPAddress
from hostlink.kernel.namespace import inside
from hostlink.lab.children import child
from hostlink.lab.factor import deadline_factor
from hostlink.lab.layout import ECHO_PORT

_START_S = 10.0
_identifiers = itertools.count(os.getpid())


class FlowError(Exception):
    """What was sent did not come back as it should; the text says from where, to where, and what was seen."""


@asynccontextmanager
async def echo_server(
    namespace: str, addresses: Sequence[str | IPAddress], port: int = ECHO_PORT
) -> AsyncIterator[None]:
    """A TCP and UDP echo server on each of the addresses, which need not be there yet. Serving when entered."""
    argv = [sys.executable, "-m", "hostlink.lab.echo", "--port", str(port), *map(str, addresses)]
    with child(namespace, argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        # A duplicate: the child's context closes the original.
        async with trio.lowlevel.FdStream(os.dup(server.stdout.fileno())) as output:
            with trio.fail_after(_START_S * deadline_factor()):
                first = await output.receive_some()
        if not first.startswith(b"ready"):
            raise FlowError(f"the echo server in {namespace} did not start: see its error above")
        yield


async def tcp_roundtrip(
    namespace: str,
    address: str | IPAddress,
    port: int = ECHO_PORT,
    size_bytes: int = 1000,
    *,
    source: str | IPAddress | None = None,
    timeout_s: float = 10.0,
) -> float:
    """Connects, sends that much, and reads it back. Returns the seconds it took. Raises FlowError."""
    what = f"TCP from {namespace} to {address} port {port}, {size_bytes} bytes"
    started_s, payload, got = trio.current_time(), os.urandom(size_bytes), bytearray()
    with _socket(namespace, address, stdlib_socket.SOCK_STREAM, source) as sock, _failing(what, timeout_s, got):
        await sock.connect((str(address), port))
        await _exchange(trio.SocketStream(sock), payload, got)
    if len(got) < size_bytes:
        raise FlowError(f"{what}: closed by the other end after {len(got)} bytes")
    if bytes(got) != payload:
        raise FlowError(f"{what}: other bytes came back than were sent")
    return trio.current_time() - started_s


async def _exchange(stream: trio.SocketStream, payload: bytes, got: bytearray) -> None:
    """Sends and receives at once, until all is back or the other end has gone."""

    async def send() -> None:
        with contextlib.suppress(trio.BrokenResourceError):  # the receiving side sees it too
            await stream.send_all(payload)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        with contextlib.suppress(trio.BrokenResourceError):
            while len(got) < len(payload) and (data := await stream.receive_some()):
                got += data
        nursery.cancel_scope.cancel()


async def udp_roundtrip(
    namespace: str,
    address: str | IPAddress,
    port: int = ECHO_PORT,
    size_bytes: int = 1000,
    *,
    source: str | IPAddress | None = None,
    tries: int = 3,
    try_s: float = 1.0,
) -> int:
    """Sends a datagram until it comes back. Returns which try did. Raises FlowError.

    More than one try, because a router drops the first packet while it resolves a neighbour.
    """
    what = f"UDP from {namespace} to {address} port {port}, {size_bytes} bytes"
    with _socket(namespace, address, stdlib_socket.SOCK_DGRAM, source) as sock:
        with _failing(what, try_s, b""):
            await sock.connect((str(address), port))
        for attempt in range(1, tries + 1):
            payload = os.urandom(size_bytes)
            with trio.move_on_after(try_s * deadline_factor()):
                try:
                    await sock.send(payload)
                    while await sock.recv(1 << 16) != payload:
                        pass  # the answer to an earlier try
                    return attempt
                except OSError as error:  # an ICMP error; the next try may fare better
                    if attempt == tries:
                        raise FlowError(f"{what}: {error.strerror}") from error
    raise FlowError(f"{what}: nothing came back in {tries} tries of {try_s} s")


async def ping(
    namespace: str,
    address: str | IPAddress,
    size_bytes: int = 56,
    count: int = 1,
    *,
    reply_s: float = 1.0,
    fragment: bool = True,
) -> int:
    """Sends ICMP echo requests one after the other. Returns how many came back whole; 0 raises nothing.

    size_bytes: of the payload, without headers. fragment False: IPv4 with DF set, IPv6 not fragmented at the source.
    """
    version = ip_address(str(address)).version
    with _raw_socket(namespace, version, fragment=fragment) as sock:
        identifier = next(_identifiers) & 0xFFFF
        return sum(
            [
                await _ping_once(
                    sock, str(address), version, _Echo(identifier, number, os.urandom(size_bytes)), reply_s
                )
                for number in range(1, count + 1)
            ]
        )


async def wait_reachable(namespace: str, address: str | IPAddress, deadline_s: float = 5.0) -> None:
    """Waits until the address answers a ping from there. Raises FlowError after the deadline."""
    with trio.move_on_after(deadline_s * deadline_factor()):
        while not await ping(namespace, address, reply_s=0.2):
            await trio.lowlevel.checkpoint()
        return
    raise FlowError(f"{address} does not answer pings from {namespace} within {deadline_s} s")


class _Echo:
    """One echo request and what its reply must be (RFC 792, RFC 4443)."""

    def __init__(self, identifier: int, number: int, payload: bytes) -> None:
        self.identifier, self.number, self.payload = identifier, number, payload

    def message(self, kind: int, *, with_checksum: bool) -> bytes:
        blank = struct.pack("!BBHHH", kind, 0, 0, self.identifier, self.number) + self.payload
        total = _checksum(blank) if with_checksum else 0
        return blank[:2] + struct.pack("!H", total) + blank[4:]


async def _ping_once(sock: trio.socket.SocketType, address: str, version: int, echo: _Echo, reply_s: float) -> bool:
    """For IPv6 the kernel fills in the checksum; for IPv4 replies it hands out the IP header too (raw(7), RFC 3542)."""
    request, reply = (8, 0) if version == 4 else (128, 129)
    answer = echo.message(reply, with_checksum=False)
    reply_s *= deadline_factor()
    with trio.move_on_after(reply_s):
        try:
            await sock.sendto(echo.message(request, with_checksum=version == 4), _raw_address(address))
        except OSError:
            await trio.sleep(reply_s)  # no way there at this moment: as good as a lost packet
            return False
        while True:
            packet = await sock.recv(1 << 16)
            message = packet[(packet[0] & 15) * 4 :] if version == 4 else packet
            if message[:1] == answer[:1] and message[4:] == answer[4:]:
                return True
    return False


def _raw_address(address: str) -> tuple[str, int] | tuple[str, int, int, int]:
    """A scope (fe80::1%2) apart, as a number: for raw sockets getaddrinfo(3) takes no port, and so no address of it."""
    plain, _, scope = address.partition("%")
    return (plain, 0, 0, int(scope)) if scope else (plain, 0)


def _raw_socket(namespace: str, version: int, *, fragment: bool) -> trio.socket.SocketType:
    with inside(namespace):
        if version == 4:
            sock = stdlib_socket.socket(stdlib_socket.AF_INET, stdlib_socket.SOCK_RAW, stdlib_socket.IPPROTO_ICMP)
            sock.setsockopt(stdlib_socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_WANT if fragment else _PMTUDISC_DO)
        else:
            sock = stdlib_socket.socket(stdlib_socket.AF_INET6, stdlib_socket.SOCK_RAW, stdlib_socket.IPPROTO_ICMPV6)
            sock.setsockopt(stdlib_socket.IPPROTO_IPV6, _IPV6_DONTFRAG, not fragment)
    return trio.socket.from_stdlib_socket(sock)


_IP_MTU_DISCOVER, _PMTUDISC_WANT, _PMTUDISC_DO = 10, 1, 2
_IPV6_DONTFRAG = 62
"""include/uapi/linux/in.h and in6.h; the socket module has none of them on 3.11."""


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total: int = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _socket(
    namespace: str, address: str | IPAddress, kind: stdlib_socket.SocketKind, source: str | IPAddress | None
) -> trio.socket.SocketType:
    is_ipv6 = ip_address(str(address)).version == 6
    with inside(namespace):
        sock = stdlib_socket.socket(stdlib_socket.AF_INET6 if is_ipv6 else stdlib_socket.AF_INET, kind)
    if source is not None:
        sock.bind((str(source), 0))
    return trio.socket.from_stdlib_socket(sock)


@contextlib.contextmanager
def _failing(what: str, timeout_s: float, got: bytes | bytearray) -> Iterator[None]:
    """Time running out and the kernel's refusals as FlowError."""
    timeout_s *= deadline_factor()
    try:
        with trio.fail_after(timeout_s):
            yield
    except trio.TooSlowError as error:
        raise FlowError(f"{what}: {len(got)} bytes came back within {timeout_s} s") from error
    except OSError as error:
        raise FlowError(f"{what}: {error.strerror or error}") from error

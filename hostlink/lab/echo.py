"""A server that gives back what it gets, by TCP and UDP: `python -m hostlink.lab.echo [--port N] ADDRESS…`.

Runs inside one of the lab's namespaces. It binds to each address by name, so that UDP answers leave with the address
that was asked, and with FREEBIND (ip(7)), so that an address may come later or leave and come back. When it listens it
writes one line, `ready`, to its standard output; then it serves until it is killed. Standard library only: it starts
several times in every test.
"""

from __future__ import annotations

import argparse
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address

_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
"""include/uapi/linux/in.h and in6.h; the socket module has neither."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="hostlink.lab.echo", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=7777)
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    options = parser.parse_args(argv)
    servers: list[tuple[Callable[[socket.socket], None], socket.socket]]
    servers = [(_serve_udp, _bound(address, options.port, socket.SOCK_DGRAM)) for address in options.addresses]
    for address in options.addresses:
        listener = _bound(address, options.port, socket.SOCK_STREAM)
        listener.listen(64)
        servers.append((_serve_tcp, listener))
    print("ready", flush=True)
    for thread in [_start(serve, sock) for serve, sock in servers]:
        thread.join()
    return 0


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    is_ipv6 = ip_address(address).version == 6
    sock = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_ipv6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    # By getaddrinfo, because bind() takes the scope of a link-local address (fe80::1%eth0) only apart from its text.
    ((*_, where),) = socket.getaddrinfo(address, port, type=kind, flags=socket.AI_NUMERICHOST)
    sock.bind(where)
    return sock


def _start(serve: Callable[[socket.socket], None], sock: socket.socket) -> threading.Thread:
    thread = threading.Thread(target=serve, args=(sock,), daemon=True)
    thread.start()
    return thread


def _serve_tcp(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        _start(_echo_stream, connection)


def _echo_stream(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(1 << 16):
                connection.sendall(data)
        except OSError:  # the other end reset it, or the network was taken away: the client sees that too
            return


def _serve_udp(sock: socket.socket) -> None:
    while True:
        try:
            data, sender = sock.recvfrom(1 << 16)
            sock.sendto(data, sender)
        except OSError:  # an ICMP error about an earlier answer, or no way back right now: the client asks again
            continue


if __name__ == "__main__":
    raise SystemExit(main())

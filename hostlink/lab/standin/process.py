"""The stand-in as a process: one thread, one selector, the API's socket and the devices.

It does nothing when nothing comes: the selector sleeps until there is a request, a frame, a signal, or a router
advertisement to send. SIGTERM and SIGINT end it cleanly: the socket's file goes, and with the process its taps,
unless they were asked to persist.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterable

from hostlink.lab.standin import node_nd, nodes  # noqa: F401  (nodes: importing it registers them)
from hostlink.lab.standin.apijson import definitions_json
from hostlink.lab.standin.apiserver import ApiServer, Connection
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.devices import LinuxDevices, Port, enter_namespace
from hostlink.lab.standin.faults import BadFaultError, Faults
from hostlink.lab.standin.graph import Graph
from hostlink.lab.standin.linkctl import unlink_socket
from hostlink.lab.standin.packet import Frame
from hostlink.lab.standin.registry import Vpp
from hostlink.lab.standin.state import State

FRAMES_AT_ONCE = 64
"""Frames of one device before the others get their turn."""
READ_BYTES = 1 << 18
TICK_S = 1.0
"""How often VPP looks whether a router advertisement is due, or a neighbour too old."""


class _Client:
    """A connected API client's socket and what could not be sent yet."""

    def __init__(self, process: Process, sock: socket.socket) -> None:
        self.sock = sock
        self._process = process
        self._pending = bytearray()
        self._closing = False
        self.connection = Connection(self._send, self._close_when_sent)

    def _send(self, data: bytes) -> None:
        self._pending += data

    def _close_when_sent(self) -> None:
        self._closing = True

    def flush(self) -> bool:
        """Sends what it can; False when the client is to go."""
        if self.connection.endless and not self._pending:
            self._pending += self.connection.endless * (READ_BYTES // len(self.connection.endless))
        while self._pending:
            try:
                sent = self.sock.send(self._pending)
            except BlockingIOError:
                break
            except OSError:
                return False
            del self._pending[:sent]
        return not (self._closing and not self._pending)

    @property
    def interest(self) -> int:
        is_sending = self._pending or self.connection.endless
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if is_sending else 0)


class Process:
    def __init__(self, api_socket: str) -> None:
        faults = Faults(os.environ)
        self._api_socket = api_socket
        self._selector = selectors.DefaultSelector()
        self._devices = LinuxDevices()
        self._devices.changed = self._follow_devices
        self._neighbour_age_s = faults.neighbour_age_s
        self.state = State()
        self.graph = Graph(self.state)
        vpp = Vpp(self.state, self._devices, definitions_json(api(), faults.without), faults.release)
        self._server = ApiServer(vpp, faults)
        self._clients: dict[int, _Client] = {}
        self._watched: dict[int, Port] = {}
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        unlink_socket(self._api_socket)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        listener.bind(self._api_socket)
        listener.listen(16)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def run(self, stop_fd: int) -> None:
        """Until something can be read from stop_fd."""
        self._selector.register(stop_fd, selectors.EVENT_READ, None)
        while True:
            for key, events in self._selector.select(self._tick()):
                if key.data is None:
                    return
                if callable(key.data):
                    key.data()
                elif isinstance(key.data, Port):
                    if self._watched.get(key.data.fd) is key.data:  # a request of this same round may have closed it
                        self._frames_from(key.data)
                else:
                    self._serve(key.data, events)
            self._flush_clients()

    def _tick(self) -> float | None:
        """Does what is due. Seconds until to look again; None while there is nothing that time alone would change."""
        advertises = any(node_nd.advertising(interface) for interface in self.state.interfaces)
        if advertises:
            self._transmit(self.graph.tick())
        if self._neighbour_age_s is not None:
            self.state.neighbours.age(self._neighbour_age_s)
        return TICK_S if advertises or self._neighbour_age_s is not None else None

    def close(self) -> None:
        self._listener.close()
        unlink_socket(self._api_socket)

    # ------------------------------------------------------------------------------------------------------ clients

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        client = _Client(self, sock)
        self._clients[sock.fileno()] = client
        self._selector.register(sock, selectors.EVENT_READ, client)

    def _serve(self, client: _Client, events: int) -> None:
        if not events & selectors.EVENT_READ:
            return
        try:
            data = client.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self._server.receive(client.connection, data)
            if self.state.unresolved:
                self._transmit(self.graph.ask_for_next_hops())
        else:
            self._drop_client(client)

    def _flush_clients(self) -> None:
        for client in list(self._clients.values()):
            if client.flush():
                self._selector.modify(client.sock, client.interest, client)
            else:
                self._drop_client(client)

    def _drop_client(self, client: _Client) -> None:
        self._server.disconnect(client.connection)
        self._selector.unregister(client.sock)
        del self._clients[client.sock.fileno()]
        client.sock.close()

    # ------------------------------------------------------------------------------------------------------ devices

    def _follow_devices(self) -> None:
        """The selector watches the ports that are open now."""
        ports = {port.fd: port for port in self._devices.ports.values()}
        for fd in self._watched.keys() - ports.keys():
            self._selector.unregister(fd)
        for fd in ports.keys() - self._watched.keys():
            self._selector.register(fd, selectors.EVENT_READ, ports[fd])
        self._watched = ports

    def _frames_from(self, port: Port) -> None:
        for _ in range(FRAMES_AT_ONCE):
            try:
                read = port.read()
            except OSError:
                self._device_failed(port)
                return
            if read is None:
                return
            self._transmit(self.graph.process(port.sw_if_index, *read))

    def _device_failed(self, port: Port) -> None:
        """A device that went down says so once and may come back; one that is gone would wake us for ever."""
        try:
            os.fstat(port.fd)
            again = port.read()
        except OSError:
            self._selector.unregister(port.fd)
            self._watched.pop(port.fd, None)
            return
        if again is not None:
            self._transmit(self.graph.process(port.sw_if_index, *again))

    def _transmit(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            port = self._devices.ports.get(frame.sw_if_index)
            if port is not None and not port.write(frame.data, frame.offload):
                self.state.error(f"sw_if_index {frame.sw_if_index}", "tx failed")


def main(api_socket: str, namespace: str | None = None) -> int:
    """Runs the stand-in in the foreground until SIGTERM or SIGINT. Returns the exit code.

    `namespace` is a named one under /run/netns (or a path, or pid:N) to enter before anything is opened.
    """
    try:
        if namespace is not None:
            enter_namespace(namespace)
        process = Process(api_socket)
    except (OSError, BadFaultError) as error:
        print(f"hostlink stand-in: cannot start ({namespace=}, {api_socket=}): {error}", file=sys.stderr)
        return 1
    stop_fd, wakeup_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wakeup_fd)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        process.run(stop_fd)
    finally:
        process.close()
    return 0

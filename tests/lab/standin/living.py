"""A stand-in that runs, between two namespaces that stand for the network and for the host.

Needs root and network namespaces; each lab has its own three (`wire`, `vpp`, `host`), named `hl-si…`, and removes
them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from hostlink.lab.standin.apiserver import HEADER
from hostlink.lab.standin.codec import Codec, Values
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.devices import inside
from tools.vpp_records import steps

HOST_MAC = "02:00:00:00:00:01"
GSO, PERSIST, ATTACH = 1, 4, 8
"""Flags of a tap (26.06/tapv2.api.json, tap_flags)."""
WITHIN_S = 10.0


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def eventually(what: Callable[[], Any]) -> Any:
    """The first true answer; fails when there is none within WITHIN_S seconds."""
    until = time.monotonic() + WITHIN_S
    while not (answer := what()):
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.01)
    return answer


def _connected(path: Path) -> socket.socket | None:
    """None while nobody listens there: the socket of one that was killed is refused, an absent one is not found."""
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(WITHIN_S)
    try:
        made.connect(str(path))
    except (ConnectionRefusedError, FileNotFoundError):
        made.close()
        return None
    return made


class Client:
    """Speaks to the process over its socket, one request at a time."""

    def __init__(self, path: Path) -> None:
        self._socket = eventually(lambda: _connected(path))
        self._codec = Codec(api())
        self._numbers, self._names, self._index = {"sockclnt_create": 15}, {16: "sockclnt_create_reply"}, 0
        reply = self.call("sockclnt_create", name="test")
        self._index = reply["index"]
        for entry in reply["message_table"]:
            name = entry["name"].rsplit("_", 1)[0]
            self._numbers[name], self._names[entry["index"]] = entry["index"], name

    def call(self, name: str, /, **fields: Any) -> Values:
        self.send(name, **fields)
        return self.reply()

    def send(self, name: str, /, **fields: Any) -> None:
        body = self._codec.pack(name, {"_vl_msg_id": self._numbers[name], "client_index": self._index, **fields})
        self._socket.sendall(HEADER.pack(0, len(body), 0) + body)

    def reply(self) -> Values:
        head = self._socket.recv(16, socket.MSG_WAITALL)
        if not head:
            raise ConnectionError("the process is gone")
        data = self._socket.recv(HEADER.unpack(head)[1], socket.MSG_WAITALL)
        return self._codec.unpack(self._names[int.from_bytes(data[:2])], data)

    def done(self, step: steps.Request) -> Values:
        reply = self.call(step.name, **step.fields)
        assert reply["retval"] == 0, f"{step.name}{step.fields}: {reply['retval']}"
        return reply


class Lab:
    def __init__(self, folder: Path) -> None:
        unique = secrets.token_hex(3)
        self.wire, self.vpp, self.host = (f"hl-si{unique}{part}" for part in "wvh")
        self.folder = folder
        self.socket = folder / "api.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def build(self) -> None:
        for name in (self.wire, self.vpp, self.host):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.wire, "link", "add", "wire0", "type", "veth", "peer", "name", "up0", "netns", self.vpp)
        run("ip", "-n", self.vpp, "link", "set", "up0", "address", HOST_MAC, "up")
        run("ip", "-n", self.wire, "link", "set", "wire0", "up")
        for address in ("192.168.0.254/24", "fd00::fe/64"):
            run("ip", "-n", self.wire, "address", "add", address, "dev", "wire0", *_nodad(address))

    def start(self, **environment: str) -> Client:
        command = [sys.executable, "-m", "hostlink.lab.standin", "--api-socket", str(self.socket)]
        command += ["--namespace", self.vpp]
        self.process = subprocess.Popen(command, env={**os.environ, **environment})
        return Client(self.socket)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WITHIN_S)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for name in (self.wire, self.vpp, self.host):
            run("ip", "netns", "del", name)

    # -------------------------------------------------------------------------------------------------- a takeover

    def take_over(self, client: Client, tap_flags: int = 0) -> None:
        """What the design pages say, with a tap in the host's namespace that VPP makes."""
        up = client.call("af_packet_create_v3", mode=1, flags=2, host_if_name="up0", hw_addr=_mac(HOST_MAC))
        assert (up["retval"], up["sw_if_index"]) == (0, steps.UP)
        tap = client.call("tap_create_v3", **self.tap(tap_flags))
        assert (tap["retval"], tap["sw_if_index"]) == (0, steps.TAP)
        pod_free = [
            step
            for step in steps.taken_over()[3:]
            if isinstance(step, steps.Request) and steps.POD not in step.fields.values() and not _for_pod(step)
        ]
        for step in pod_free:
            if "192.168.0.254" not in str(step.fields.get("neighbor")):
                client.done(step)
        for address in ("192.168.0.1/24", "fd00::1/64"):
            run("ip", "-n", self.host, "address", "add", address, "dev", "eth0", *_nodad(address))

    def tap(self, flags: int) -> dict[str, Any]:
        return {
            "id": 0,
            "use_random_mac": False,
            "mac_address": _mac("02:ca:11:c0:fd:10"),
            "host_if_name_set": True,
            "host_if_name": "eth0",
            "host_mac_addr_set": True,
            "host_mac_addr": _mac(HOST_MAC),
            "host_mtu_set": True,
            "host_mtu_size": 1500,
            "host_namespace_set": True,
            "host_namespace": self.host,
            "tap_flags": flags,
            "tag": "hostlink-tap-eth0",
        }


def _for_pod(step: steps.Request) -> bool:
    text = repr(step.fields)
    return f"'sw_if_index': {steps.POD}" in text or repr(bytes(steps.ROUTER_MAC)) in text


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def _datagram(calling: socket.socket, listening: socket.socket, data: bytes, to: tuple[str, int]) -> None:
    """There and back, sent again each second: nobody promises a single datagram (neighbour discovery drops what waits
    when a link has just come up; red once in some 30 runs of all tests), and whoever uses them sends again."""
    until = time.monotonic() + WITHIN_S
    for end in (calling, listening):
        end.settimeout(0.5)
    while time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            calling.sendto(data, to)
            got, sender = listening.recvfrom(65536)
            listening.sendto(got, sender)
            assert calling.recv(65536) == data
            return
    raise AssertionError(f"no datagram came back from {to[0]}")


def echo_over(
    *, server: str, at: str, client: str, kind: int, data: bytes = b"over there", back_within_s: float = WITHIN_S
) -> None:
    """A server in one namespace, a client in another; what was sent must come back (a stream: in that time)."""
    family = socket.AF_INET6 if ip_address(at).version == 6 else socket.AF_INET
    with inside(server):
        listening = socket.socket(family, kind)
    with inside(client):
        calling = socket.socket(family, kind)
    with contextlib.closing(listening), contextlib.closing(calling):
        listening.settimeout(WITHIN_S)
        calling.settimeout(WITHIN_S)
        listening.bind((at, 7777))
        if kind == socket.SOCK_DGRAM:
            _datagram(calling, listening, data, (at, 7777))
            return
        listening.listen()
        calling.connect((at, 7777))
        accepted, _ = listening.accept()
        with contextlib.closing(accepted):
            _stream(calling, accepted, data, WITHIN_S)
            _stream(accepted, calling, data, back_within_s)


def _stream(sender: socket.socket, receiver: socket.socket, data: bytes, within_s: float) -> None:
    sender.setblocking(False)
    receiver.setblocking(False)
    sent, got = 0, b""
    until = time.monotonic() + within_s
    while len(got) < len(data):
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(data[sent : sent + 65536]) if sent < len(data) else 0
        with contextlib.suppress(BlockingIOError):
            got += receiver.recv(65536)
        assert time.monotonic() < until, f"{len(got)} of {len(data)} bytes arrived"
    assert got == data
    sender.setblocking(True)
    receiver.setblocking(True)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

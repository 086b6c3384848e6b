"""Runs scenarios on a real VPP and writes what it answered, and which frames came out, as JSON.

Each scenario gets a fresh VPP in a network namespace of its own, joined by three veth pairs to a second one where the
frames are sent and caught by packet sockets. Both namespaces are made here, named `hl-rec…`, and removed whatever
happens. Nothing of VPP is needed but its program; its definitions come from the stand-in's table, and a message
whose CRC the real one does not have is an error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hostlink.lab.standin.apiserver import HEADER
from hostlink.lab.standin.codec import Codec, Values
from hostlink.lab.standin.definitions import api
from hostlink.lab.standin.devices import (
    ETH_P_ALL,
    PACKET_IGNORE_OUTGOING,
    PACKET_VNET_HDR,
    SOL_PACKET,
    VNET_HEADER,
    Port,
    inside,
)
from hostlink.lab.standin.packet import Offload
from tools.vpp_records.catalogue import SCENARIOS
from tools.vpp_records.steps import DEVICES, Request, Scenario, Send

PLUGINS = ("af_packet_plugin.so", "tap_plugin.so", "ping_plugin.so")
QUIET_S = 0.06
"""No frame for that long: VPP has said what it had to say."""
UNTIL_API_S = 10.0
MLD_GROUP = bytes.fromhex("333300000016")
"""VPP's own reports, which come when they come."""


def plain(value: Any) -> Any:
    """For JSON: bytes as `0x…`."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def _namespaces() -> Iterator[tuple[str, str]]:
    """VPP's and the far ends', with the veths between them."""
    unique = secrets.token_hex(3)
    inner, outer = f"hl-rec{unique}", f"hl-rec{unique}w"
    made = []
    try:
        for name in (inner, outer):
            _run("ip", "netns", "add", name)
            made.append(name)
        for device in DEVICES.values():
            _run(
                "ip", "-n", outer, "link", "add", f"w-{device}", "type", "veth", "peer", "name", device, "netns", inner
            )
            for namespace, end in ((outer, f"w-{device}"), (inner, device)):
                _run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
                _run("ip", "-n", namespace, "link", "set", end, "up")
        yield inner, outer
    finally:
        for name in made:
            _run("ip", "netns", "del", name)


@contextlib.contextmanager
def _vpp(program: str, plugins: str, namespace: str) -> Iterator[Path]:
    """A running VPP; yields the path of its API socket."""
    folder = Path(tempfile.mkdtemp(prefix="hl-rec"))
    socket_path = folder / "api.sock"
    enabled = " ".join(f"plugin {name} {{ enable }}" for name in PLUGINS)
    (folder / "vpp.conf").write_text(
        f"unix {{ nodaemon runtime-dir {folder} }}\n"
        "buffers { page-size 4K }\nmemory { main-heap-size 256M }\n"
        f"api-segment {{ prefix {folder.name} }}\nsocksvr {{ socket-name {socket_path} }}\n"
        f"statseg {{ socket-name {folder}/stats.sock }}\n"
        f"plugins {{ path {plugins} plugin default {{ disable }} {enabled} }}\n"
    )
    command = ["ip", "netns", "exec", namespace, program, "-c", str(folder / "vpp.conf")]
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for(socket_path, process, folder)
        yield socket_path
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        shutil.rmtree(folder)


def _wait_for(socket_path: Path, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + UNTIL_API_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"VPP ended at once:\n{(folder / 'log').read_text()}")
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(socket_path))
            return
        time.sleep(0.02)
    raise SystemExit(f"VPP did not open its API socket within {UNTIL_API_S} s:\n{(folder / 'log').read_text()}")


class _Api:
    """One request at a time, with the stand-in's codec."""

    def __init__(self, path: Path) -> None:
        self._codec = Codec(api())
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.settimeout(10)
        self._numbers = {"sockclnt_create": 15}
        self._names: dict[int, str] = {16: "sockclnt_create_reply"}
        self._client = 0
        self._send("sockclnt_create", {"name": "recorder"})
        _, reply = self._receive()
        self._client = reply["index"]
        real = {entry["name"]: entry["index"] for entry in reply["message_table"]}
        self._numbers = {name: real[message.key] for name, message in api().messages.items()}
        self._names = {number: name for name, number in self._numbers.items()}

    def ask(self, request: Request) -> list[tuple[str, Values]]:
        """All that comes back, up to a ping that was sent after it; events too."""
        self._send(request.name, request.fields)
        self._send("control_ping", {})
        answers: list[tuple[str, Values]] = []
        while True:
            name, values = self._receive()
            if name == "control_ping_reply":
                return answers
            answers.append((name, values))

    def _send(self, name: str, fields: Values) -> None:
        body = self._codec.pack(name, {"_vl_msg_id": self._numbers[name], "client_index": self._client, **fields})
        self._socket.sendall(HEADER.pack(0, len(body), 0) + body)

    def _receive(self) -> tuple[str, Values]:
        _, size, _ = HEADER.unpack(self._exactly(HEADER.size))
        body = self._exactly(size)
        name = self._names[int.from_bytes(body[:2])]
        return name, self._codec.unpack(name, body)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            got = self._socket.recv(size - len(data))
            if not got:
                raise SystemExit("VPP closed the API socket: it has died")
            data += got
        return data


class _Wire:
    """The far ends of the veths."""

    def __init__(self, namespace: str) -> None:
        self._ports: dict[str, Port] = {}
        self._selector = selectors.DefaultSelector()
        with inside(namespace):
            for name, device in DEVICES.items():
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
                sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
                sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
                sock.bind((f"w-{device}", ETH_P_ALL))
                self._ports[name] = Port(sock.detach(), VNET_HEADER.size)
                self._selector.register(self._ports[name].fd, selectors.EVENT_READ, name)

    def send(self, step: Send) -> None:
        self._ports[step.port].write(step.frame, step.offload)

    def caught(self) -> list[dict[str, Any]]:
        """Frames until there has been none for a while, in the order of ports and arrival."""
        frames = []
        while ready := self._selector.select(QUIET_S):
            for key, _ in ready:
                read = self._ports[key.data].read()
                if read is not None and read[0][:6] != MLD_GROUP:
                    frames.append(self._described(key.data, *read))
        return sorted(frames, key=lambda f: str(f["port"]))

    @staticmethod
    def _described(port: str, frame: bytes, offload: Offload | None) -> dict[str, Any]:
        return {"port": port, "frame": plain(frame), "offload": asdict(offload) if offload else None}


def record(scenario: Scenario, program: str, plugins: str) -> list[dict[str, Any]]:
    """The scenario's steps with what VPP did at each."""
    steps = []
    with _namespaces() as (inner, outer), _vpp(program, plugins, inner) as socket_path:
        vpp, wire = _Api(socket_path), _Wire(outer)
        for step in scenario:
            if isinstance(step, Request):
                answers = [{"name": name, "fields": plain(values)} for name, values in vpp.ask(step)]
                described: dict[str, Any] = {"request": step.name, "fields": plain(step.fields), "answers": answers}
                described["out"] = wire.caught()
            else:
                wire.caught()
                wire.send(step)
                offload = asdict(step.offload) if step.offload else None
                described = {"send": plain(step.frame), "port": step.port, "offload": offload, "out": wire.caught()}
            steps.append(described)
    return steps


def main() -> int:
    parser = argparse.ArgumentParser(prog="record-vpp", description=sys.modules[__name__].__doc__)
    parser.add_argument("--vpp", required=True, help="the VPP program (26.06)")
    parser.add_argument("--plugins", help="folder of its plugins; default: beside it")
    parser.add_argument("--into", default="tests/lab/recordings", type=Path)
    parser.add_argument("names", nargs="*", help=f"scenarios, default all: {', '.join(SCENARIOS)}")
    arguments = parser.parse_args()
    plugins = arguments.plugins or _plugins_beside(arguments.vpp)
    arguments.into.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SCENARIOS:
        steps = record(SCENARIOS[name](), arguments.vpp, plugins)
        recording = {"about": "recorded from a real VPP 26.06 by tools/record-vpp; do not edit", "steps": steps}
        (arguments.into / f"{name}.json").write_text(json.dumps(recording, indent=1) + "\n")
        print(f"{name}: {len(steps)} steps")
    return 0


def _plugins_beside(program: str) -> str:
    prefix = Path(os.path.realpath(program)).parent.parent
    found = next(prefix.glob("lib*/**/vpp_plugins"), None)
    if found is None:
        raise SystemExit(f"no vpp_plugins folder under {prefix}: give --plugins")
    return str(found)


if __name__ == "__main__":
    sys.exit(main())

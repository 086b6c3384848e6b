"""Replays on the stand-in what was recorded from a real VPP 26.06: same requests, same replies; same frames, same
frames.

What cannot be the same is left out of the comparison, and nothing else: numbers that VPP gives to its own objects,
ages, random identifications of packets, made-up MACs, and the process id.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from hostlink.lab.standin.bench import Bench
from hostlink.lab.standin.packet import IPV4, IPV6, Frame, Offload

RECORDINGS = Path(__file__).parent.parent / "recordings"
PORTS = {"up": "up0", "tap": "in0", "pod": "pod0"}
VOLATILE = {"_vl_msg_id", "client_index", "context", "stats_index", "age", "vpe_pid", "rpf_id"}
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.json"))


def unplain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("0x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, dict):
        return {key: unplain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unplain(inner) for inner in value]
    return value


def as_printed(text: str) -> str:
    """What the command line prints, without the numbers of VPP's insides, ages and counters."""
    text = re.sub(r"(index:|uRPF:|uPRF-list:|pl-index:|path-list:\[|path:\[|next:|locks:)(\d+|\[[^]]*\])", r"\1", text)
    text = re.sub(r"(?m)^( *)[\d.]+( +[0-9a-f.:]+ +[DSN]+ )", r"\2", text)
    text = re.sub(r"(?m)(^ {68}|(?<=/0)) *(rx|tx) .*", "", text)
    lines = [line.rstrip() for line in text.split("\n") if line.strip()]
    return "\n".join(sorted(lines) if "Ethernet" in text else lines)


def comparable(value: Any) -> Any:
    if isinstance(value, dict) and "reply" in value:
        return value["retval"], as_printed(value["reply"])
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    return value


def answers_of(name: str, answers: list[tuple[str, Any]]) -> list[Any]:
    """Details of a dump may come in any order of VPP's hashes."""
    found = [(answer, comparable(fields)) for answer, fields in answers]
    return sorted(found, key=repr) if name.endswith("_dump") else found


def canonical(frame: bytes) -> bytes:
    """Without identifications that VPP draws itself: those of echo replies and of fragments."""
    ethertype = int.from_bytes(frame[12:14])
    if ethertype == IPV4:
        data = bytearray(frame)
        data[18:20] = data[24:26] = b"\0\0"
        return bytes(data)
    if ethertype == IPV6 and frame[20] == 44:
        return frame[:58] + b"\0\0\0\0" + frame[62:]
    return frame


class Replay:
    def __init__(self) -> None:
        self.bench = Bench({"up0": 1500, "in0": 1500, "pod0": 1500})
        self.events: tuple[list[Any], list[Any]] = [], []
        """Recorded and replayed. They come by themselves: with VPP after the reply, or with a later one."""

    def request(self, step: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        name = step["request"]
        recorded = [(answer["name"], unplain(answer["fields"])) for answer in step["answers"]]
        replayed = self.bench.send(name, unplain(step["fields"]))
        asked = self._frames(self.bench.graph.ask_for_next_hops())
        return (
            [*self._without_events(0, name, recorded), *self._recorded_frames(step)],
            [*self._without_events(1, name, replayed), *asked],
        )

    def _without_events(self, side: int, name: str, answers: list[tuple[str, Any]]) -> list[Any]:
        self.events[side].extend(comparable(fields) for answer, fields in answers if answer.endswith("_event"))
        return answers_of(name, [answer for answer in answers if not answer[0].endswith("_event")])

    def send(self, step: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        offload = Offload(**step["offload"]) if step["offload"] else None
        interface = self.bench.state.interfaces.named(f"host-{PORTS[step['port']]}")
        frames = self.bench.feed(interface.sw_if_index if interface else 0, unplain(step["send"]), offload)
        return self._recorded_frames(step), self._frames(frames)

    def _recorded_frames(self, step: dict[str, Any]) -> list[Any]:
        seen = [(out["port"], *self._seen(unplain(out["frame"]), out["offload"])) for out in step["out"]]
        return sorted(seen, key=repr)

    def _frames(self, frames: list[Frame]) -> list[Any]:
        seen = [(self._port(out.sw_if_index), *self._seen(out.data, out.offload)) for out in frames]
        return sorted(seen, key=repr)

    def _port(self, sw_if_index: int) -> str:
        name = self.bench.state.interfaces.get(sw_if_index).name.removeprefix("host-")
        return next(port for port, device in PORTS.items() if device == name)

    @staticmethod
    def _seen(frame: bytes, offload: Offload | dict[str, Any] | None) -> tuple[bytes, int]:
        """The frame as a receiver sees it, with a checksum left open filled in, and the size of its segments."""
        if isinstance(offload, dict):
            offload = Offload(**offload)
        if offload is not None and offload.partial_checksum:
            field = offload.checksum_start + offload.checksum_offset
            frame = frame[:field] + b"\0\0" + frame[field + 2 :]
        return canonical(frame), offload.gso_size if offload else 0


@pytest.mark.parametrize("name", NAMES)
def test_the_stand_in_does_what_was_recorded(name: str) -> None:
    replay = Replay()
    for number, step in enumerate(json.loads((RECORDINGS / f"{name}.json").read_text())["steps"]):
        recorded, replayed = replay.request(step) if "request" in step else replay.send(step)
        what = step.get("request") or f"frame into {step['port']}: {step['send']}"
        assert replayed == recorded, f"step {number}, {what} {step.get('fields', '')}"
    recorded, replayed = replay.events
    assert replayed == recorded, "interface events"


def test_there_are_recordings() -> None:
    assert len(NAMES) > 20

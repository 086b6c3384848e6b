"""Asks a host a thousand times a second whether it is there: `python -m tools.benches.prober ADDRESS`.

Runs inside a namespace of the lab and sends numbered datagrams to the echo server (hostlink/lab/echo.py) of ADDRESS.
Writes `ready` when the first has come back. At SIGTERM it waits for stragglers and writes one line of JSON: how many
were sent and lost, and the longest time without an answer. Standard library only, one thread: what it measures is the
network, and not its own scheduling, so it also says how late it itself was.
"""

from __future__ import annotations

import argparse
import itertools
import json
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hostlink.lab.layout import ECHO_PORT

EVERY_S = 0.001
STRAGGLERS_S = 0.5
_NUMBER = struct.Struct("=Q")


@dataclass(slots=True)
class Probes:
    """sent: when each was, time.monotonic(). answered: the numbers of those that came back."""

    sent: list[float] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    late_s: float = 0.0
    """The longest pause between two of them that was the prober's own."""

    def summary(self) -> dict[str, float]:
        """gap_s: the longest time between two probes that were answered; lost: not answered at all."""
        answered = [at for number, at in enumerate(self.sent) if number in self.answered]
        gaps = [later - earlier for earlier, later in itertools.pairwise(answered)]
        return {
            "sent": len(self.sent),
            "lost": len(self.sent) - len(self.answered),
            "gap_s": max(gaps, default=0.0),
            "late_s": self.late_s,
        }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.benches.prober")
    parser.add_argument("address")
    address = str(parser.parse_args(argv).address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    asked_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked_to_end.append(number))
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        _probe(sock, (address, ECHO_PORT), Probes(), until=lambda probes: bool(probes.answered))
        print("ready", flush=True)
        probes = Probes()
        _probe(sock, (address, ECHO_PORT), probes, until=lambda _: bool(asked_to_end))
        _receive_until(sock, probes, time.monotonic() + STRAGGLERS_S)
    print(json.dumps(probes.summary()), flush=True)
    return 0


def _probe(sock: socket.socket, target: tuple[str, int], probes: Probes, until: Callable[[Probes], bool]) -> None:
    while not until(probes):
        if probes.sent:
            probes.late_s = max(probes.late_s, time.monotonic() - probes.sent[-1] - EVERY_S)
        _send(sock, target, probes)
        _receive_until(sock, probes, probes.sent[-1] + EVERY_S)


def _send(sock: socket.socket, target: tuple[str, int], probes: Probes) -> None:
    number = len(probes.sent)
    probes.sent.append(time.monotonic())
    try:
        sock.sendto(_NUMBER.pack(number), target)
    except OSError:  # an error that a router sent for an earlier one, or no route: then this one is lost
        return


def _receive(sock: socket.socket, probes: Probes) -> None:
    while True:
        try:
            data = sock.recv(64)
        except BlockingIOError:
            return
        except OSError:  # port unreachable and the like, for an earlier one
            continue
        (number,) = _NUMBER.unpack(data)
        probes.answered.add(number)


def _receive_until(sock: socket.socket, probes: Probes, end: float) -> None:
    while (left := end - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            _receive(sock, probes)


if __name__ == "__main__":
    sys.exit(main())

"""What a bench sees of a running daemon from outside: its state, its CPU time, its memory, when it woke up."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from hostlink import varlink
from hostlink.lab.stage import Stage, StageError

_POLL_S = 0.05


async def call(stage: Stage, method: str = varlink.GET_STATE) -> dict[str, Any]:
    """One call of the control socket by a connection of its own. Returns the reply's parameters. Raises StageError."""
    splitter = varlink.Splitter(varlink.REPLY_LIMIT_BYTES)
    async with await trio.open_unix_socket(str(stage.runtime / varlink.SOCKET_NAME)) as stream:
        await stream.send_all(varlink.pack_call(varlink.Call(method)))
        while (message := splitter.next()) is None:
            data = bytes(await stream.receive_some())
            if not data:
                raise StageError(f"the daemon closed the connection without an answer to {method}\n{stage.log}")
            splitter.feed(data)
    try:
        return dict(varlink.unpack_reply(message).parameters)
    except varlink.CallError as error:
        raise StageError(f"{method}: {error}\n{stage.log}") from error


async def uplink(stage: Stage) -> dict[str, Any]:
    """The uplink's part of the state document."""
    found: dict[str, Any] = (await call(stage))["uplinks"][0]
    return found


async def mirrored(stage: Stage, version: int = 4) -> int:
    """How many routes of that IP version the daemon has mirrored."""
    return int((await uplink(stage))["mirrored"][f"routes_ipv{version}"])


async def until(stage: Stage, is_so: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the uplink's state document is so. The caller limits the time.

    Raises StageError when it never will be: the daemon has ended, or has given the NIC back.
    """
    while not is_so(there := await uplink(stage)):
        if stage.daemon is not None and stage.daemon.poll() is not None:
            raise StageError(f"the daemon ended with status {stage.daemon.returncode}\n{stage.log}")
        if there["hold"] and there["state"] == "Detecting":
            raise StageError(f"the uplink is held: {there['hold']['reason']}\n{stage.log}")
        await trio.sleep(_POLL_S)


def is_steady_with(routes: int) -> Callable[[dict[str, Any]], bool]:
    """For `until`: Steady, and so many IPv4 routes mirrored."""
    return lambda uplink: uplink["state"] == "Steady" and uplink["mirrored"]["routes_ipv4"] == routes


def is_back(uplink: dict[str, Any]) -> bool:
    """For `until`, after VPP was killed: Steady, and since it waited for VPP the machine has been through Handover."""
    moves = [move["to"] for move in uplink["history"]]
    if moves[-1] != "Steady" or "Recovering" not in moves:
        return False
    return "Handover" in moves[len(moves) - moves[::-1].index("Recovering") :]


@dataclass(frozen=True, slots=True)
class Process:
    """One process, by /proc (proc(5))."""

    pid: int

    def cpu_s(self) -> float:
        """What it has used of CPUs until now: its cost, whoever else is at work on the machine."""
        fields = self._read("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime, from field 3 on

    def resident_bytes(self) -> int:
        """VmRSS."""
        return self._kib("VmRSS") * 1024

    def peak_bytes(self) -> int:
        """VmHWM: the most that it ever had."""
        return self._kib("VmHWM") * 1024

    def threads(self) -> dict[int, Thread]:
        """Its threads by their ids."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return {int(task.name): _thread(task) for task in tasks}

    def _kib(self, key: str) -> int:
        return number(self._read("status"), key)

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()


@dataclass(frozen=True, slots=True)
class Thread:
    """How often it went to sleep by itself, each time until something woke it; and its time on CPUs (schedstat)."""

    wakeups: int
    cpu_ns: int


def _thread(task: Path) -> Thread:
    wakeups = number(task.joinpath("status").read_text(), "voluntary_ctxt_switches")
    return Thread(wakeups, int(task.joinpath("schedstat").read_text().split()[0]))


def since(before: Mapping[int, Thread], after: Mapping[int, Thread]) -> Thread:
    """What the threads that are still there have done since."""
    none = Thread(0, 0)
    wakeups = sum(thread.wakeups - before.get(tid, none).wakeups for tid, thread in after.items())
    return Thread(wakeups, sum(thread.cpu_ns - before.get(tid, none).cpu_ns for tid, thread in after.items()))


def number(status: str, key: str) -> int:
    """Of a /proc/PID/status file."""
    line = next(line for line in status.splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1])


def daemon(stage: Stage) -> Process:
    """The daemon's process: `ip netns exec` and setpriv have made way for it."""
    assert stage.daemon is not None, "no daemon was started"
    return Process(stage.daemon.pid)

"""The throwaway network: six namespaces, as hostlink/lab/layout.py draws them, made in well under a second.

Links are made in the namespaces where they belong, so that nothing ever shows in the machine's own. Each namespace is
then filled by one `ip -batch`, all of them at the same time; sysctls are written by visiting the namespace.

A lab made by `Lab()` belongs to the process that made it: its name carries the process's id and start time, and what
such a process leaves behind when it is killed is removed by `remove_stale_labs`, which every `up` calls first. A lab
with a name of its own (`hostlink lab up --name N`) stays until it is taken down by name.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import trio

from hostlink.kernel.namespace import inside
from hostlink.lab import scripts
from hostlink.lab.children import end_processes_in, in_namespace
from hostlink.lab.layout import NAMESPACES, Names
from hostlink.lab.progress import SHOWN_AFTER_S, long_work

_numbers = itertools.count(1)
_OWNED = re.compile(r"hl-p(\d+)t(\d+)n\d+-[a-z0-9]+")


class LabError(Exception):
    """The lab could not be made or asked; the text is of the command that failed."""


class Lab:
    """One lab, as an async context manager: up at entry, everything removed at exit, whatever happened between.

    `name` None: a name that belongs to this process.
    """

    def __init__(self, name: str | None = None) -> None:
        self.names = Names(name or _own_name())

    @property
    def host(self) -> str:
        """The node's namespace."""
        return self.names.namespace("host")

    @property
    def vpp(self) -> str:
        return self.names.namespace("vpp")

    @property
    def wire(self) -> str:
        return self.names.namespace("wire")

    @property
    def pod(self) -> str:
        return self.names.namespace("pod")

    @property
    def node2(self) -> str:
        return self.names.namespace("node2")

    @property
    def pod2(self) -> str:
        return self.names.namespace("pod2")

    async def __aenter__(self) -> Lab:
        up(self.names)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        down(self.names)

    async def exec(self, namespace: str, argv: Sequence[str]) -> str:
        """Runs a command in one of the namespaces and returns its output. Raises LabError when it fails."""
        done = await trio.run_process(
            in_namespace(namespace, argv), capture_stdout=True, capture_stderr=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"{namespace}: {' '.join(argv)}: exit {done.returncode}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    async def pod_attach(self, api_socket: Path) -> int:
        """Plugs this node's pod into the VPP of that API socket (hostlink/lab/pod.py). Returns its sw_if_index."""
        from hostlink.lab.pod import attach_pod  # late: `lab up` and `down` need no VPP client

        return await attach_pod(api_socket)


def up(names: Names) -> None:
    """Makes the lab; blocks for some 100 ms, on a busy machine for seconds, and shows that then on standard error.

    Takes down what it made when it fails. Raises LabError.
    """
    remove_stale_labs()
    if names.existing:
        raise LabError(f"the lab {names.name!r} is up already ({', '.join(names.existing)}): take it down first")
    try:
        with long_work(f"the lab {names.name}", 3, after_s=SHOWN_AFTER_S) as work:
            work.on("its namespaces")
            batches([(None, scripts.namespaces(names))])
            _write_sysctls(names, scripts.sysctls_before_links())
            work.advance()
            work.on("its links")
            batches([(None, scripts.links(names))])
            _write_sysctls(names, scripts.sysctls_of_links())
            work.advance()
            work.on("addresses, routes and what answers")
            batches([(names.namespace(role), script) for role, script in scripts.contents().items()])
            work.advance()
    except BaseException:
        down(names)
        raise


def down(names: Names) -> tuple[str, ...]:
    """Ends what runs in the lab and removes its namespaces; what is not there is no error. Returns those removed."""
    existing = names.existing
    end_processes_in(existing)
    _delete(existing)
    return existing


def remove_stale_labs() -> tuple[str, ...]:
    """Removes the labs of processes that are dead. Returns the namespaces removed."""
    stale = tuple(sorted(name for name in _namespaces() if _is_stale(name)))
    end_processes_in(stale)
    _delete(stale)
    return stale


def _own_name() -> str:
    pid = os.getpid()
    return f"p{pid}t{_start_ticks(pid)}n{next(_numbers)}"


def _is_stale(namespace: str) -> bool:
    owner = _OWNED.fullmatch(namespace)
    return owner is not None and _start_ticks(int(owner[1])) != int(owner[2])


def _start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), stat field 22); None if there is none.

    With the id it names a process for good: ids are used again.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[19])


def _namespaces() -> Iterable[str]:
    return (path.name for path in NAMESPACES.iterdir()) if NAMESPACES.is_dir() else ()


def _delete(namespaces: Sequence[str]) -> None:
    if namespaces:
        batches([(None, [f"netns del {namespace}" for namespace in namespaces])], force=True)


def batches(jobs: Sequence[tuple[str | None, Sequence[str]]], *, force: bool = False) -> None:
    """Runs `ip -batch` for each (namespace or None, lines), all at once. Raises LabError with all that failed."""
    running = []
    for namespace, lines in jobs:
        argv = ["ip", *(["-force"] if force else []), *(["-netns", namespace] if namespace else []), "-batch", "-"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append((namespace, process, "".join(f"{line}\n" for line in lines)))
    failures = []
    for namespace, process, text in running:
        _, errors = process.communicate(text)
        if process.returncode != 0:
            failures.append(f"ip -batch in {namespace or 'the lab'}: {errors.strip()}")
    if failures:
        raise LabError("; ".join(failures))


def _write_sysctls(names: Names, settings: Mapping[str, scripts.Sysctls]) -> None:
    """/proc/sys/net shows the namespace of the thread that looks."""
    for role, values in settings.items():
        with inside(names.namespace(role)):
            for path, value in values:
                Path("/proc/sys/net", path).write_text(value)

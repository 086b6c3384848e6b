"""Giving back without a daemon: from the journals alone, by `hostlink release`, at boot, and by the guard.

Whoever works here holds the node's lock, so that no two of them, and no daemon, act at the same time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable

import trio

from hostlink import held
from hostlink.clock import boot_id
from hostlink.config import Config, Match, UplinkConfig
from hostlink.core.events import GivenBack
from hostlink.journal import Journal, JournalError, Takeover, journal_for, journals_in
from hostlink.kernel.errors import KernelError
from hostlink.kernel.privilege import missing_capabilities
from hostlink.lock import LockedError, acquire_lock
from hostlink.node import earlier_takeovers, open_node
from hostlink.problems import problem
from hostlink.steps.context import Node, StepError, Uplink, VppLife, one_failure
from hostlink.steps.giveback import give_back
from hostlink.vpp.dataplane import open_dataplane
from hostlink.vpp.errors import VppError
from hostlink.vpp.session import open_session
from hostlink.vpp_watch import vpp_deadline_s

EXIT_DONE, EXIT_FAILED = 0, 1


def release_offline(config: Config) -> int:
    """Give every NIC back from the journals, with no daemon running, and hold it. Returns the exit status."""
    return _locked(config, _release_all)


def clean_boot(config: Config) -> int:
    """Put away what a takeover of an earlier boot has left. Returns the exit status."""
    return _locked(config, _clean_boot)


def resume_offline(config: Config) -> list[str]:
    """Clear the holds with no daemon running. Returns whose they were. Raises LockedError, OSError."""
    folder = config.paths.journal
    with acquire_lock(config.paths.runtime):
        found = held.read_all(folder)
        for one in found:
            held.drop(folder, one)
    return [one.uplink for one in found]


def _locked(config: Config, work: Callable[[Config], Awaitable[int]]) -> int:
    missing = missing_capabilities()
    if missing:
        return say_failed(f"HL-101: not enough rights: {', '.join(missing)} missing; nothing was touched")
    try:
        with acquire_lock(config.paths.runtime):
            return trio.run(work, config)
    except LockedError as error:
        return say_failed(f"HL-112: {error}")
    except OSError as error:
        return say_failed(f"{config.paths.runtime}: {error.strerror or error}: the runtime folder cannot be used")


async def _release_all(config: Config) -> int:
    status = EXIT_DONE
    try:
        takeovers = earlier_takeovers(config)
    except JournalError as error:
        return say_failed(f"{error.problem.code}: {error}")
    if not takeovers:
        print("nothing to give back: there is no takeover in the journal", file=sys.stderr)
    for takeover in takeovers:
        keep_hold(config, held.held(takeover.capture.uplink, held.operators_hold(), takeover))
        status = max(status, await _release(config, takeover))
    return status


async def _clean_boot(config: Config) -> int:
    """Of such a takeover only the journal is left: the kernel it was in is gone (F43). The NIC gets its name back."""
    status = EXIT_DONE
    for journal in journals_in(config.paths.journal):
        try:
            takeover = journal.read()
            if takeover is None or takeover.boot_id == boot_id():
                continue
            if takeover.confirm is not None:
                name = takeover.capture.uplink
                why = problem("HL-417", f"{name}: the node went down before its takeover was confirmed")
                keep_hold(config, held.held(name, held.failed_hold(why), takeover))
            status = max(status, await _put_away(config, journal, takeover))
        except JournalError as error:
            status = say_failed(f"{error.problem.code}: {error}")
    return status


async def _put_away(config: Config, journal: Journal, takeover: Takeover) -> int:
    name = takeover.capture.uplink
    try:
        await give_back_one(config, takeover)
        print(f"{name}: what a takeover before this boot had left is put away")
    except StepError as error:
        if error.problem.code != "HL-408":
            return say_failed(f"{name}: what a takeover before this boot had left stays: {error}")
        journal.discard()
        print(f"{name}: a takeover before this boot is forgotten; the NIC is not here yet")
    except (KernelError, VppError) as error:
        return say_failed(f"{name}: what a takeover before this boot had left stays: {error}")
    return EXIT_DONE


async def _release(config: Config, takeover: Takeover) -> int:
    name = takeover.capture.uplink
    try:
        event = await give_back_one(config, takeover)
    except (StepError, KernelError, JournalError, VppError) as error:
        return say_failed(f"{name} could not be given back, and the journal is kept: {error}")
    for residue in event.residue:
        print(f"hostlink: {residue.code}: {residue.detail}", file=sys.stderr)
    print(f"{name} is the host's again")
    return EXIT_FAILED if event.residue else EXIT_DONE


def keep_hold(config: Config, one: held.Held) -> None:
    """Make a hold durable. A disk that is full keeps nobody from giving back, and is told."""
    try:
        held.keep(config.paths.journal, one)
    except OSError as error:
        say_failed(f"HL-511: {one.uplink}: the hold cannot be kept, a daemon that starts will take over: {error}")


async def give_back_one(config: Config, takeover: Takeover) -> GivenBack:
    """With VPP where it answers; the NIC comes home without it too.

    Raises StepError, KernelError, JournalError, VppError.
    """
    name = takeover.capture.uplink
    async with open_node(config) as node:
        uplink = Uplink(node, UplinkConfig(Match(name=name), takeover.driver, takeover.host_link), 0, name)
        uplink.takeover = takeover
        return await _give_back_with_vpp(node, uplink)


def give_back_blocking(config: Config, takeover: Takeover) -> bool:
    """For the guard, which holds the lock: whether it is the host's again. What could not be restored is told."""
    return (
        trio.run(_release, config, takeover) == EXIT_DONE
        or not journal_for(config.paths.journal, takeover.capture.uplink).path.exists()
    )


async def _give_back_with_vpp(node: Node, uplink: Uplink) -> GivenBack:
    try:
        async with open_session(os.fspath(node.config.vpp.api_socket), deadline_s=vpp_deadline_s(node)) as session:
            node.vpp = VppLife(await open_dataplane(session), pid=session.peer_pid)
            with one_failure():
                return await give_back(uplink, 0)
    except VppError:
        node.vpp = VppLife()
    with one_failure():
        return await give_back(uplink, 0)


def say_failed(text: str) -> int:
    """On standard error; returns the exit status of what failed."""
    print(f"hostlink: {text}", file=sys.stderr, flush=True)
    return EXIT_FAILED

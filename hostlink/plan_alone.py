"""The plan without a daemon: the takeover that one would begin with, from the configuration, the kernel and VPP.

As preflight does, with a session in which nothing is made. An uplink that is taken over already only its daemon knows.
"""

from __future__ import annotations

import os

import trio

from hostlink import held
from hostlink.config import Config
from hostlink.core.model import Problem
from hostlink.daemon import assign
from hostlink.journal import JournalError
from hostlink.kernel.errors import KernelError
from hostlink.kernel.privilege import missing_capabilities
from hostlink.node import earlier_takeovers, open_node
from hostlink.planning import Json, document, takeover_json, untold
from hostlink.steps.context import Node, StepError, Uplink, VppLife, one_failure
from hostlink.steps.inspect import before_takeover, find_uplink
from hostlink.vpp.dataplane import read_only
from hostlink.vpp.errors import VppError
from hostlink.vpp.session import open_session
from hostlink.vpp_watch import vpp_deadline_s, who_answers


def plan_alone(config: Config, limit: int | None) -> Json:
    """The whole document. limit: of each group so many lines, None for all."""
    return trio.run(_plan, config, limit)


async def _plan(config: Config, limit: int | None) -> Json:
    async with open_node(config) as node:
        try:
            async with open_session(os.fspath(config.vpp.api_socket), deadline_s=vpp_deadline_s(node)) as session:
                with one_failure():
                    node.vpp = await who_answers(node, session, read_only)
                    return await _all(node, limit)
        except VppError as error:
            node.vpp = VppLife(last_error=str(error))
        return await _all(node, limit)


async def _all(node: Node, limit: int | None) -> Json:
    numbers = range(len(node.config.uplinks))
    return document(node, [await _of(node, number, limit) for number in numbers], alone=True)


async def _of(node: Node, number: int, limit: int | None) -> Json:
    config = node.config.uplinks[number]
    uplink = Uplink(node, config, number, config.match.name or str(config.match))
    about: Json = {"name": uplink.name, "state": None, "held": None}
    missing = missing_capabilities()
    if missing:
        return {**about, **untold(f"not enough rights: {', '.join(missing)} missing; try as root", ())}
    about["held"] = _held(node.config, number)
    try:
        if number in assign(node.config, earlier_takeovers(node.config)):
            return {**about, **untold("it is taken over already, by the journal: only a daemon knows what differs", ())}
        known = await _known(uplink)
    except JournalError as error:
        return {**about, **untold(str(error), (error.problem,))}
    except (StepError, KernelError) as error:
        return {**about, **untold(str(error), ())}
    return {**about, "name": uplink.name, **await takeover_json(uplink, limit, known)}


async def _known(uplink: Uplink) -> tuple[Problem, ...]:
    """What Detecting would find (steps/inspect.py)."""
    link = await find_uplink(uplink)
    if link is not None:
        uplink.claim(link)
    facts = await before_takeover(uplink, link)
    return (*facts.obstacles, *facts.notes, *uplink.problems)


def _held(config: Config, number: int) -> str | None:
    others = [other.match for one, other in enumerate(config.uplinks) if one != number]
    hold = held.of_match(config.uplinks[number].match, held.read_all(config.paths.journal), others)
    return None if hold is None else f"{hold.reason}; it ends with `hostlink resume`"

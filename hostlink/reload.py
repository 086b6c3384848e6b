"""A changed configuration for a daemon at work (SIGHUP): what can change takes effect, what cannot is told.

Which NIC is taken how, and where VPP, sockets and files are, is decided once. All else is read where it is used, so a
new configuration is simply put in the old one's place, and one look at everything follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hostlink.config import Config, ConfigError, load_config
from hostlink.core.events import HostChanged
from hostlink.core.table import STATES, State
from hostlink.log import ERROR, WARNING, Entry, say
from hostlink.runner import Runner
from hostlink.steps.context import Node


@dataclass(frozen=True, slots=True)
class Times:
    """The machine's times, in seconds, as the configuration has them (UplinkMachine)."""

    deadlines: Mapping[State, float]
    waits: Mapping[State, float]
    graces: Mapping[State, float]

    @classmethod
    def of(cls, config: Config) -> Times:
        factor = config.timing.deadline_factor
        deadlines = {state: text.deadline_s * factor for state, text in STATES.items() if text.deadline_s is not None}
        # Punting asks until the takeover must be confirmed, and is to say itself what did not answer.
        deadlines[State.PUNTING] += config.timing.confirm_s * factor
        return cls(deadlines, {State.STEADY: config.timing.audit_s}, {State.RECOVERING: config.vpp.grace_s * factor})


def reload(file: Path, node: Node, runners: Sequence[Runner]) -> None:
    """Read the file and take it. One with faults, or that changes what cannot change, changes nothing; that is said."""
    try:
        config = load_config(file)
    except ConfigError as error:
        say(Entry(f"the configuration was not reloaded, the one before stays: {error}", priority=ERROR))
        return
    fixed = list(unchangeable(node.config, config))
    if fixed:
        text = f"{file}: the configuration was not reloaded: {', '.join(fixed)} can only change with a restart"
        say(Entry(text, priority=WARNING))
        return
    node.config = config
    times = Times.of(config)
    for runner in runners:
        runner.uplink.config = config.uplinks[runner.uplink.number]
        runner.machine.set_times(times.deadlines, times.waits, times.graces)
        runner.uplink.inbox.look_at_everything()
        runner.post(HostChanged("the configuration was reloaded"))
    say(Entry(f"{file}: the configuration was reloaded"))


def unchangeable(before: Config, after: Config) -> Iterator[str]:
    """Keys that differ and cannot change while the daemon runs."""
    if len(before.uplinks) != len(after.uplinks):
        yield "the number of [[uplink]]"
    pairs = {f"uplink[{n}]": both for n, both in enumerate(zip(before.uplinks, after.uplinks, strict=False))}
    yield from (
        f"{key}.{name}"
        for key, (old, new) in pairs.items()
        for name in differing(replace(old, probes=()), replace(new, probes=()))
    )
    vpp = replace(after.vpp, drift=before.vpp.drift, grace_s=before.vpp.grace_s)
    yield from (f"vpp.{name}" for name in differing(before.vpp, vpp))
    for section in ("paths", "control", "metrics", "systemd"):
        yield from (f"{section}.{name}" for name in differing(getattr(before, section), getattr(after, section)))


def differing(before: Any, after: Any) -> list[str]:
    """Names of the fields of two dataclasses of a kind that differ."""
    return [one.name for one in fields(before) if getattr(before, one.name) != getattr(after, one.name)]

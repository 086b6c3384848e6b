"""What is drawn: states, the moves between them with all that causes each, and, of a daemon at work, where it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

END = "[*]"
"""Where an arrow leads after which the machine is done."""

Pair = tuple[str, str]
"""From which state to which, by their titles."""


@dataclass(frozen=True, slots=True)
class Node:
    """A state. `note` says what happens in it, in some words."""

    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the machine's table that leads from a state to another, or to END."""

    start: str
    end: str
    trigger: str
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """All moves from one state to another."""

    start: str
    end: str
    labels: tuple[str, ...]
    """What causes it: `vpp lost`, or `inspected (adoptable)` where the same leads elsewhere by another guard."""
    numbers: tuple[int, ...] = ()
    """Which steps of the path taken it was."""


@dataclass(frozen=True, slots=True)
class Graph:
    """`nodes` are in the order of a takeover, and the last one is where all others lead when something fails."""

    nodes: tuple[Node, ...]
    initial: str
    arrows: tuple[Arrow, ...]
    current: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The uplinks that are in a state now, by its title."""
    caption: str = ""


def arrows(moves: Iterable[Move]) -> tuple[Arrow, ...]:
    """One arrow for each pair of states, in the order of the moves. A state that is entered again has none."""
    told = [move for move in moves if move.start != move.end]
    ends: dict[tuple[str, str], set[str]] = {}
    for move in told:
        ends.setdefault((move.start, move.trigger), set()).add(move.end)
    unguarded = {(move.start, move.end, move.trigger) for move in told if move.guard is None}
    labels: dict[Pair, dict[str, None]] = {}
    for move in told:
        plain = len(ends[move.start, move.trigger]) == 1 or (move.start, move.end, move.trigger) in unguarded
        label = move.trigger if plain else f"{move.trigger} ({move.guard})"
        labels.setdefault((move.start, move.end), {})[label.replace("_", " ").replace("vpp", "VPP")] = None
    return tuple(Arrow(start, end, tuple(words)) for (start, end), words in labels.items())


def at_work(graph: Graph, current: Mapping[str, tuple[str, ...]], path: Sequence[Pair], caption: str) -> Graph:
    """The graph with the uplinks in their states, and a path's steps numbered from 1. A step with no arrow is left out:
    a move that only a newer daemon's machine has."""
    numbers: dict[Pair, list[int]] = {}
    known = {(arrow.start, arrow.end) for arrow in graph.arrows}
    for number, pair in enumerate((pair for pair in path if pair in known), start=1):
        numbers.setdefault(pair, []).append(number)
    marked = tuple(replace(one, numbers=tuple(numbers.get((one.start, one.end), ()))) for one in graph.arrows)
    return replace(graph, arrows=marked, current=current, caption=caption)

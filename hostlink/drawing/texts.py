"""The graph as text that other programs draw: Mermaid (https://mermaid.js.org) and DOT (https://graphviz.org)."""

from __future__ import annotations

from collections.abc import Iterator

from hostlink.drawing import style
from hostlink.drawing.graph import END, Arrow, Graph


def mermaid(graph: Graph) -> str:
    """A state diagram. Numbers of the path taken stand before an arrow's causes."""
    lines = ["stateDiagram-v2", f"    [*] --> {graph.initial}"]
    for arrow in graph.arrows:
        lines.append(f"    {arrow.start} --> {arrow.end}: {'<br/>'.join(_words(arrow))}")
    if graph.current:
        fill, line = style.CURRENT
        lines.append(f"    classDef current fill:{fill},stroke:{line},stroke-width:3px,color:{style.INK}")
        lines += [f"    class {node.title} current" for node in graph.nodes if node.title in graph.current]
    return "\n".join(lines)


def dot(graph: Graph) -> str:
    """A digraph, for `dot -Tsvg`."""
    return "\n".join(["digraph uplink {", *(f"    {line}" for line in _dot_lines(graph)), "}"])


def _dot_lines(graph: Graph) -> Iterator[str]:
    fill, line = style.STATE
    yield 'graph [bgcolor="white", ranksep=0.7, nodesep=0.6]'
    yield f'node [shape=box, style="rounded,filled", fontname="sans-serif", fillcolor="{fill}", color="{line}"]'
    yield f'edge [fontname="sans-serif", fontsize=10, color="{style.ARROW[0]}"]'
    yield "start [shape=point, width=0.15]"
    if any(arrow.end == END for arrow in graph.arrows):
        yield 'end [shape=doublecircle, label="", width=0.12, style=filled, fillcolor=black]'
    if graph.caption:
        yield f"label={_quoted([graph.caption])}"
    for node in graph.nodes:
        here = graph.current.get(node.title)
        words = _quoted([node.title, f"now: {', '.join(here)}"] if here else [node.title])
        marks = f', fillcolor="{style.CURRENT[0]}", color="{style.CURRENT[1]}", penwidth=3' if here else ""
        yield f"{node.title} [label={words}{marks}]"
    yield f"start -> {graph.initial}"
    for arrow in graph.arrows:
        end = "end" if arrow.end == END else arrow.end
        marks = f', color="{style.TAKEN[0]}", penwidth=2.5' if arrow.numbers else ""
        yield f"{arrow.start} -> {end} [label={_quoted(_words(arrow))}{marks}]"


def _words(arrow: Arrow) -> list[str]:
    numbers = [f"[{', '.join(map(str, arrow.numbers))}]"] if arrow.numbers else []
    return [*numbers, *arrow.labels]


def _quoted(lines: list[str]) -> str:
    escaped = (line.replace("\\", r"\\").replace('"', r"\"") for line in lines)
    return '"' + r"\n".join(escaped) + '"'

"""`hostlink diagram`: the machine from its table, as text or as a picture; --current shows a daemon's uplinks in it.

The drawing itself is hostlink/drawing; Pillow is imported for PNG alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.documents import Uplink, clean, uplinks
from hostlink.cli.exits import DONE, FAILED, USAGE, VerbError
from hostlink.core.shapes import StateText
from hostlink.core.table import INITIAL, ROWS, STATES, STEPS, Action
from hostlink.drawing.graph import END, Graph, Move, Node, Pair, arrows, at_work
from hostlink.varlink import GET_STATE

EPILOG = """PNG needs Pillow: pip install 'hostlink[diagram]'. Nothing needs a network or a browser.

exit status: 0 done; 1 Pillow is missing, or the file cannot be written; 69 no daemon answers (--current)"""

FORMATS = ("mermaid", "dot", "svg", "png")
PATH_STEPS = 12
"""So many of the last moves are numbered: more, and nobody follows them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)
    parser.add_argument("--format", choices=FORMATS, help="default: what --output's name ends in, else mermaid")
    parser.add_argument(
        "--current", action="store_true", help="mark each uplink's state, and number its last moves (asks the daemon)"
    )
    parser.add_argument("--uplink", metavar="NAME", help="with --current: of this one only")
    parser.add_argument("--output", type=Path, metavar="F", help="write it there (default: standard output)")


def run(options: argparse.Namespace) -> int:
    if options.uplink and not options.current:
        raise VerbError(USAGE, "--uplink says whose state --current marks: give --current, too")
    kind = options.format or _format_of(options.output)
    graph = machine()
    if options.current:
        with Client(socket_path(options)) as client:
            graph = current(graph, _chosen(uplinks(client.call(GET_STATE)), options.uplink))
    drawn = draw(graph, kind)
    if options.output is None:
        sys.stdout.buffer.write(drawn)
        return DONE
    try:
        options.output.write_bytes(drawn)
    except OSError as error:
        raise VerbError(FAILED, f"{options.output}: {error.strerror}") from error
    return DONE


def _format_of(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".") if output else ""
    return ending if ending in FORMATS else FORMATS[0]


def draw(graph: Graph, kind: str) -> bytes:
    """The graph in one of FORMATS. Raises VerbError where Pillow is missing."""
    from hostlink.drawing import texts

    if kind in ("mermaid", "dot"):
        return f"{texts.mermaid(graph) if kind == 'mermaid' else texts.dot(graph)}\n".encode()
    from hostlink.drawing.layout import layout
    from hostlink.drawing.svg import svg

    if kind == "svg":
        return svg(layout(graph)).encode()
    try:
        from hostlink.drawing.png import png
    except ImportError as error:
        text = "PNG needs Pillow (pip install 'hostlink[diagram]', or Debian's python3-pil); --format svg needs nothing"
        raise VerbError(FAILED, f"{text}: {error}") from error
    return png(layout(graph))


def machine() -> Graph:
    """The graph of the table that this hostlink runs by."""
    moves = [
        Move(
            STATES[row.state].title,
            END if Action.FINISH in row.does else STATES[row.to].title,
            row.trigger.value,
            row.guard.value if row.guard else None,
        )
        for row in ROWS
        if row.to is not None
    ]
    nodes = tuple(Node(text.title, _note(text)) for text in STATES.values())
    return Graph(nodes, STATES[INITIAL].title, arrows(moves))


def _note(text: StateText) -> str:
    return STEPS[text.step] if text.step else f"wait for {text.waiting}"


# ----------------------------------------------------------------------------------------------------- a daemon at work


def current(graph: Graph, found: list[Uplink]) -> Graph:
    """The uplinks in their states. The path of a single one is numbered; those of several would be one tangle."""
    where: dict[str, tuple[str, ...]] = {}
    for uplink in found:
        title = str(uplink["state"])
        where[title] = (*where.get(title, ()), clean(uplink["name"]))
    if len(found) != 1:
        print("hostlink: the path of one uplink is numbered with --uplink NAME", file=sys.stderr)
        return at_work(graph, where, [], "")
    path = path_of(found[0])
    caption = f"The numbers: the last moves of {clean(found[0]['name'])}, oldest first" if path else ""
    return at_work(graph, where, path, caption)


def path_of(uplink: Uplink) -> list[Pair]:
    """How an uplink has moved last, oldest first: without audits that found nothing, and states entered again."""
    history: list[Mapping[str, object]] = [move for move in uplink.get("history") or () if not move.get("quiet")]
    moves = [(str(move.get("from")), str(move.get("to"))) for move in history]
    return [pair for pair in moves if pair[0] != pair[1]][-PATH_STEPS:]


def _chosen(found: list[Uplink], name: str | None) -> list[Uplink]:
    chosen = [uplink for uplink in found if name in (None, uplink["name"])]
    if name is not None and not chosen:
        raise VerbError(FAILED, f"no uplink {name!r}; there are {', '.join(uplink['name'] for uplink in found)}")
    return chosen

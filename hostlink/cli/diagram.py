"""`hostlink diagram`: the machine from its table, as Mermaid text; --current marks where the daemon's uplinks are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from hostlink.cli.client import Client, add_runtime_dir, socket_path
from hostlink.cli.documents import uplinks
from hostlink.cli.exits import DONE
from hostlink.core.table import INITIAL, ROWS, STATES, State
from hostlink.varlink import GET_STATE

EPILOG = """paste it into any Markdown page that draws Mermaid"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_runtime_dir(parser)
    parser.add_argument("--format", choices=["mermaid"], default="mermaid", help="mermaid, the only one so far")
    parser.add_argument(
        "--current", action="store_true", help="mark the state that each uplink is in (asks the daemon)"
    )


def run(options: argparse.Namespace) -> int:
    current: list[str] = []
    if options.current:
        with Client(socket_path(options)) as client:
            current = [str(uplink["state"]) for uplink in uplinks(client.call(GET_STATE))]
    print(mermaid(current))
    return DONE


def mermaid(current: Sequence[str] = ()) -> str:
    """The drawing; moves between the same two states share one arrow. `current`: titles of states to mark."""
    lines = ["stateDiagram-v2", f"    [*] --> {STATES[INITIAL].title}"]
    for (start, end), labels in _arrows().items():
        lines.append(f"    {STATES[start].title} --> {STATES[end].title}: {'<br/>'.join(labels)}")
    marked = [text.title for text in STATES.values() if text.title in current]
    if marked:
        lines.append("    classDef current fill:#ffd54f,stroke:#5d4037,stroke-width:3px")
        lines += [f"    class {title} current" for title in marked]
    return "\n".join(lines)


def _arrows() -> dict[tuple[State, State], list[str]]:
    arrows: dict[tuple[State, State], list[str]] = {}
    for row in ROWS:
        if row.to is not None:
            label = row.trigger.value + (f" [{row.guard.value}]" if row.guard else "")
            labels = arrows.setdefault((row.state, row.to), [])
            if label not in labels:
                labels.append(label)
    return arrows

"""The machine's moves as text, for `hostlink state --history`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from hostlink.cli.documents import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def history_text(moves: Sequence[Mapping[str, Any]]) -> str:
    """A line for each move, oldest first."""
    width = max((len(str(move["uplink"])) for move in moves), default=0)
    ends = [f"{move['from']} → {move['to']}" for move in moves]
    widest = max(map(len, ends), default=0)
    return "".join(
        clean(f"{_shown(move['at'])}  {move['uplink']:{width}}  {end:{widest}}  {move['why']}") + "\n"
        for move, end in zip(moves, ends, strict=True)
    )


def _shown(at: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(at)).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return str(at)

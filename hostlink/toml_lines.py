"""Where in a TOML file a key is: `tomllib` forgets the lines, and a fault without its line is slow to find.

A scan of the text beside the real parser, which has accepted the file already: table headers and `key =` at the start
of a line are seen, and that is all. Keys within an inline table or an array have the line of the key that holds them.
Text within a multi-line string may look like a key; then a line is wrong in a message, never a value.
"""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def key_lines(text: str) -> dict[str, int]:
    """Key path (`vpp.api_socket`, `uplink[0].match`; tables too) → line, the first being 1."""
    lines: dict[str, int] = {}
    tables: Counter[str] = Counter()
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _plain(header[2])
            if header[1] == "[[":
                tables[table] += 1
                table = f"{table}[{tables[table] - 1}]"
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(f"{table}.{_plain(key[1])}" if table else _plain(key[1]), number)
    return lines


def line_of(key: str, lines: dict[str, int]) -> int | None:
    """The line of a key path, or of the nearest one that holds it (`uplink[0].match.mac` → `uplink[0].match`)."""
    while key:
        if key in lines:
            return lines[key]
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return None


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))

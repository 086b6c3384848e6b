"""Manual pages in roff with the man macros (man(7), groff_man(7)): the few that are needed."""

from __future__ import annotations

import re
from collections.abc import Iterable


def head(name: str, section: int, what: str) -> list[str]:
    """The title line and NAME. Without a date: the same version makes the same page on any day."""
    return [
        f'.TH "{name.upper()}" "{section}" "" "hostlink" "hostlink"',
        *heading("NAME"),
        f"{name} \\- {escaped(what)}",
    ]


def heading(title: str) -> list[str]:
    return [f'.SH "{title}"']


def subheading(title: str) -> list[str]:
    return [f'.SS "{escaped(title)}"']


def paragraph(text: str) -> list[str]:
    return [".PP", words(" ".join(text.split()))]


def tagged(tag: str, text: str) -> list[str]:
    """A term in bold, and what it means, indented."""
    return [".TP", f"\\fB{escaped(tag)}\\fR", words(" ".join(text.split()))]


def literal(lines: Iterable[str]) -> list[str]:
    """Lines as they are, indented."""
    return [".PP", ".RS 4", ".nf", *(words(line) if line else ".sp" for line in lines), ".fi", ".RE"]


def words(text: str) -> str:
    """Escaped; what is between backticks in bold, as a terminal shows what is to be typed."""
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", escaped(text))


def escaped(text: str) -> str:
    """As it is read: no hyphen that a search would not find, no line that begins with a request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def page(parts: Iterable[list[str]]) -> str:
    """All parts. A paragraph right after a heading needs no break: mandoc(1) warns of one."""
    lines: list[str] = []
    for part in parts:
        begins = part[1:] if part[:1] == [".PP"] and lines and lines[-1].startswith((".SH", ".SS")) else part
        lines += begins
    return "\n".join(lines) + "\n"

"""states/problems.md: everything that an operator can be told, made of the register in hostlink/problems."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hostlink.problems import REGISTER, Record
from tools.gen_states.page import table

INTRODUCTION = """\
# What an operator can be told

*Made from the register in [hostlink/problems](../hostlink/problems) by `tools/gen-states`. Do not edit: edit that and
run it again.*

`hostlink state` shows these; `hostlink explain HL-nnn` says the same as this page. An **error** keeps hostlink from its
work until somebody acts or something comes back. With a **warning** it works, and something is not as it should be. A
**note** is worth knowing. What may pass by itself is shown after a while only, and what another problem explains is not
shown while that one is there.
"""

GROUPS = {
    "1": "The host before a takeover",
    "2": "VPP before a takeover",
    "3": "Mirroring, and the host's interface",
    "4": "Steps and recovery",
    "5": "The journal and holds",
}


def problems_page() -> str:
    """The whole page."""
    parts: list[Iterable[str]] = [[INTRODUCTION], _overview()]
    for digit, title in GROUPS.items():
        parts.append(["", f"## {title}"])
        parts += [_entry(record) for record in REGISTER.values() if record.code[3] == digit]
    return "\n".join(line for part in parts for line in part) + "\n"


def _overview() -> Iterator[str]:
    heads = ("code", "severity", "what", "shown after", "not while")
    yield from table(
        heads, [(_link(one.code), one.severity.value, one.title, *_when(one)) for one in REGISTER.values()]
    )


def _when(record: Record) -> tuple[str, str]:
    return f"{record.delay_s:g} s" if record.delay_s else "", ", ".join(map(_link, record.depends_on))


def _entry(record: Record) -> Iterator[str]:
    # An anchor of its own: that of the heading is made differently by each program that shows Markdown.
    yield from (
        "",
        f'<a id="{record.code.lower()}"></a>',
        "",
        f"### {record.code} {record.title} ({record.severity.value})",
    )
    yield from ("", _sentence(record.text), "", f"**What to do:** {record.to_do.rstrip('.')}.")


def _sentence(text: str) -> str:
    """With a capital at its beginning, but for a name."""
    return text if text.startswith("hostlink") else text[0].upper() + text[1:]


def _link(code: str) -> str:
    return f"[{code}](#{code.lower()})"

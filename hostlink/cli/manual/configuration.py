"""hostlink.toml(5): the keys of the configuration's classes, and of each what its own check says when it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from hostlink.cli.manual.keys import KEYS, SECTIONS
from hostlink.cli.manual.roff import head, heading, literal, page, paragraph, subheading, tagged
from hostlink.config import (
    Cluster,
    Control,
    Match,
    MetricsConfig,
    Paths,
    SystemdConfig,
    Timing,
    UplinkConfig,
    VppConfig,
    faults_of,
)
from hostlink.defaults import CONFIG_PATH

DEFAULTS: dict[str, Any] = {
    "vpp": VppConfig(),
    "uplink": UplinkConfig(Match()),
    "uplink.match": Match(),
    "paths": Paths(),
    "control": Control(),
    "metrics": MetricsConfig(),
    "systemd": SystemdConfig(),
    "cluster": Cluster(),
    "timing": Timing(),
}
EXAMPLE = """\
[vpp]
api_socket = "/run/vpp/api.sock"
namespace = "vpp"

[[uplink]]
match = { name = "enp216s0f1" }"""
_WRONG: tuple[object, ...] = ("?", {})
"""One of these is refused by any check, which then says what would be right."""


def configuration_page() -> str:
    """The page as roff."""
    return page(
        [
            head("hostlink.toml", 5, "the configuration of hostlink"),
            heading("SYNOPSIS"),
            paragraph(f"`{CONFIG_PATH}`"),
            heading("DESCRIPTION"),
            paragraph(
                "One TOML file. `hostlink run`, `guard` and `release` read it, from `--config` or its usual place. All "
                "faults are reported at once, with line and key, and an unknown key is one: nothing is started then."
            ),
            *(part for section in DEFAULTS for part in _section(section)),
            heading("EXAMPLE"),
            literal(EXAMPLE.splitlines()),
            heading("SEE ALSO"),
            paragraph("hostlink(1)"),
        ]
    )


def keys_of(section: str) -> list[str]:
    """The keys that a section takes."""
    return [field.name for field in fields(DEFAULTS[section])]


def _section(section: str) -> Iterator[list[str]]:
    title, text = SECTIONS[section]
    if section == "vpp":
        yield heading("KEYS")
    yield subheading(title)
    yield paragraph(text)
    for key in keys_of(section):
        path = f"{section}.{key}"
        parts = [KEYS[path] + ".", *_fitting(section, key), *_default(section, key)]
        yield tagged(key, " ".join(parts))


def _default(section: str, key: str) -> Iterator[str]:
    value = getattr(DEFAULTS[section], key)
    if isinstance(value, float | int) and not isinstance(value, bool):
        yield f"Default: {value:g}."
    elif isinstance(value, str | Path):
        yield f'Default: "{value}".'


def _fitting(section: str, key: str) -> Iterator[str]:
    """`Takes a number from 0 to 3600.` Nothing of text, of which there is nothing more to say, and of tables."""
    for wrong in _WRONG:
        for fault in faults_of(_tree(section, {key: wrong})):
            found = re.fullmatch(r"must be (.*?), not .*", fault.text, re.DOTALL)
            if found and fault.key.rsplit(".", 1)[-1] == key and found[1] not in ("text in quotes", "a table"):
                yield f"Takes {found[1].replace(' be left', ' left')}."
                return


def _tree(section: str, table: dict[str, object]) -> dict[str, object]:
    uplink: dict[str, object] = {"match": {"name": "eth0"}}
    match section:
        case "uplink":
            return {"uplink": [{**uplink, **table}]}
        case "uplink.match":
            return {"uplink": [{"match": table}]}
        case _:
            return {"uplink": [uplink], section: table}

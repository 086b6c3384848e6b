"""The managers' files: found below a root, read as text, and the ini form that most of them have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SIZE_LIMIT_BYTES = 1 << 20

Sections = Mapping[str, Mapping[str, Sequence[str]]]
"""Section → key → its values in order; an empty value took away what stood before it."""


@dataclass(frozen=True, slots=True)
class File:
    """A configuration file. `path` is as the node's operator knows it, without the root."""

    path: str
    text: str


def read_files(root: Path, folders: Iterable[str], pattern: str) -> tuple[File, ...]:
    """The files of all folders (`/etc/…`) below root, in order of folder, then name. What cannot be read is empty."""
    found = [path for folder in folders for path in sorted((root / folder.lstrip("/")).glob(pattern))]
    return tuple(read_file(root, f"/{path.relative_to(root)}") for path in found if path.is_file())


def read_file(root: Path, path: str) -> File:
    """One file; empty where it is not there."""
    try:
        with (root / path.lstrip("/")).open("rb") as file:
            return File(path, file.read(_SIZE_LIMIT_BYTES).decode(errors="replace"))
    except OSError:
        return File(path, "")


def systemd_files(root: Path, suffix: str) -> tuple[File, ...]:
    """The .network or .link files in the order in which systemd tries them: by file name, whatever the folder.

    A file in /etc stands for one of the same name in /run, and that for one in /usr/lib; one that is empty or a link to
    /dev/null masks it. Drop-ins (`NAME.d/*.conf`) come behind the text of their file (systemd.network(5)).
    """
    folders = [f"{base}/systemd/network" for base in ("/usr/lib", "/usr/local/lib", "/run", "/etc")]
    by_name: dict[str, str] = {}
    for folder in folders:
        below = root / folder.lstrip("/")
        by_name |= {path.name: f"{folder}/{path.name}" for path in sorted(below.glob(f"*.{suffix}"))}
    return tuple(_with_drop_ins(root, folders, by_name[name]) for name in sorted(by_name))


def _with_drop_ins(root: Path, folders: Sequence[str], path: str) -> File:
    file = read_file(root, path)
    if not file.text.strip():
        return file
    name = path.rsplit("/", 1)[1]
    drop_ins = read_files(root, (f"{folder}/{name}.d" for folder in folders), "*.conf")
    return File(path, "\n".join([file.text, *(one.text for one in drop_ins)]))


def sections(text: str) -> Sections:
    """An ini text as systemd and NetworkManager write it. Lines that are neither section nor `key=value` are left out.

    `key+=value` is kept as `key+`.
    """
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
            found.setdefault(section, {})
        elif "=" in line:
            key, _, value = (part.strip() for part in line.partition("="))
            values = found.setdefault(section, {}).setdefault(key, [])
            values.append(value) if value else values.clear()
    return found


def last(tree: Sections, section: str, key: str) -> str:
    """The value that counts of a key that has one value; empty where it is not set."""
    values = tree.get(section, {}).get(key)
    return values[-1] if values else ""

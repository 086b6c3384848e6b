"""`hostlink man`: the manual pages, made of what `--help` says and of the configuration's own checks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hostlink.cli.exits import DONE, FAILED, VerbError

EPILOG = """hostlink man | man -l -                       reads hostlink(1)
hostlink man hostlink.toml | man -l -         reads hostlink.toml(5)
hostlink man --output /usr/local/share/man    installs both there, in man1 and man5"""

SECTIONS = {"hostlink": 1, "hostlink.toml": 5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "page", nargs="?", choices=tuple(SECTIONS), default="hostlink", help="which one (default: hostlink)"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write both below this folder, not to stdout")


def run(options: argparse.Namespace) -> int:
    if options.output is None:
        sys.stdout.write(page(options.page))
        return DONE
    try:
        for name, section in SECTIONS.items():
            folder: Path = options.output / f"man{section}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.{section}").write_text(page(name), encoding="utf-8")
    except OSError as error:
        raise VerbError(FAILED, f"{error.filename}: {error.strerror}") from error
    return DONE


def page(name: str) -> str:
    """A page of SECTIONS as roff."""
    from hostlink.cli.manual.command import command_page
    from hostlink.cli.manual.configuration import configuration_page

    return command_page() if name == "hostlink" else configuration_page()

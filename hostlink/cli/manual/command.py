"""hostlink(1), of the parsers: whatever `hostlink VERB --help` says is here."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from hostlink.cli import Formatter
from hostlink.cli.client import ENVIRONMENT
from hostlink.cli.exits import MEANINGS
from hostlink.cli.manual.roff import head as page_head
from hostlink.cli.manual.roff import (
    heading,
    literal,
    page,
    paragraph,
    subheading,
    tagged,
)
from hostlink.cli.whole import verbs_of, whole_parser
from hostlink.config import Paths
from hostlink.defaults import CONFIG_PATH, RUNTIME_DIR

WIDTH = 85
"""Of a usage, in characters."""
WHAT = "share a node's primary interface between VPP and Linux"
ABOUT = """\
hostlink gives the NIC to VPP, puts an interface of the same name and MAC in its place on the host, mirrors the host's
addresses and routes to VPP, makes the host's interface VPP's punt path, and stays: what changes on the host is brought
to VPP, and when hostlink ends, or anything fails, the NIC goes back with what the host had last."""
VARIABLES = {
    ENVIRONMENT: "where the daemon's control socket is, for verbs that talk to it and are given no `--runtime-dir`",
    "NO_COLOR": "if set, `hostlink state` and `hostlink plan` show no colours",
}
FILES = {
    CONFIG_PATH: "the configuration, hostlink.toml(5)",
    RUNTIME_DIR: "control socket and lock",
    str(Paths().journal): "the journal: what give-back needs",
}


def command_page() -> str:
    """The page as roff."""
    return page(
        [
            page_head("hostlink", 1, WHAT),
            heading("SYNOPSIS"),
            paragraph("`hostlink` VERB [OPTION]..."),
            heading("DESCRIPTION"),
            paragraph(ABOUT),
            paragraph("Results go to standard output, messages to standard error."),
            heading("VERBS"),
            *_verbs(whole_parser()),
            heading("EXIT STATUS"),
            *(tagged(str(status), text) for status, text in MEANINGS.items()),
            heading("ENVIRONMENT"),
            *(tagged(name, text) for name, text in VARIABLES.items()),
            heading("FILES"),
            *(tagged(name, text) for name, text in FILES.items()),
            heading("SEE ALSO"),
            paragraph("hostlink.toml(5), ip(8)"),
        ]
    )


def _verbs(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    for verb in verbs_of(parser).values():
        yield subheading(verb.prog)
        yield literal(_usage(verb))
        yield paragraph(_capital(verb.description or ""))
        yield from _arguments(verb)
        for inner in verbs_of(verb).values():
            yield literal(_usage(inner))
            yield from _arguments(inner)
        if verb.epilog:
            yield literal(verb.epilog.splitlines())


def _usage(parser: argparse.ArgumentParser) -> list[str]:
    """As --help has it, but as wide on any terminal."""
    formatter = Formatter(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    return [line[len("usage: ") :] for line in formatter.format_help().rstrip().splitlines()]


def _arguments(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    formatter = parser._get_formatter()
    for action in parser._actions:
        if action.help is not None and not isinstance(action, argparse._HelpAction):
            yield tagged(formatter._format_action_invocation(action), formatter._expand_help(action))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

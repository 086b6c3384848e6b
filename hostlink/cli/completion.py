"""`hostlink completion bash|zsh|fish`: what makes a shell complete hostlink's verbs, options, states and codes.

shtab makes it of the parsers that `--help` is made of.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hostlink.cli.exits import DONE
from hostlink.cli.suggestions import suggested

EPILOG = """where a shell looks for it:
  hostlink completion bash > /etc/bash_completion.d/hostlink
  hostlink completion zsh > /usr/share/zsh/site-functions/_hostlink
  hostlink completion fish > /usr/share/fish/vendor_completions.d/hostlink.fish"""

SHELLS = ("bash", "zsh", "fish")
FOLDER = "DIR"
"""The metavar of arguments that are folders."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="which shell it is for")


def run(options: argparse.Namespace) -> int:
    import shtab

    from hostlink.cli.whole import whole_parser

    parser = whole_parser()
    _prepare(parser)
    print(shtab.complete(parser, options.shell))
    return DONE


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Tells shtab what fits each argument: words, a folder, or a file."""
    from shtab import DIRECTORY, FILE

    from hostlink.cli.whole import verbs_of

    for action in parser._actions:
        if action.type is Path or action.metavar in (FOLDER, "F"):
            action.complete = DIRECTORY if action.metavar == FOLDER else FILE  # type: ignore[attr-defined]  # shtab's
        elif words := suggested(action):
            action.choices = words
    for verb in verbs_of(parser).values():
        _prepare(verb)

"""The parser of the whole command line, every verb in it: what completions and the manual page are made of.

`main` never makes it, as it imports every verb.
"""

from __future__ import annotations

import argparse

from hostlink.cli import VERBS, Parser, load_verb, overview

Subparsers = argparse._SubParsersAction  # the only name that argparse has for it


def whole_parser() -> Parser:
    """`hostlink`, with a subparser for each verb as the verb itself has it."""
    top = overview(names_verbs=False)
    verbs = top.add_subparsers(dest="verb", metavar="VERB")
    for verb, text in VERBS.items():
        _, parser = load_verb(verb)
        verbs.add_parser(
            verb, help=text, parents=[parser], add_help=False, description=parser.description, epilog=parser.epilog
        )
    return top


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subparsers by their verbs; of a parser without any, none."""
    for action in parser._actions:
        if isinstance(action, Subparsers):
            return dict(action.choices)
    return {}

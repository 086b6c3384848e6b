"""The command line: one file for each verb, and nothing decided here.

`main` knows the verbs' names and one line about each; a verb's own file, and all that it needs, is imported when that
verb is typed, so that `hostlink state` does not wait for the daemon's imports. A verb's file has
`add_arguments(parser)` and `run(options) -> exit status`. Results go to standard output, messages to standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from hostlink.cli.exits import FAILED, USAGE, VerbError

TYPE_CHECKING = False  # as typing has it, whose import takes as long as json's: it is for the checker alone
if TYPE_CHECKING:
    from typing import Any, NoReturn

VERBS = {
    "run": "run the daemon in the foreground",
    "guard": "give the NIC back when the daemon cannot: a process beside it",
    "state": "what each uplink does, why, and what to do",
    "plan": "what would be done now, touching nothing",
    "preflight": "what stands against a takeover, all of it, with each cure",
    "release": "give the NIC back to the host, with or without the daemon",
    "confirm": "keep a takeover that is on trial (run --try)",
    "resume": "clear a hold, so that the uplink is taken over again",
    "explain": "the runbook entry of a state or of a problem's code",
    "diagram": "the machine as a picture, and where the daemon is in it",
    "completion": "what makes a shell complete hostlink's words",
    "man": "the manual pages",
    "lab": "the throwaway network: up, down, exec, vpp",
}

QUICK = ("state", "plan", "confirm", "resume", "explain")
"""Verbs that hold nothing when they are done."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Text as it is written; as wide as the terminal.

    argparse makes a formatter for each argument that it is told of, and asks shutil for the width, whose import takes
    longer than all of these.
    """

    def __init__(
        self, prog: str, indent_increment: int = 2, max_help_position: int = 24, width: int | None = None
    ) -> None:
        super().__init__(prog, indent_increment, max_help_position, _columns() - 2 if width is None else width)


def _columns() -> int:
    """Of the terminal, as shutil.get_terminal_size() has it."""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:
        return 80


class Parser(argparse.ArgumentParser):
    """argparse with the exit status for wrong usage that hostlink has, 64."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb. Returns the exit status (hostlink/cli/exits.py)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except VerbError as error:
        print(f"hostlink: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:  # `hostlink state | head`: whoever read has gone, and Python must not flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return 130
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else FAILED


def entry() -> NoReturn:
    """The `hostlink` command.

    A verb that only asked something ends without Python taking itself apart, which would take an eighth of its time;
    the others (run, guard, lab) may have threads and children to end.
    """
    status = main()
    if sys.argv[1:2] and sys.argv[1] in QUICK:
        sys.stderr.flush()
        os._exit(status)
    raise SystemExit(status)


def _run(arguments: list[str]) -> int:
    known = arguments[:1] and arguments[0] in VERBS
    verb = arguments[0] if known else overview().parse_args(arguments[:1]).verb
    module, parser = load_verb(verb)
    return int(module.run(parser.parse_args(arguments[1:])))


def load_verb(verb: str) -> tuple[Any, Parser]:
    """A verb's module, and its parser."""
    module = importlib.import_module(f"hostlink.cli.{verb}")
    parser = Parser(
        prog=f"hostlink {verb}", description=f"{VERBS[verb]}.", epilog=module.EPILOG, formatter_class=Formatter
    )
    module.add_arguments(parser)
    return module, parser


def overview(*, names_verbs: bool = True) -> Parser:
    """The parser of what comes before a verb, and of its name unless somebody else adds that."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:{width}}  {text}" for verb, text in VERBS.items())
    parser = Parser(
        prog="hostlink",
        formatter_class=Formatter,
        description="Shares a node's primary interface between VPP and Linux.",
        epilog=f"verbs:\n{verbs}\n\n`hostlink VERB --help` says more.",
    )
    parser.add_argument("--version", action=_Version)
    if names_verbs:
        parser.add_argument("verb", choices=VERBS, metavar="VERB")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from hostlink.version import installed_version

        print(f"hostlink {installed_version() or 'from its source, not installed'}")
        parser.exit()

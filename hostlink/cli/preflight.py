"""`hostlink preflight`: every obstacle to a takeover at once, each with its cure; nothing is touched."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hostlink.cli.configuration import add_config, configuration
from hostlink.cli.documents import clean
from hostlink.cli.exits import DONE, FAILED, VerbError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hostlink.preflight.checks import Check

VERSION = 1
OK = "ok"
EPILOG = """It looks by itself, with a daemon beside it or without one. A warning tells what may go wrong after a
takeover; only an error stands against it.

exit status: 0 nothing stands against a takeover; 1 something does (VPP not reachable, too); 65 bad configuration"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="the checks as a document, versioned")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="where the files of the node's network managers are (default /), for a hostlink in a container",
    )


def run(options: argparse.Namespace) -> int:
    config = configuration(options)
    import trio

    from hostlink.kernel.errors import KernelError
    from hostlink.preflight.checks import is_fit, preflight

    try:
        checks = trio.run(preflight, config, options.root)
    except KernelError as error:
        raise VerbError(FAILED, f"the host could not be looked at: {error}") from error
    fit = is_fit(checks)
    lines = list(_lines(checks))
    if options.json:
        print(json.dumps({"version": VERSION, "fit": fit, "checks": lines}, indent=2))
    else:
        width = max(len(f"{line['about']}: {line['subject']}") for line in lines)
        for line in lines:
            print(clean(_text(line, width)))
    return DONE if fit else FAILED


def _lines(checks: Sequence[Check]) -> Iterator[dict[str, str | None]]:
    """One for each check that is well, and for each problem."""
    from hostlink.problems import explain

    for check in checks:
        place = {"about": check.about, "subject": check.subject}
        if not check.problems:
            yield {**place, "result": OK, "detail": check.said, "code": None, "title": None, "to_do": None}
        for one in check.problems:
            record = explain(one.code)
            told = {"code": one.code, "title": record.title, "to_do": record.to_do}
            yield {**place, "result": record.severity.value, "detail": one.detail, **told}


def _text(line: dict[str, str | None], width: int) -> str:
    place = f"{line['about']}: {line['subject']}"
    head = f"{line['result']:8}{place:{width}}  "
    if line["code"] is None:
        return f"{head}{line['detail']}"
    return f"{head}{line['code']} {line['title']}: {line['detail']}. To do: {line['to_do']}"

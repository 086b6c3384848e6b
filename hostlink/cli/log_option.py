"""--log for the verbs that run for long."""

from __future__ import annotations

import argparse

from hostlink import log


def add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log",
        choices=log.FORMS,
        default="auto",
        help="form of the log (default auto: the journal's under systemd, else text)",
    )


def use_log(options: argparse.Namespace) -> None:
    log.use(options.log)

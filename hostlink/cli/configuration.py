"""--config for the verbs that need the configuration, and its faults as exit status 65."""

from __future__ import annotations

import argparse
from pathlib import Path

from hostlink.cli.exits import BAD_CONFIGURATION, VerbError
from hostlink.config import DEFAULT_PATH, Config, ConfigError, load_config


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PATH, metavar="F", help=f"the configuration (default {DEFAULT_PATH})"
    )


def configuration(options: argparse.Namespace) -> Config:
    try:
        return load_config(options.config)
    except ConfigError as error:
        raise VerbError(BAD_CONFIGURATION, str(error)) from error

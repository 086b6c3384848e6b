"""--config for the verbs that need the configuration, and its faults as exit status 65."""

from __future__ import annotations

import argparse

from hostlink.cli.exits import BAD_CONFIGURATION, VerbError
from hostlink.defaults import CONFIG_PATH

TYPE_CHECKING = False  # not for a verb that only may need it, nor pathlib
if TYPE_CHECKING:
    from hostlink.config import Config


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default=CONFIG_PATH, metavar="F", help=f"the configuration (default {CONFIG_PATH})")


def configuration(options: argparse.Namespace) -> Config:
    from hostlink.config import ConfigError, load_config

    try:
        return load_config(options.config)
    except ConfigError as error:
        raise VerbError(BAD_CONFIGURATION, str(error)) from error

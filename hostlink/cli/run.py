"""`hostlink run`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path

from hostlink.cli.configuration import add_config, configuration
from hostlink.cli.exits import DONE, USAGE, VerbError
from hostlink.cli.log_option import add_log, use_log

EPILOG = """With --try a takeover is on trial: when the path is proved, `hostlink confirm` keeps it.
Without that the NIC is given back in time, and held: whatever cut you off from the node is undone so.

SIGHUP reads the configuration anew: what can change (drift, grace_s, probes, cluster, timing) does, the rest is told.

exit status: 0 stopped, and every NIC given back; 1 failed; 65 bad configuration"""

TRY_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_log(parser)
    parser.add_argument("--check-config", action="store_true", help="only read the configuration, and say its faults")
    parser.add_argument("--try", action="store_true", dest="on_trial", help="give back what nobody confirms in time")
    parser.add_argument(
        "--confirm-within", type=_seconds, metavar="S", help=f"that time, with --try (default {TRY_S:g} s)"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 86_400:
        raise ValueError(text)
    return value


def run(options: argparse.Namespace) -> int:
    if options.confirm_within is not None and not options.on_trial:
        raise VerbError(USAGE, "--confirm-within says how long --try waits: give --try, too")
    config = configuration(options)
    if options.check_config:
        print(f"{options.config}: no faults")
        return DONE
    use_log(options)
    from hostlink.daemon import run_daemon

    return run_daemon(config, (options.confirm_within or TRY_S) if options.on_trial else None, Path(options.config))

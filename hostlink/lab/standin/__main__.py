"""`python -m hostlink.lab.standin`: the stand-in alone, in the foreground."""

from __future__ import annotations

import argparse
import sys

from hostlink.lab.standin import main


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hostlink.lab.standin", description="The stand-in VPP, lab only.")
    parser.add_argument("--api-socket", required=True, help="path of the Unix socket to listen on")
    parser.add_argument("--namespace", help="network namespace to run in: a name under /run/netns, a path, or pid:N")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    sys.exit(main(arguments.api_socket, arguments.namespace))

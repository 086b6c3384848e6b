"""Asks a daemon for its state again and again: `python -m tools.benches.asker SOCKET FILE`.

Each answer is a span in the file (spans.py). A connection of its own each time, as `hostlink state` makes one. A
process of its own, standard library only: what it measures is the daemon and not whoever else is busy in a bench. A
daemon that is not there is asked again, and no answer; one that lets go of a question is not counted either.
"""

from __future__ import annotations

import socket
import sys
import time

from tools.benches.spans import Span

EVERY_S = 0.02
_CALL = b'{"method":"io.hostlink.GetState"}\0'
_SILENT_S = 60.0
"""An answer that takes longer counts as one that took so long."""


def main(path: str, file: str) -> None:
    """Ask until killed."""
    with open(file, "a", buffering=1) as out:
        while True:
            began = time.monotonic_ns()
            if _ask(path):
                out.write(Span(began, time.monotonic_ns() - began).line())
            time.sleep(EVERY_S)


def _ask(path: str) -> bool:
    """Whether it answered, or kept us waiting all the time."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_SILENT_S)
        try:
            connection.connect(path)
            connection.sendall(_CALL)
            while piece := connection.recv(1 << 18):
                if piece.endswith(b"\0"):
                    return True
        except TimeoutError:
            return True
        except OSError:
            return False
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])

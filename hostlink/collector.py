"""Python's cycle collector, kept from full tables: it would go through a million entries that refer nowhere back.

It comes whenever enough objects were made, in whichever thread made the last one, and stops everything meanwhile. What
is new it goes through twice before it leaves it alone for long: a dictionary of a million took 40 to 60 ms each time,
in which nobody got an answer (measured, CPython 3.11).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW, _ROUNDS, _OLD = 10_000, 3, 1300
"""Objects after which it looks at the new ones, such looks after which it looks at those that were left, and such looks
after which it may look at all: next to never."""
_YOUNG = 1

_pauses = 0


def tame() -> None:
    """For a daemon: what there is at its start stays, and what comes is looked through less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW, _ROUNDS, _OLD)


@contextmanager
def paused() -> Iterator[None]:
    """It does not come within the block, however many are within theirs. On the loop."""
    global _pauses
    _pauses += 1
    gc.disable()
    try:
        yield
    finally:
        _pauses -= 1
        if not _pauses:
            gc.enable()


def sweep() -> None:
    """Before a table is made that is to be passed over: what refers back to itself by now would go with it."""
    gc.collect(_YOUNG)


def pass_over() -> None:
    """It never goes through what there is by now, such as a table that was made since it was paused.

    That goes all the same when nothing refers to it any more.
    """
    gc.freeze()

"""A system call that may wait for the kernel, in a thread: the loop goes on meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

import trio

A = TypeVarTuple("A")
R = TypeVar("R")


async def off_loop(call: Callable[[Unpack[A]], R], *args: *A) -> R:
    """call(*args), which raises no RuntimeError of its own. Not to be cancelled before it is done.

    Where no thread can be started (the limit of a control group, no memory) it is done here: better that the loop
    stands than that a give-back ends of it.
    """
    try:
        return await trio.to_thread.run_sync(call, *args)
    except RuntimeError:
        return call(*args)

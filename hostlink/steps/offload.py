"""Long computations beside the event loop: a plan for 100,000 routes takes a second, in which clients must be answered.

Only pure functions of frozen values: the thread shares nothing that anybody changes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import trio

P = ParamSpec("P")
T = TypeVar("T")

LARGE = 500
"""Items: less is done in place, some 10 ms."""


async def in_thread(items: int, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """compute(*args, **kwargs), in a thread where there are many `items`. Not to be cancelled before it is done."""
    if items < LARGE:
        return compute(*args, **kwargs)
    return await trio.to_thread.run_sync(lambda: compute(*args, **kwargs))

"""The words that a shell offers for an argument. They are asked for only when a completion is made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

_ATTRIBUTE = "suggestions"

Words = Callable[[], Iterable[str]]


def suggest(argument: argparse.Action, words: Words) -> None:
    """What may be typed for it, beside what else argparse takes."""
    setattr(argument, _ATTRIBUTE, words)


def suggested(argument: argparse.Action) -> tuple[str, ...]:
    words: Words | None = getattr(argument, _ATTRIBUTE, None)
    return tuple(words()) if words is not None else ()


def state_titles() -> Iterable[str]:
    from hostlink.core.table import STATES

    return [text.title for text in STATES.values()]

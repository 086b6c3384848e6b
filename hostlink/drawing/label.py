"""The words on an arrow: on a piece of the card's colour, so that the line does not run through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from hostlink.drawing import style
from hostlink.drawing.graph import Arrow
from hostlink.drawing.shapes import EM_WIDTH, Box, Disc, Shape, Text, text_width

LINE_HEIGHT = 15.0
NUMBER_RADIUS, NUMBER_ROOM = 9.0, 22.0
NUMBERS_SHOWN = 4
"""So many steps of a path are on an arrow; of more, the first and the last ones are."""


@dataclass(frozen=True, slots=True)
class Label:
    lines: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def height(self) -> float:
        return LINE_HEIGHT * len(self.lines) + NUMBER_ROOM * bool(self.numbers) + 4

    @property
    def width(self) -> float:
        words = max((text_width(line, style.LABEL_SIZE) for line in self.lines), default=0)
        return max(words, NUMBER_ROOM * len(self.numbers)) + 8

    def at(self, x: float, y: float) -> Iterator[Shape]:
        """Its shapes, with its middle there."""
        top = y - self.height / 2
        yield Box(x - self.width / 2, top, self.width, self.height, style.CARD, radius=3)
        if self.numbers:
            yield from self._discs(x, top + 2 + NUMBER_ROOM / 2)
            top += NUMBER_ROOM
        for number, line in enumerate(self.lines):
            yield Text(x, top + 2 + LINE_HEIGHT * (number + 0.5), line, style.LABEL_SIZE, style.INK)

    def _discs(self, x: float, y: float) -> Iterator[Shape]:
        x -= NUMBER_ROOM * (len(self.numbers) - 1) / 2
        for number in self.numbers:
            if number.isdigit():
                yield Disc(x, y, NUMBER_RADIUS, style.TAKEN[0])
                yield Text(x, y, number, style.NUMBER_SIZE, style.NUMBER_INK, bold=True)
            else:
                yield Text(x, y, number, style.NUMBER_SIZE, style.TAKEN[0], bold=True)
            x += NUMBER_ROOM


def label(arrow: Arrow, width: float) -> Label:
    """The label of an arrow, where it may be so wide."""
    letters = int(width / (style.LABEL_SIZE * EM_WIDTH))
    words = ", ".join(arrow.labels)
    # A cause is not torn apart where it fits in a line.
    joined = words.replace(", ", ",\0").replace(" ", "\N{NO-BREAK SPACE}").replace("\0", " ")
    lines = [part for line in wrap(joined, letters, break_long_words=False) for part in _parted(line, letters)]
    return Label(tuple(lines), _numbers(arrow.numbers))


def _parted(line: str, letters: int) -> list[str]:
    return wrap(line.replace("\N{NO-BREAK SPACE}", " "), letters)


def _numbers(numbers: tuple[int, ...]) -> tuple[str, ...]:
    shown = [str(number) for number in numbers]
    return tuple(shown if len(shown) <= NUMBERS_SHOWN else [shown[0], "…", *shown[2 - NUMBERS_SHOWN :]])

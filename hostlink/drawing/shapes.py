"""What a picture is made of, in pixels from the upper left corner, drawn in its order: svg.py and png.py know how."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]

EM_WIDTH = 0.58
"""How wide a letter is on the average, in its size: as in DejaVu Sans, which is wider than others."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with round corners. `line_width` 0: without a border."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    line: str = ""
    line_width: float = 0
    radius: float = 10


@dataclass(frozen=True, slots=True)
class Disc:
    x: float
    y: float
    radius: float
    fill: str


@dataclass(frozen=True, slots=True)
class Path:
    """A line with an arrow's head at its end; its corners are rounded."""

    points: tuple[Point, ...]
    colour: str
    width: float = 1.6


@dataclass(frozen=True, slots=True)
class Text:
    """One line, centred at x; y is the middle of its letters."""

    x: float
    y: float
    text: str
    size: float
    colour: str
    bold: bool = False


Shape = Box | Disc | Path | Text


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str
    """For who cannot see it."""


CORNER = 12.0
HEAD_LENGTH, HEAD_HALF_WIDTH = 10.0, 4.5


def text_width(text: str, size: float) -> float:
    """About; a little too much rather than too little."""
    return len(text) * size * EM_WIDTH


def head(path: Path) -> tuple[Point, Point, Point]:
    """The corners of the arrow's head; its point is the path's end. The last part of a path is upright or level."""
    (x0, y0), (x1, y1) = path.points[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0))
    along_x, along_y = (x1 - x0) / length, (y1 - y0) / length
    back_x, back_y = x1 - along_x * HEAD_LENGTH, y1 - along_y * HEAD_LENGTH
    side_x, side_y = along_y * HEAD_HALF_WIDTH, along_x * HEAD_HALF_WIDTH
    return (x1, y1), (back_x + side_x, back_y + side_y), (back_x - side_x, back_y - side_y)


def shaft(path: Path) -> tuple[Point, ...]:
    """The path's points with the end drawn back into the head, so that a wide line does not stick out of it."""
    (x0, y0), (x1, y1) = path.points[-2:]
    length = max(abs(x1 - x0), abs(y1 - y0))
    back = HEAD_LENGTH / 2 / length
    return (*path.points[:-1], (x1 - (x1 - x0) * back, y1 - (y1 - y0) * back))


def before(corner: Point, other: Point) -> Point:
    """Where the rounding of a corner begins, on the way to the other point: `CORNER` off it, or half the way."""
    length = max(abs(other[0] - corner[0]), abs(other[1] - corner[1]))
    part = min(CORNER, length / 2) / length
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part

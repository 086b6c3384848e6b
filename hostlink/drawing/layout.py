"""Where everything is: the states of a takeover in a column, downwards; the last state a tall box at their right.

    what goes to the next state        straight down
    what passes states, or goes back   by lanes at the left; a longer way lies outside of a shorter one
    what goes to the last state        to the right, level; and back from it, below

Each arrow has its label on it. A test holds that in the machine as it is no two arrows cross and no two labels meet.
All is in pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from hostlink.drawing import style
from hostlink.drawing.graph import END, Arrow, Graph
from hostlink.drawing.label import Label, label
from hostlink.drawing.shapes import Box, Disc, Path, Picture, Point, Shape, Text

COLUMN_WIDTH, LAST_WIDTH = 230.0, 190.0
GAP_DOWN, GAP_RIGHT = 78.0, 310.0
LANE_FIRST, LANE_NEXT = 90.0, 132.0
MARGIN = 28.0
END_ROOM, CAPTION_ROOM = 44.0, 40.0
NOTE_LETTERS, NOTE_LETTERS_LAST = 34, 26
TITLE_HEIGHT, NOTE_HEIGHT, BOX_PADDING = 22.0, 15.0, 12.0
BETWEEN_LABELS = 12.0


@dataclass(slots=True)
class Place:
    """A state's box, and how far down its sides arrows have been put."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def beside(self, number: int, count: int) -> float:
        """How far down the number-th of `count` arrows at one side is."""
        return self.y + self.height * (number + 1) / (count + 1)


def layout(graph: Graph) -> Picture:
    """The picture of a graph of two states or more."""
    column, last = graph.nodes[:-1], graph.nodes[-1]
    order = {node.title: at for at, node in enumerate(column)}
    labels = {(arrow.start, arrow.end): label(arrow, _label_width(arrow, order)) for arrow in graph.arrows}
    right = {node.title: _to_and_from(graph, node.title, last.title) for node in column}
    lanes = _lanes(graph, order)
    left = MARGIN + (LANE_FIRST + LANE_NEXT * max((lane for _, lane in lanes), default=0) + LANE_NEXT / 2) * bool(lanes)
    places = _places(graph, right, labels, left)
    shapes = [*_start(places[graph.initial])]
    shapes += [shape for arrow in graph.arrows if arrow.end == END for shape in _to_end(arrow, places, labels)]
    shapes += _down(graph, order, places, labels)
    shapes += _by_lanes(lanes, order, places, labels)
    shapes += _sideways(right, last.title, places, labels)
    for node in graph.nodes:
        letters = NOTE_LETTERS_LAST if node is last else NOTE_LETTERS
        shapes += _box(places[node.title], node.title, wrap(node.note, letters), graph)
    ends = [_end_y(places[arrow.start], labels[arrow.start, END]) for arrow in graph.arrows if arrow.end == END]
    if graph.caption:
        x, y = places[column[-1].title].middle[0], places[column[-1].title].bottom + CAPTION_ROOM
        shapes.append(Text(x, y, graph.caption, style.LABEL_SIZE, style.FAINT))
        ends.append(y)
    width = places[last.title].x + LAST_WIDTH + MARGIN
    height = max(*ends, *(place.bottom for place in places.values())) + MARGIN
    card = Box(1, 1, width - 2, height - 2, style.CARD, style.CARD_LINE, 1, 14)
    return Picture(width, height, (card, *shapes), _title(graph))


def _label_width(arrow: Arrow, order: dict[str, int]) -> float:
    if arrow.end not in order or arrow.start not in order:
        return LAST_WIDTH if arrow.end == END else GAP_RIGHT - 70
    return COLUMN_WIDTH if order[arrow.end] == order[arrow.start] + 1 else LANE_NEXT - 24


# ------------------------------------------------------------------------------------------------------------- boxes


def _to_and_from(graph: Graph, title: str, last: str) -> list[Arrow]:
    there = [arrow for arrow in graph.arrows if (arrow.start, arrow.end) == (title, last)]
    return there + [arrow for arrow in graph.arrows if (arrow.start, arrow.end) == (last, title)]


Labels = dict[tuple[str, str], Label]


def _places(graph: Graph, right: dict[str, list[Arrow]], labels: Labels, left: float) -> dict[str, Place]:
    """Each box as high as its words and the labels of the arrows beside it need."""
    places: dict[str, Place] = {}
    y = MARGIN + END_ROOM
    for node in graph.nodes[:-1]:
        words = 2 * BOX_PADDING + TITLE_HEIGHT + NOTE_HEIGHT * len(wrap(node.note, NOTE_LETTERS))
        words += NOTE_HEIGHT * (node.title in graph.current)
        beside = sum(labels[arrow.start, arrow.end].height + BETWEEN_LABELS for arrow in right[node.title])
        places[node.title] = Place(left, y, COLUMN_WIDTH, max(words, beside))
        y = places[node.title].bottom + GAP_DOWN
    first, bottom = places[graph.nodes[0].title].y, y - GAP_DOWN
    places[graph.nodes[-1].title] = Place(left + COLUMN_WIDTH + GAP_RIGHT, first, LAST_WIDTH, bottom - first)
    return places


def _box(place: Place, title: str, note: list[str], graph: Graph) -> Iterator[Shape]:
    here = graph.current.get(title)
    fill, line = style.CURRENT if here else style.LAST if title == graph.nodes[-1].title else style.STATE
    yield Box(place.x, place.y, place.width, place.height, fill, line, 3 if here else 1.5)
    lines = [*note, *([f"now: {', '.join(here)}"] if here else [])]
    x, y = place.middle
    y -= (TITLE_HEIGHT + NOTE_HEIGHT * len(lines)) / 2
    yield Text(x, y + TITLE_HEIGHT / 2, title, style.TITLE_SIZE, style.INK, bold=True)
    y += TITLE_HEIGHT + NOTE_HEIGHT / 2
    for number, words in enumerate(lines):
        is_now = bool(here) and number == len(note)
        yield Text(x, y + NOTE_HEIGHT * number, words, style.NOTE_SIZE, style.INK if is_now else style.FAINT, is_now)


# ------------------------------------------------------------------------------------------------------------ arrows


def _arrow(arrow: Arrow, points: tuple[Point, ...], text: Label, at: Point) -> list[Shape]:
    colour, width = style.TAKEN if arrow.numbers else style.ARROW
    return [Path(points, colour, width), *text.at(*at)]


def _start(place: Place) -> Iterator[Shape]:
    x, _ = place.middle
    yield Path(((x, place.y - END_ROOM + 8), (x, place.y)), *style.ARROW)
    yield Disc(x, place.y - END_ROOM + 8, 7, style.INK)


def _end_y(place: Place, text: Label) -> float:
    return place.bottom + text.height + 2 * 22


def _to_end(arrow: Arrow, places: dict[str, Place], labels: Labels) -> list[Shape]:
    place, text = places[arrow.start], labels[arrow.start, END]
    x, y = place.middle[0], _end_y(place, text)
    ring = [Disc(x, y, 10, style.INK), Disc(x, y, 8, style.CARD), Disc(x, y, 5.5, style.INK)]
    return [*_arrow(arrow, ((x, place.bottom), (x, y - 10)), text, (x, place.bottom + 14 + text.height / 2)), *ring]


def _down(graph: Graph, order: dict[str, int], places: dict[str, Place], labels: Labels) -> list[Shape]:
    shapes: list[Shape] = []
    for arrow in graph.arrows:
        if arrow.start in order and order.get(arrow.end) == order[arrow.start] + 1:
            above, below = places[arrow.start], places[arrow.end]
            x, middle = above.middle[0], (above.bottom + below.y) / 2
            text = labels[arrow.start, arrow.end]
            shapes += _arrow(arrow, ((x, above.bottom), (x, below.y)), text, (x, middle - 4))
    return shapes


def _sideways(right: dict[str, list[Arrow]], last: str, places: dict[str, Place], labels: Labels) -> list[Shape]:
    shapes: list[Shape] = []
    for title, arrows in right.items():
        place, goal = places[title], places[last].x
        start = place.x + place.width
        heights = [labels[arrow.start, arrow.end].height + BETWEEN_LABELS for arrow in arrows]
        y = place.middle[1] - sum(heights) / 2
        for arrow, height in zip(arrows, heights, strict=True):
            ends = ((start, y + height / 2), (goal, y + height / 2))
            points = ends if arrow.start == title else ends[::-1]
            middle = (start + goal) / 2
            shapes += _arrow(arrow, points, labels[arrow.start, arrow.end], (middle, y + height / 2))
            y += height
    return shapes


# ------------------------------------------------------------------------------------------------------------- lanes


def _lanes(graph: Graph, order: dict[str, int]) -> list[tuple[Arrow, int]]:
    """The arrows at the left, the shorter ways first, each in the innermost lane that is free for all of its way."""
    found = [
        arrow
        for arrow in graph.arrows
        if arrow.start in order and arrow.end in order and order[arrow.end] != order[arrow.start] + 1
    ]
    taken: list[list[tuple[int, int]]] = []
    lanes = []
    for arrow in sorted(found, key=lambda arrow: abs(order[arrow.end] - order[arrow.start])):
        low, high = sorted((order[arrow.start], order[arrow.end]))
        lane = next(
            (n for n, ways in enumerate(taken) if all(high <= a or b <= low for a, b in ways)),
            len(taken),
        )
        taken[lane:lane] = [[]] * (lane == len(taken))
        taken[lane] = [*taken[lane], (low, high)]
        lanes.append((arrow, lane))
    return lanes


def _by_lanes(
    lanes: list[tuple[Arrow, int]], order: dict[str, int], places: dict[str, Place], labels: Labels
) -> list[Shape]:
    shapes: list[Shape] = []
    for arrow, lane in lanes:
        (x0, y0), (x1, y1) = (_left_of(title, arrow, lanes, order, places) for title in (arrow.start, arrow.end))
        x = x0 - LANE_FIRST - LANE_NEXT * lane
        middle = (x, (y0 + y1) / 2)
        shapes += _arrow(arrow, ((x0, y0), (x, y0), (x, y1), (x1, y1)), labels[arrow.start, arrow.end], middle)
    return shapes


def _left_of(
    title: str, arrow: Arrow, lanes: list[tuple[Arrow, int]], order: dict[str, int], places: dict[str, Place]
) -> Point:
    """Where an arrow meets the left side of a box.

    From the top: those from above, the inner ones first, then those from below, the outer ones first. So ways that lie
    within each other, or beside each other, do not cross.
    """
    here = order[title]

    def rank(pair: tuple[Arrow, int]) -> tuple[bool, int]:
        one, lane = pair
        other = order[one.end if one.start == title else one.start]
        return other > here, -lane if other > here else lane

    those = sorted((pair for pair in lanes if title in (pair[0].start, pair[0].end)), key=rank)
    number = next(at for at, (one, _) in enumerate(those) if one is arrow)
    return places[title].x, places[title].beside(number, len(those))


def _title(graph: Graph) -> str:
    states = ", ".join(node.title for node in graph.nodes)
    here = "; ".join(f"{', '.join(names)} in {title}" for title, names in graph.current.items())
    return f"How an uplink moves: {states}" + (f". Now: {here}" if here else "")

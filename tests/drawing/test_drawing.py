"""The machine as a picture: what is on it, that nothing of it lies on anything else, and that it needs nothing."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path as File
from xml.etree import ElementTree

import pytest
from PIL import Image

from hostlink.cli.diagram import machine
from hostlink.drawing import png as png_module
from hostlink.drawing import style, texts
from hostlink.drawing.graph import END, Arrow, Graph, Move, Node, arrows, at_work
from hostlink.drawing.layout import layout
from hostlink.drawing.png import png
from hostlink.drawing.shapes import Box, Path, Picture, Point, Text, text_width
from hostlink.drawing.svg import svg

ROOT = File(__file__).parents[2]
TAKEOVER = ["Detecting", "Capturing", "Handover", "Mirroring", "Punting", "Steady"]
MIRRORED = ["Mirroring", "Punting", "Steady"]
PATH = list(itertools.pairwise([*TAKEOVER, *MIRRORED, *MIRRORED, "Recovering", "Handover", "Mirroring"]))
LONG_NAME = "enp216s0f1np01"

GRAPHS = {
    "the machine": machine(),
    "at work": at_work(machine(), {"Mirroring": (LONG_NAME,)}, PATH, "The numbers"),
    "each move twice": at_work(machine(), {}, [(one.start, one.end) for one in machine().arrows] * 2, "The numbers"),
    "all in one": at_work(machine(), {"Recovering": (LONG_NAME, "eth0")}, [], ""),
}


@pytest.fixture(params=GRAPHS, name="graph")
def _graph(request: pytest.FixtureRequest) -> Graph:
    return GRAPHS[request.param]


# -------------------------------------------------------------------------------------------------------------- graph


def test_moves_between_two_states_share_an_arrow_and_say_a_guard_only_where_it_tells_them_apart() -> None:
    moves = [
        Move("A", "B", "looked_at", "fit"),
        Move("A", "C", "looked_at", "left_over"),
        Move("A", "A", "looked_at"),
        Move("A", "B", "vpp_lost", "may_return"),
        Move("A", "B", "vpp_lost"),
        Move("B", "C", "done", "small"),
        Move("B", "C", "done"),
        Move("B", "A", "done", "large"),
        Move("C", END, "done"),
    ]
    assert arrows(moves) == (
        Arrow("A", "B", ("looked at (fit)", "VPP lost")),
        Arrow("A", "C", ("looked at (left over)",)),
        Arrow("B", "C", ("done",)),
        Arrow("B", "A", ("done (large)",)),
        Arrow("C", END, ("done",)),
    )


def test_a_path_is_numbered_and_a_move_without_an_arrow_left_out() -> None:
    graph = Graph((Node("A"), Node("B")), "A", (Arrow("A", "B", ("x",)), Arrow("B", "A", ("y",))))
    marked = at_work(graph, {"A": ("eth0",)}, [("A", "B"), ("B", "Q"), ("B", "A"), ("A", "B")], "c")
    assert [arrow.numbers for arrow in marked.arrows] == [(1, 3), (2,)]
    assert (marked.current, marked.caption) == ({"A": ("eth0",)}, "c")


# ------------------------------------------------------------------------------------------------------------- layout

Rectangle = tuple[float, float, float, float]


def rectangle(shape: Box | Text) -> Rectangle:
    if isinstance(shape, Box):
        return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    half = text_width(shape.text, shape.size) / 2
    return shape.x - half, shape.y - shape.size / 2, shape.x + half, shape.y + shape.size / 2


def overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def within(one: Rectangle, other: Rectangle) -> bool:
    return other[0] <= one[0] and other[1] <= one[1] and one[2] <= other[2] and one[3] <= other[3]


def states(picture: Picture) -> list[Box]:
    return [shape for shape in picture.shapes[1:] if isinstance(shape, Box) and shape.line_width]


def labels(picture: Picture) -> list[Box]:
    return [shape for shape in picture.shapes[1:] if isinstance(shape, Box) and not shape.line_width]


def paths(picture: Picture) -> list[Path]:
    return [shape for shape in picture.shapes if isinstance(shape, Path)]


def segments(path: Path) -> Iterator[Rectangle]:
    for (x0, y0), (x1, y1) in itertools.pairwise(path.points):
        yield min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def test_each_state_and_label_is_free_of_the_others_and_on_the_card(graph: Graph) -> None:
    picture = layout(graph)
    card = picture.shapes[0]
    assert isinstance(card, Box)
    found = [*states(picture), *labels(picture)]
    assert len(states(picture)) == len(graph.nodes)
    assert len(labels(picture)) == len(graph.arrows)
    for one, other in itertools.combinations(found, 2):
        assert not overlap(rectangle(one), rectangle(other)), (one, other)
    for shape in found:
        assert within(rectangle(shape), rectangle(card))


def test_each_word_is_in_a_state_or_a_label_or_free_of_all(graph: Graph) -> None:
    picture = layout(graph)
    found = [*states(picture), *labels(picture)]
    for text in (shape for shape in picture.shapes if isinstance(shape, Text)):
        met = [box for box in found if overlap(rectangle(text), rectangle(box))]
        assert len(met) == (0 if text.text == graph.caption else 1), text
        for box in met:
            assert within(rectangle(text), rectangle(box)), (text, box)


def test_no_two_arrows_cross_and_none_runs_through_a_state_or_anothers_label(graph: Graph) -> None:
    picture = layout(graph)
    for one, other in itertools.combinations(paths(picture), 2):
        for first, second in itertools.product(segments(one), segments(other)):
            grown = (first[0] - 4, first[1] - 4, first[2] + 4, first[3] + 4)
            assert not overlap(grown, (second[0], second[1], second[2] + 0.01, second[3] + 0.01)), (one, other)
    for path in paths(picture):
        through = [box for box in labels(picture) if any(overlap(rectangle(box), part) for part in segments(path))]
        assert len(through) <= 1
        for box in states(picture):
            assert not any(overlap(rectangle(box), part) for part in segments(path))


def test_each_arrow_begins_and_ends_at_the_border_of_its_state_and_is_seen_beside_its_label(graph: Graph) -> None:
    picture = layout(graph)
    boxes = {
        text.text: box
        for box in states(picture)
        for text in picture.shapes
        if isinstance(text, Text) and text.size == style.TITLE_SIZE and within(rectangle(text), rectangle(box))
    }
    assert set(boxes) == {node.title for node in graph.nodes}
    left = paths(picture)
    for arrow in graph.arrows:
        begun = [path for path in left if on_border(path.points[0], boxes[arrow.start])]
        if arrow.end == END:
            (path,) = (path for path in begun if path.points[-1][1] > bottom(boxes[arrow.start]))
        else:
            (path,) = (path for path in begun if on_border(path.points[-1], boxes[arrow.end]))
        left.remove(path)
        label = next(box for box in labels(picture) if any(overlap(rectangle(box), part) for part in segments(path)))
        for x, y in (path.points[0], path.points[-1]):
            distance = max(label.x - x, x - label.x - label.width, label.y - y, y - label.y - label.height)
            assert distance > 12, "the head is hidden by the label"
    assert [path.points[-1][1] for path in left] == [boxes[graph.initial].y]


def bottom(box: Box) -> float:
    return box.y + box.height


def on_border(point: Point, box: Box) -> bool:
    x0, y0, x1, y1 = rectangle(box)
    x, y = point
    return (x in (x0, x1) and y0 < y < y1) or (y in (y0, y1) and x0 < x < x1)


def test_more_steps_than_fit_on_an_arrow_are_the_first_and_the_last_ones() -> None:
    graph = Graph((Node("A"), Node("B"), Node("C")), "A", (Arrow("A", "B", ("x",)), Arrow("B", "A", ("y",))))
    path = [("A", "B"), ("B", "A")] * 5
    words = [one.text for one in layout(at_work(graph, {}, path, "")).shapes if isinstance(one, Text)]
    assert words[:5] == ["1", "…", "7", "9", "x"]


# ---------------------------------------------------------------------------------------------------------- svg, png


def test_the_svg_is_whole_and_needs_nothing_from_elsewhere(graph: Graph) -> None:
    text = svg(layout(graph))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    words = " ".join(element.text or "" for element in root.iter() if element.tag.endswith("}text"))
    assert all(node.title in words for node in graph.nodes)
    assert all(word in words for arrow in graph.arrows for label in arrow.labels for word in label.split())
    assert not re.search(r"href|url\(|@import|<script|<style|<image", text)
    assert text.count("http") == 1, "the namespace alone"


def test_names_from_elsewhere_are_words_and_nothing_else() -> None:
    evil = '"><script>&'
    assert ElementTree.fromstring(svg(layout(at_work(machine(), {"Steady": (evil,)}, [], evil)))) is not None
    assert r"now: \"><script>&" in texts.dot(at_work(machine(), {"Steady": (evil,)}, [], ""))


def test_the_png_shows_the_same_shapes() -> None:
    picture = layout(GRAPHS["at work"])
    image = Image.open(io.BytesIO(png(picture)))
    assert image.format == "PNG"
    assert image.size == tuple(round(length * png_module.SCALE) for length in (picture.width, picture.height))
    assert image.getpixel((0, 0))[3] == 0, "around the card it is transparent"
    for box in states(picture):
        corner = ((box.x + 12) * png_module.SCALE, (box.y + 7) * png_module.SCALE)
        assert "#{:02x}{:02x}{:02x}".format(*image.getpixel(tuple(map(round, corner)))[:3]) == box.fill
    for text in (shape for shape in picture.shapes if isinstance(shape, Text)):
        place = tuple(round(edge * png_module.SCALE) for edge in rectangle(text))
        piece = image.crop(place)
        found = piece.getcolors(piece.width * piece.height)
        colours = {"#{:02x}{:02x}{:02x}".format(*colour[:3]) for _, colour in found}
        assert text.colour in colours, f"no letters of {text.text}"


def test_only_png_imports_pillow_and_says_what_to_do_without_it() -> None:
    code = (
        "import sys; sys.modules['PIL'] = None; from hostlink import cli;"
        "print([cli.main(['diagram', '--format', kind, '--output', '/dev/null']) for kind in sys.argv[1:]])"
    )
    command = [sys.executable, "-c", code, "mermaid", "dot", "svg", "png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 0, 0, 1]\n"
    assert done.stderr.startswith("hostlink: PNG needs Pillow (pip install 'hostlink[diagram]'")


def test_the_dot_has_each_state_and_arrow() -> None:
    graph = GRAPHS["at work"]
    lines = texts.dot(graph).splitlines()
    assert (lines[0], lines[-1]) == ("digraph uplink {", "}")
    nodes = [line for line in lines if re.match(r" +[A-Z]\w+ \[label=", line)]
    assert len(nodes) == len(graph.nodes)
    assert sum(" -> " in line for line in lines) == len(graph.arrows) + 1
    assert any("Mirroring [label=" in line and LONG_NAME in line and "penwidth=3" in line for line in nodes)
    assert any("Capturing -> Handover" in line and "[2]" in line for line in lines)

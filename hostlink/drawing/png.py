"""A picture as PNG, by Pillow and the font that comes with it: the same on every machine, whatever fonts it has."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageFont

from hostlink.drawing.shapes import Box, Disc, Path, Picture, Point, Shape, Text, before, head, shaft

SCALE = 2
"""Pixels for each of the picture: for screens that show two in the place of one, and for paper."""
_FINE = 2
"""It is drawn so many times larger, then made smaller, which makes edges smooth."""
_CURVE = 8


def png(picture: Picture) -> bytes:
    """A whole file. What is around the card is transparent."""
    size = (round(picture.width * SCALE), round(picture.height * SCALE))
    image = Image.new("RGBA", (size[0] * _FINE, size[1] * _FINE), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for shape in picture.shapes:
        _draw(draw, shape)
    file = io.BytesIO()
    image.reduce(_FINE).save(file, "PNG")
    return file.getvalue()


def _draw(draw: ImageDraw.ImageDraw, shape: Shape) -> None:
    by = SCALE * _FINE
    match shape:
        case Box(x, y, width, height, fill, line, line_width, radius):
            corners = (x * by, y * by, (x + width) * by, (y + height) * by)
            draw.rounded_rectangle(corners, radius * by, fill, line or None, round(line_width * by))
        case Disc(x, y, radius, fill):
            draw.ellipse(((x - radius) * by, (y - radius) * by, (x + radius) * by, (y + radius) * by), fill)
        case Text(x, y, text, size, colour, bold):
            font = ImageFont.load_default(size * by)
            stroke = 0.022 * size * by if bold else 0
            middle = (x * by, (y + 0.35 * size) * by)
            draw.text(middle, text, colour, font, anchor="ms", stroke_width=stroke, stroke_fill=colour)
        case Path():
            points = [(x * by, y * by) for x, y in _rounded(shaft(shape))]
            draw.line(points, shape.colour, round(shape.width * by), joint="curve")
            draw.polygon([(x * by, y * by) for x, y in head(shape)], shape.colour)


def _rounded(points: tuple[Point, ...]) -> list[Point]:
    """The points with those of a curve (quadratic Bézier, as svg.py has it) in the place of each corner."""
    found = [points[0]]
    for last, corner, following in zip(points, points[1:], points[2:], strict=False):
        begin, end = before(corner, last), before(corner, following)
        for step in range(_CURVE + 1):
            part = step / _CURVE
            weights = ((1 - part) ** 2, 2 * part * (1 - part), part**2)
            x, y = (sum(w * p[axis] for w, p in zip(weights, (begin, corner, end), strict=True)) for axis in (0, 1))
            found.append((x, y))
    return [*found, points[-1]]

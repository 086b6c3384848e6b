"""A picture as SVG, by hand: no font, style sheet or script from anywhere, so that it shows the same in any browser."""

from __future__ import annotations

from html import escape

from hostlink.drawing.shapes import Box, Disc, Path, Picture, Point, Shape, Text, before, head, shaft

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"


def svg(picture: Picture) -> str:
    """A whole file, a newline at its end."""
    size = f'width="{_n(picture.width)}" height="{_n(picture.height)}"'
    box = f'viewBox="0 0 {_n(picture.width)} {_n(picture.height)}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img" font-family="{FONTS}">']
    lines += [f"  <title>{escape(picture.title)}</title>"]
    lines += [f"  {_shape(shape)}" for shape in picture.shapes]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _shape(shape: Shape) -> str:
    match shape:
        case Box(x, y, width, height, fill, line, line_width, radius):
            place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(radius)}"'
            border = f' stroke="{line}" stroke-width="{_n(line_width)}"' if line_width else ""
            return f'<rect {place} fill="{fill}"{border}/>'
        case Disc(x, y, radius, fill):
            return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}"/>'
        case Text(x, y, text, size, colour, bold):
            weight = ' font-weight="600"' if bold else ""
            # Not dominant-baseline, which some programs do not know: letters are about 0.7 of their size high.
            place = f'x="{_n(x)}" y="{_n(y + 0.35 * size)}" text-anchor="middle"'
            return f'<text {place} font-size="{_n(size)}"{weight} fill="{colour}">{escape(text)}</text>'
        case Path():
            stroke = f'stroke="{shape.colour}" stroke-width="{_n(shape.width)}"'
            line = f'<path d="{_line(shaft(shape))}" fill="none" {stroke}/>'
            return f'{line}<path d="M {" L ".join(_at(point) for point in head(shape))} Z" fill="{shape.colour}"/>'


def _line(points: tuple[Point, ...]) -> str:
    parts = [f"M {_at(points[0])}"]
    for last, corner, following in zip(points, points[1:], points[2:], strict=False):
        parts.append(f"L {_at(before(corner, last))} Q {_at(corner)} {_at(before(corner, following))}")
    return " ".join([*parts, f"L {_at(points[-1])}"])


def _at(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")

"""The shapes of a picture in SVG: one for each kind of thing, so that nothing rests on its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .palette import LOOKS, Kind

__all__ = ["bar", "line", "mark", "num", "text"]


def num(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return (
        f"{value:.1f}".removesuffix(".0").replace("-0", "0") if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")
    )


def text(x: float, y: float, content: str, classes: str = "t", anchor: str = "") -> str:
    """A line of text; *content* is XML already."""
    placed = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{num(x)}" y="{num(y)}" class="{classes}"{placed}>{content}</text>'


def line(x1: float, y1: float, x2: float, y2: float, classes: str, width: float = 1.0) -> str:
    """A straight line."""
    ends = f'x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"'
    return f'<line {ends} class="{classes}" stroke-width="{num(width)}"/>'


def bar(kind: Kind, left: float, right: float, y: float, height: float, hatch: str) -> str:
    """What lasted from *left* to *right*, around *y*. *hatch* is the id of the pattern for what was let go."""
    colour = LOOKS[kind].colour
    fill, stroke = f"f-{colour}", f"s-{colour}"
    width = max(right - left, 1.5)
    top = y - height / 2
    corner = min(3.0, height / 4, width / 2)
    match kind:
        case "waiting" | "loading":
            return line(left, y, right, y, f"{stroke} dots", max(1.0, height / 9))
        case "track_only":
            return _rect(left, y - height / 5, width, height * 0.4, height / 5, fill)
        case "debounce":
            return _rect(left, y - height * 0.3, width, height * 0.6, min(corner, 1.5), fill)
        case "coalesced":
            return _outlined(left, y - height * 0.3, width, height * 0.6, min(corner, 1.5), stroke) + _cross(
                left + width, y, height * 0.24, stroke, height
            )
        case "no_fill":
            return _outlined(left, top, width, height, corner, stroke)
        case "open":
            return _outlined(left, top, width, height, corner, f"{stroke} dots")
        case "cancelled":
            hatched = _rect(left, top, width, height, 0, "").replace('class=""', f'fill="url(#{hatch})"')
            end = line(left + width, top - height * 0.2, left + width, top + height * 1.2, stroke, max(1.2, height / 7))
            return hatched + _outlined(left, top, width, height, 0, stroke) + end
        case "error":
            return _rect(left, top, width, height, corner, fill) + _cross(
                left + width + height * 0.42, y, height * 0.26, stroke, height
            )
        case _:
            return _rect(left, top, width, height, corner, fill)


def mark(kind: Kind, x: float, y: float, size: float) -> str:
    """What happened at *x*, around *y*; *size* is the radius that it would have as a circle."""
    colour = LOOKS[kind].colour
    fill, stroke = f"f-{colour}", f"s-{colour}"
    thin = max(0.8, size / 3.2)
    match kind:
        case "user":
            return _circle(x, y, size, fill)
        case "reply":
            return _polygon(_diamond(x, y, size * 1.15), fill)
        case "linked":
            return _polygon(_diamond(x, y, size * 1.1), f"paper {stroke}", thin)
        case "mounted":
            return _outlined(x - size * 0.7, y - size * 0.7, size * 1.4, size * 1.4, 1, f"{stroke} paper", thin)
        case "render":
            return _polygon(_triangle(x, y, size), f"paper {stroke}", thin)
        case "rendered":
            return _polygon(_triangle(x, y, size), f"{fill} {stroke}", thin)
        case "view":
            return _circle(x, y, size, f"paper {stroke}", thin) + _circle(x, y, size * 0.42, fill)
        case "click":
            return _polygon(_star(x, y, size * 1.25), fill)
        case "video":
            return _outlined(x - size, y - size * 0.75, size * 2, size * 1.5, 1.5, f"paper {stroke}", thin) + _polygon(
                _triangle(x, y, size * 0.5), fill
            )
        case "retry":
            return line(x, y - size * 1.3, x, y + size * 1.3, stroke, thin * 1.4) + _cross(
                x, y, size * 0.5, stroke, size * 2
            )
        case "end":
            return line(x, y - size * 1.6, x, y + size * 1.6, stroke, thin)
        case _:  # what went wrong or away
            return _cross(x, y, size * 0.7, stroke, size * 2)


def _circle(x: float, y: float, size: float, classes: str, thick: float = 0.0) -> str:
    stroke = f' stroke-width="{num(thick)}"' if thick else ""
    return f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(size)}" class="{classes}"{stroke}/>'


def _rect(x: float, y: float, width: float, height: float, corner: float, classes: str) -> str:
    rounded = f' rx="{num(corner)}"' if corner > 0.05 else ""
    return f'<rect x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}"{rounded} class="{classes}"/>'


def _outlined(
    x: float, y: float, width: float, height: float, corner: float, classes: str, thick: float | None = None
) -> str:
    """A rectangle of which only the rim is drawn, inside its measures."""
    thick = thick or max(0.8, height / 9)
    half = thick / 2
    inner = _rect(x + half, y + half, max(width - thick, 0.5), max(height - thick, 0.5), corner, classes)
    hollow = "" if "paper" in classes else ' fill="none"'
    return inner.replace("/>", f'{hollow} stroke-width="{num(thick)}"/>')


def _cross(x: float, y: float, reach: float, classes: str, height: float) -> str:
    thick = max(0.9, height / 8)
    return line(x - reach, y - reach, x + reach, y + reach, classes, thick) + line(
        x - reach, y + reach, x + reach, y - reach, classes, thick
    )


def _polygon(points: Sequence[tuple[float, float]], classes: str, thick: float | None = None) -> str:
    placed = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    stroke = f' stroke-width="{num(thick)}"' if thick else ""
    return f'<polygon points="{placed}" class="{classes}"{stroke}/>'


def _diamond(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y - size), (x + size, y), (x, y + size), (x - size, y)]


def _triangle(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x - size * 0.75, y - size * 0.9), (x + size, y), (x - size * 0.75, y + size * 0.9)]


def _star(x: float, y: float, size: float) -> list[tuple[float, float]]:
    turns = [(place * math.pi / 4, size if place % 2 == 0 else size * 0.42) for place in range(8)]
    return [(x + reach * math.sin(angle), y - reach * math.cos(angle)) for angle, reach in turns]

"""
Pictures: an SVG for each creative, drawn from its brand's colour.

Each is 640 by 360 and is cut to whatever place it gets, so what matters stands near the middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from html import escape

from .creatives import Creative

__all__ = ["draw"]

_WIDTH, _HEIGHT = 640, 360


class Ink:
    """The colours of one brand, by lightness (0 black, 1 white), chroma and how far round the wheel they stand."""

    def __init__(self, hue: int) -> None:
        self.hue = hue

    def __call__(self, lightness: float, chroma: float = 0.1, turn: int = 0) -> str:
        """Give a colour as CSS has it; *turn* is in degrees from the brand's own."""
        return f"oklch({lightness} {chroma} {(self.hue + turn) % 360})"


Scene = Callable[[Ink], str]


def draw(creative: Creative) -> str:
    """Draw the picture of *creative*."""
    ink = Ink(creative.hue)
    scene = _SCENES.get(creative.id, _rings)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        f' preserveAspectRatio="xMidYMid slice" role="img" aria-label="{escape(creative.brand)}">{scene(ink)}</svg>'
    )


# Pens


def _sky(top: str, bottom: str) -> str:
    return (
        f'<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient></defs>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="url(#sky)"/>'
    )


def _disc(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.0f}" fill="{fill}" {more}/>'


def _oval(x: float, y: float, wide: float, high: float, fill: str, more: str = "") -> str:
    return f'<ellipse cx="{x:.0f}" cy="{y:.0f}" rx="{wide:.0f}" ry="{high:.0f}" fill="{fill}" {more}/>'


def _box(x: float, y: float, wide: float, high: float, fill: str, round_: float = 0, more: str = "") -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{wide:.0f}" height="{high:.0f}" rx="{round_:.0f}" fill="{fill}" {more}/>'
    )


def _shape(path: str, fill: str, more: str = "") -> str:
    return f'<path d="{path}" fill="{fill}" {more}/>'


def _line(path: str, stroke: str, width: float, more: str = "") -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width:g}"'
        f' stroke-linecap="round" stroke-linejoin="round" {more}/>'
    )


def _all(parts: Iterable[str]) -> str:
    return "".join(parts)


def _cloud(x: float, y: float, size: float, fill: str, more: str = "") -> str:
    return (
        f'<g transform="translate({x:.0f} {y:.0f}) scale({size:g})" fill="{fill}" {more}>'
        '<rect x="-70" y="-8" width="140" height="40" rx="20"/><circle cx="-28" cy="-10" r="30"/>'
        '<circle cx="18" cy="-20" r="40"/></g>'
    )


# Scenes


def _rings(ink: Ink) -> str:
    rings = (_disc(470, 250, 330 - 46 * n, ink(0.62 + 0.05 * n, 0.13 - 0.012 * n, 6 * n)) for n in range(7))
    return _sky(ink(0.72, 0.11), ink(0.56, 0.13, 20)) + _all(rings)


def _window_by_the_sea(ink: Ink) -> str:
    glints = (
        _box(320 - wide / 2, 196 + 13 * n, wide, 5, ink(0.95, 0.06, -115), 3, f'opacity="{0.85 - n * 0.14:.2f}"')
        for n, wide in enumerate((130, 96, 118, 64, 40))
    )
    return _all(
        (
            _sky(ink(0.88, 0.07, -130), ink(0.83, 0.09, -150)),
            _disc(320, 182, 62, ink(0.95, 0.09, -110)),
            _box(0, 184, 640, 180, ink(0.58, 0.09)),
            *glints,
            _shape("M0 292h640v68H0z", ink(0.34, 0.05, -140)),
            _shape("M0 292h640v9H0z", ink(0.44, 0.06, -140)),
            _oval(320, 296, 118, 17, ink(0.97, 0.01)),
            _oval(320, 293, 82, 10, ink(0.9, 0.02)),
            _shape("M296 290c2-30 46-30 48 0z", ink(0.72, 0.14, -150)),
            _line("M470 292v-54", ink(0.95, 0.01), 4),
            _line("M450 293h40", ink(0.95, 0.01), 4),
            _shape("M440 176h60c4 44-10 62-30 62s-34-18-30-62z", ink(0.97, 0.01), 'opacity=".55"'),
            _shape("M441 202h58c-2 26-13 36-29 36s-27-10-29-36z", ink(0.6, 0.16, -170)),
            _line("M176 292v-96", ink(0.9, 0.02), 5),
            _line("M166 196v26q10 12 20 0v-26", ink(0.9, 0.02), 4),
        )
    )


def _lit_house(ink: Ink) -> str:
    stars = (_disc(31 + n * 97 % 600, 18 + n * 61 % 120, 1 + n % 2, ink(0.92, 0.03)) for n in range(22))
    lit = {(0, 1), (1, 0), (1, 3), (2, 2), (0, 3), (2, 0)}
    warm, dim = ink(0.88, 0.12, 145), ink(0.36, 0.07)
    panes = (
        _box(206 + column * 62, 128 + row * 62, 36, 44, warm if (row, column) in lit else dim, 18)
        for row in range(3)
        for column in range(4)
    )
    return _all(
        (
            _sky(ink(0.28, 0.09, -20), ink(0.5, 0.12, 30)),
            *stars,
            _shape("M530 48a36 36 0 1 1-42 54 32 32 0 0 0 42-54z", ink(0.95, 0.04, 140)),
            _shape("M0 300q160-46 320-8t320-16v90H0z", ink(0.24, 0.07, -10)),
            _shape("M176 350V104q144-84 288 0v246z", ink(0.46, 0.1, 10)),
            _shape("M164 108q156-100 312 0l-8 14q-148-84-296 0z", ink(0.66, 0.13, 20)),
            *panes,
            _box(296, 302, 48, 58, ink(0.3, 0.07), 24),
            _line("M130 150v34", ink(0.7, 0.06), 3),
            _box(112, 184, 36, 50, ink(0.9, 0.13, 140), 14),
            _disc(130, 209, 60, ink(0.9, 0.13, 140), 'opacity=".16"'),
            _box(114, 180, 32, 6, ink(0.7, 0.06), 3),
            _box(114, 232, 32, 6, ink(0.7, 0.06), 3),
        )
    )


def _umbrella(ink: Ink) -> str:
    drops = (
        _line(f"M{n * 53 % 660 - 10} {n * 89 % 360}l-9 26", ink(0.9, 0.04), 3, f'opacity="{0.35 + n % 3 * 0.2:.2f}"')
        for n in range(46)
    )
    return _all(
        (
            _sky(ink(0.6, 0.06), ink(0.8, 0.05)),
            _cloud(130, 70, 1.5, ink(0.72, 0.04)),
            _cloud(520, 60, 1.8, ink(0.7, 0.04)),
            *drops,
            _oval(320, 352, 190, 22, ink(0.5, 0.06), 'opacity=".5"'),
            _line("M320 120v186q0 28 25 28t25-26", ink(0.35, 0.05), 9),
            _shape("M130 214c6-94 84-150 190-150s184 56 190 150q-32-30-64 0-31-30-63 0-32-32-63 0-31-32-63 0-32-30-63 0"
                   "-32-30-64 0z", ink(0.74, 0.17, 175)),
            _shape("M257 214c2-90 30-150 63-150s61 60 63 150q-32-32-63 0-31-32-63 0z", ink(0.82, 0.14, 165)),
            _disc(320, 62, 7, ink(0.35, 0.05)),
        )
    )  # fmt: skip


def _fern(ink: Ink) -> str:
    leaves: list[str] = []
    for lean, length in ((-52, 168), (-26, 208), (0, 226), (27, 204), (54, 164)):
        sway = lean * 1.1
        leaves.append(f'<g transform="translate(320 268) rotate({lean})">')
        leaves.append(_line(f"M0 0Q{sway * 0.1:.0f} {-length * 0.6:.0f} {sway * 0.4:.0f} {-length}", ink(0.42, 0.1), 4))
        for n in range(9):
            up = (n + 2) / 11
            long = 34 * math.sin(math.pi * (0.22 + 0.72 * up))
            x, y = sway * 0.4 * up * up, -length * up
            tone = ink(0.56 + 0.03 * (n % 3), 0.14, (lean // 9) % 14)
            leaves.append(_oval(x - long * 0.8, y - 8, long, 7.5, tone, f'transform="rotate(28 {x:.0f} {y:.0f})"'))
            leaves.append(_oval(x + long * 0.8, y - 8, long, 7.5, tone, f'transform="rotate(-28 {x:.0f} {y:.0f})"'))
        leaves.append("</g>")
    return _all(
        (
            _sky(ink(0.94, 0.04, -30), ink(0.87, 0.06, -10)),
            _disc(320, 170, 150, ink(0.97, 0.03, -50)),
            _box(0, 316, 640, 50, ink(0.8, 0.06, -60)),
            *leaves,
            _oval(320, 342, 90, 9, ink(0.45, 0.06, -60), 'opacity=".35"'),
            _shape("M258 262h124l-17 82h-90z", ink(0.66, 0.12, -105)),
            _box(250, 250, 140, 24, ink(0.72, 0.12, -105), 6),
        )
    )


def _petrel(ink: Ink) -> str:
    return _all(
        (
            _sky(ink(0.7, 0.12), ink(0.93, 0.04, -20)),
            _disc(492, 96, 46, ink(0.96, 0.07, -140)),
            _cloud(110, 96, 1, ink(0.97, 0.01), 'opacity=".8"'),
            _cloud(330, 366, 2.1, ink(0.98, 0.01)),
            _cloud(70, 340, 1.8, ink(0.96, 0.02)),
            _cloud(600, 330, 1.9, ink(0.96, 0.02)),
            _line("M60 262q110-52 190-58", ink(0.99, 0.01), 4, 'stroke-dasharray="2 14"'),
            _shape("M246 206c26-16 92-26 168-20q24 2 36 12-18 14-50 14-84 4-154-6z", ink(0.98, 0.01)),
            _shape("M300 198c-6-40-34-78-74-98 56 2 104 40 134 92z", ink(0.9, 0.03)),
            _shape("M318 206c8 30-4 58-26 82 46-14 76-46 88-84z", ink(0.8, 0.05)),
            _shape("M246 206l-34-26 40 10zM246 207l-28 16 34-8z", ink(0.85, 0.04)),
            _disc(424, 194, 4, ink(0.3, 0.04)),
        )
    )


def _winding_road(ink: Ink) -> str:
    places = (110, 248), (138, 256), (532, 236), (86, 262)
    trees = (_shape(f"M{x} {y}l-15 44h30z", ink(0.42, 0.09, 8)) for x, y in places)
    return _all(
        (
            _sky(ink(0.9, 0.06, -60), ink(0.95, 0.05, -90)),
            _disc(430, 120, 54, ink(0.9, 0.13, -75)),
            _shape("M0 210l110-94 76 70 84-104 118 128 92-70 160 92v128H0z", ink(0.72, 0.07, 40)),
            _shape("M270 82l-46 56 30-8 16 16 22-18 28 8z", ink(0.97, 0.01)),
            _shape("M0 246q150-70 330-20t310-24v158H0z", ink(0.66, 0.11)),
            _shape("M0 296q180-64 350-18t290-20v102H0z", ink(0.54, 0.11, 6)),
            _shape("M300 360c10-40 130-44 128-74-2-26-86-22-84-44 0-12 26-16 50-18-44 0-84 6-86 22-2 26 70 26 66 48"
                   "-4 26-176 26-194 66z", ink(0.94, 0.02, -60)),
            *trees,
            _box(486, 214, 30, 24, ink(0.96, 0.02), 2),
            _shape("M481 216l20-20 20 20z", ink(0.62, 0.15, -120)),
        )
    )  # fmt: skip


def _cinema(ink: Ink) -> str:
    seats = (
        _shape(f"M{x} 360v-{48 + row * 6}q0-22 24-22t24 22v{48 + row * 6}z", ink(0.2 + 0.04 * (1 - row), 0.06), "")
        for row, first in ((1, -20), (0, 8))
        for x in range(first, 640, 58)
    )
    return _all(
        (
            _sky(ink(0.2, 0.05), ink(0.3, 0.08)),
            _box(130, 44, 380, 196, ink(0.93, 0.05, -150), 8),
            _shape("M130 210q100-70 180-20t200-30v72q0 8-8 8H138q-8 0-8-8z", ink(0.62, 0.14, 20)),
            _shape("M130 226q110-40 210-6t170-18v30q0 8-8 8H138q-8 0-8-8z", ink(0.46, 0.13, 10)),
            _disc(404, 112, 34, ink(0.84, 0.14, 140)),
            _shape("M130 44h380L640 0H0z", ink(0.9, 0.05), 'opacity=".06"'),
            *seats,
        )
    )


def _stage(ink: Ink) -> str:
    beams = (
        _shape(f"M{x} -10l{spread - 74} 330h148z", ink(0.9, 0.1, turn), 'opacity=".3"')
        for x, spread, turn in ((90, 170, 0), (240, 30, 60), (400, -30, -40), (550, -170, 30))
    )
    crowd = (_disc(12 + n * 34, 348 - n * 37 % 26, 24, ink(0.16, 0.04)) for n in range(20))
    hands = (
        _line(f"M{x} 350l{lean} -64", ink(0.16, 0.04), 11) for x, lean in ((96, 10), (196, -8), (330, 6), (470, -12))
    )
    return _all(
        (
            _sky(ink(0.26, 0.1, -30), ink(0.5, 0.17, 10)),
            *beams,
            _oval(320, 300, 260, 26, ink(0.75, 0.16, 25), 'opacity=".7"'),
            _box(316, 196, 5, 96, ink(0.2, 0.04)),
            _disc(319, 194, 10, ink(0.2, 0.04)),
            _disc(352, 190, 15, ink(0.2, 0.05)),
            _shape("M330 292l6-74q16-16 32 0l8 74z", ink(0.2, 0.05)),
            _line("M340 226l-18-22", ink(0.2, 0.05), 9),
            *hands,
            *crowd,
        )
    )


def _small_cloud(ink: Ink) -> str:
    bars = (
        _box(214, 216 + n * 38, 212, 30, ink(0.34 + n * 0.03, 0.08), 9)
        + _disc(236, 231 + n * 38, 5, ink(0.85, 0.17, 240))
        + _box(326, 228 + n * 38, 80, 6, ink(0.55, 0.08), 3)
        for n in range(3)
    )
    dots = (
        _disc(40 + n % 12 * 52, 36 + n // 12 * 58, 2, ink(0.95, 0.02), f'opacity="{0.2 + n % 4 * 0.1:.1f}"')
        for n in range(72)
    )
    return _all(
        (
            _sky(ink(0.52, 0.16), ink(0.7, 0.13, 40)),
            *dots,
            _cloud(320, 132, 1.7, ink(0.98, 0.01)),
            _line("M320 196v20", ink(0.98, 0.01), 6, 'stroke-dasharray="1 12"'),
            *bars,
            _disc(304, 128, 7, ink(0.35, 0.08)),
            _disc(356, 128, 7, ink(0.35, 0.08)),
            _line("M316 146q14 12 28 0", ink(0.35, 0.08), 5),
        )
    )


def _car(ink: Ink) -> str:
    skyline = (40, 110), (112, 150), (470, 130), (548, 90)
    houses = (_box(x, 250 - high, 58, high, ink(0.84, 0.04), 6) for x, high in skyline)
    dashes = (_box(20 + n * 130, 318, 70, 8, ink(0.92, 0.02), 4) for n in range(5))
    wheels = (_disc(x, 264, 30, ink(0.25, 0.02)) + _disc(x, 264, 13, ink(0.85, 0.02)) for x in (226, 416))
    return _all(
        (
            _sky(ink(0.9, 0.05, 20), ink(0.97, 0.02, -60)),
            *houses,
            _box(0, 250, 640, 110, ink(0.45, 0.04)),
            *dashes,
            _shape("M150 262c0-30 22-40 60-44 34-42 62-52 116-52s86 14 118 54c34 4 50 16 50 42z", ink(0.62, 0.16)),
            _shape("M234 216c22-26 42-34 80-34v34zM328 182c40 0 62 10 84 36h-84z", ink(0.93, 0.03)),
            *wheels,
            _box(468, 232, 24, 12, ink(0.93, 0.14, 230), 6),
        )
    )  # fmt: skip


_SCENES: Mapping[str, Scene] = {
    "restaurants": _window_by_the_sea,
    "flights": _petrel,
    "hotels": _lit_house,
    "travel": _winding_road,
    "cars": _car,
    "movies": _cinema,
    "events": _stage,
    "weather-gear": _umbrella,
    "tech": _small_cloud,
    "generic-plants": _fern,
}
"""By a creative's id; the others get rings."""

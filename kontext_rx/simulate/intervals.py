"""A metric of each rule as a picture: bars that begin at zero, and on each the interval. One SVG that needs nothing."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from ..marbles.words import clean
from .metrics import Estimate, Metric
from .words import between, said

__all__ = ["Bar", "escaped", "intervals"]

ROW = 46
"""Pixels from rule to rule: a line of words, and a bar under it."""

NAME = 36
"""Characters of a name that fit beside a value on a telephone."""

TICKS = 4


class Bar(msgspec.Struct, frozen=True):
    """One rule."""

    name: str
    found: Estimate
    role: Literal["best", "baseline", "other"] = "other"


def intervals(metric: Metric, bars: Sequence[Bar]) -> str:
    """
    The picture; as wide as there is room for, with words that keep their size.

    Its colours are the page's: classes say what is what.
    """
    step, most = _scale([value for bar in bars for value in (bar.found.value, bar.found.high) if value is not None])
    foot = len(bars) * ROW + 4
    drawn: list[str] = []
    for number in range(round(most / step) + 1):
        at = _percent(number * step / most)
        anchor = "start" if number == 0 else "end" if number * step >= most else "middle"
        drawn.append(f'<line class="grid" x1="{at}" x2="{at}" y1="0" y2="{foot}"/>')
        drawn.append(
            f'<text class="tick" x="{at}" y="{foot + 16}" text-anchor="{anchor}">{_tick(metric, number * step)}</text>'
        )
    for place, bar in enumerate(bars):
        drawn.append(_row(metric, bar, place * ROW, most))
    label = escaped("; ".join(f"{bar.name}: {said(metric, bar.found)}{between(metric, bar.found)}" for bar in bars))
    title = escaped(metric.title)
    return f'<svg role="img" aria-label="{title}. {label}" height="{foot + 22}">{"".join(drawn)}</svg>'


def escaped(text: str) -> str:
    """*text* as it may stand in an element, or in an attribute between quotes."""
    return html.escape(clean(text))


def _row(metric: Metric, bar: Bar, top: float, most: float) -> str:
    found = bar.found
    name = clean(bar.name)
    cut = name if len(name) <= NAME else f"{name[: NAME - 1]}…"
    told = f"{bar.name}: {said(metric, found)}{between(metric, found)}"
    parts = [
        f"<title>{escaped(told)}</title>",
        f'<text x="0" y="{top + 18}">{escaped(cut)}</text>',
        f'<text x="100%" y="{top + 18}" text-anchor="end">{escaped(said(metric, found))}</text>',
    ]
    if found.value is not None:
        at, middle = _percent(found.value / most), top + 32
        parts.append(f'<rect class="bar" x="0" y="{top + 26}" width="{at}" height="12"/>')
        if found.low is not None and found.high is not None:
            low, high = _percent(found.low / most), _percent(found.high / most)
            parts.append(f'<line class="ends" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>')
        parts.append(f'<circle class="dot" cx="{at}" cy="{middle}" r="5.5"/>')
    return f'<g class="{bar.role}">{"".join(parts)}</g>'


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """A round step, and the least multiple of it that none of *values* goes over."""
    most = max(values, default=0.0)
    if not most > 0:
        return 1.0, 1.0
    ten = 10 ** math.floor(math.log10(most / TICKS))
    step = next(factor * ten for factor in (1, 2, 2.5, 5, 10) if factor * ten * TICKS >= most)
    return step, math.ceil(round(most / step, 9)) * step


def _tick(metric: Metric, value: float) -> str:
    """A place on the axis, without the zeros that a value has."""
    if metric.style == "share":
        return f"{100 * value:.4g} %"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.3f}%"

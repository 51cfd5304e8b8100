"""The chart that one would put on a slide: each rule, a dot between the ends of its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import altair as alt
import msgspec

from ..errors import InvalidOptionError
from .metrics import METRICS

if TYPE_CHECKING:
    from .results import Results

__all__ = ["Theme", "chart"]

Theme: TypeAlias = Literal["light", "dark"]

PANELS: Final = ("revenue_per_1000", "ads_per_conversation", "abandonment")
"""What is worth most, what it costs the page, and what it costs the conversation."""

WIDTH: Final = 220
ROW: Final = 34
"""CSS pixels of a panel's width, and of a rule's row."""

FORMATS: Final = {"share": ".1%", "number": ",.2f", "money": ",.2f", "seconds": ",.2f"}
TICKS: Final = {"share": "~%", "number": ",~f", "money": ",~f", "seconds": ",~f"}


class _Colours(msgspec.Struct, frozen=True):
    page: str
    text: str
    quiet: str
    grid: str
    mark: str


THEMES: Final[dict[Theme, _Colours]] = {
    "light": _Colours("#ffffff", "#1b1f24", "#59636e", "#dfe3e8", "#0b62c4"),
    "dark": _Colours("#0d1117", "#f0f3f6", "#a5b0bb", "#3a424c", "#6cb2ff"),
}
"""Source: ours; each text has a contrast of 4.5 or more to its page."""


def chart(results: Results, theme: Theme) -> alt.HConcatChart:
    """A panel a metric, a row a rule, on the theme's own background."""
    colours = THEMES.get(theme)
    if colours is None:
        raise InvalidOptionError("theme", theme, "give 'light' or 'dark'")
    panels = [_panel(results, name, first=name == PANELS[0], colours=colours) for name in PANELS]
    label: dict[str, Any] = {"labelColor": colours.quiet, "titleColor": colours.quiet, "labelFontSize": 12}
    joined: Any = alt.hconcat(*panels, spacing=40)  # altair's own types are only half known
    return (
        joined.configure(background=colours.page, font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(gridColor=colours.grid, domain=False, ticks=False, **label)
        .configure_title(color=colours.text, anchor="start", frame="group", fontSize=14, fontWeight=600, offset=10)
    )


def _panel(results: Results, name: str, *, first: bool, colours: _Colours) -> Any:
    metric = next(metric for metric in METRICS if metric.name == name)
    rows = [
        {"rule": rule, "value": found.value, "low": found.low, "high": found.high}
        for rule in results.rules
        for found in (results.estimate(rule, metric),)
    ]
    form = FORMATS[metric.style]
    axis = alt.Axis(title=None, labelLimit=320, labelPadding=12, labelFontSize=13, labelColor=colours.text, grid=False)
    rule = alt.Y("rule:N", sort=list(results.rules), axis=axis if first else None)
    scale = alt.Scale(zero=True, nice=True)
    told = [
        alt.Tooltip("rule:N", title="rule"),
        alt.Tooltip("value:Q", format=form, title=metric.title),
        alt.Tooltip("low:Q", format=form, title="from"),
        alt.Tooltip("high:Q", format=form, title="to"),
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=rule, tooltip=told)
    places = alt.Axis(title=None, format=TICKS[metric.style], tickCount=4)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=None, scale=scale, axis=places)

    ends = base.mark_rule(color=colours.mark, strokeWidth=3, opacity=0.55).encode(x=x("low"), x2="high:Q")
    dots = base.mark_circle(color=colours.mark, size=90, opacity=1).encode(x=x("value"))
    words = base.mark_text(color=colours.text, dy=-12, fontSize=12).encode(
        x=x("value"), text=alt.Text("value:Q", format=form)
    )
    height = ROW * max(len(results.rules), 1) + 16
    return alt.layer(ends, dots, words).properties(width=WIDTH, height=height, title=metric.title)

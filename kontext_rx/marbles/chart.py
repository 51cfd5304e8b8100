"""Marbles as an Altair chart: the same picture, to zoom into and to point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from .axis import Axis
from .items import Item, seconds, span
from .layout import Page, lanes_of
from .palette import LOOKS, THEMES, Kind
from .ticks import TICKS, Ticks
from .words import EMPTY, clean, clock, legend, outcomes, ruler, shown_outcome, summary

if TYPE_CHECKING:
    import altair as alt

__all__ = ["lanes_chart", "turns_chart"]

WIDTH: Final = 900
"""Pixels of the plot."""

LEFT: Final = 0.4
"""Room before the first moment, as a weight of the axis."""

FEW_TURNS: Final = 8
"""Turns that are in sight at first, where there is a strip with all of them below. Source: ours, by looking."""

Themed = Literal["auto", "light", "dark"]
Row = dict[str, Any]


class _Style(msgspec.Struct, frozen=True):
    """How a bar is drawn, besides its colour."""

    height: float = 13
    opacity: float = 1.0
    dash: tuple[int, int] = (1, 0)


_STYLES: Final[dict[Kind, _Style]] = {
    "debounce": _Style(height=8),
    "coalesced": _Style(height=8, opacity=0.0, dash=(3, 2)),
    "track_only": _Style(height=5),
    "no_fill": _Style(opacity=0.0),
    "cancelled": _Style(opacity=0.25, dash=(3, 2)),
    "open": _Style(opacity=0.0, dash=(2, 3)),
}
"""Outcomes differ in more than colour: solid, hollow, pale and dashed, thin."""

_CROSS: Final = (
    "M-0.7,-0.9 L0,-0.2 L0.7,-0.9 L0.9,-0.7 L0.2,0 L0.9,0.7 L0.7,0.9 L0,0.2 L-0.7,0.9 L-0.9,0.7 L-0.2,0 L-0.9,-0.7 Z"
)
_UPRIGHT: Final = "M-0.1,-1.3 L0.1,-1.3 L0.1,1.3 L-0.1,1.3 Z"
_SHAPES: Final[dict[Kind, str]] = {
    "user": "circle",
    "reply": "diamond",
    "linked": "diamond",
    "mounted": "M-0.6,-0.6 L0.6,-0.6 L0.6,0.6 L-0.6,0.6 Z",
    "render": "triangle-right",
    "rendered": "triangle-right",
    "view": (
        "M-0.9,0 A0.9,0.9,0,1,1,0.9,0 A0.9,0.9,0,1,1,-0.9,0 Z "
        "M-0.25,0 A0.25,0.25,0,1,1,0.25,0 A0.25,0.25,0,1,1,-0.25,0 Z"
    ),
    "click": "M0,-1.2 L0.3,-0.3 L1.2,0 L0.3,0.3 L0,1.2 L-0.3,0.3 L-1.2,0 L-0.3,-0.3 Z",
    "video": "M-1,-0.7 L1,-0.7 L1,0.7 L-1,0.7 Z M-0.3,-0.4 L0.5,0 L-0.3,0.4 Z",
    "retry": _UPRIGHT,
    "end": _UPRIGHT,
}
_SOLID: Final = frozenset[Kind](("user", "reply", "rendered", "click", "failure", "dropped", "retry", "end"))
"""The marks that are filled."""

_FINE_TICKS: Final = {
    **dict(TICKS),
    0.02: "20 ms", 0.05: "50 ms", 0.2: "200 ms", 0.5: "500 ms", 2.0: "2 s", 5.0: "5 s", 20.0: "20 s", 300.0: "5 min",
}  # fmt: skip


def lanes_chart(page: Page, theme: Themed) -> alt.LayerChart | alt.VConcatChart:
    """A row for each lane; drag and scroll along the time, with a strip of all turns below where there are many."""
    alt = _altair()
    if not page.items:
        return _nothing(alt, theme)
    axis = Axis(page.items, lambda weight: weight, also=[turn.added_at for turn in page.turns])
    began = page.began
    rows = [_row(item, page, began, axis.place(item.start), axis.place(item.end)) for item in page.items]
    at = [(axis.place(turn.added_at), turn) for turn in page.turns]
    lanes = list(lanes_of(page))
    begins = {round(place, 3): f"#{turn.number}  {span(began, turn.added_at):.3f}" for place, turn in reversed(at)}
    pauses = [
        {
            "x": round(axis.place(pause.start) * 0.5 + axis.place(pause.end) * 0.5, 3),
            "lane": lanes[0],
            "cut": pause.label,
            "when": f"{ruler(pause.start, began)} to {ruler(pause.end, began)}",
        }
        for pause in axis.pauses
    ]
    x_axis = alt.Axis(
        values=list(begins),
        labelExpr=_lookup(begins),
        labelOverlap="greedy",
        labelAlign="left",
        grid=True,
        title="turn and seconds from the start; each stretch by its logarithm, pauses cut",
    )
    many = len(page.turns) > FEW_TURNS
    brush = zoom = None
    if many:
        brush = alt.selection_interval(encodings=["x"], value={"x": [-LEFT, max(at[FEW_TURNS][0], 1.0)]}, name="window")
        scale = alt.Scale(domain=brush, nice=False)
    else:
        zoom = alt.selection_interval(bind="scales", encodings=["x"], name="zoom")
        scale = alt.Scale(domain=[-LEFT, axis.width + LEFT], nice=False)
    x = alt.X("x:Q", axis=x_axis, scale=scale)
    y = alt.Y("lane:N", sort=lanes, scale=alt.Scale(domain=lanes), axis=alt.Axis(title=None, grid=True))
    cut = alt.Chart(_data(alt, pauses)).encode(x=x, y=y, tooltip=[alt.Tooltip("when:N", title="nothing happens")])
    cuts = [
        cut.mark_text(text="//", fontSize=13, fontWeight="bold", clip=True),
        cut.mark_text(dy=14, fontSize=10, clip=True).encode(text="cut:N"),
    ]
    layers = [*_layers(alt, rows, x, y, theme), *cuts]
    detail = alt.layer(*layers).properties(width=WIDTH, height=32 * len(lanes))
    if zoom is not None:
        return _finished(alt, detail.add_params(zoom), page, theme, page.items)
    strip = [
        _turn_row(page, place, round(where, 3), began, turn.outcome is not None)
        for place, (where, turn) in enumerate(at)
    ]
    overview = (
        alt.Chart(_data(alt, strip))
        .mark_tick(thickness=2, size=22)
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-LEFT, max(axis.width, 1.0)], nice=False)),
            color=_colour(alt, theme),
            tooltip=["turn:Q", "message:N", "what:N", "from:N"],
        )
        .properties(width=WIDTH, height=28, title="all of them: drag the window")
        .add_params(brush)
    )
    return _finished(alt, alt.vconcat(detail, overview), page, theme, page.items)


def turns_chart(page: Page, theme: Themed) -> alt.LayerChart | alt.VConcatChart:
    """A row for each turn, from its user message on."""
    alt = _altair()
    if not page.turns:
        return _nothing(alt, theme)
    began = page.began
    ticks = Ticks(page, 1.0)
    shown = [item for row in page.rows for item in row]
    rows: list[Row] = []
    for item in shown:
        added = page.turns[item.turn - page.offset].added_at
        at = [min(span(added, moment), ticks.longest) for moment in (item.start, item.end)]
        rows.append(_row(item, page, began, at[0], at[1]))
    numbers = [turn.number for turn in page.turns]
    step = min(22.0, max(4.0, 1400 / len(numbers)))
    every = 1 if step >= 12 else 10
    labels = dict(sorted(_FINE_TICKS.items()))
    zoom = alt.selection_interval(bind="scales", encodings=["x"], name="zoom")
    x = alt.X(
        "x:Q",
        axis=alt.Axis(
            values=[at for at in labels if at <= ticks.longest],
            labelExpr=_lookup(labels),
            labelOverlap="greedy",
            title="after the user message, each power of ten as wide as the next",
            orient="top",
        ),
        scale=alt.Scale(type="symlog", constant=0.01, domain=[0, ticks.longest * 1.1], nice=False),
    )
    y = alt.Y(
        "turn:O",
        sort=numbers,
        scale=alt.Scale(domain=numbers, paddingInner=0.1),
        axis=alt.Axis(
            values=[number for number in numbers if number % every == 0], title="turn", grid=False, ticks=False
        ),
    )
    thick = min(1.0, step * 0.7 / 13)
    layers = _layers(alt, rows, x, y, theme, thick=thick)
    chart = alt.layer(*layers).properties(width=WIDTH, height=alt.Step(step)).add_params(zoom)
    return _finished(alt, chart, page, theme, shown)


# --- what both are made of ---


def _altair() -> Any:
    try:
        import altair
    except ImportError as error:
        raise ImportError("Diagram.chart() needs Altair: pip install 'kontext-rx[notebook]'") from error
    return altair


def _data(alt: Any, rows: Sequence[Row]) -> Any:
    """*rows* as a text of JSON: Altair looks at every value of a list, which takes twenty seconds for 1,000 turns."""
    return alt.InlineData(values=msgspec.json.encode(rows).decode(), format=alt.JsonDataFormat(type="json"))


def _row(item: Item, page: Page, began: float, x: float, x2: float) -> Row:
    turn = page.turns[item.turn - page.offset] if item.turn >= page.offset else None
    bar = item.is_bar and (item.end > item.start or item.lane in ("debounce", "request"))
    return {
        "lane": item.lane,
        "kind": item.kind,
        "layer": "wait" if item.kind in ("waiting", "loading") else "bar" if bar else "mark",
        "x": round(x, 4),
        "x2": round(max(x2, x), 4),
        "what": LOOKS[item.kind].word,
        "message": clean(item.message_id or ""),
        "turn": None if turn is None else turn.number,
        "from": ruler(item.start, began),
        "to": ruler(item.end, began) if item.end > item.start else "",
        "took": seconds(span(item.start, item.end)) if item.end > item.start else "",
        "why": clean(item.text),
    }


def _turn_row(page: Page, place: int, x: float, began: float, ended: bool) -> Row:
    turn = page.turns[place]
    kind = shown_outcome(turn) if ended else "open"
    return {
        "x": x,
        "kind": kind,
        "what": LOOKS[kind].word,
        "turn": turn.number,
        "message": clean(turn.user_message_id),
        "from": ruler(turn.added_at, began),
    }


def _layers(alt: Any, rows: Sequence[Row], x: Any, y: Any, theme: Themed, *, thick: float = 1.0) -> list[Any]:
    tooltip = [alt.Tooltip(f"{field}:{kind}", title=field) for field, kind in _TOOLTIP]
    paper = THEMES["dark" if theme == "dark" else "light"].paper
    parts = {layer: [row for row in rows if row["layer"] == layer] for layer in ("wait", "bar", "mark")}
    barred = {row["kind"] for row in parts["bar"]}
    shown: list[Kind] = [kind for kind in LOOKS if kind in barred]
    colour, stroke = _keyed(alt, theme, shown), _colour(alt, theme, alt.Stroke)
    waits = (
        alt.Chart(_data(alt, parts["wait"]))
        .mark_rule(strokeDash=[2, 3], strokeWidth=1.5, clip=True)
        .encode(x=x, x2="x2:Q", y=y, color=colour, tooltip=tooltip)
    )
    bars = [
        alt.Chart(_data(alt, [row for row in parts["bar"] if _STYLES.get(row["kind"], _Style()) == style]))
        .mark_bar(
            size=style.height * thick,
            fillOpacity=style.opacity,
            strokeDash=list(style.dash),
            strokeWidth=1.3 * max(thick, 0.6),
            cornerRadius=2 * thick,
            clip=True,
        )
        .encode(x=x, x2="x2:Q", y=y, color=colour, stroke=stroke, tooltip=tooltip)
        for style in dict.fromkeys(_STYLES.get(row["kind"], _Style()) for row in parts["bar"])
    ]
    marks = (
        alt.Chart(_data(alt, parts["mark"]))
        .mark_point(size=max(12.0, 90 * thick**1.5), strokeWidth=1.5 * max(thick, 0.5), opacity=1, clip=True)
        .encode(
            x=x,
            y=y,
            stroke=stroke,
            fill=_scaled(
                alt.Fill,
                lambda kind: _hue(kind, theme) if kind in _SOLID else "transparent" if theme == "auto" else paper,
            ),
            shape=_scaled(alt.Shape, lambda kind: "square" if LOOKS[kind].body else _SHAPES.get(kind, _CROSS)),
            tooltip=tooltip,
        )
    )
    return [waits, *bars, marks]


_TOOLTIP: Final = (
    ("what", "N"),
    ("turn", "Q"),
    ("message", "N"),
    ("from", "N"),
    ("to", "N"),
    ("took", "N"),
    ("why", "N"),
)


def _scaled(channel: Any, look: Callable[[Kind], str]) -> Any:
    """A channel that says the kind by *look*."""
    kinds = list(LOOKS)
    return channel("kind:N", scale={"domain": kinds, "range": [look(kind) for kind in kinds]}, legend=None)


def _colour(alt: Any, theme: Themed, channel: Any = None) -> Any:
    return _scaled(channel or alt.Color, lambda kind: _hue(kind, theme))


def _keyed(alt: Any, theme: Themed, kinds: Sequence[Kind]) -> Any:
    """The colour, with a key to what the bars of these kinds mean."""
    words = ", ".join(f"'{kind}': '{LOOKS[kind].word}'" for kind in kinds)
    text = (_MIDDLE if theme == "auto" else THEMES[theme].colours)["text"]
    key = alt.Legend(
        title=None, orient="top", values=list(kinds), labelExpr=f"({{{words}}})[datum.label] || datum.label",
        labelColor=text, symbolType="square",
    )  # fmt: skip
    return _colour(alt, theme).legend(key)


_MIDDLE: Final = {"ink": "#7b848e", "text": "#7b848e", "quiet": "#8a929b"}
"""For paper whose colour is not known: these can be read on white and on black."""


def _hue(kind: Kind, theme: Themed) -> str:
    name = LOOKS[kind].colour
    if theme == "auto":
        return _MIDDLE.get(name) or THEMES["light"].colours[name]
    return THEMES[theme].colours[name]


def _lookup(labels: dict[float, str]) -> str:
    """A Vega expression that gives the label of a tick."""
    as_javascript = ((f"{place:.3f}".rstrip("0").rstrip("."), label) for place, label in labels.items())
    pairs = ", ".join(f"'{place}': '{label}'" for place, label in as_javascript)
    return f"({{{pairs}}})[toString(datum.value)] || ''"


def _nothing(alt: Any, theme: Themed) -> Any:
    chart = alt.Chart(_data(alt, [{"text": EMPTY}])).mark_text(fontSize=13).encode(text="text:N")
    page = Page((), (), 0, 0, 0.0)
    return _finished(alt, alt.layer(chart).properties(width=WIDTH, height=60), page, theme, ())


def _finished(alt: Any, chart: Any, page: Page, theme: Themed, shown: Sequence[Item]) -> Any:
    colours = {**THEMES["light"].colours, **_MIDDLE} if theme == "auto" else THEMES[theme].colours
    line = "rgba(128,136,144,0.22)" if theme == "auto" else THEMES[theme].line
    counted = " · ".join(f"{count:,} {LOOKS[kind].word}" for kind, count in outcomes(page.turns))
    began = f"from {clock(page.began)}" if page.items else ""
    key = "   ".join(f"{LOOKS[kind].glyph} {LOOKS[kind].word}" for kind in legend(shown) if not LOOKS[kind].body)
    title = alt.TitleParams(
        text=page.numbers[0].upper() + page.numbers[1:],
        subtitle=[line for line in (counted, " · ".join(filter(None, (began, summary(page.turns)))), key) if line],
        anchor="start",
        fontSize=18,
        subtitleFontSize=11,
        offset=14,
        color=colours["ink"],
        subtitleColor=colours["text"],
    )
    return (
        chart.properties(title=title, background="transparent" if theme == "auto" else THEMES[theme].paper)
        .configure_view(stroke=None)
        .configure_axis(
            domain=False, ticks=False, gridColor=line, labelColor=colours["text"], titleColor=colours["text"],
            titleFontWeight="normal", labelFontSize=11, labelPadding=6,
        )
        .configure_text(color=colours["text"])
        .configure_title(color=colours["text"], fontWeight="normal", fontSize=11)
    )  # fmt: skip

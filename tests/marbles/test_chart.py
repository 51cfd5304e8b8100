"""Marbles as an Altair chart."""

import json
import sys
from typing import Any

import pytest

from kontext_rx.marbles import marbles
from kontext_rx.marbles.palette import THEMES
from kontext_rx.trace import Added

from .talk import Talk

pytest.importorskip("altair", reason="the extra notebook is not installed")


def spec(story: Talk, **options: Any) -> dict[str, Any]:
    return marbles(story.session).chart(**options).to_dict()  # it is checked against Vega-Lite's schema


def layers(chart: dict[str, Any]) -> list[dict[str, Any]]:
    return chart["vconcat"][0]["layer"] if "vconcat" in chart else chart["layer"]


def rows_of(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return json.loads(chart["datasets"][layer["data"]["name"]])


@pytest.mark.parametrize("view", ["lanes", "turns"])
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_it_is_a_chart_that_vega_lite_knows(story: Talk, view: str, theme: str) -> None:
    chart = spec(story, view=view, theme=theme)
    assert chart["background"] == ("transparent" if theme == "auto" else THEMES[theme].paper)
    assert chart["title"]["text"] == "4 turns"


def test_rows_carry_the_true_times_and_the_reason(story: Talk) -> None:
    chart = spec(story)
    every = [row for layer in layers(chart) for row in rows_of(chart, layer)]
    rows = {(row["lane"], row["message"]): row for row in every if "message" in row}
    request = rows["request", "u3"]
    assert (request["kind"], request["turn"], request["why"]) == ("cancelled", 3, "by u4")
    assert (request["from"], request["to"], request["took"]) == ("31.114 s", "31.134 s", "20 ms")
    assert rows["click", "a1"]["from"] == "3.100 s"


def test_it_has_the_lanes_of_the_story_in_order(story: Talk) -> None:
    lanes = layers(spec(story))[0]["encoding"]["y"]["sort"]
    assert lanes == ["user", "debounce", "request", "reply", "link", "render", "view", "click"]


def test_every_kind_has_one_colour_and_it_is_the_picture_s(story: Talk) -> None:
    scale = layers(spec(story, theme="light"))[0]["encoding"]["color"]["scale"]
    colours = dict(zip(scale["domain"], scale["range"], strict=True))
    assert (colours["filled"], colours["error"]) == (
        THEMES["light"].colours["filled"],
        THEMES["light"].colours["error"],
    )


def test_outcomes_differ_in_more_than_colour(story: Talk) -> None:
    """Solid, hollow, pale and dashed."""
    chart = spec(story)
    bars = [layer for layer in layers(chart) if layer["mark"]["type"] == "bar"]
    styles = {
        row["kind"]: (bar["mark"]["fillOpacity"], tuple(bar["mark"]["strokeDash"]), bar["mark"]["size"])
        for bar in bars
        for row in rows_of(chart, bar)
    }
    assert set(styles) == {"debounce", "coalesced", "filled", "cancelled", "no_fill"}
    assert len(set(styles.values())) == len(styles)


def test_time_can_be_zoomed(story: Talk) -> None:
    """Of a few turns by the axes, of many with a strip of all of them."""
    (zoom,) = spec(story)["params"]
    assert (zoom["bind"], zoom["select"]["encodings"]) == ("scales", ["x"])
    many = marbles(Added(message_id=f"u{n}", role="user", at=n * 40.0, number=n) for n in range(1, 301)).chart()
    chart = many.to_dict()
    assert [param["select"]["type"] for param in chart["params"]] == ["interval"]
    assert layers(chart)[0]["encoding"]["x"]["scale"]["domain"] == {"param": "window"}


def test_every_tick_has_its_label(story: Talk) -> None:
    axis = layers(spec(story))[0]["encoding"]["x"]["axis"]
    labels = json.loads(axis["labelExpr"].split(")[")[0][1:].replace("'", '"'))
    assert [float(place) for place in labels] == pytest.approx(sorted(axis["values"], reverse=True))
    assert "#4  31.134" in labels.values()


def test_an_id_is_data_and_no_expression() -> None:
    added = Added(message_id="'];alert(1)//", role="user", at=1.0, number=1)
    assert "alert" not in str([layer["encoding"] for layer in layers(marbles([added]).chart().to_dict())])


def test_nothing_is_a_chart_too() -> None:
    for view in ("lanes", "turns"):
        chart = marbles([]).chart(view=view).to_dict()
        assert "nothing has happened yet" in str(chart)


def test_without_altair_the_cure_is_named(story: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ImportError, match=r"pip install 'kontext-rx\[notebook\]'"):
        marbles(story.session).chart()

"""Marbles in SVG: one element that needs nothing else."""

import re
from xml.etree import ElementTree

import pytest
from chromium import open_browser
from IPython.core.formatters import DisplayFormatter

from kontext_rx import InvalidOptionError
from kontext_rx.marbles import Diagram, marbles
from kontext_rx.marbles.palette import THEMES
from kontext_rx.trace import Added

from .talk import Talk

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def tooltips(svg: str) -> list[str]:
    return [title.text or "" for title in parsed(svg).iterfind(f".//{SVG}g/{SVG}title")]


@pytest.fixture
def diagram(story: Talk) -> Diagram:
    return marbles(story.session)


@pytest.mark.parametrize("view", ["lanes", "turns"])
@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_it_is_xml_and_asks_for_nothing(diagram: Diagram, view: str, theme: str) -> None:
    svg = diagram.svg(theme, view=view)  # type: ignore[arg-type]
    assert parsed(svg).tag == f"{SVG}svg"
    assert re.findall(r"https?://[^\"' ]+", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<image|@import|href|\son\w+=", svg)


def test_the_same_traces_are_the_same_bytes(story: Talk) -> None:
    traces = story.traces
    assert marbles(traces).svg() == marbles(list(traces)).svg()
    assert marbles(traces) == marbles(list(traces))


def test_it_says_what_it_is_to_who_cannot_see_it(diagram: Diagram) -> None:
    root = parsed(diagram.svg())
    assert root.get("role") == "img"
    named = [root.find(f"./{SVG}*[@id='{name}']") for name in (root.get("aria-labelledby") or "").split()]
    title, description = [element.text or "" for element in named if element is not None]
    assert title == "Timing of 4 turns"
    assert "1 filled, 1 no fill, 1 cancelled, 1 coalesced" in description


def test_tooltips_tell_the_true_times(diagram: Diagram) -> None:
    told = tooltips(diagram.svg())
    assert "filled · u1\nturn 1 · 0.010 s to 0.060 s (50 ms)" in told
    assert "coalesced · u2\nturn 2 · 31.100 s to 31.104 s (4 ms)\ncoalesced into u3" in told
    assert "cancelled · u3\nturn 3 · 31.114 s to 31.134 s (20 ms)\nby u4" in told
    assert "no fill · u4\nturn 4 · 31.144 s to 31.194 s (50 ms)\nfrequency_cap" in told
    assert "clicked · a1\nturn 1 · 3.100 s\nin inlineAd" in told


def test_both_views_tell_the_same(diagram: Diagram) -> None:
    """But for what only the lanes have: the messages themselves, the mount."""
    lanes, turns = (set(tooltips(diagram.svg(view=view))) for view in ("lanes", "turns"))
    assert turns <= lanes
    assert {text.split(" ·")[0] for text in lanes - turns} == {"user message", "mounted"}


def test_ids_are_escaped() -> None:
    added = Added(message_id='<b onload="x">&\x00\ud800]]>', role="user", at=1.0, number=1)
    for view in ("lanes", "turns"):
        assert any("<b onload" in text for text in [*tooltips(marbles([added]).svg(view=view)), "<b onload"])
        assert "\x00" not in marbles([added]).svg(view=view)


def test_a_picture_s_rules_hold_within_it(diagram: Diagram) -> None:
    """A notebook has many on one page, of any theme."""
    style = parsed(diagram.svg("dark")).findtext(f"{SVG}style") or ""
    rules = [rule for rule in style.split("}") if rule]
    assert all(rule.startswith(".kxm-dark ") for rule in rules)


def test_auto_has_both_palettes(diagram: Diagram) -> None:
    svg = diagram.svg()
    assert "prefers-color-scheme:dark" in svg
    assert all(theme.colours["filled"] in svg for theme in THEMES.values())
    assert THEMES["dark"].paper not in diagram.svg("light")


def test_a_notebook_shows_it(diagram: Diagram) -> None:
    """As a picture as wide as the cell, and as text where pictures are not trusted; HTML would be stripped there."""
    shown, _ = DisplayFormatter().format(diagram)
    assert shown.keys() == {"image/svg+xml", "text/plain"}
    assert shown["text/plain"] == diagram.text()
    root, whole = parsed(shown["image/svg+xml"]), parsed(diagram.svg())
    assert root.attrib.pop("width") == "100%"
    assert root.attrib == {name: value for name, value in whole.items() if name not in ("width", "height")}
    assert list(root.itertext()) == list(whole.itertext())


def test_its_repr_is_short(diagram: Diagram) -> None:
    """It stands in logs and tracebacks."""
    assert repr(diagram) == "<Diagram 4 turns>"


def test_nothing_is_a_picture_too() -> None:
    svg = marbles([]).svg()
    assert "Nothing has happened yet" in "".join(parsed(svg).itertext())


def test_ten_thousand_turns_are_a_page_that_says_so() -> None:
    """At most 1,000 rows, and under 3 MB."""
    diagram = marbles(Added(message_id=f"u{n}", role="user", at=n * 40.0, number=n) for n in range(1, 10_001))
    svg = diagram.svg()
    assert "Turns 1 to 1,000 of 10,000" in svg
    assert len(svg) < 3_000_000
    assert "Turns 9,001 to 10,000 of 10,000" in diagram.svg(first=9001)
    assert "Turns 1 to 100 of 10,000" in diagram.svg(view="lanes")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"theme": "pink"}, "'auto', 'light' or 'dark'"),
        ({"view": "rows"}, "'auto', 'lanes' or 'turns'"),
        ({"first": 0}, "1 or more"),
        ({"first": 5}, "there are 4 turns"),
        ({"limit": 0}, "1 or more"),
        ({"limit": True}, "1 or more"),
        ({"first": 1.5}, "1 or more"),
    ],
)
def test_what_cannot_be_is_refused(diagram: Diagram, options: dict[str, object], wanted: str) -> None:
    with pytest.raises(InvalidOptionError, match=wanted):
        diagram.svg(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("view", ["lanes", "turns"])
async def test_a_browser_shows_it_by_the_reader_s_settings(diagram: Diagram, view: str) -> None:
    """On light paper and on dark; nothing lies outside the picture and no label over another."""
    async with open_browser() as browser:
        for scheme in ("light", "dark"):
            page = await browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
            await page.set_content(diagram.svg(view=view))  # type: ignore[arg-type]
            paper = await page.evaluate("getComputedStyle(document.querySelector('svg > .paper')).fill")
            assert "#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", paper))) == THEMES[scheme].paper
            assert await page.evaluate(_OUTSIDE) == []
            assert await page.evaluate(_OVERLAPS) == []


_OUTSIDE = """() => {
  const sheet = document.querySelector('svg').getBoundingClientRect();
  return [...document.querySelectorAll('svg > text, svg > g')].filter((one) => {
    const box = one.getBoundingClientRect();
    return box.left < sheet.left || box.right > sheet.right || box.bottom > sheet.bottom || box.top < sheet.top;
  }).map((one) => one.textContent);
}"""

_OVERLAPS = """() => {
  const texts = [...document.querySelectorAll('svg > text')];
  const labels = texts.map((one) => [one.textContent, one.getBoundingClientRect()]);
  const found = [];
  labels.forEach(([name, a], place) => labels.slice(place + 1).forEach(([other, b]) => {
    const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 4 || b.bottom <= a.top + 4;
    if (!apart) found.push(`${name} / ${other}`);
  }));
  return found;
}"""

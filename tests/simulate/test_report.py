"""The report: one page, in words first, that asks for nothing; and the sentences in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, open_browser

from kontext_rx import Clicked, InvalidOptionError, pacing
from kontext_rx.simulate import Estimate, Models, Results, Talk, simulate
from kontext_rx.simulate.intervals import Bar, intervals
from kontext_rx.simulate.report import ASSUMED, report
from kontext_rx.simulate.words import METRIC, between, change, ends, notes, ranked, said, verdict

from .worlds import CALM, talk

RULES = {
    "every turn": pacing.every(1),
    "gentle": pacing.skip_first(1) & pacing.every(3),
    "often": pacing.every(2),
    "calm": pacing.cooldown(60) & ~pacing.after(Clicked, 120),
}

EVIL = '<script>alert(1)</script>" onload="alert(2)\' & \x00\u202e'

MONEY, SHARE = METRIC["revenue_per_1000"], METRIC["abandonment"]


def talks(count: int = 80) -> list[Talk]:
    return [talk("ua" * (2 + number % 9), id=f"c{number}", user=f"u{number % 20}") for number in range(count)]


@pytest.fixture(scope="module")
def results() -> Results:
    return simulate(talks(), RULES, seeds=2, keep_turns=False)


class Page(HTMLParser):
    """What a browser would make of it."""

    VOID = frozenset(("meta", "br", "line", "circle", "rect"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.said.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(filter(None, self.said))


# --- the page ---


def test_it_begins_with_the_answer_and_ends_with_the_limits(results: Results) -> None:
    text = Page(report(results, baseline="every turn", files=["/data/march.jsonl"])).text
    parts = [
        "Pacing rules compared", "80 conversations of 20 users, each simulated 2 times.", "Of the 3 rules, ",
        "At a glance", "Every rule", "Against every turn", "How it was simulated", "march.jsonl", "What was assumed",
        "Limits",
    ]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_every_rule_is_in_every_picture_and_table(results: Results) -> None:
    page = report(results, baseline="every turn")
    assert page.count("<svg") == 3
    for rule in RULES:
        assert page.count(f">{rule}") >= 4
    assert "every turn (baseline)" in page
    assert page.count('<g class="best">') == 3
    assert page.count('<g class="baseline">') == 3


def test_it_asks_for_nothing(results: Results) -> None:
    """No script, no address, no file; and a browser is told to refuse them."""
    page = report(results, baseline="every turn", files=["a.jsonl"])
    parsed = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(parsed.tags)
    assert not re.search(r"https?:|url\(|@import|//[a-z]", page)
    assert not {name for name, _ in parsed.attributes} & {"src", "href", "style", "onload"}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in parsed.attributes


def test_what_comes_from_outside_is_text() -> None:
    """Names of rules and of files may hold anything."""
    rules = {"every turn": pacing.every(1), EVIL: pacing.every(2), "<i>": pacing.every(3)}
    page = report(simulate(talks(20), rules), baseline="every turn", files=[Path("/x") / "<b>\ud800.jsonl"])
    parsed = Page(page)
    assert not {"script", "i", "b"} & set(parsed.tags)
    assert "onload" not in {name for name, _ in parsed.attributes}
    assert "<script>alert(1)</script>" in parsed.text
    assert "<b>\N{REPLACEMENT CHARACTER}.jsonl" in parsed.text
    assert not {"\x00", "\u202e", "\ud800"} & set(page)
    assert page.encode()


def test_the_same_results_are_the_same_page() -> None:
    """Whoever worked on them, and however long it took."""
    one, other = (simulate(talks(30), RULES, workers=workers) for workers in (None, 2))
    assert report(one) == report(other)


def test_files_are_named_without_their_folders(results: Results) -> None:
    page = report(results, files=["/home/kim/secret/march.jsonl", Path("data") / "april.jsonl"])
    assert "march.jsonl, april.jsonl" in page
    assert "secret" not in page
    assert "data" not in page


def test_all_that_was_assumed_is_in_it() -> None:
    assert set(ASSUMED) == set(Models.__struct_fields__)
    page = Page(report(simulate(talks(9), RULES, models=CALM))).text
    assert "latency from a request to the ad server's answer 0.5 s given" in page
    assert "span and over how long 30 days default" in page


def test_no_conversation_is_a_page_too() -> None:
    text = Page(report(simulate([], RULES), baseline="every turn")).text
    assert "There was no conversation to simulate." in text
    assert "At a glance" not in text


def test_one_rule_alone_and_no_baseline() -> None:
    text = Page(report(simulate(talks(9), {"often": pacing.every(2)}))).text
    assert '"often" earns ' in text
    assert "Against" not in text.partition("How it was simulated")[0]


def test_a_baseline_that_is_no_rule_is_refused(results: Results) -> None:
    with pytest.raises(InvalidOptionError, match="baseline='never' cannot be used: give one of 'every turn', 'gentle'"):
        report(results, baseline="never")


# --- in a browser ---


async def looked_at(browser: Browser, page: Path, **context: Any) -> dict[str, Any]:
    opened = await browser.new_context(**context)
    tab = await opened.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    await tab.goto(page.as_uri())
    seen = await tab.evaluate(
        """() => ({
            paper: getComputedStyle(document.body).backgroundColor,
            ink: getComputedStyle(document.body).color,
            over: document.documentElement.scrollWidth - innerWidth,
            bars: [...document.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll(".bar")].map(
                bar => bar.getBoundingClientRect().width / svg.getBoundingClientRect().width)),
            clash: [...document.querySelectorAll("svg g")].filter(g => {
                const [name, value] = [...g.querySelectorAll("text")].map(text => text.getBoundingClientRect());
                return name.right > value.left;
            }).length,
        })"""
    )
    await opened.close()
    return {"asked": asked, "complaints": complaints, **seen}


async def test_in_a_browser_light_and_dark_wide_and_narrow(results: Results, tmp_path: Path) -> None:
    """Nothing is loaded, nothing is wider than the screen, and no name runs into its value."""
    page = tmp_path / "report.html"
    long = {"every turn": pacing.every(1), "W" * 80: pacing.every(2), "skip_first(1) & " * 9: pacing.every(3)}
    async with open_browser() as browser:
        for found, is_long in ((results, False), (simulate(talks(30), long), True)):
            page.write_text(report(found, baseline="every turn"), "utf-8")
            light, dark, narrow = [
                await looked_at(browser, page, color_scheme=scheme, viewport={"width": width, "height": 800})
                for scheme, width in (("light", 1200), ("dark", 1200), ("light", 375))
            ]
            for seen in (light, dark, narrow):
                assert seen["asked"] == [page.as_uri()]
                assert seen["complaints"] == []
                assert seen["over"] <= 0
                assert is_long or seen["clash"] == 0
            assert (light["paper"], dark["paper"]) == ("rgb(255, 255, 255)", "rgb(17, 21, 26)")
            assert light["ink"] != dark["ink"]


async def test_bars_are_as_long_as_their_values(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(report(results, baseline="every turn"), "utf-8")
    async with open_browser() as browser:
        seen = await looked_at(browser, page, viewport={"width": 1000, "height": 800})
    order = [*ranked(results, "every turn"), "every turn"]
    for drawn, name in zip(seen["bars"], ("revenue_per_1000", "ads_per_conversation", "abandonment"), strict=True):
        values = [results.estimate(rule, METRIC[name]).value or 0.0 for rule in order]
        most = drawn.index(max(drawn))
        for bar, value in zip(drawn, values, strict=True):
            assert bar / drawn[most] == pytest.approx(value / values[most], abs=0.005)


# --- pictures ---


def test_an_axis_begins_at_zero_and_holds_every_interval() -> None:
    svg = intervals(MONEY, [Bar("a", Estimate(9.0, 8.0, 10.4), "best"), Bar("b", Estimate(3.0, None, None))])
    assert re.findall(r'class="tick"[^>]*>([^<]+)<', svg) == ["0", "5", "10", "15"]
    assert 'x1="53.333%" x2="69.333%"' in svg
    assert svg.count('class="ends"') == 1
    assert svg.count('class="dot"') == 2


@pytest.mark.parametrize("value", [None, 0.0, 1e-12, 1e9])
def test_any_value_can_be_drawn(value: float | None) -> None:
    svg = intervals(MONEY, [Bar("a", Estimate(value, value, value))])
    assert "nan" not in svg
    assert max(float(share) for share in re.findall(r'"([\d.]+)%"', svg)) <= 100


def test_a_picture_says_what_it_shows_to_who_cannot_see_it() -> None:
    svg = intervals(SHARE, [Bar('"a"', Estimate(0.5, 0.25, 0.75))])
    assert 'aria-label="conversations left early. &quot;a&quot;: 50.0 % (25.0 to 75.0 %)"' in svg


# --- words ---


def test_which_of_several_earns_most_and_against_what(results: Results) -> None:
    first, *others = verdict(results, "every turn")
    best = ranked(results, "every turn")[0]
    found = results.estimate(best, MONEY)
    assert first == f'Of the 3 rules, "{best}" earns most: {said(MONEY, found)} per 1,000 conversations' + (
        f"{between(MONEY, found, '95 %: ')}."
    )
    assert others[0].startswith(f'Against "{ranked(results, "every turn")[1]}" it is ')
    assert others[1].startswith('Against "every turn" it is -')
    assert others[2].startswith("It shows ")


def test_the_best_is_the_best_of_the_table(results: Results) -> None:
    table = results.table.sort("revenue_per_1000", descending=True)["rule"].to_list()
    assert ranked(results) == table
    assert ranked(results, "every turn") == [rule for rule in table if rule != "every turn"]


def test_rules_that_do_the_same_make_no_difference() -> None:
    words = " ".join(verdict(simulate(talks(20), {"a": pacing.every(2), "b": pacing.every(2)})))
    assert 'Against "b" it makes no difference here.' in words


def test_what_may_be_chance_is_said_to_be() -> None:
    """Two draws of the same share: over few users nobody can tell."""
    rules = {"one": pacing.sample(0.5, seed=1), "two": pacing.sample(0.5, seed=2)}
    words = " ".join(verdict(simulate(talks(20), rules)))
    assert "so which of the two earns more is not certain." in words


def test_one_user_has_no_interval() -> None:
    found = simulate([talk("uaua", id=f"c{number}", user="kim") for number in range(5)], {"a": pacing.every(1)})
    assert "95 %" not in " ".join(verdict(found))
    assert notes(found) == ["All conversations are one user's: there are no intervals."]


def test_a_baseline_alone_is_its_own_candidate() -> None:
    found = simulate(talks(9), {"every turn": pacing.every(1)})
    assert verdict(found, "every turn")[0].startswith('"every turn" earns ')


def test_bad_lines_and_failures_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"id": "a", "messages": [{"role": "user", "content": "Hi"}, {"role": "tool"}]}\n{oops\n', "utf-8")

    @pacing.rule
    def broken(turn: pacing.Turn) -> bool:
        raise KeyError("x")

    assert notes(simulate(path, {"mine": broken})) == [
        "Left out: 1 line of the files that could not be read.",
        "Left out: 1 message of another role, without text, or with a repeated id.",
        "All conversations are one user's: there are no intervals.",
        "\"mine\" failed 1 time, and the ad passed: KeyError: 'x'",
    ]


def test_numbers_as_people_read_them() -> None:
    assert said(SHARE, Estimate(None, None, None)) == "-"
    assert ends(SHARE, Estimate(0.5, 0.41, 0.6)) == "41.0 to 60.0 %"
    assert ends(MONEY, Estimate(5, 4, 6)) == "4.00 to 6.00"
    assert ends(MONEY, Estimate(5, None, None)) == ""
    assert between(METRIC["wait_mean_s"], Estimate(1, 0.5, 2), "95 %: ") == " (95 %: 0.50 to 2.00 s)"
    assert (change(MONEY, 3), change(MONEY, -3)) == ("+3.00", "-3.00")
    assert change(SHARE, -0.021) == "-2.1 points"
    assert said(MONEY, Estimate(1234567.891, None, None)) == "1,234,567.89"


def test_differences_and_ends_have_the_decimals_of_their_value() -> None:
    assert (change(MONEY, 0.5, 68.4), change(MONEY, -0.5, 0.07)) == ("+0.50", "-0.5000")
    assert ends(MONEY, Estimate(1.02, 0.97, 1.1)) == "0.97 to 1.10"
    assert ends(MONEY, Estimate(0.99, 0.97, 1.1)) == "0.9700 to 1.1000"


def test_the_calm_world_is_told_exactly() -> None:
    """Each of four turns filled, seen, and worth 1: nothing is left to chance."""
    found = simulate([talk("uauauaua", id=f"c{number}") for number in range(3)], RULES, models=CALM)
    first, *_, last = verdict(found, "every turn")
    assert first == 'Of the 3 rules, "often" earns most: 2,000.00 per 1,000 conversations (95 %: 2,000.00 to 2,000.00).'
    assert "4.00 ads per conversation" in last

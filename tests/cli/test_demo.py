from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium_program
from rich.cells import cell_len

from kontext_rx import Filled, Message, PreloadStep
from kontext_rx.cli.player import Closed, Linked, Said, Stepped, Told
from kontext_rx.cli.scenes import SCENES, sample
from kontext_rx.cli.tempo import Tempo, paced
from kontext_rx.cli.timeline import Row, Timeline, line, shortened
from kontext_rx.conversations import Conversation
from kontext_rx.demo.marks import LANES

from .conftest import Export, Ran, Running, conversation, run, turns

ONE = Conversation("c", 1, ())


class Story:
    """A timeline that is told a story; its clock is set by hand."""

    def __init__(self) -> None:
        self.at = 0.0
        self.ended: list[str] = []
        self.timeline = Timeline(
            on_end=lambda row: self.ended.append(row.label), brand=lambda _: "Brand", now=lambda: self.at
        )

    def user(self, message_id: str) -> None:
        self.timeline(Said(ONE, Message.user(message_id, f"text of {message_id}")))
        self.step("scheduled", message_id)

    def reply(self, message_id: str) -> None:
        self.timeline(Said(ONE, Message.assistant(message_id, "")))

    def step(self, name: Any, message_id: str, **facts: Any) -> None:
        self.timeline(Stepped(ONE, PreloadStep(name=name, user_message_id=message_id, at=self.at, **facts)))

    def fill(self, message_id: str, duration_s: float) -> None:
        self.step("resolved", message_id, outcome="filled", duration_s=duration_s)
        self.timeline(Told(ONE, Filled(bid_id="b", user_message_id=message_id, at=self.at)))

    def link(self, user_message_id: str, message_id: str) -> None:
        self.timeline(Linked(ONE, user_message_id, message_id))

    def close(self) -> None:
        self.timeline(Closed(ONE))

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        return [(row.label, row.what, row.linked) for row in self.timeline.rows]


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_ad_is_first(story: Story) -> None:
    """It is linked when the reply comes, and only then has the turn ended."""
    story.user("q")
    story.step("sent", "q")
    story.at = 0.132
    story.fill("q", 0.132)
    assert (story.rows, story.ended) == ([("u1", "filled after 132 ms", "")], [])
    story.at = 0.632
    story.reply("r")
    story.link("q", "r")
    assert (story.rows, story.ended) == ([("u1", "filled after 132 ms", "a1, 500 ms ahead")], ["u1"])
    assert story.timeline.rows[0].ad == "Brand"
    story.close()
    assert story.ended == ["u1"]


def test_the_reply_is_first(story: Story) -> None:
    story.user("q")
    story.step("sent", "q")
    story.reply("r")
    story.at = 1.5
    story.fill("q", 1.5)
    story.link("q", "r")
    assert story.rows == [("u1", "filled after 1.5 s", "a1, 1.5 s behind")]


def test_coalesced_and_cancelled_say_by_what(story: Story) -> None:
    story.user("p")
    story.user("q")
    story.step("coalesced", "p", by="q")
    story.step("sent", "q")
    story.at = 0.3
    story.user("r")
    story.step("cancelled", "q", by="r")
    story.step("sent", "r")
    story.step("cancelled", "r", reason="session_destroyed")
    assert [what for _, what, _ in story.rows] == [
        "coalesced into u2",
        "cancelled by u3 after 300 ms",
        "cancelled by the end after 0 ms",
    ]
    assert story.ended == ["u1", "u2", "u3"]


def test_no_fill_error_and_retry(story: Story) -> None:
    story.user("p")
    story.step("sent", "p")
    story.step("resolved", "p", outcome="no_fill", reason="no_inventory", duration_s=0.1)
    story.user("q")
    story.step("sent", "q")
    story.step("retried", "q", attempt=2, delay_s=1.0, reason="HTTP 429")
    assert story.rows[1][1] == "attempt 2 in 1 s (HTTP 429)"
    story.step("resolved", "q", outcome="error", reason="request_failed", duration_s=7.0)
    assert [what for _, what, _ in story.rows] == ["no fill: no_inventory, 100 ms", "error: request_failed, 7.0 s"]
    assert story.ended == ["u1", "u2"]


@pytest.mark.parametrize("goes_on", [True, False], ids=["the user goes on", "the end"])
def test_a_fill_without_a_reply(story: Story, goes_on: bool) -> None:
    story.user("q")
    story.step("sent", "q")
    story.fill("q", 0.1)
    if goes_on:
        story.user("r")
    else:
        story.close()
    assert story.rows[0] == ("u1", "filled after 100 ms", "no reply")
    assert story.ended == ["u1"]


@pytest.mark.parametrize("width", [20, 80, 90, 100, 120, 200])
def test_a_line_fits(width: int) -> None:
    """At least eighty columns are taken; what is wider shows the ad and more of what was said."""
    row = Row("u1", "q", "said " * 40, "filled", "filled " * 9, linked="a1 " * 30, ad="Brand " * 9)
    text = line(row, width)
    assert text.cell_len <= max(width, 80)
    assert ("Brand" in text.plain) == (width >= 90)


def test_a_line_that_waits_shows_for_how_long() -> None:
    row = Row("u1", "q", "Hi", what="asked for an ad", sent_at=10.0)
    assert "asked for an ad, 2.5 s ago" in line(row, 80, now=12.5).plain
    assert "ago" not in line(row, 80).plain


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Hi", "Hi"),
        ("a\n b\tc", "a b c"),
        ("abcdefghij", "abcdefg…"),
        ("abcdef ghij", "abcdef…"),
        ("漢字漢字漢字", "漢字漢…"),
    ],
)
def test_shortened(text: str, short: str) -> None:
    """On one line, and by what it takes on a terminal."""
    assert shortened(text, 8) == short
    assert cell_len(short) <= 8


# --- the sample ---------------------------------------------------------------------------------------------------


def test_the_sample_and_its_scenes_belong_together() -> None:
    assert [conversation.id for conversation in sample()] == list(SCENES)
    assert sum(pause_s for one in sample() for pause_s, _ in paced(one, Tempo())) < 20


def test_what_a_newcomer_sees() -> None:
    """Every kind of turn there is to explain, a line each, and the summary."""
    ran = run("demo", "--text", "--speed", "6")
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    lines = ran.out.splitlines()
    rows = [row for row in lines if row.startswith("u")]
    assert len(rows) == 10
    for part in (
        "filled after ",
        "coalesced into u2",
        "coalesced into u3",
        "cancelled by u2 after ",
        "no fill: ad_skipped",
        " ahead",
        " behind",
        "Saltmarsh Table",
    ):
        assert any(part in row for row in rows), part
    assert ["linked", "6"] in [row.split()[:2] for row in lines]


# --- where, and what ------------------------------------------------------------------------------------------------


@pytest.fixture
def chromium() -> str:
    return chromium_program()


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where temporary files go; its name is short, as Chromium makes a socket below it."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """An environment with no program on its PATH, and no screen."""
    return {"PATH": str(tmp_path), "DISPLAY": "", "WAYLAND_DISPLAY": ""}


def lanes(ran: Ran) -> list[str]:
    """The lanes of the timeline that was printed, in order."""
    return [line.split()[2] for line in ran.out.splitlines() if re.match(r" +\d+\.\d\d s  ", line)]


@pytest.mark.usefixtures("chromium")
def test_headless_prints_the_timeline_and_ends(scratch: Path) -> None:
    """A real page, a real browser: every lane has something to say, and nothing is left behind."""
    ran = run("demo", "--headless", "--speed", "2", env={"TMPDIR": str(scratch)}, timeout=120)
    assert (ran.code, ran.err) == (0, "")
    assert set(lanes(ran)) == set(LANES)
    for told in (
        "q1 filled after",
        "q1 linked to a1",
        "ad.render-started",
        "ad.height",
        "ad.viewed",
        "ad.clicked",
        "request for q2 cancelled by q3",
        "q3 carried gdpr=1 gdprConsent=",
        "ad.no-fill: unfilled_bid",
    ):
        assert told in ran.out, told
    assert ran.out.splitlines()[-1] == "4 requests, 1 cancelled, 2 filled, 1 no fill, 2 viewed, 1 clicked"
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("chromium")
def test_headless_plays_the_first_conversation_of_a_file(export: Export) -> None:
    file = export(
        [
            "{",
            conversation("first", ("user", "Any tent?"), ("assistant", "Yes, for two.")),
            conversation("second", ("user", "Never said."), ("assistant", "Nor this.")),
        ]
    )
    ran = run("demo", "--headless", "--speed", "4", file, timeout=120)
    assert ran.code == 0
    assert ran.err.startswith("skipped line 1: not JSON")
    assert ran.err.splitlines()[1:] == [
        f"first: the first conversation of {file}; the page (--no-browser) plays them all"
    ]
    assert "q1 message: Any tent?" in ran.out
    assert "ad.viewed" in ran.out
    assert "Never said." not in ran.out


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.usefixtures("chromium")
def test_headless_stops_when_it_is_told_to(scratch: Path) -> None:
    running = Running("demo", "--headless", env={**os.environ, "TMPDIR": str(scratch)})
    while "q1 message" not in running.line():
        pass
    ran = running.stop()
    assert (ran.code, ran.err) == (130, "")
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("chromium")
def test_headless_ends_at_once_when_nobody_answers(unused_tcp_port: int, scratch: Path) -> None:
    """The timeline says why, and so does the last line; nothing waits for an ad that cannot come."""
    began = time.monotonic()
    model = ("--model", "small", "--model-url", f"http://127.0.0.1:{unused_tcp_port}/v1")
    ran = run("demo", "--headless", *model, env={"TMPDIR": str(scratch)}, timeout=120)
    assert time.monotonic() - began < 30
    why = f"small cannot be reached at 127.0.0.1 port {unused_tcp_port}: "
    assert f"a1 reply failed, it is not fed: {why}" in ran.out
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert ran.err.startswith(f"Error: no reply: {why}")
    assert list(scratch.iterdir()) == []


def test_headless_without_a_chromium_names_the_cure(nowhere: dict[str, str]) -> None:
    ran = run("demo", "--headless", env=nowhere)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "apt install chromium" in ran.err


def test_without_screen_and_chromium_it_is_text_and_says_why(nowhere: dict[str, str]) -> None:
    ran = run("demo", "--speed", "20", env=nowhere)
    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "no terminal" in ran.err
    assert "no Chromium" in ran.err
    assert "u1 " in ran.out


@pytest.mark.skipif(sys.platform == "win32", reason="a program of a few lines")
def test_a_chromium_that_does_not_start_is_an_error_only_when_it_was_asked_for(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho 'no space left' >&2\nexit 1\n")
    program.chmod(0o755)
    asked = run("demo", "--headless", env=nowhere)
    assert asked.code == 1
    assert "ended as it started: no space left" in asked.err
    went = run("demo", "--speed", "20", env=nowhere)
    assert went.code == 0
    assert "no space left: the conversations are shown as text" in went.err
    assert "u1 " in went.out


def test_text_plays_the_first_conversation_of_a_file(export: Export) -> None:
    file = export([turns("mine", 2), turns("other", 1)])
    ran = run("demo", "--text", "--speed", "20", file)
    assert ran.code == 0
    assert ran.err == f"mine: the first conversation of {file}; the page (--no-browser) plays them all\n"
    assert [row.split()[:3] for row in ran.out.splitlines() if row.startswith("u")] == [
        ["u1", "user", "0"],
        ["u2", "user", "1"],
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "holds no conversation that can be played"),
        (["{"], "holds no conversation that can be played"),
        ([{"id": "mute", "messages": []}], "holds no conversation that can be played"),
        ([b"\xff\xfea\0"], "it is UTF-16"),
    ],
    ids=["empty", "broken", "without messages", "another encoding"],
)
def test_a_file_with_nothing_to_play_is_one_error(export: Export, lines: list[Any], problem: str) -> None:
    ran = run("demo", "--text", export(lines))
    assert ran.code == 1
    assert problem in ran.err.splitlines()[-1]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ran = run("demo", "--text", str(tmp_path / "nowhere.jsonl"))
    assert ran.code == 1
    assert ran.err.splitlines() == [f"Error: {tmp_path / 'nowhere.jsonl'} cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--text", "--headless"), "--headless and --text exclude each other"),
        (("--text", "--model", "m", "--model-url", "http://localhost:1/v1"), "--model is for the page"),
        (("--model", "m"), "--model needs --model-url URL, or OPENAI_BASE_URL"),
        (("--model-url", "http://localhost:1/v1"), "--model-url needs --model NAME"),
        (("--model", "m", "--model-url", "localhost"), "'localhost' cannot be used: give an absolute http(s) address"),
    ],
)
def test_options_that_do_not_go_together(arguments: tuple[str, ...], problem: str) -> None:
    ran = run("demo", *arguments, env={"OPENAI_BASE_URL": ""})
    assert ran.code == 2
    assert problem in " ".join(ran.err.split())

"""Marbles in text: what really happened, in characters."""

import random
from collections.abc import Callable

import pytest

from kontext_rx import AdError, InvalidOptionError, Message, PreloadStep
from kontext_rx.marbles import Diagram, marbles
from kontext_rx.marbles.words import cells
from kontext_rx.testing import VirtualClock, failure, fill, network_error, silence
from kontext_rx.trace import Added

from .talk import Talk


def rows(diagram: Diagram, **options: int) -> dict[str, str]:
    """The lanes of a picture of one line."""
    lines = diagram.text(view="lanes", **options).splitlines()
    return {line.split()[0]: line[10:] for line in lines if line[:1].isalpha() and "  " in line[:11]}


def burst(count: int, at: float = 100.0, every: float = 40.0) -> list[Added]:
    """User messages and nothing else."""
    return [Added(message_id=f"u{n}", role="user", at=at + n * every, number=n) for n in range(1, count + 1)]


def test_a_conversation_is_drawn_as_it_went(story: Talk) -> None:
    """Debounce, request and reply, the link, the ad; a coalesced and a cancelled turn; a pause that is cut."""
    assert marbles(story.session).text().splitlines() == [
        "4 turns · from 2026-03-02 08:15:00 UTC · 1 filled, 1 no fill, 1 cancelled, 1 coalesced",
        "half of the answers within 50 ms · the ad was there before the reply 1 of 1 times",
        "",
        "          #1 0.000 s                                                     28 s #2-3  #4 31.134 s",
        "user      ●───────────────────────────────────────────────────────────────//──●●────●───────────────",
        "debounce  ├─┤ 10 ms                                                           ├╳─┤  ├─┤ 10 ms",  # noqa: RUF001
        "request     ├━━━━■ 50 ms                                                         ├╌╌! ├────□",
        "reply                       ◆                                                                      ◆",
        "link             ╌╌╌╌╌╌╌╌╌╌╌◇ ad waits 340 ms",
        "render                             ▫╌╌╌╌╌╌▷",
        "view                                                     ◉",
        "click                                                                  ✱",
        "",
        "╳ coalesced   ■ filled   □ no fill   ! cancelled   ◇ linked   ▫ mounted   ▷ render starts   ◉ viewed",  # noqa: RUF001
        "✱ clicked",
    ]


def test_many_turns_have_a_row_each(story: Talk) -> None:
    """All on one axis that begins at the user message, each power of ten as wide as the next."""
    assert marbles(story.session).text(view="turns").splitlines()[3:9] == [
        "      0       10 ms                100 ms                    1 s",
        "1 u1  ├───────┤━━━━━━━━━━━━━━■╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌◆ ╌╌▷              ◉    ✱  50 ms filled",
        "2 u2  ├╌╌╌╳                                                                   4 ms coalesced",  # noqa: RUF001
        "3 u3  ├───────┤╌╌╌╌╌╌╌╌!                                                      20 ms cancelled",
        "4 u4  ├───────┤──────────────□             ◆                                  50 ms no fill",
        "",
    ]


def test_auto_changes_to_rows_after_twelve_turns() -> None:
    twelve, thirteen = marbles(burst(12)), marbles(burst(13))
    assert twelve.text() == twelve.text(view="lanes")
    assert thirteen.text() == thirteen.text(view="turns")


@pytest.mark.parametrize(
    ("plan", "seconds", "end"),
    [
        ([failure("geo")], 1.0, "✕ 50 ms error"),
        ([silence()], 1.0, "… 990 ms still open"),
        ([network_error(), fill()], 3.0, "■ 1.10 s"),
    ],
)
def test_the_end_of_a_request_is_to_be_seen(
    talk: Callable[..., Talk], plan: list[object], seconds: float, end: str
) -> None:
    one = talk()
    one.server.plan("/preload", *plan)  # type: ignore[arg-type]
    one.ask("u1", seconds)
    if "open" in end:
        one.reply("a1")  # what happens last is as far as the picture goes
    assert rows(marbles(one.session))["request"].rstrip().endswith(end)


def test_a_failed_attempt_is_marked_on_the_request(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.server.plan("/preload", network_error())
    one.ask("u1", 3)
    assert "↻" in rows(marbles(one.session))["request"]


def test_a_track_only_request_is_another_line(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.ask("u1", 1, track_only=True)
    assert rows(marbles(one.session))["request"].split() == ["├┄┄┄┄┄┄◌", "50", "ms", "track", "only"]


def test_messages_of_one_instant_are_counted(talk: Callable[..., Talk]) -> None:
    """A restored history is one burst."""
    one = talk()
    for number in range(4):
        one.ask(f"u{number}")
    one.clock.advance(1)
    text = marbles(one.session).text()
    assert "#1-4 0.000 s" in text
    assert rows(marbles(one.session))["user"].startswith("4─")


def test_a_session_s_own_error_is_shown() -> None:
    """It belongs to no turn."""
    error = AdError(message="Session is disabled", err_code="session_disabled_by_init", at=1.0)
    assert rows(marbles([error]))["request"].strip() == "✕"


def test_the_end_of_the_session_is_a_bar(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.ask("u1", 1)
    recorded = [*one.traces]
    assert "│" not in rows(marbles(recorded))["user"]


def test_long_conversations_go_on_in_lines_that_begin_with_a_turn() -> None:
    lines = marbles(burst(30)).text(view="lanes", width=60).splitlines()
    heads = [lines[place - 1] for place, line in enumerate(lines) if line.startswith("user")]
    assert len(heads) == 3
    assert all(head.startswith(" " * 10 + "#") for head in heads)


def test_a_turn_and_what_cut_it_short_stay_on_one_line(talk: Callable[..., Talk]) -> None:
    one = talk()
    for number in range(14):
        one.server.plan("/preload", silence())
        one.ask(f"short{number}", 0.1)
        one.ask(f"whole{number}", 0.5)
        one.reply(f"r{number}", 30)
    heads = [line for line in marbles(one.session).text(view="lanes", width=60).splitlines() if "  #" in line]
    assert len(heads) > 3
    for head in heads:
        assert int(head.split("#")[1].split()[0]) % 2 == 1, head


@pytest.mark.parametrize("view", ["lanes", "turns"])
@pytest.mark.parametrize("width", [60, 81, 100, 200])
def test_no_line_is_wider_than_asked(view: str, width: int, clock: VirtualClock) -> None:
    rnd = random.Random(width)
    one = Talk(clock)
    for number in range(40):
        one.ask(f"u{number}" + "長い" * rnd.randrange(20), rnd.choice([0.0, 0.004, 0.02, 0.3, 4]))
        if rnd.random() < 0.7:
            one.reply(f"a{number}", rnd.choice([0.0, 0.5, 60]))
    text = marbles(one.session).text(view=view, width=width)  # type: ignore[arg-type]
    assert max(cells(line) for line in text.splitlines()) <= width


def test_ids_cannot_command_the_terminal() -> None:
    added = Added(message_id="\x1b[2Jevil\nid\u202e", role="user", at=1.0, number=1)
    text = marbles([added]).text(view="turns")
    assert not {"\x1b", "\u202e"} & set(text)
    assert "evil" in text


def test_nothing_is_a_picture_too(talk: Callable[..., Talk]) -> None:
    for diagram in (marbles([]), marbles(talk().session)):
        assert str(diagram) == "nothing has happened yet"
        assert diagram.text(view="turns") == "nothing has happened yet"


def test_a_page_says_which_turns_it_has() -> None:
    diagram = marbles(burst(2500))
    assert diagram.text().startswith("turns 1 to 1,000 of 2,500 ·")
    assert diagram.text(first=2401).startswith("turns 2,401 to 2,500 of 2,500 ·")
    assert diagram.text(view="lanes").startswith("turns 1 to 100 of 2,500 ·")
    assert diagram.text(first=11, limit=2).count("u1") == 0
    assert "#11 " in diagram.text(first=11, limit=2)


def test_a_page_counts_its_seconds_from_the_beginning_of_the_conversation() -> None:
    page = marbles(burst(30)).text(view="lanes", first=21, limit=1)
    assert "#21 800.000 s" in page
    assert "from 1970-01-01 00:02:20 UTC" in page


def test_a_frame_that_fails_is_shown_where_it_would_render(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.ask("u1", 1)
    one.reply("a1", 1)
    one.say(one.show("a1"), "ad.error", 1, message="no", errCode="broken")
    diagram = marbles(one.session)
    assert "✕" in rows(diagram)["render"]
    assert "ad error · a1" in diagram.svg()
    assert "broken" in diagram.svg(view="turns")


def test_the_message_text_is_not_in_it(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.session.add_message(Message.user("u1", "a secret"))
    one.clock.advance(1)
    diagram = marbles(one.session)
    assert "secret" not in diagram.text() + diagram.svg()


@pytest.mark.parametrize("width", [59, 0, -1, True, 80.0, "80", None])
def test_a_width_that_cannot_be_is_refused(width: object) -> None:
    with pytest.raises(InvalidOptionError, match="60 columns or more"):
        marbles([]).text(width=width)  # type: ignore[arg-type]


def test_a_request_that_begins_before_the_picture_is_drawn_from_its_edge() -> None:
    """Traces may have been forgotten: what is there is drawn."""
    late = PreloadStep(name="resolved", user_message_id="u1", at=5.0, outcome="filled")
    assert marbles([late]).text().startswith("1 turn ·")

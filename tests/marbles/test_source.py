"""What can be drawn: a session, a recording, any traces."""

from types import SimpleNamespace

import pytest

import kontext_rx as kx
from kontext_rx import DebugEvent, PreloadStep
from kontext_rx.marbles import marbles
from kontext_rx.trace import Added, Ended

from .talk import Talk


def test_a_session_and_its_traces_are_the_same_picture(story: Talk) -> None:
    assert marbles(story.session) == marbles(story.traces) == marbles(iter(story.traces))


def test_a_recording_is_drawn_by_its_traces(talk: type[Talk]) -> None:
    one = talk()  # type: ignore[call-arg]
    recording = kx.record(one.session)
    one.ask("u1", 1)
    one.reply("a1", 1)
    assert marbles(recording).turns == marbles(one.session).turns


def test_a_destroyed_session_is_still_drawn(story: Talk) -> None:
    story.session.destroy()
    assert len(marbles(story.session).turns) == 4


def test_the_order_is_that_of_time() -> None:
    steps = [Ended(at=3.0), Added(message_id="u1", role="user", at=1.0, number=1)]
    assert marbles(steps) == marbles(reversed(steps))


def test_the_end_of_a_session_is_drawn() -> None:
    steps = [Added(message_id="u1", role="user", at=1.0, number=1), Ended(at=3.0)]
    assert "│" in marbles(steps).text()


@pytest.mark.parametrize("source", [None, 3, "traces", b"", object(), SimpleNamespace(traces=3), len])
def test_what_is_no_source_is_a_type_error(source: object) -> None:
    with pytest.raises(TypeError, match="give a Session, a Recording or an iterable of traces, not"):
        marbles(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("item", [None, 1, "sent", {"at": 1}, DebugEvent("Session: x")])
def test_an_item_that_is_no_trace_is_named(item: object) -> None:
    with pytest.raises(TypeError, match=f"item 1 is {type(item).__name__}, and no trace"):
        marbles([Ended(at=1.0), item])  # type: ignore[list-item]


@pytest.mark.parametrize("at", [float("nan"), float("inf"), "now", None, True])
def test_a_time_that_is_none_is_named(at: object) -> None:
    with pytest.raises(TypeError, match=r"item 0 happened at .*: give epoch seconds"):
        marbles([PreloadStep(name="sent", user_message_id="u1", at=at)])  # type: ignore[arg-type]

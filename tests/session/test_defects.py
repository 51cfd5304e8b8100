"""A defect of ours costs a turn at the most, and never reaches the app as an exception."""

from collections.abc import Callable
from typing import Any

import pytest
from watched import Watched

import kontext_rx.session
from kontext_rx import AdError, Message
from kontext_rx.pairing import Answered, Input, State

user, assistant = Message.user, Message.assistant

pytestmark = pytest.mark.reports


def breaks_once(function: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
    broken = False

    def broken_once(*args: Any, **kwargs: Any) -> Any:
        nonlocal broken
        if not broken and when(*args, **kwargs):
            broken = True
            raise RuntimeError("a defect")
        return function(*args, **kwargs)

    return broken_once


def test_in_the_pairing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_the_answer(state: State, given: Input) -> bool:
        return isinstance(given, Answered)

    monkeypatch.setattr(kontext_rx.session, "step", breaks_once(kontext_rx.session.step, at_the_answer))
    _one_turn_is_lost_and_the_next_fills(watched)


def test_in_what_follows_from_it(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    emit = kontext_rx.Session._emit
    monkeypatch.setattr(kontext_rx.Session, "_emit", breaks_once(emit, lambda _, event: event.name == "ad.filled"))
    _one_turn_is_lost_and_the_next_fills(watched)


def _one_turn_is_lost_and_the_next_fills(watched: Watched) -> None:
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(1)
    watched.session.add_message(assistant("a1", "y"))
    watched.session.add_message(user("u2", "x"))
    watched.clock.advance(1)
    watched.session.add_message(assistant("a2", "y"))
    first, second = watched.events
    assert isinstance(first, AdError)
    assert (first.err_code, first.user_message_id) == ("internal_error", "u1")
    assert (second.name, second.user_message_id) == ("ad.filled", "u2")
    assert watched.settled("u1") == "ad.error"
    assert watched.settled("a1") == "unlinked"
    assert watched.session.create_ad("a2").iframe_url is not None


def test_in_building_the_request(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    body = kontext_rx.link.wire.envelope
    monkeypatch.setattr(kontext_rx.link.wire, "envelope", breaks_once(body, lambda *_, **__: True))
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(1)
    watched.session.add_message(user("u2", "x"))
    watched.clock.advance(1)
    assert [(name, message) for name, _, message in watched.told] == [("ad.error", "u1"), ("ad.filled", "u2")]

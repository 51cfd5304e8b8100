"""The turns of a conversation: what became of each user message, and when."""

from collections.abc import Callable

import pytest

from kontext_rx import PreloadStep
from kontext_rx.marbles import TurnTiming, turns_of
from kontext_rx.pacing import Hold, Rule
from kontext_rx.testing import failure, network_error, silence

from .talk import Talk

NEVER = Rule(lambda state, turn: (state, Hold("never here")), start=None)


def since(talk: Talk, at: float | None) -> float | None:
    """Seconds from the beginning."""
    return None if at is None else round(at - talk.began, 6)


def only(talk: Talk) -> TurnTiming:
    (turn,) = turns_of(talk.traces)
    return turn


def test_a_turn_has_the_times_of_its_life(story: Talk) -> None:
    first = turns_of(story.traces)[0]
    assert (first.user_message_id, first.number, first.outcome, first.reply_id) == ("u1", 1, "filled", "a1")
    times = [first.added_at, first.scheduled_at, first.debounced_at, first.sent_at, first.ended_at]
    assert [since(story, at) for at in times] == [0, 0, 0.010, 0.010, 0.060]
    later = [first.reply_at, first.linked_at, first.mounted_at, first.rendered_at, first.viewed_at, first.clicked_at]
    assert [since(story, at) for at in later] == [0.4, 0.4, 0.5, 0.6, 2.1, 3.1]


def test_lengths_are_seconds(story: Talk) -> None:
    first = turns_of(story.traces)[0]
    assert (first.debounce_s, first.request_s, first.lead_s) == (0.010, 0.050, 0.340)


def test_a_reply_that_waits_for_the_ad_makes_the_lead_negative(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.ask("u1", 0.020)
    one.reply("a1", 1)
    assert only(one).lead_s == -0.040


def test_a_coalesced_turn_ends_in_the_debounce_by_the_newer_one(story: Talk) -> None:
    turn = turns_of(story.traces)[1]
    assert (turn.outcome, turn.by, turn.sent_at, turn.reply_id) == ("coalesced", "u3", None, None)
    assert (turn.debounce_s, turn.request_s) == (0.004, None)


def test_a_cancelled_turn_ends_when_the_newer_one_comes(story: Talk) -> None:
    turn = turns_of(story.traces)[2]
    assert (turn.outcome, turn.by) == ("cancelled", "u4")
    assert turn.request_s == 0.020


def test_a_no_fill_has_its_reason_and_the_reply_it_belongs_to(story: Talk) -> None:
    turn = turns_of(story.traces)[3]
    assert (turn.outcome, turn.reason, turn.reply_id, turn.linked_at) == ("no_fill", "frequency_cap", "a4", None)


def test_an_error_has_its_code_and_failed_attempts_their_times(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.server.plan("/preload", network_error(), failure("geo"))
    one.ask("u1", 5)
    turn = only(one)
    assert (turn.outcome, turn.reason) == ("error", "geo")
    assert [since(one, at) for at in turn.retried_at] == [0.060]


def test_what_the_pacing_rule_said_stands_beside_the_outcome(talk: Callable[..., Talk]) -> None:
    one = talk(pacing=NEVER)
    one.ask("u1", 1)
    turn = only(one)
    assert (turn.outcome, turn.track_only, turn.pacing) == ("track_only", True, "never here")


def test_a_request_without_an_answer_is_open(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.server.plan("/preload", silence())
    one.ask("u1", 1)
    turn = only(one)
    assert (turn.outcome, turn.ended_at) == (None, None)
    assert turn.sent_at is not None


def test_a_turn_of_a_session_that_is_off_is_disabled(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.server.plan("/preload", failure("gone", permanent=True))
    one.ask("u1", 1)
    one.ask("u2", 1)
    first, second = turns_of(one.traces)
    assert (first.outcome, second.outcome, second.sent_at) == ("error", "disabled", None)


def test_destroying_the_session_cancels_the_turn_in_flight(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.server.plan("/preload", silence())
    one.ask("u1", 1)
    one.session.destroy()
    assert (only(one).outcome, only(one).reason, only(one).by) == ("cancelled", "session_destroyed", None)


def test_a_bid_that_expires_unmounted_is_dropped_and_a_mounted_one_is_not(talk: Callable[..., Talk]) -> None:
    one = talk(ad_ttl=10)
    one.ask("u1", 1)
    one.reply("a1", 20)
    one.session.explain("a1")
    one.ask("u2", 1)
    one.reply("a2", 1)
    one.show("a2")
    one.clock.advance(100)
    one.session.destroy()
    one.session.explain("a2")
    first, second = turns_of(one.traces)
    assert first.dropped_at is not None
    assert (second.dropped_at, second.mounted_at is None) == (None, False)


def test_the_answer_of_the_second_reply_is_the_second_s(talk: Callable[..., Talk]) -> None:
    """The first reply after a question has its answer only if no later one took it."""
    one = talk()
    one.ask("u1", 0.020)
    one.reply("a1", 0.010)
    one.reply("a2", 1)
    assert only(one).reply_id == "a2"


def test_steps_alone_are_turns_too() -> None:
    """An app may have collected `session.preloads` and nothing else."""
    steps = [
        PreloadStep(name="scheduled", user_message_id="u1", at=100.0),
        PreloadStep(name="sent", user_message_id="u1", at=100.01, track_only=False),
        PreloadStep(name="resolved", user_message_id="u1", at=100.5, outcome="filled"),
        PreloadStep(name="sent", user_message_id="u2", at=107.0, track_only=False),
    ]
    first, second = turns_of(steps)
    assert (first.number, first.added_at, first.request_s) == (1, 100.0, 0.49)
    assert (second.number, second.added_at, second.outcome) == (2, 107.0, None)


def test_nothing_has_no_turns() -> None:
    assert turns_of([]) == ()


def test_a_turn_is_a_value(story: Talk) -> None:
    assert turns_of(story.traces) == turns_of(story.traces)
    with pytest.raises(AttributeError):
        turns_of(story.traces)[0].number = 2  # type: ignore[misc]

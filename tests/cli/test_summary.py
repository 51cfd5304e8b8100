from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kontext_rx import AdError, Message, NoFill, PreloadStep
from kontext_rx.cli.player import Closed, Happening, Linked, Opened, Said, Stepped, Told
from kontext_rx.cli.screen import counts_line
from kontext_rx.cli.summary import Summary, Tally, percentile
from kontext_rx.conversations import Conversation

ONE = Conversation("c", 1, (), {"another role": 2})
TWO = Conversation("c", 2, ())  # the same id, and another conversation


def step(name: Any, message_id: str, of: Conversation = ONE, **facts: Any) -> Stepped:
    return Stepped(of, PreloadStep(name=name, user_message_id=message_id, at=0.0, **facts))


def resolved(message_id: str, outcome: Any, duration_s: float = 0.1, of: Conversation = ONE) -> Stepped:
    return step("resolved", message_id, of, outcome=outcome, duration_s=duration_s, reason="why")


def counted(*happenings: Happening) -> Summary:
    tally = Tally()
    for happening in happenings:
        tally(happening)
    return tally.summary(1.0)


def test_nothing() -> None:
    """Every count is zero, and there is no latency without a fill."""
    summary = msgspec.to_builtins(counted())
    assert summary.pop("duration_s") == 1.0
    assert (summary.pop("p50_ms"), summary.pop("p99_ms")) == (None, None)
    assert set(summary.values()) == {0}


def test_messages_that_were_fed() -> None:
    summary = counted(Opened(ONE), Said(ONE, Message.user("u", "")), Said(ONE, Message.assistant("a", "")), Opened(TWO))
    assert (summary.conversations, summary.messages, summary.user_messages) == (2, 2, 1)


def test_each_preload_ends_once() -> None:
    """Sent is what counts as a preload; a retry is the same one, and a coalesced message has none."""
    summary = counted(
        step("scheduled", "u1"),
        step("coalesced", "u1", by="u2"),
        step("scheduled", "u2"),
        step("sent", "u2"),
        step("retried", "u2", attempt=2, delay_s=1.0),
        resolved("u2", "filled"),
        step("sent", "u3"),
        resolved("u3", "no_fill"),
        step("sent", "u4"),
        resolved("u4", "error"),
        step("sent", "u5"),
        step("cancelled", "u5", by="u6"),
    )
    assert (summary.preloads, summary.coalesced) == (4, 1)
    assert (summary.filled, summary.no_fill, summary.errors, summary.cancelled) == (1, 1, 1, 1)


def test_only_what_was_sent_can_be_cancelled() -> None:
    """A message that still waits when the session ends was no preload."""
    assert counted(step("scheduled", "u1"), step("cancelled", "u1", reason="session_destroyed")).cancelled == 0


def test_conversations_with_the_same_id_are_kept_apart() -> None:
    summary = counted(
        step("sent", "u1", ONE),
        step("sent", "u1", TWO),
        resolved("u1", "filled", of=ONE),
        resolved("u1", "filled", of=TWO),
    )
    assert (summary.preloads, summary.filled) == (2, 2)


def test_links() -> None:
    """A fill without a reply is unlinked."""
    fills = [happening for n in "12" for happening in (step("sent", n), resolved(n, "filled"))]
    summary = counted(*fills, Linked(ONE, "1", "a1"))
    assert (summary.filled, summary.linked, summary.unlinked) == (2, 1, 1)


def test_a_preload_that_fails_without_a_last_step_is_an_error() -> None:
    """Its event is all there is; where there is a step too, it is one error all the same."""
    error = AdError(message="broken", err_code="internal_error", user_message_id="u1", at=0.0)
    assert counted(step("sent", "u1"), Told(ONE, error)).errors == 1
    assert counted(step("sent", "u1"), resolved("u1", "error"), Told(ONE, error)).errors == 1


def test_reasons_skipped_and_what_was_never_sent() -> None:
    tally = Tally()
    for happening in (
        Opened(ONE),
        Said(ONE, Message.user("u1", "")),
        Said(ONE, Message.user("u2", "")),
        step("sent", "u1"),
        resolved("u1", "no_fill"),
        Told(ONE, NoFill(skip_code="why", at=0.0)),
        Told(ONE, AdError(message="Session is disabled", err_code="x", at=0.0)),
        Closed(ONE),
    ):
        tally(happening)
    assert tally.reasons == {"no fill: why": 1, "error: Session is disabled": 1}
    assert tally.skipped == {"another role": 2}
    assert (tally.unsent, tally.closed, tally.errors) == (1, 1, 0)
    assert counts_line(tally, 9) == (
        "1/9 conversations, 2 messages, 1 preloads: 0 filled, 1 no fill, 0 errors, 0 in flight"
    )


def test_endless_kinds_of_errors_do_not_grow() -> None:
    tally = Tally()
    for n in range(1000):
        tally(Told(ONE, AdError(message=f"error {n}", err_code="x", at=0.0)))
    assert len(tally.reasons) < 30
    assert tally.reasons.total() == 1000


def test_latency_is_that_of_the_fills() -> None:
    fills = [
        happening
        for n in range(1, 101)
        for happening in (step("sent", str(n)), resolved(str(n), "filled", duration_s=n / 1000))
    ]
    summary = counted(*fills, step("sent", "x"), resolved("x", "no_fill", duration_s=60))
    assert (summary.p50_ms, summary.p99_ms) == (50.0, 99.0)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.25, 1), (0.5, 2), (0.51, 3), (0.99, 4), (1.0, 4)])
def test_percentile(share: float, value: float) -> None:
    """The least value that so many do not exceed: one that was really measured."""
    assert percentile([1, 2, 3, 4], share) == value

"""A story told without its session: from what was noted alone, as a recording has it."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from kontext_rx import AdError, NoFill
from kontext_rx.explain import Explanation, ToldStep, explain
from kontext_rx.ledger import Ledger
from kontext_rx.trace import Added, Linked, PreloadStep, Retold, Settled, Trace

START = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC).timestamp()


def noted(*traces: Trace) -> Ledger:
    ledger = Ledger()
    for trace in traces:
        ledger.note(trace)
    return ledger


def question(number: int = 1, **fields: Any) -> Added:
    return Added(**{"message_id": f"u{number}", "role": "user", "at": START, "number": number, **fields})


def reply(number: int = 1, after: str | None = "u1", at: float = START + 1) -> Added:
    return Added(message_id=f"a{number}", role="assistant", at=at, number=1, after=after)


def step(name: Any, at: float = START, **facts: Any) -> PreloadStep:
    return PreloadStep(name=name, user_message_id="u1", at=at, **facts)


def test_an_id_that_never_was() -> None:
    explanation = explain("zz", noted().story, is_known=False)
    assert explanation == Explanation(
        message_id="zz", user_message_id=None, verdict=None, reason="no message with this id was added"
    )
    assert str(explanation) == "zz: open: no message with this id was added"


def test_an_id_that_is_forgotten() -> None:
    explanation = explain("a1", noted().story)
    assert (explanation.verdict, explanation.steps) == ("trimmed", ())
    assert str(explanation) == "a1: trimmed: it left the history so long ago that its story is not kept"


def test_as_a_dict() -> None:
    """Its keys are camelCase, as those of events are."""
    ledger = noted(question(), step("scheduled"), step("coalesced", START + 0.004, by="u2"))
    assert explain("u1", ledger.story).to_dict() == {
        "messageId": "u1",
        "userMessageId": "u1",
        "verdict": "coalesced",
        "reason": "u2 came 4 ms after u1, before u1 was sent",
        "steps": [
            {"at": START, "name": "added", "text": "user message u1 added"},
            {"at": START, "name": "scheduled", "text": "u1 waits 10 ms for a newer user message"},
            {"at": START + 0.004, "name": "coalesced", "text": "coalesced into u2"},
        ],
    }


def test_it_is_a_value() -> None:
    one, same = (explain("u1", noted(question(), step("scheduled")).story) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    with pytest.raises(AttributeError):
        one.verdict = "viewed"  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(one), type=Explanation) == one


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (step("sent", track_only=False), "sent, for an ad"),
        (step("sent", track_only=False, reason="every fifth"), "sent, for an ad (every fifth)"),
        (step("sent", track_only=True), "sent for the context only"),
        (
            step("sent", track_only=True, reason="too soon"),
            "sent for the context only, pacing held it back: too soon",
        ),
        (step("retried", attempt=2, delay_s=1.0, reason="HTTP 429"), "attempt 2 follows in 1 s: HTTP 429"),
        (step("retried", attempt=3, delay_s=2.5, reason="HTTP 429"), "attempt 3 follows in 2.5 s: HTTP 429"),
        (step("cancelled", by="u2"), "cancelled by u2"),
        (step("cancelled", reason="session_destroyed"), "cancelled: session_destroyed"),
        (step("resolved", outcome="filled", duration_s=0.0496), "answered after 50 ms: filled"),
        (step("resolved", outcome="no_fill", reason="geo", duration_s=9.9), "answered after 9900 ms: no-fill (geo)"),
        (step("resolved", outcome="track_only", duration_s=1), "answered after 1000 ms, and no ad was asked for"),
        (
            step("resolved", outcome="error", reason="request_failed", duration_s=71),
            "ended after 71.0 s: error (request_failed)",
        ),
        (step("resolved", outcome="error", reason="internal_error"), "ended: error (internal_error)"),
    ],
)
def test_a_step_in_words(given: PreloadStep, text: str) -> None:
    explanation = explain("u1", noted(question(), given).story)
    assert explanation.steps[-1] == ToldStep(START, given.name, text)


def test_a_rule_need_not_say_why() -> None:
    explanation = explain("u1", noted(question(), step("sent", track_only=True)).story)
    assert (explanation.verdict, explanation.reason) == ("paced_out", "the pacing rule held it back")


def test_a_defect_of_ours_is_an_error() -> None:
    """The reply that found nothing to pair with is told of it, too."""
    error = AdError(user_message_id="u1", at=START, message="Internal error", err_code="internal_error")
    unlinked = NoFill(message_id="a1", at=START + 1, skip_code="unlinked")
    ledger = noted(
        question(),
        step("resolved", outcome="error", reason="internal_error"),
        error,
        reply(),
        Settled(message_id="a1", at=START + 1, outcome=unlinked),
    )
    for message_id in ("u1", "a1"):
        explanation = explain(message_id, ledger.story)
        assert (explanation.verdict, explanation.reason) == ("error", "internal_error: Internal error")


def test_a_reply_that_a_newer_question_left_alone() -> None:
    """Also where nothing tells what became of the request."""
    superseded = NoFill(message_id="a1", user_message_id="u1", at=START + 2, skip_code="superseded")
    ledger = noted(question(), reply(), Settled(message_id="a1", at=START + 2, outcome=superseded))
    explanation = explain("a1", ledger.story)
    assert (explanation.verdict, explanation.reason) == ("unlinked", "a newer user message came first")


def test_a_reply_hears_what_was_told_before_it_came() -> None:
    none = NoFill(user_message_id="u1", at=START, skip_code="geo")
    copy = msgspec.structs.replace(none, message_id="a1")
    ledger = noted(
        question(),
        step("resolved", outcome="no_fill", reason="geo"),
        none,
        reply(),
        Retold(message_id="a1", at=START + 1, event=copy),
    )
    explanation = explain("a1", ledger.story)
    assert (explanation.user_message_id, explanation.verdict) == ("u1", "no_fill")
    assert [one.text for one in explanation.steps][-2:] == ["assistant message a1 added", "a1 settled: geo"]


def test_the_ad_of_another_reply_is_not_told_of() -> None:
    """But that it was linked there is."""
    linked = Linked(message_id="a1", user_message_id="u1", at=START + 1, bids={"inlineAd": "b"})
    error = AdError(
        message_id="a1", user_message_id="u1", at=START + 2, message="Broken", err_code="iframe_error", bid_id="b"
    )
    unlinked = NoFill(message_id="a2", at=START + 3, skip_code="unlinked")
    ledger = noted(
        question(),
        step("resolved", outcome="filled"),
        reply(1),
        linked,
        error,
        reply(2, at=START + 3),
        Settled(message_id="a2", at=START + 3, outcome=unlinked),
    )
    names = [one.name for one in explain("a2", ledger.story).steps]
    assert names == ["added", "resolved", "added", "linked", "added", "settled"]

"""What happened, as the timeline tells it."""

from typing import Any

from kontext_rx import AdError, AdHeight, Filled, Message, NoFill, PreloadStep
from kontext_rx.demo import marks
from kontext_rx.demo.marks import LANES, Mark
from kontext_rx.event import AdEvent


def step(name: Any, **facts: Any) -> list[Mark]:
    return list(marks.stepped(PreloadStep(name=name, user_message_id="q1", at=1.0, **facts)))


def texts(made: list[Mark]) -> list[tuple[str, str]]:
    return [(mark.lane, mark.text) for mark in made if mark.text]


def life(name: str, *made: Mark) -> list[str]:
    """When what lasts begins and ends."""
    return ["opens" if mark.opens == name else "closes" for mark in made if name in (mark.opens, mark.closes)]


def test_a_request_opens_as_it_is_sent_and_closes_with_its_answer() -> None:
    sent = step("sent", track_only=False)
    resolved = step("resolved", outcome="filled", duration_s=0.151)
    assert life("request q1", *sent, *resolved) == ["opens", "closes"]
    assert texts(resolved) == [("request", "q1 filled after 151 ms")]
    assert [mark.tone for mark in resolved] == ["good"]


def test_a_debounce_ends_in_a_request_or_in_a_newer_message() -> None:
    opened = step("scheduled")
    assert life("debounce q1", *opened, *step("sent", track_only=False)) == ["opens", "closes"]
    assert life("debounce q1", *opened, *step("coalesced", by="q2")) == ["opens", "closes"]
    assert life("debounce q1", *opened, *step("cancelled", reason="session_destroyed")) == ["opens", "closes"]


def test_only_a_cancelled_request_is_cut_off() -> None:
    cancelled = step("cancelled", by="q2")
    assert texts(cancelled) == [("request", "request for q1 cancelled by q2")]
    assert [mark.cut for mark in cancelled if mark.lane == "request"] == [True]
    failed = step("resolved", outcome="error", duration_s=0.1)
    assert [mark.cut for mark in failed] == [False]
    assert texts(step("cancelled", reason="session_disabled")) == [
        ("request", "request for q1 cancelled: session_disabled")
    ]


def test_a_turn_without_an_ad_says_why() -> None:
    assert texts(step("sent", track_only=True, reason="every(3): turn 1")) == [
        ("request", "request for q1, no ad wanted: every(3): turn 1")
    ]


def test_a_retry_says_when() -> None:
    assert texts(step("retried", attempt=2, delay_s=1.0, reason="HTTP 429")) == [
        ("request", "attempt 2 for q1 in 1 s: HTTP 429")
    ]


def test_every_event_has_a_lane() -> None:
    kinds = {kind.name for kind in AdEvent.__subclasses__()}
    assert len(kinds) == 11
    assert kinds == marks.EVENTS.keys()
    assert {lane for lane, _ in marks.EVENTS.values()} <= set(LANES)


def test_what_a_creative_tells_is_neither_a_view_nor_a_click() -> None:
    """Those two are what is paid for: nothing else stands in their lanes."""
    lanes: dict[str, list[str]] = {}
    for name, (lane, _) in marks.EVENTS.items():
        lanes.setdefault(lane, []).append(name)
    assert (lanes["view"], lanes["click"]) == (["ad.viewed"], ["ad.clicked"])


def test_an_event_in_a_few_words() -> None:
    told = marks.told
    assert told(Filled(bid_id="b", at=1.0, user_message_id="q1")).text == "q1 ad.filled, ahead of the reply"
    assert told(Filled(bid_id="b", at=1.0, message_id="a1")).text == "a1 ad.filled"
    assert told(NoFill(skip_code="unfilled_bid", at=1.0)).text == "ad.no-fill: unfilled_bid"
    assert told(AdError(message="HTTP 503", err_code="request_failed", at=1.0)).text == "ad.error: request_failed"
    assert told(AdHeight(bid_id="b", height=181.6, at=1.0)).text == "ad.height: 182 px"
    assert told(NoFill(skip_code="x", at=1.0)).data["payload"] == {"skipCode": "x"}


def test_what_was_carried_names_the_consent() -> None:
    body = {"regulatory": {"gdpr": 1, "gdprConsent": "C" * 40}}
    assert marks.carried("q1", 1.0, body).text == f"q1 carried gdpr=1 gdprConsent={'C' * 12}…"
    assert marks.carried("q1", 1.0, {}).text == "q1 carried no consent"
    assert marks.carried("q1", 1.0, body).data == body


def test_a_reply_that_was_not_finished_was_never_fed() -> None:
    half = Message.assistant("a1", "Half a")
    assert marks.replied(half, 1.0).text == "a1 reply"
    assert marks.interrupted(half, 1.0).text == "a1 reply interrupted: it is not fed"
    failed = marks.failed(half, 1.0, "small took too long")
    assert failed.text == "a1 reply failed, it is not fed: small took too long"
    assert failed.data["failed"] == "small took too long"

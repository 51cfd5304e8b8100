from __future__ import annotations

import json
from typing import Any

import pytest

from kontext_rx.adserver import BIDS, SESSION_ID, Answer, InvalidSettingError, answers

BID = {"bidId": "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f", "code": "inlineAd", "revenue": 0.031}


def test_each_builder_makes_the_answer_it_is_named_for() -> None:
    """As the session API has them."""
    assert answers.fill(BID).json == {"sessionId": SESSION_ID, "bids": [BID]}
    assert answers.fill().json == {"sessionId": SESSION_ID, "bids": BIDS}
    assert answers.skip("no_inventory").json == {"sessionId": SESSION_ID, "skip": True, "skipCode": "no_inventory"}
    assert answers.skip(None).json == {"sessionId": SESSION_ID, "skip": True}
    assert answers.error("geo_blocked").json["errCode"] == "geo_blocked"
    assert answers.error(None, permanent=True, session_id="s").json.keys() == {"sessionId", "permanent", "error"}
    assert answers.init().json == {"enabled": True, "reportErrors": True, "reportDebug": False}
    assert answers.no_content().status == answers.status(204).status == 204
    assert answers.status(204).content() == b""
    assert answers.status(503).status == 503
    assert answers.half_sent().fault == "half-sent"
    assert answers.half_sent(answers.skip()).json == answers.skip().json
    assert answers.reset().fault == "reset"
    assert answers.hang().fault == "hang"


def test_the_session_id_can_be_left_out() -> None:
    """Which makes of a fill, or of a skip, what an SDK takes for an error."""
    assert answers.fill(BID, session_id=None).json == {"bids": [BID]}
    assert answers.skip(session_id=None).json == {"skip": True, "skipCode": "ad_skipped"}


@pytest.mark.parametrize(
    ("given", "text"),
    [(3, "3"), (3.0, "3"), (0.5, "0.5"), (86_400_000, "86400000"), ("Fri, 20 Nov 2026", "Fri, 20 Nov 2026")],
)
def test_retry_after_is_seconds_or_a_text(given: Any, text: str) -> None:
    """A whole number has no point; a date is passed on."""
    assert answers.rate_limited(retry_after=given).headers == {"Retry-After": text}


def test_without_a_pause_there_is_no_retry_after() -> None:
    """The header is optional."""
    assert answers.rate_limited().headers == {}


def test_a_malformed_body_is_no_json() -> None:
    """Yet complete: nothing is wrong with the transfer."""
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(answers.malformed().content())


def test_room_is_left_for_the_conversations_own_values() -> None:
    """At the top of a JSON object; anything else is sent as it is."""
    done = answers.complete(answers.fill(), session_id="s", bids=[{"code": "x"}])
    assert done.json == {"sessionId": "s", "bids": [{"code": "x"}]}
    for as_it_is in (answers.malformed(), Answer(json=[1]), Answer(json={})):
        assert answers.complete(as_it_is, session_id="s", bids=[]) == as_it_is


@pytest.mark.parametrize(
    "wrong", [{"status": 100}, {"status": 700}, {"delay": -1}, {"delay": float("inf")}, {"json": {}, "body": b""}]
)
def test_an_answer_that_could_not_be_sent_is_refused(wrong: dict[str, Any]) -> None:
    """Where it is made, not when it is due."""
    with pytest.raises(InvalidSettingError):
        Answer(**wrong)

from __future__ import annotations

import asyncio

import pytest

from kontext_rx.adserver import Answer, Fixed, InvalidSettingError, answers

from .conftest import Caller, Serve
from .wire import HEADERS, init_body, report_body

BID = {"bidId": "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f", "code": "inlineAd", "revenue": 0.031}


async def test_a_script_is_played_in_order_then_the_settings_count_again(serve: Serve) -> None:
    """One answer a request; more may be queued at any time."""
    caller = await serve(fill_rate=0.0)
    caller.server.script("/preload", answers.rate_limited(retry_after=2), answers.status(503))
    caller.server.script("/preload", answers.fill())
    first, second, third, fourth = [await caller.preload() for _ in range(4)]
    assert (first.status, first.headers["Retry-After"]) == (429, "2")
    assert second.status == 503
    assert third.json["bids"]
    assert fourth.json["skipCode"] == "unfilled_bid"


async def test_each_path_has_its_own_script(caller: Caller) -> None:
    """What is queued for one is not given to another."""
    caller.server.script("/init", answers.init(enabled=False, preload_timeout_ms=9_000))
    caller.server.script("/error", answers.status(500))
    assert (await caller.preload()).json["bids"]
    assert (await caller.post("/error", report_body(error="x"))).status == 500
    assert (await caller.post("/init", init_body())).json["preloadTimeout"] == 9_000


async def test_a_path_that_is_no_endpoint_cannot_be_scripted(caller: Caller) -> None:
    """The message says which there are."""
    with pytest.raises(InvalidSettingError, match="/preload"):
        caller.server.script("/prelaod", answers.fill())


async def test_a_scripted_answer_gets_the_conversations_session_id_and_bids(caller: Caller) -> None:
    """Where it leaves room for them; a bid of its own is sent as it is."""
    session_id = (await caller.preload()).json["sessionId"]
    caller.server.script("/preload", answers.fill(), answers.fill(BID), answers.skip("no_inventory"))
    chosen = (await caller.preload("coffee", enabledPlacementCodes=["sidebar"])).json
    assert chosen["sessionId"] == session_id
    bid = caller.server.bid(chosen["bids"][0]["bidId"])
    assert bid is not None
    assert (bid.code, bid.creative.topic) == ("sidebar", "coffee")
    assert (await caller.preload()).json == {"sessionId": session_id, "bids": [BID]}
    skipped = (await caller.preload()).json
    assert skipped == {"sessionId": session_id, "skip": True, "skipCode": "no_inventory"}


async def test_a_script_is_played_whatever_the_request_says(caller: Caller) -> None:
    """Nothing being known of who asks, there is a session id but no bid to choose."""
    caller.server.script("/preload", answers.fill(), answers.fill())
    for data in (b"not json", b"{}"):
        answer = await caller.request("POST", "/preload", data=data, headers=HEADERS)
        assert answer.json["sessionId"]
        assert answer.json["bids"] == []


async def test_a_scripted_answer_has_a_delay_of_its_own(serve: Serve) -> None:
    """And no other: the latency of the settings is not added."""
    caller = await serve(latency=Fixed(3_600))
    caller.server.script("/preload", answers.skip(delay=0.1))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert (await caller.preload()).json["skip"] is True
    assert 0.1 <= loop.time() - before < 3


async def test_anything_can_be_answered(caller: Caller) -> None:
    """Status, bytes and headers as they are given, instead of the usual ones."""
    odd = Answer(status=201, body=b"<html>", headers={"Content-Type": "text/html", "X-Odd": "1"})
    caller.server.script("/preload", odd, Answer())
    answer = await caller.preload()
    assert (answer.status, answer.raw) == (201, b"<html>")
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["X-Odd"] == "1"
    assert (await caller.preload()).raw == b""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import aiohttp
import pytest

from kontext_rx.adserver import Fixed, Settings, answers

from .conftest import Caller, Serve
from .wire import TRACK_ONLY, init_body, message, preload_body


async def test_a_fill_has_one_bid_for_each_enabled_code(caller: Caller) -> None:
    """With all that a bid carries, and UUIDs in lower case."""
    answer = (await caller.preload("Any good coffee?", enabledPlacementCodes=["inlineAd", "sidebar"])).json
    assert answer["sessionId"] == str(UUID(answer["sessionId"]))
    assert [bid["code"] for bid in answer["bids"]] == ["inlineAd", "sidebar"]
    for bid in answer["bids"]:
        assert bid["bidId"] == str(UUID(bid["bidId"]))
        assert bid.keys() == {"bidId", "code", "revenue", "value", "impressionTrigger", "om"}
    offered = caller.server.bid(answer["bids"][0]["bidId"])
    assert offered is not None
    assert offered.creative.topic == "coffee"
    assert caller.server.bid("unheard-of") is None


async def test_the_creative_follows_the_conversation(caller: Caller) -> None:
    """The latest words weigh most."""
    topics: list[str] = []
    for texts in (("a hotel?",), ("a hotel?", "and a flight?"), ("a hotel?", "and a flight?", "thanks")):
        answer = (await caller.preload(*texts)).json
        bid = caller.server.bid(answer["bids"][0]["bidId"])
        topics.append(bid.creative.topic if bid else "")
    assert topics == ["hotels", "flights", "flights"]


async def test_the_session_id_stays_for_a_conversation(caller: Caller) -> None:
    """Given back when it is known, the same when it is not, another for another conversation."""
    first = (await caller.preload()).json["sessionId"]
    assert (await caller.preload("a", "b")).json["sessionId"] == first
    assert (await caller.preload(conversationId="other")).json["sessionId"] != first
    known = "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
    assert (await caller.preload(sessionId=known)).json["sessionId"] == known


async def test_a_request_that_is_repeated_gets_new_bid_ids(caller: Caller) -> None:
    """A bid id is unique to a request."""
    ids = [(await caller.preload()).json["bids"][0]["bidId"] for _ in range(3)]
    assert len(set(ids)) == 3


async def test_a_turn_that_is_only_tracked_is_skipped(caller: Caller) -> None:
    """With `ads_disabled`; told so, the server fills it."""
    assert (await caller.preload(headers=TRACK_ONLY)).json["skipCode"] == "ads_disabled"
    caller.server.settings = Settings(fill_track_only=True)
    assert (await caller.preload(headers=TRACK_ONLY)).json["bids"]


async def test_pacing_counts_the_turns_of_a_conversation(serve: Serve) -> None:
    """Beyond the thirty messages that a request carries, too."""
    caller = await serve(every=5)
    messages: list[dict[str, str]] = []
    filled: list[int] = []
    for number in range(1, 41):
        messages.append(message(f"u{number}", "user", "Hi"))
        answer = (await caller.post("/preload", preload_body(messages=messages[-30:]))).json
        messages.append(message(f"a{number}", "assistant", "Hi"))
        if "bids" in answer:
            filled.append(number)
        else:
            assert answer["skipCode"] == "ad_skipped"
    assert filled == [5, 10, 15, 20, 25, 30, 35, 40]


async def test_the_frequency_cap_counts_the_ads_of_a_user(serve: Serve) -> None:
    """Over all conversations, several bids of one answer as one; another user starts anew."""
    caller = await serve(frequency_cap=2)
    answers_to_one = [
        (await caller.preload(conversationId=f"c{number}", enabledPlacementCodes=["a", "b"])).json
        for number in range(3)
    ]
    assert ["bids" in answer for answer in answers_to_one] == [True, True, False]
    assert answers_to_one[2]["skipCode"] == "frequency_cap"
    assert "bids" in (await caller.preload(userId="another")).json


async def test_of_two_requests_at_once_a_cap_of_one_lets_one_through(serve: Serve) -> None:
    """What is on its way counts."""
    caller = await serve(frequency_cap=1, latency=Fixed(0.05))
    replies = await asyncio.gather(*(caller.preload(conversationId=name) for name in ("c1", "c2")))
    assert sorted("bids" in reply.json for reply in replies) == [False, True]


async def test_an_ad_that_was_not_delivered_does_not_count(serve: Serve) -> None:
    """The client left before the answer, so the next request still fills."""
    caller = await serve(frequency_cap=1, latency=Fixed(3_600))
    asking = asyncio.create_task(caller.preload())
    await caller.server.received()
    asking.cancel()
    await caller.server.received(ended="aborted")
    caller.server.settings = Settings(frequency_cap=1)
    assert "bids" in (await caller.preload()).json


async def test_latency_holds_the_answer_back(serve: Serve) -> None:
    """The request is in the log before its answer is sent; /init has a latency of its own."""
    caller = await serve(latency=Fixed(0.15))
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert (await caller.post("/init", init_body())).status == 200
    asking = asyncio.create_task(caller.preload())
    (entry,) = await caller.server.received()
    assert entry.ended == "open"
    assert entry.status is None
    await asking
    assert loop.time() - before >= 0.15


@pytest.mark.parametrize("withdraw", [True, False], ids=["cancelled", "timed out"])
async def test_a_client_that_leaves_is_noticed_at_once(serve: Serve, withdraw: bool) -> None:
    """While the answer is held back: the log says `aborted`, and no status."""
    caller = await serve(latency=Fixed(3_600))
    timeout = None if withdraw else aiohttp.ClientTimeout(total=0.05)
    asking = asyncio.create_task(
        caller.request("POST", "/preload", json=preload_body(), headers=TRACK_ONLY, timeout=timeout)
        if timeout
        else caller.preload()
    )
    await caller.server.received()
    if withdraw:
        asking.cancel()
    (entry,) = await caller.server.received(ended="aborted", timeout=1.0)
    assert entry.status is None
    with pytest.raises((asyncio.CancelledError, TimeoutError)):
        await asking


async def test_a_client_that_leaves_while_it_sends_is_noticed(caller: Caller) -> None:
    """Its body never came, so the log has none."""
    _, writer = await caller.connect()
    writer.write(b'POST /preload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"half')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    (entry,) = await caller.server.received(ended="aborted")
    assert entry.body is None


async def test_a_client_that_is_gone_when_the_answer_is_due_is_no_error(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """An ordinary end, not worth a line in anyone's log."""
    caller.server.script("/preload", answers.skip(delay=0.05))
    _, writer = await caller.raw(preload_body())
    await caller.server.received()
    writer.close()
    await writer.wait_closed()
    await caller.server.received(ended="aborted")
    assert not caplog.records


async def test_a_reset_comes_before_any_byte(caller: Caller) -> None:
    """It is a real one, not an orderly end."""
    caller.server.script("/preload", answers.reset())
    reader, writer = await caller.raw(preload_body())
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    (entry,) = await caller.server.received(ended="reset")
    assert entry.status is None


async def test_a_half_sent_body_is_announced_whole(caller: Caller) -> None:
    """The length is that of all of it, half of it comes, then the connection ends."""
    caller.server.script("/preload", answers.half_sent())
    reader, writer = await caller.raw(preload_body())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    announced = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert len(body) == announced // 2
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(body)
    writer.close()
    await writer.wait_closed()
    (entry,) = await caller.server.received(ended="half-sent")
    assert entry.status == 200


async def test_a_half_sent_body_is_a_payload_error_to_a_client(caller: Caller) -> None:
    """Even of an answer that has no body to halve."""
    caller.server.script("/preload", answers.half_sent(), answers.half_sent(answers.Answer(body=b"")))
    for _ in range(2):
        with pytest.raises(aiohttp.ClientPayloadError):
            await caller.preload()


async def test_a_hanging_request_ends_with_its_client(caller: Caller) -> None:
    """It is never answered."""
    caller.server.script("/preload", answers.hang())
    asking = asyncio.create_task(caller.preload())
    (entry,) = await caller.server.received()
    assert entry.ended == "open"
    asking.cancel()
    await caller.server.received(ended="aborted")


@pytest.mark.parametrize(
    ("setting", "status"),
    [("error_rate", 503), ("rate_limit_rate", 429), ("no_content_rate", 204), ("malformed_rate", 200)],
)
async def test_rates_break_answers_over_the_wire(serve: Serve, setting: str, status: int) -> None:
    """Each as an SDK would see it; only /preload is broken."""
    caller = await serve(**{setting: 1.0})
    answer = await caller.preload()
    assert answer.status == status
    assert answer.headers.get("Retry-After") == ("1" if status == 429 else None)
    if status == 204:
        assert answer.raw == b""
        assert "Content-Type" not in answer.headers
    if setting == "malformed_rate":
        assert answer.headers["Content-Type"] == "application/json"
        with pytest.raises(ValueError, match="Unterminated"):
            json.loads(answer.raw)
    assert (await caller.post("/init", init_body())).status == 200


@pytest.mark.parametrize(
    ("setting", "error"), [("reset_rate", aiohttp.ClientOSError), ("half_sent_rate", aiohttp.ClientPayloadError)]
)
async def test_rates_break_connections(serve: Serve, setting: str, error: type[Exception]) -> None:
    """Each as an SDK would see it."""
    caller = await serve(**{setting: 1.0})
    with pytest.raises(error):
        await caller.preload()


async def test_a_permanent_error_is_answered_to_every_turn(serve: Serve) -> None:
    """In a 200, without a session id, as the session API has it."""
    caller = await serve(err_code="geo_blocked", permanent=True)
    answer = await caller.preload()
    assert answer.status == 200
    assert answer.json.keys() == {"errCode", "permanent", "error"}

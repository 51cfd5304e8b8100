from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from kontext_rx.adserver import AdServer, LoggedRequest, answers

from .conftest import Caller, Serve
from .wire import TRACK_ONLY, init_body, preload_body


async def test_a_request_is_logged_as_it_came(caller: Caller) -> None:
    """Number, time, path, headers in any case, body and size, and what was answered."""
    before = time.time()
    reply = await caller.preload(headers=TRACK_ONLY)
    (entry,) = caller.server.requests
    assert entry.number == 1
    assert before <= entry.at <= time.time()
    assert (entry.method, entry.path) == ("POST", "/preload")
    assert entry.headers["kontextso-is-disabled"] == entry.headers["KONTEXTSO-IS-DISABLED"] == "1"
    assert entry.body == preload_body()
    assert entry.size == int(entry.headers["content-length"])
    assert (entry.status, entry.ended) == (200, "answered")
    assert entry.answer == reply.json


async def test_the_log_keeps_the_latest_and_counts_them_all(serve: Serve) -> None:
    """The oldest go first."""
    caller = await serve(log_size=3)
    for number in range(5):
        await caller.preload(conversationId=f"c{number}")
    assert [entry.number for entry in caller.server.requests] == [3, 4, 5]
    assert caller.server.stats.requests == 5


async def test_a_request_that_ends_after_the_log_let_go_of_it_is_counted(serve: Serve) -> None:
    """The log keeps its order and the others."""
    caller = await serve(log_size=1)
    caller.server.script("/preload", answers.hang())
    asking = asyncio.create_task(caller.preload())
    await caller.server.received("/preload")
    await caller.post("/init", init_body())
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await caller.post("/init", init_body())
    await caller.server.received(None, ended="answered")
    async with asyncio.timeout(2):
        while caller.server.stats.ended.get("aborted") != 1:
            await asyncio.sleep(0)
    assert [entry.path for entry in caller.server.requests] == ["/init"]


async def test_stats_count_fills_skips_statuses_and_ends(caller: Caller) -> None:
    """What was sent, not what was meant to be."""
    caller.server.script(
        "/preload", answers.fill(), answers.skip("a"), answers.skip("a"), answers.skip(None), answers.status(503)
    )
    for _ in range(5):
        await caller.preload()
    caller.server.script("/preload", answers.reset(), answers.half_sent())
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            await caller.preload()
    stats = caller.server.stats
    assert stats.requests == 7
    assert stats.paths == {"/preload": 7}
    assert stats.fills == 1
    assert stats.skips == {"a": 2, "": 1}
    assert stats.statuses == {200: 5, 503: 1}
    assert stats.ended == {"answered": 5, "reset": 1, "half-sent": 1}


async def test_requests_can_be_waited_for(caller: Caller) -> None:
    """By path, count and end; those that have come already count."""
    await caller.post("/init", init_body())
    waiting = asyncio.create_task(caller.server.received(None, count=3, ended="answered"))
    await caller.preload()
    assert not waiting.done()
    await caller.preload()
    assert [entry.path for entry in await waiting] == ["/init", "/preload", "/preload"]


async def test_what_does_not_come_is_told(caller: Caller) -> None:
    """How many came, of what."""
    with pytest.raises(TimeoutError, match=r"0 of 2 requests to /preload within 0\.01 s"):
        await caller.server.received(count=2, timeout=0.01)
    with pytest.raises(TimeoutError, match="0 of 1 requests to any path that ended as 'reset'"):
        await caller.server.received(None, ended="reset", timeout=0.01)


async def test_each_request_is_told_as_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """So that a command line can print it; one that fails harms nothing and is logged."""
    told: list[LoggedRequest] = []

    def tell(entry: LoggedRequest) -> None:
        told.append(entry)
        raise RuntimeError("the printer is out of paper")

    async with AdServer(on_request=tell) as server, aiohttp.ClientSession() as http:
        caller = Caller(server, http)
        assert (await caller.preload()).status == 200
        assert (await caller.post("/init", init_body())).status == 200
    assert [(entry.path, entry.ended) for entry in told] == [("/preload", "answered"), ("/init", "answered")]
    assert "the printer is out of paper" in caplog.text

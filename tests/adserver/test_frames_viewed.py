"""When an ad counts as viewed: by the MRC's guidelines. These tests take the seconds that they are about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .browser import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

Staging = Callable[..., Awaitable[Stage]]


async def test_an_ad_in_view_for_a_second_is_viewed_once(stage: Staging) -> None:
    """Not before; and older SDKs hear it in their own message."""
    on = await stage(kinds=("image",))
    bid_id = await on.show("dinner")
    await on.seen("view-iframe")
    messages = await on.messages()
    at = {one["data"].get("name", one["type"]): one["at"] for one in messages}
    assert 990 <= at["ad.viewed"] - at["ad-done-iframe"] < 2_500  # milliseconds
    viewed = await on.event("ad.viewed")
    assert viewed == {
        "id": bid_id,
        "messageId": "m-9",
        "content": "Saltmarsh Table keeps a seat by the window for you. Book tonight, pay after dessert.",
        "format": "image",
        "revenue": 0.031,
    }
    (older,) = [one["data"] for one in messages if one["type"] == "view-iframe"]
    assert older == {"id": bid_id, "content": viewed["content"], "messageId": "m-9", "code": "inlineAd"}
    await on.page.evaluate("document.body.style.paddingBottom = '5000px'; scrollTo(0, 4000)")
    await asyncio.sleep(0.2)
    await on.page.evaluate("scrollTo(0, 0)")
    await asyncio.sleep(1.3)
    assert (await on.told()).count("ad.viewed") == 1


async def test_an_ad_out_of_view_or_less_than_half_in_it_is_not_viewed(stage: Staging) -> None:
    """It renders, and is viewed once it has come into view for a whole second."""
    on = await stage(kinds=("image",), context={"viewport": {"width": 400, "height": 600}})
    await on.show("dinner", above=3_000)
    height = (await on.box())["height"]
    assert height > 100  # measured, though browsers hold a frame out of view back
    await on.page.evaluate("document.body.style.paddingBottom = '3000px'")
    await on.page.evaluate(f"scrollTo(0, 3000 - 600 + {height * 0.4:.0f})")  # two fifths of it
    await asyncio.sleep(1.3)
    assert "ad.viewed" not in await on.told()
    for _ in range(2):  # twice half a second is not a second
        await on.page.evaluate("scrollTo(0, 2800)")
        await asyncio.sleep(0.5)
        await on.page.evaluate("scrollTo(0, 0)")
        await asyncio.sleep(0.2)
    await asyncio.sleep(0.8)
    assert "ad.viewed" not in await on.told()
    await on.page.evaluate("scrollTo(0, 2800)")
    await on.seen("ad.viewed")


async def test_an_ad_on_a_page_that_nobody_sees_is_not_viewed(stage: Staging) -> None:
    """A tab in the background shows nothing to anyone; the second starts when it comes to the front."""
    on = await stage(kinds=("text",))
    await on.show("coffee")
    turn = (
        "Object.defineProperty(document, 'visibilityState', {{value: '{}', configurable: true}});"
        " document.dispatchEvent(new Event('visibilitychange'))"
    )
    await on.frame().evaluate(turn.format("hidden"))
    await asyncio.sleep(1.3)
    assert "ad.viewed" not in await on.told()
    await on.frame().evaluate(turn.format("visible"))
    await asyncio.sleep(0.5)
    assert "ad.viewed" not in await on.told()
    await on.seen("ad.viewed")


async def test_a_video_plays_in_view_and_is_viewed_after_two_seconds(stage: Staging) -> None:
    """It starts by itself, without sound, only where it can be seen; started and completed are told once."""
    on = await stage(kinds=("video",), context={"viewport": {"width": 400, "height": 600}})
    await on.show("movie", above=2_000)
    await asyncio.sleep(0.5)
    assert "video.started" not in await on.told()
    await on.page.evaluate("scrollTo(0, 2000)")
    await on.seen("video.completed", within=15)
    at = {one["data"].get("name", one["type"]): one["at"] for one in await on.messages()}
    assert 1_950 <= at["ad.viewed"] - at["video.started"] < 4_500  # milliseconds
    assert at["video.completed"] - at["video.started"] > 4_000
    told = await on.told()
    assert [told.count(name) for name in ("video.started", "ad.viewed", "video.completed")] == [1, 1, 1]
    assert await on.frame().evaluate("document.querySelector('video').muted")


async def test_who_wants_no_motion_starts_the_video_themselves(stage: Staging) -> None:
    """With a button; pressing it is no click on the ad."""
    on = await stage(kinds=("video",), context={"reduced_motion": "reduce"})
    await on.show("movie")
    await asyncio.sleep(0.3)
    assert "video.started" not in await on.told()
    await on.frame().click("[data-play]")
    await on.seen("video.started")
    assert "ad.clicked" not in await on.told()

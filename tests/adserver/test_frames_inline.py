"""The inline frame in a real browser, in a page from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kontext_rx.adserver import CREATIVES, answers

from .browser import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

Staging = Callable[..., Awaitable[Stage]]

WORDS = {
    "text": "coffee",
    "image": "dinner",
    "video": "movie",
    "banner": "concert",
    "interstitial": "trip",
    "rewarded": "computer",
}


@pytest.mark.parametrize("kind", WORDS)
async def test_the_messages_of_a_kind_come_in_their_order(kind: str, stage: Staging) -> None:
    """Hello, the first token, shown and high, the last token, done; all of this placement and from this server."""
    on = await stage(kinds=(kind,))
    bid_id = await on.show(WORDS[kind])
    creative = next(one for one in CREATIVES if one.kind == kind and WORDS[kind] in one.keywords)
    messages = await on.messages()
    told = await on.told()
    first = [told.index(one) for one in ("init-iframe", "ad.render-started", "show-iframe", "ad.render-completed")]
    assert first == sorted(first)
    assert told[: told.index("ad-done-iframe") + 1].count("resize-iframe") >= 1
    assert told.index("ad.render-completed") < told.index("ad-done-iframe")
    assert {one["data"]["code"] for one in messages} == {"inlineAd"}
    assert {one["origin"] for one in messages} == {on.server.url}
    done = next(one["data"] for one in messages if one["type"] == "ad-done-iframe")
    assert done == {
        "id": bid_id,
        "content": creative.text,
        "messageId": "m-9",
        "cachedContent": creative.text,
        "code": "inlineAd",
    }
    assert (await on.event("ad.render-started"))["id"] == bid_id
    assert await on.frame().text_content("[data-stream]") == creative.text


async def test_text_streams_and_the_frame_grows_with_it(stage: Staging) -> None:
    """Heights rise while tokens come, and the last is that of the whole ad: nothing to scroll."""
    on = await stage(kinds=("text",))
    await on.show("coffee", width="220px")
    messages = await on.messages()
    heights = [one["data"]["height"] for one in messages if one["type"] == "resize-iframe"]
    assert len(heights) >= 3
    assert heights == sorted(heights)
    started, completed = (
        next(one["at"] for one in messages if one["data"].get("name") == name)
        for name in ("ad.render-started", "ad.render-completed")
    )
    assert completed - started > 200  # milliseconds
    frame = on.frame()
    assert await frame.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert (await on.box())["height"] == heights[-1]


async def test_a_narrower_host_gets_a_higher_frame(stage: Staging) -> None:
    """The height follows the width at any time."""
    on = await stage(kinds=("text",))
    await on.show("coffee")
    before = (await on.box())["height"]
    await on.page.set_viewport_size({"width": 260, "height": 700})
    async with asyncio.timeout(5):
        while (await on.box())["height"] <= before:
            await asyncio.sleep(0.02)


async def test_an_ad_that_was_shown_before_is_not_streamed_again(stage: Staging) -> None:
    """Older SDKs say so with what they have cached; those who want no motion get none either."""
    on = await stage(kinds=("text",), context={"reduced_motion": "no-preference"})
    await on.mount(await on.bid("coffee"), query={"cachedContent": "anything"})
    await on.seen("ad-done-iframe")
    assert await on.frame().evaluate("document.querySelectorAll('[data-stream] span').length") == 1
    calm = await stage(kinds=("text",), context={"reduced_motion": "reduce"})
    await calm.show("coffee")
    assert await calm.frame().evaluate("document.querySelectorAll('[data-stream] span').length") == 1


async def test_a_host_that_does_not_answer_gets_its_ad_all_the_same(stage: Staging) -> None:
    """After half a second, with the message's id from the address."""
    on = await stage(kinds=("text",))
    await on.show("coffee", answer=False)
    hello, started = (await on.messages())[:2]
    assert started["at"] - hello["at"] >= 450  # milliseconds
    done = next(one["data"] for one in await on.messages() if one["type"] == "ad-done-iframe")
    assert done["messageId"] == "m-4"


async def ground(on: Stage, place: int = 0) -> float:
    """How light the ad's own ground is, 0 to 1."""
    frame = on.frame(place=place)
    lightness: float = await frame.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('.card')).backgroundColor.match(/oklch\\(([\\d.]+)/)[1])"
    )
    return lightness


@pytest.mark.parametrize(
    ("query", "other", "scheme", "dark"),
    [
        ({}, {}, "light", False),
        ({}, {}, "dark", True),
        ({"theme": "dark"}, {}, "light", True),
        ({"theme": "light"}, {}, "dark", False),
        ({"theme": "light"}, {"theme": "dark"}, "light", True),
        ({}, {"theme": "v0-dark"}, "light", True),
        ({}, {"theme": 7}, "light", False),
    ],
)
async def test_the_theme_is_the_hosts_then_the_addresss_then_the_systems(
    query: dict[str, str], other: dict[str, Any], scheme: str, dark: bool, stage: Staging
) -> None:
    """A name that says neither dark nor light leaves it to the system."""
    on = await stage(kinds=("image",), context={"color_scheme": scheme})
    await on.mount(await on.bid("dinner"), query=query, otherParams=other)
    await on.seen("ad.render-started")
    assert (await ground(on) < 0.5) is dark


async def test_the_theme_changes_while_the_ad_is_shown(stage: Staging) -> None:
    """A second answer changes how it looks, and starts nothing anew."""
    on = await stage(kinds=("image",))
    await on.show("dinner")
    await on.page.evaluate("update(0, {theme: 'dark'})")
    async with asyncio.timeout(5):
        while await ground(on) > 0.5:
            await asyncio.sleep(0.02)
    await on.page.evaluate("update(0, {theme: 'light'}, {code: 'other'})")  # not for this placement
    await asyncio.sleep(0.1)
    assert await ground(on) < 0.5
    await on.page.evaluate("update(0, {})")
    async with asyncio.timeout(5):
        while await ground(on) < 0.5:
            await asyncio.sleep(0.02)
    told = await on.told()
    assert told.count("ad.render-started") == told.count("ad-done-iframe") == 1


async def test_only_the_window_around_it_is_heard(stage: Staging) -> None:
    """And of it only messages: the rest is left alone, and breaks nothing."""
    on = await stage(kinds=("image",))
    await on.show("dinner")
    await on.frame().evaluate("postMessage({type: 'update-iframe', data: {otherParams: {theme: 'dark'}}}, '*')")
    await asyncio.sleep(0.1)
    assert await ground(on) > 0.5
    await on.page.evaluate(
        "for (const odd of [null, 1, 'x', [], {}, {type: 7}, {type: 'update-iframe'}, {type: 'update-iframe', data: 1},"
        "{type: 'update-iframe', data: {otherParams: null}}, {type: 'nobody-knows-iframe', data: {}}])"
        " document.querySelector('iframe').contentWindow.postMessage(odd, '*')"
    )
    await asyncio.sleep(0.1)
    assert await ground(on) > 0.5
    assert (await on.told()).count("ad.render-started") == 1


async def test_two_frames_do_not_mix(stage: Staging) -> None:
    """Each speaks of its own bid and placement."""
    on = await stage()
    one, two = await on.bid("coffee"), await on.bid("dinner", code="sidebar")
    await on.mount(one)
    await on.mount(two, query={"code": "sidebar"})
    await on.seen("ad-done-iframe", count=2)
    for slot, (bid_id, code) in enumerate(((one, "inlineAd"), (two, "sidebar"))):
        messages = await on.messages(slot)
        assert {message["data"]["code"] for message in messages} == {code}
        (done,) = [message["data"] for message in messages if message["type"] == "ad-done-iframe"]
        assert done["id"] == bid_id


async def test_a_bid_that_is_not_known_or_expired_shows_nothing(stage: Staging) -> None:
    """It says so to the host, and nothing else."""
    on = await stage(bid_ttl=0.0)
    await on.mount("0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f")
    await on.mount(await on.bid())
    await on.seen("error-iframe", count=2)
    await asyncio.sleep(0.2)
    assert [(one["type"], one["data"]) for one in await on.messages()] == [("error-iframe", {"code": "inlineAd"})] * 2
    assert (await on.frame().text_content("body")) == ""


async def test_a_scripted_bid_has_a_frame_too(stage: Staging) -> None:
    """Of a creative that fits anything, or of the kinds asked for; with the bid's own revenue."""
    on = await stage(kinds=("banner",))
    bid_id = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"
    on.server.script("/preload", answers.fill({"bidId": bid_id.upper(), "code": "inlineAd", "revenue": 0.5}))
    assert await on.bid() == bid_id.upper()
    await on.mount(bid_id)
    await on.seen("ad.viewed")
    viewed = await on.event("ad.viewed")
    assert (viewed["id"], viewed["format"], viewed["revenue"]) == (bid_id, "banner", 0.5)


async def test_an_ad_opened_on_its_own_can_be_looked_at(stage: Staging) -> None:
    """Without a host around it there is nobody to talk to."""
    on = await stage(kinds=("image",))
    await on.page.goto(on.url(await on.bid("dinner")))
    await on.page.wait_for_selector(":root[data-state=done]")


async def test_what_a_bid_says_is_text(stage: Staging) -> None:
    """Nothing of it becomes markup, in the page or in its attributes."""
    on = await stage()
    code = "a\"><script>alert(1)</script>'"
    bid_id = await on.bid("weather", code=code)
    await on.mount(bid_id, query={"code": code})
    await on.seen("ad-done-iframe")
    frame = on.frame()
    assert await frame.evaluate("document.scripts.length") == 1
    assert await frame.text_content("header strong") == "Drizzle & Daughters"
    assert {one["data"]["code"] for one in await on.messages()} == {code}

"""Clicks: anywhere on the ad, told with where they were and where they lead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from .browser import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

Staging = Callable[..., Awaitable[Stage]]


async def clicks(on: Stage) -> list[tuple[str, str]]:
    return [
        (one["data"]["payload"]["area"], one["data"]["payload"]["url"])
        for one in await on.messages()
        if one["data"].get("name") == "ad.clicked"
    ]


async def test_the_whole_ad_can_be_clicked(stage: Staging) -> None:
    """Each place is told by its name, with the address and beside the message that hosts act on."""
    on = await stage(kinds=("image",), context={"viewport": {"width": 400, "height": 700}})
    bid_id = await on.show("dinner")
    frame = on.frame()
    for place in (".art", "header strong", "[data-stream]", "a"):
        box = await (await frame.query_selector(place)).bounding_box()  # type: ignore[union-attr]
        assert box is not None
        await on.page.mouse.click(box["x"] + 8, box["y"] + box["height"] / 2)
    box = await on.box()
    await on.page.mouse.click(box["x"] + box["width"] - 20, box["y"] + box["height"] - 12)  # the empty corner
    await frame.focus("a")
    await on.page.keyboard.press("Enter")
    await on.seen("click-iframe", count=6)
    url = f"/click/{bid_id}?creative=restaurants&code=inlineAd"
    assert await clicks(on) == [(area, url) for area in ("image", "brand", "text", "action", "body", "action")]
    messages = await on.messages()
    clicked = next(one["data"] for one in messages if one["data"].get("name") == "ad.clicked")
    text = "Saltmarsh Table keeps a seat by the window for you. Book tonight, pay after dessert."
    assert clicked["payload"] == {
        "id": bid_id,
        "messageId": "m-9",
        "content": text,
        "url": url,
        "format": "image",
        "area": "image",
    }
    hosts = next(one["data"] for one in messages if one["type"] == "click-iframe")
    assert hosts == {
        "id": bid_id,
        "content": text,
        "messageId": "m-9",
        "url": url,
        "target": "browser",
        "code": "inlineAd",
    }
    await asyncio.sleep(0.2)
    assert on.opened == []  # the host opens it: the frame must not do so too


@pytest.mark.parametrize("sdk", ["sdk-react", "sdk-js", ""])
async def test_in_a_web_sdks_page_the_frame_opens_what_was_clicked(sdk: str, stage: Staging) -> None:
    """There nobody else does; it tells the host all the same."""
    on = await stage(kinds=("text",))
    bid_id = await on.bid("music")
    await on.mount(bid_id, query={"sdk": sdk})
    await on.seen("ad-done-iframe")
    async with on.page.context.expect_page() as opening:
        await on.frame().click("[data-stream]", force=True)
    opened = await opening.value
    await opened.wait_for_load_state()
    assert opened.url == f"{on.server.url}/click/{bid_id}?creative=music&code=inlineAd"
    assert "nothing was bought" in (await opened.text_content("main") or "")
    assert await opened.evaluate("document.referrer") == ""
    assert await opened.evaluate("opener") is None
    await on.seen("click-iframe")


async def test_some_ads_lead_to_an_absolute_address(stage: Staging) -> None:
    """Of this server all the same: no ad leads off the machine."""
    on = await stage(kinds=("text",))
    bid_id = await on.show("coffee")
    await on.page.mouse.click((await on.box())["x"] + 30, (await on.box())["y"] + 12)
    await on.seen("click-iframe")
    assert await clicks(on) == [("text", f"{on.server.url}/click/{bid_id}?creative=coffee&code=inlineAd")]


async def test_the_middle_button_counts_and_the_right_one_does_not(stage: Staging) -> None:
    """The one opens a tab, the other a menu."""
    on = await stage(kinds=("text",))
    await on.show("music")
    box = await on.box()
    await on.page.mouse.click(box["x"] + 30, box["y"] + 12, button="right")
    await on.page.mouse.click(box["x"] + 30, box["y"] + 12, button="middle")
    await on.seen("click-iframe")
    assert len(await clicks(on)) == 1

"""The modal: what the interstitial opens, and where a reward is earned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from .browser import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

Staging = Callable[..., Awaitable[Stage]]

OPEN, CLOSE = "[data-testid=open-modal]", "[data-testid=close-modal]"


async def opened(on: Stage, count: int = 1) -> None:
    await on.frame().click(OPEN)
    await on.seen("init-component-iframe", count=count)
    await on.frame("/api/modal/").wait_for_selector(CLOSE)


async def test_the_button_opens_the_modal_which_is_closed_by_its_own(stage: Staging) -> None:
    """All of it in the words of the protocol; opening is no click on the ad."""
    on = await stage(kinds=("interstitial",))
    await on.show("trip", otherParams={"theme": "dark"})
    await opened(on)
    asked = next(one["data"] for one in await on.messages() if one["type"] == "open-component-iframe")
    assert asked == {
        "code": "inlineAd",
        "component": "modal",
        "timeout": 5_000,
        "componentParams": {"theme": "dark"},
    }
    modal = on.frame("/api/modal/")
    assert await modal.evaluate("document.documentElement.dataset.theme") == "dark"
    await modal.click(CLOSE)
    await on.seen("close-component-iframe")
    told = [one for one in await on.messages() if one["from"] == "modal"]
    assert {(one["data"]["code"], one["data"]["component"]) for one in told} == {("inlineAd", "modal")}
    assert "ad.clicked" not in await on.told()
    await on.page.wait_for_selector(".modal", state="detached")


async def test_escape_and_the_ground_beside_it_close_the_modal(stage: Staging) -> None:
    """The keyboard is in the modal from the start, and stays there."""
    on = await stage(kinds=("interstitial",), context={"viewport": {"width": 900, "height": 700}})
    await on.show("trip")
    await opened(on)
    modal = on.frame("/api/modal/")
    focused = "document.activeElement.dataset.testid ?? document.activeElement.className"
    await modal.wait_for_function(f"{focused} === 'close-modal'")
    for expected in ("action", "close-modal", "action"):
        await on.page.keyboard.press("Tab")
        assert await modal.evaluate(focused) == expected
    await on.page.keyboard.press("Escape")
    await on.seen("close-component-iframe")
    await opened(on, 2)
    await asyncio.sleep(0.4)  # a frame that has just been revealed gets no clicks yet
    await on.page.mouse.click(30, 650)
    await on.seen("close-component-iframe", count=2)


async def test_an_interstitial_is_viewed_in_its_modal_and_once(stage: Staging) -> None:
    """The teaser alone is no impression; seeing the modal again is no second one."""
    on = await stage(kinds=("interstitial",))
    bid_id = await on.show("trip")
    await asyncio.sleep(1.3)
    assert "ad.viewed" not in await on.told()
    await opened(on)
    await on.seen("view-iframe")
    viewed = await on.event("ad.viewed")
    assert (viewed["id"], viewed["format"]) == (bid_id, "interstitial")
    await on.frame("/api/modal/").click(CLOSE)
    await on.seen("close-component-iframe")
    await opened(on, 2)
    await asyncio.sleep(1.3)
    assert (await on.told()).count("ad.viewed") == 1


async def test_the_modal_can_be_clicked_anywhere(stage: Staging) -> None:
    """As the inline ad, and told in the same way."""
    on = await stage(kinds=("interstitial",), context={"viewport": {"width": 900, "height": 700}})
    await on.show("trip")
    await opened(on)
    await asyncio.sleep(0.4)  # it comes in with a movement
    await on.page.mouse.click(450, 200)
    await on.seen("click-iframe")
    assert (await on.event("ad.clicked"))["area"] == "image"


async def test_watching_to_the_end_grants_the_reward_once(stage: Staging) -> None:
    """Started, viewed, completed, granted; the inline ad says so too, and a second time grants nothing."""
    on = await stage(kinds=("rewarded",))
    bid_id = await on.show("computer")
    await opened(on)
    await on.seen("reward.granted", within=15)
    told = [
        name
        for name in await on.told()
        if name in ("video.started", "ad.viewed", "video.completed", "reward.granted", "ad.clicked")
    ]
    assert told == ["video.started", "ad.viewed", "video.completed", "reward.granted"]
    assert (await on.event("reward.granted"))["id"] == bid_id
    await on.frame("/api/modal/").click(CLOSE)
    await on.seen("close-component-iframe")
    assert "Yours: a free month" in (await on.frame().text_content(".prize .after") or "")
    assert await on.frame().is_visible(".prize .after")
    assert not await on.frame().is_visible(OPEN)  # there is nothing more to earn


async def test_leaving_early_grants_nothing(stage: Staging) -> None:
    """However long one waits after; watching again does."""
    on = await stage(kinds=("rewarded",))
    await on.show("computer")
    await opened(on)
    await on.seen("video.started")
    await on.page.evaluate("HTMLIFrameElement.prototype.remove = () => {}")  # a host that is slow to take it away
    await on.frame("/api/modal/").click(CLOSE)
    await on.seen("close-component-iframe")
    await asyncio.sleep(5.2)
    told = await on.told()
    assert "video.completed" not in told
    assert "reward.granted" not in told


async def test_a_bid_that_expired_has_no_modal(stage: Staging) -> None:
    """The host is told why, and takes it away; the inline ad stays."""
    on = await stage(kinds=("interstitial",))
    await on.show("trip")
    on.server.settings = msgspec.structs.replace(on.server.settings, bid_ttl=0.0)
    await on.frame().click(OPEN)
    await on.seen("error-component-iframe")
    told = next(one["data"] for one in await on.messages() if one["type"] == "error-component-iframe")
    assert told == {
        "code": "inlineAd",
        "component": "modal",
        "message": "The bid has expired",
        "errorType": "bid_not_shown",
    }
    assert "error-iframe" not in await on.told()

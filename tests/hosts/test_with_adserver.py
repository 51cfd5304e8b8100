"""The embedded ad server's own ads, through the bridge, as a user sees them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Settings

from .stage import Stage, names, until

if TYPE_CHECKING:
    from playwright.async_api import Frame

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def shown(stage: Stage, server: AdServer) -> tuple[list[kx.AdEvent], Frame]:
    session = stage.session(ad_server_url=server.url)
    events = stage.told(session)
    page = await stage.page(session)
    await stage.turn(session, "m1")
    await page.evaluate("void place('m1', {theme: 'dark'})")

    def find() -> Frame | None:
        return next((one for one in page.frames if "/api/frame/" in one.url), None)

    frame = await until(find)
    await (await frame.frame_element()).wait_for_element_state("visible")
    return events, frame


async def click(frame: Frame) -> None:
    box = await (await frame.frame_element()).bounding_box()
    assert box is not None
    await frame.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


async def test_an_image_is_rendered_viewed_and_clicked(stage: Stage) -> None:
    async with AdServer(Settings(kinds=("image",))) as server:
        events, frame = await shown(stage, server)
        box = await (await frame.frame_element()).bounding_box()
        height = next(event.height for event in events if isinstance(event, kx.AdHeight))
        assert box is not None
        assert box["height"] == height
        await until(lambda: {"ad.render-started", "ad.render-completed", "ad.viewed"} <= set(names(events)))
        await click(frame)
        (opened,) = await until(lambda: [one for one in frame.page.context.pages if one is not frame.page])
        await opened.wait_for_load_state()
        assert opened.url.startswith(f"{server.url}/click/")
        await until(lambda: "ad.clicked" in names(events))
        await asyncio.sleep(0.3)
        assert len(frame.page.context.pages) == 2
        assert names(events).count("ad.clicked") == 1


async def test_a_reward_is_granted_in_the_modal(stage: Stage) -> None:
    async with AdServer(Settings(kinds=("rewarded",))) as server:
        events, frame = await shown(stage, server)
        page = frame.page
        await frame.click("[data-testid=open-modal]")
        await until(lambda: page.evaluate("!!document.querySelector('dialog')?.open"))
        await until(lambda: "reward.granted" in names(events), within=30)
        order = [name for name in names(events) if name.startswith(("video", "reward"))]
        assert order == ["video.started", "video.completed", "reward.granted"]
        await page.keyboard.press("Escape")
        await until(lambda: page.evaluate("!document.querySelector('dialog')"))

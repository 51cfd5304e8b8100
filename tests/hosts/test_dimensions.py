"""The heartbeat: where and how large an ad is, five times a second, while it can be seen."""

from __future__ import annotations

import itertools
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from .stage import Stage, until

if TYPE_CHECKING:
    from playwright.async_api import Frame

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEATS = "got.filter((one) => one.type === 'update-dimensions-iframe')"


async def beats(frame: Frame) -> list[dict[str, Any]]:
    return await frame.evaluate(BEATS)


async def test_nine_numbers_every_200_ms(stage: Stage) -> None:
    session = stage.session()
    page = await stage.page(session)
    await page.evaluate("document.querySelector('#chat').style.padding = '10px 20px'")
    frame = await stage.shown(page, session, "m1")
    before = len(await beats(frame))
    await until(lambda: frame.evaluate(f"{BEATS}.length > {before + 6}"))
    got = await beats(frame)
    gaps = [later["at"] - earlier["at"] for earlier, later in itertools.pairwise(got[before:])]
    assert 180 <= statistics.median(gaps) <= 260
    size = page.viewport_size
    assert size is not None
    place = await page.evaluate("document.querySelector('kontext-ad').getBoundingClientRect().toJSON()")
    assert got[-1]["data"] == {
        "code": "inlineAd",
        "windowWidth": size["width"],
        "windowHeight": size["height"],
        "screenWidth": await page.evaluate("screen.width"),
        "screenHeight": await page.evaluate("screen.height"),
        "containerWidth": size["width"] - 40,
        "containerHeight": place["height"],
        "containerX": 20,
        "containerY": place["y"],
        "keyboardHeight": 0,
    }
    assert got[-1]["origin"] == stage.url


async def test_the_first_comes_with_the_answer_and_the_next_when_it_is_seen(stage: Stage) -> None:
    """An ad that is hidden gets one report, after `update-iframe`, and no heartbeat."""
    page, frame = await stage.silent_ad()
    await frame.evaluate("say('init-iframe')")
    await until(lambda: frame.evaluate("got.length === 2"))
    await page.wait_for_timeout(500)
    assert [one["type"] for one in await frame.evaluate("got")] == ["update-iframe", "update-dimensions-iframe"]
    await frame.evaluate("say('resize-iframe', {height: 90})")
    await frame.evaluate("say('show-iframe')")
    await until(lambda: frame.evaluate("got.length > 4"))


STOPPED = {
    "scrolled away": (
        "document.body.style.height = '5000px'; scrollTo(0, 4000)",
        "scrollTo(0, 0)",
    ),
    "hidden by the page": (
        "document.querySelector('#chat').style.display = 'none'",
        "document.querySelector('#chat').style.display = ''",
    ),
    "in a tab behind": (
        "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))",
        "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))",
    ),
}


@pytest.mark.parametrize("how", STOPPED)
async def test_it_stops_while_the_ad_cannot_be_seen(stage: Stage, how: str) -> None:
    page, frame = await stage.ad()
    away, back = STOPPED[how]
    await page.evaluate(f"() => {{ {away} }}")
    await page.wait_for_timeout(200)
    before = len(await beats(frame))
    await page.wait_for_timeout(450)
    assert len(await beats(frame)) == before
    await page.evaluate(f"() => {{ {back} }}")
    await until(lambda: frame.evaluate(f"{BEATS}.length > {before + 2}"))


async def test_it_stops_while_the_ad_hides_itself(stage: Stage) -> None:
    page, frame = await stage.ad()
    await frame.evaluate("say('hide-iframe')")
    await page.wait_for_timeout(200)
    before = len(await beats(frame))
    await page.wait_for_timeout(450)
    assert len(await beats(frame)) == before


async def test_it_goes_on_while_the_socket_is_down(stage: Stage) -> None:
    """It is the page's own business."""
    page, frame = await stage.ad()
    await page.context.set_offline(True)
    await stage.drop_sockets()
    before = len(await beats(frame))
    await until(lambda: frame.evaluate(f"{BEATS}.length > {before + 3}"))

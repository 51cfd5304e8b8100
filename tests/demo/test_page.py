"""The demo chat as a visitor sees it: a real browser, real sockets, real frames."""

from collections.abc import AsyncIterator

import pytest
from chromium import Browser, open_browser

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat
from kontext_rx.demo.replies import reply_to, tokens


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def demo() -> AsyncIterator[str]:
    async with AdServer() as ads, DemoChat(ads).serving() as url:
        yield url


async def test_a_question_gets_a_reply_and_an_ad_under_it(browser: Browser, demo: str) -> None:
    """It renders in its frame, grows to its height, is counted as viewed; and the timeline tells each of it."""
    page = await browser.new_page(viewport={"width": 1280, "height": 820})
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    await page.goto(demo)
    await page.click("text=Any tent for two?")
    frame = page.frame_locator("#a1 kontext-ad iframe")
    await frame.get_by_text("Sponsored").wait_for(timeout=20_000)
    await page.locator(".log").get_by_text("ad.viewed").wait_for(timeout=20_000)
    told = await page.locator(".log").inner_text()
    for word in ("message", "q1 waits 10 ms", "request for q1", "q1 filled after", "ad.render-started", "ad.height"):
        assert word in told
    height = await page.locator("#a1 kontext-ad iframe").evaluate("iframe => iframe.clientHeight")
    assert height > 40
    assert failed == []
    assert {url.split("/")[2].split(":")[0] for url in asked if url.startswith("http")} == {"127.0.0.1"}
    await page.locator(".log button", has_text="ad.viewed").click()
    assert '"ad.viewed"' in await page.locator(".raw").inner_text()
    await page.close()


async def test_the_switches_change_what_comes_next(browser: Browser, demo: str) -> None:
    page = await browser.new_page()
    await page.goto(demo)
    await page.select_option("select[name=server]", "empty")
    await page.fill("input[name=text]", "Where should we eat tonight?")
    await page.keyboard.press("Enter")
    await page.locator(".log").get_by_text("ad.no-fill: unfilled_bid").wait_for(timeout=20_000)
    await page.select_option("select[name=server]", "fast")
    await page.select_option("select[name=pacing]", "none")
    await page.fill("input[name=text]", "And tomorrow?")
    await page.keyboard.press("Enter")
    await page.locator(".log").get_by_text("the switch says so").wait_for(timeout=20_000)
    await page.select_option("select[name=theme]", "dark")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.close()


async def test_going_on_interrupts_the_reply(browser: Browser, demo: str) -> None:
    """What was never finished is never fed, and has no ad."""
    page = await browser.new_page()
    await page.goto(demo)
    for text in ("Where should we eat tonight?", "Somewhere quiet."):
        await page.fill("input[name=text]", text)
        await page.keyboard.press("Enter")
        await page.locator(".bubble", has_text=text).wait_for()
    await page.locator(".log").get_by_text("interrupted").wait_for(timeout=20_000)
    await page.frame_locator("#a2 kontext-ad iframe").get_by_text("Sponsored").wait_for(timeout=20_000)
    assert await page.locator("#a1 kontext-ad").count() == 0
    await page.close()


def test_replies_fit_the_question_and_are_the_same_each_time() -> None:
    assert "tent" in reply_to("Any tent for two?")
    assert "table" in reply_to("Where should we eat tonight?")
    assert reply_to("zzz") == reply_to("zzz") != ""
    assert reply_to("half an emoji \ud83d")
    assert "".join(tokens(reply_to("zzz"))) == reply_to("zzz")

"""Where a click leads: a new tab that knows nothing of the page, or a link to be clicked, and http(s) alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from .stage import Stage, until

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def clickable(frame: Frame, url: str, more: str = "", *, before: str = "event.preventDefault();") -> None:
    """Have the ad say `click-iframe` when it is clicked."""
    await frame.evaluate(
        f"""(url) => {{ document.querySelector('#link').onclick = (event) => {{
            {before} say('click-iframe', {{url, {more}}}); }} }}""",
        url,
    )


async def click(page: Page, frame: Frame) -> None:
    """A click as a user makes it: Playwright's own, on an element, counts as two."""
    box = await (await frame.frame_element()).bounding_box()
    assert box is not None
    await asyncio.sleep(0.1)
    await page.mouse.click(box["x"] + 20, box["y"] + 20)


async def use_up_the_click(page: Page) -> None:
    """Playwright's own calls count as clicks; opening something takes what is left of one."""
    await page.evaluate("open('about:blank').close()")
    await until(lambda: not others(page))


def others(page: Page) -> list[Page]:
    return [one for one in page.context.pages if one is not page]


async def test_a_click_opens_a_tab_that_knows_nothing_of_the_page(stage: Stage) -> None:
    """The round trip to Python is well within the time for which a click counts."""
    page, frame = await stage.ad()
    await clickable(frame, "/landing")
    await click(page, frame)
    (opened,) = await until(lambda: others(page))
    await opened.wait_for_load_state()
    assert opened.url == f"{stage.ads.url}/landing"
    assert await opened.evaluate("[window.opener, document.referrer]") == [None, ""]
    assert await page.evaluate("!document.querySelector('kontext-ad a')")
    assert page.url == f"{stage.url}/"


async def test_a_click_in_the_modal_opens_too(stage: Stage) -> None:
    page, frame = await stage.ad()
    await frame.evaluate("say('open-component-iframe', {component: 'modal'})")
    modal = await stage.frame(page, "m1", "modal")
    await (await modal.frame_element()).wait_for_element_state("visible")
    await clickable(modal, "/landing")
    await click(page, modal)
    (opened,) = await until(lambda: others(page))
    await opened.wait_for_load_state()
    assert opened.url == f"{stage.ads.url}/landing"


async def test_an_ad_that_opens_its_link_itself_opens_one_tab(stage: Stage) -> None:
    """In a browser the official creatives do both: the frame's own tab uses the click up, and the link is there."""
    page, frame = await stage.ad()
    await frame.evaluate(
        "(url) => Object.assign(document.querySelector('#link'), {href: url, target: '_blank', rel: 'noopener'})",
        f"{stage.ads.url}/landing",
    )
    await clickable(frame, "/landing", before="")
    await click(page, frame)
    await until(lambda: others(page))
    await asyncio.sleep(0.5)
    assert len(others(page)) == 1


async def test_without_a_click_there_is_a_link_instead(stage: Stage) -> None:
    """A browser would block the tab without a word: after a socket that was down, or for an ad that only says so."""
    page, frame = await stage.ad()
    await frame.evaluate(
        "void setTimeout(() => { for (let i = 0; i < 3; i++) say('click-iframe', {url: '/landing'}); }, 500)"
    )
    await use_up_the_click(page)
    await asyncio.sleep(1)
    assert others(page) == []
    link = page.locator("kontext-ad a")
    assert await link.count() == 1
    assert await link.get_attribute("rel") == "noopener noreferrer"
    assert await link.text_content() == f"Open {stage.ads.url.removeprefix('http://')} \u2197"
    await link.click()
    (opened,) = await until(lambda: others(page))
    await opened.wait_for_load_state()
    assert opened.url == f"{stage.ads.url}/landing"
    assert await opened.evaluate("window.opener") is None
    await until(lambda: page.evaluate("!document.querySelector('kontext-ad a')"))


async def test_a_click_on_the_page_is_not_the_ads_to_use(stage: Stage) -> None:
    """Else an ad could open a tab whenever the user sends a message; once it has been clicked itself, it can."""
    page, frame = await stage.ad()
    await frame.evaluate("void setTimeout(() => say('click-iframe', {url: '/landing'}), 500)")
    await page.mouse.click(200, 500)
    await page.keyboard.press("Enter")
    await until(lambda: page.evaluate("!!document.querySelector('kontext-ad a')"))
    assert others(page) == []
    await clickable(frame, "/landing")
    await click(page, frame)
    await until(lambda: others(page))


async def test_an_address_that_no_page_can_open_has_a_fallback(stage: Stage) -> None:
    """Tried once, and as safe as any other; a page has no browser inside, so `in-app` is a tab too."""
    page, frame = await stage.ad()
    await clickable(frame, "amazon://x", "fallbackUrl: '/landing', target: 'in-app'")
    await click(page, frame)
    (opened,) = await until(lambda: others(page))
    await opened.wait_for_load_state()
    assert opened.url == f"{stage.ads.url}/landing"
    await opened.close()
    await clickable(frame, "amazon://x", "fallbackUrl: 'javascript:alert(1)'")
    await click(page, frame)
    await page.wait_for_timeout(300)
    assert others(page) == []


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "amazon://x",
        "x y",
        "blob:x",
    ],
)
async def test_only_the_web_is_opened(stage: Stage, url: str) -> None:
    page, frame = await stage.ad()
    await clickable(frame, url)
    await click(page, frame)
    await page.wait_for_timeout(300)
    assert others(page) == []
    assert await page.evaluate("!document.querySelector('kontext-ad a')")

"""The chat of the how-to, word for word, as somebody uses it who has copied it: a real browser on its page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chromium import Browser
from playwright.async_api import Page

from .stage import served, until, uvicorn_at

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "show-an-ad.md"
CHAT, AIOHTTP, STARLETTE = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)[:3]
SOON = 20_000  # milliseconds


class App:
    """What has been copied, running at an address."""

    def __init__(self, names: dict[str, Any], url: str) -> None:
        self.names, self.url = names, url

    @property
    def session(self) -> Any:
        """The session of the only conversation."""
        (chat,) = self.names["chats"].values()
        return chat.session


@pytest_asyncio.fixture(loop_scope="session", params=["aiohttp", "starlette"])
async def app(request: pytest.FixtureRequest) -> AsyncIterator[App]:
    names: dict[str, Any] = {"__name__": "chat"}
    code, serve = (AIOHTTP, served) if request.param == "aiohttp" else (STARLETTE, uvicorn_at)
    exec(compile(CHAT + code, "chat.py", "exec"), names)
    async with serve(names["app"]) as url:
        yield App(names, url)
    assert names["chats"] == {}


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    problems: list[str] = []
    context = await chromium.new_context()
    context.set_default_timeout(SOON)
    await context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    made = await context.new_page()
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    yield made
    await context.close()
    assert problems == []


async def say(page: Page, text: str) -> None:
    await page.fill("[name=text]", text)
    await page.keyboard.press("Enter")


async def ad(page: Page, number: int) -> None:
    """Wait until the ad under a reply is to be seen."""
    frame = page.locator("kontext-ad").nth(number).locator("iframe")
    await frame.wait_for(state="visible")
    await frame.content_frame.get_by_text("Sponsored").wait_for()


async def test_every_reply_has_an_ad_also_when_the_page_is_loaded_again(app: App, page: Page) -> None:
    """One session for the conversation, however often its page is opened."""
    await page.goto(app.url)
    await say(page, "Any tent <b>for two</b>?")
    await ad(page, 0)
    await say(page, "And a stove?")
    await ad(page, 1)
    session = app.session
    await page.reload()
    await ad(page, 0)
    await ad(page, 1)
    assert await page.locator("p").first.inner_text() == "Any tent <b>for two</b>?"
    assert app.session is session
    assert app.names["bridge"].stats.refused == 0


async def test_a_new_chat_destroys_the_session_of_the_old_one(app: App, page: Page) -> None:
    """The same browser's next session goes by the browser's own install id."""
    await page.goto(app.url)
    await say(page, "Any tent for two?")
    await ad(page, 0)
    session = app.session
    await page.click("text=New chat")
    await page.wait_for_selector("main:empty", state="attached")
    assert session.is_destroyed
    assert not app.session.is_destroyed
    install_id = await page.evaluate("localStorage.getItem('kontext-install-id')")
    inits = [one.body for one in app.names["ads"].requests if one.path == "/init"]
    assert inits[0]["installId"] != inits[1]["installId"] == install_id


async def test_two_browsers_are_two_users(app: App, page: Page, chromium: Browser) -> None:
    await page.goto(app.url)
    await say(page, "A secret.")
    await ad(page, 0)
    other = await chromium.new_page()
    await other.goto(app.url)
    await until(lambda: len(app.names["chats"]) == 2)
    assert await other.locator("p").count() == 0
    await other.close()

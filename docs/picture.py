"""The README's picture: the demo page, asked two questions in a headless Chromium. `nox -s picture` takes it again."""

import asyncio
import shutil

from playwright.async_api import async_playwright
from stamp import PICTURE, digest, write

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


async def main() -> None:
    made_from = digest()  # first: a change while it is taken shows
    async with AdServer() as ads, DemoChat(ads).serving() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        log = page.locator(".log")
        await page.goto(url)
        await page.click("text=Any tent for two?")
        await log.get_by_text("a1 ad.viewed").wait_for()
        await page.select_option("[name=server]", "slow")  # so that there is a request to be cancelled
        await page.fill("input[name=text]", "Where should we eat tonight?")
        await page.keyboard.press("Enter")
        await log.get_by_text("request for q2").wait_for()
        await page.wait_for_timeout(800)
        await page.fill("input[name=text]", "A table for two, and good wine.")
        await page.keyboard.press("Enter")
        await log.get_by_text("a3 ad.viewed").wait_for()
        PICTURE.write_bytes(write(await page.screenshot(), made_from))
        await browser.close()


asyncio.run(main())

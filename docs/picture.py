"""The README's picture: the demo page, asked two questions in a headless Chromium. `nox -s picture` takes it again."""

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import async_playwright

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat

PICTURE = Path(__file__).with_name("demo.png")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


async def main() -> None:
    async with AdServer() as ads, DemoChat(ads).serving() as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        await page.goto(url)
        await page.click("text=Any tent for two?")
        await page.locator(".log").get_by_text("ad.viewed").wait_for()
        await page.fill("input[name=text]", "Where should we eat tonight?")
        await page.keyboard.press("Enter")
        await page.locator(".log").get_by_text("ad.viewed").nth(1).wait_for()
        await page.screenshot(path=PICTURE)
        await browser.close()


asyncio.run(main())

"""A scripted visit to the page: what a person would type, choose and click, in a browser without a screen."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from .chromium import ChromiumError
from .devtools import DevTools, Tab
from .marks import Mark

__all__ = ["Heard", "NoReplyError", "visit", "watch"]

SOON_S: Final = 60.0
"""Seconds for what takes one or two, on a machine that has much else to do. Source: ours."""

QUIET_S: Final = 2.5
"""Seconds without news after which nothing more is to come: an ad in view counts after one or two. Source: the MRC."""

SECOND_THOUGHT_S: Final = 0.7
"""Seconds after which the visitor has something to add; the ad server is still at work. Source: ours."""

AD: Final = "kontext-ad iframe"


class NoReplyError(Exception):
    """A reply failed that the visit waits for: why, in a sentence."""


class Heard:
    """The marks of a timeline as they come, and a way to wait for them. It is the `tell` of a `DemoChat`."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._news = asyncio.Event()

    def __call__(self, mark: Mark) -> None:
        """Take note."""
        self.marks.append(mark)
        self._news.set()

    async def until(self, text: str, *, after: int = 0) -> int:
        """
        Wait for a mark with *text* in it, among those *after* so many; give how many there were with it.

        Raises `ChromiumError` when it does not come, and `NoReplyError` when a reply has failed: then it never will.
        """
        try:
            async with asyncio.timeout(SOON_S):
                while True:
                    for place in range(after, len(self.marks)):
                        mark = self.marks[place]
                        if text in mark.text:
                            return place + 1
                        if mark.lane == "reply" and "failed" in mark.data:
                            raise NoReplyError(mark.data["failed"])
                    await self._change()
        except TimeoutError:
            raise ChromiumError(f"{text!r} did not come within {SOON_S:g} s") from None

    async def quiet(self) -> None:
        """Wait until nothing more comes."""
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._change()
            except TimeoutError:
                return

    async def _change(self) -> None:
        self._news.clear()
        await self._news.wait()


async def visit(devtools: DevTools, url: str, heard: Heard) -> None:
    """
    Ask, look at the ad and click it; interrupt a reply; ask where there is no ad.

    Raises `ChromiumError`, and `NoReplyError` when nobody answers.
    """
    tab = await _opened(devtools, url)
    await tab.click(".say input")

    await tab.type("Any tent for two?")
    seen = await heard.until("a1 ad.viewed")
    await tab.click(f"#a1 {AD}")
    seen = await heard.until("a1 ad.clicked", after=seen)
    await tab.close_opened()

    await _switch(tab, "server", "slow")
    await _switch(tab, "consent", "granted")
    await tab.click(".say input")
    await tab.type("Where should we eat tonight?")
    seen = await heard.until("request for q2", after=seen)
    await asyncio.sleep(SECOND_THOUGHT_S)
    await tab.type("Somewhere quiet, with good wine.")
    seen = await heard.until("request for q2 cancelled", after=seen)
    seen = await heard.until("a3 ad.viewed", after=seen)

    await _switch(tab, "server", "empty")
    await tab.click(".say input")
    await tab.type("Is there a night train to the sea?")
    seen = await heard.until("q4 ad.no-fill", after=seen)
    await heard.until("a4 reply", after=seen)


async def watch(devtools: DevTools, url: str, heard: Heard) -> None:
    """Look on while the page plays its conversation, to the end. Raises `ChromiumError`."""
    tab = await _opened(devtools, url)
    await tab.wait_for("document.documentElement?.dataset.played", within=None, what="the end")
    await heard.quiet()


async def _opened(devtools: DevTools, url: str) -> Tab:
    tab = await devtools.open_tab(url)
    await tab.wait_for("document.documentElement?.dataset.ready", within=SOON_S, what="the page")
    return tab


async def _switch(tab: Tab, name: str, value: str) -> None:
    chosen = f"document.querySelector({json.dumps(f'.switches [name={name}]')})"
    await tab.evaluate(
        f"{chosen}.value = {json.dumps(value)}, {chosen}.dispatchEvent(new Event('change', {{bubbles: true}})), true"
    )

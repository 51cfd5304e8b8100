"""A real browser, and a page of its own origin that holds ads as a chat app would, and notes all they post."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web

from kontext_rx.adserver import AdServer, Settings

from .wire import HEADERS, preload_body

if TYPE_CHECKING:
    from playwright.async_api import Browser, Frame, Page, Request

PAGE = """<!doctype html><meta charset="utf-8"><title>A chat</title>
<style>
  body { margin: 0; font: 16px/1.5 sans-serif; background: #fff; color: #111 }
  body.dark { background: #15171c; color: #eee }
  .far { height: 3000px }
  .ad { border: 0; width: 100%; color-scheme: auto; background: transparent; display: none; height: 0 }
  .modal { position: fixed; inset: 0; width: 100%; height: 100%; border: 0; z-index: 9; display: none }
</style><main></main>
<script>
window.log = [];
const slots = [];
const find = (source) => slots.flatMap((slot) => [[slot, "inline", slot.inline], [slot, "modal", slot.modal]])
  .find(([, , frame]) => frame?.contentWindow === source);
const close = (slot) => { slot.modal?.remove(); slot.modal = null; };

window.mount = (url, { answer = true, otherParams = {}, width = "100%", above = 0, server }) => {
  const space = document.createElement("div"), inline = document.createElement("iframe");
  space.style.height = above + "px";
  Object.assign(inline, { src: url, className: "ad" });
  inline.style.width = width;
  document.querySelector("main").append(space, inline);
  slots.push({ url, answer, otherParams, inline, server });
};
window.update = (place, otherParams, data = {}) => slots[place].inline.contentWindow.postMessage(
  { type: "update-iframe", data: { otherParams, ...data } }, "*");
window.unmount = (place) => { close(slots[place]); slots[place].inline.remove(); };

addEventListener("message", (event) => {
  const { type, data } = event.data;
  const found = find(event.source);
  if (!found) return void log.push({ at: performance.now(), slot: -1, from: "nowhere", type, data });
  const [slot, from] = found;
  log.push({ at: performance.now(), slot: slots.indexOf(slot), from, origin: event.origin, type, data });
  const style = slot.inline.style;
  if (type === "init-iframe" && slot.answer) {
    const messages = [{ id: "u1", role: "user", content: "Hi", createdAt: "2026-03-02T08:15:00.250Z" }];
    slot.inline.contentWindow.postMessage({ type: "update-iframe", data: {
      code: data.code, sdk: "sdk-python", messageId: "m-9", otherParams: slot.otherParams, messages } }, slot.server);
  }
  if (type === "show-iframe") style.display = "block";
  if (type === "hide-iframe" || type === "error-iframe") style.display = "none";
  if (type === "resize-iframe") style.height = data.height + "px";
  if (type === "open-component-iframe") {
    close(slot);
    const params = "&componentParams=" + encodeURIComponent(JSON.stringify(data.componentParams));
    slot.modal = document.createElement("iframe");
    Object.assign(slot.modal, { src: slot.url.replace("/api/frame/", "/api/modal/") + params, className: "modal" });
    document.body.append(slot.modal);
  }
  if (type === "init-component-iframe") slot.modal.style.display = "block";
  if (type === "close-component-iframe" || type === "error-component-iframe") close(slot);
});
</script>"""


class Stage:
    """An ad server, and a page elsewhere that shows its ads."""

    def __init__(self, server: AdServer, page: Page, http: aiohttp.ClientSession) -> None:
        self.server, self.page, self._http = server, page, http
        self.requests: list[str] = []
        self.opened: list[str] = []
        self._bids = 0
        page.context.on("request", self._note)
        page.context.on("page", lambda opened: self.opened.append(opened.url))

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)

    def strangers(self) -> list[str]:
        """What was asked of anyone but this machine."""
        return [url for url in self.requests if urlsplit(url).hostname not in ("127.0.0.1", "localhost", None)]

    async def bid(self, text: str = "hi", *, code: str = "inlineAd") -> str:
        """Ask for an ad, as an SDK does; give its bid's id."""
        self._bids += 1
        body = preload_body(text, conversationId=f"thread-{self._bids}", enabledPlacementCodes=[code])
        async with self._http.post(f"{self.server.url}/preload", json=body, headers=HEADERS) as answer:
            return str((await answer.json())["bids"][0]["bidId"])

    def url(self, bid_id: str, *, code: str = "inlineAd", sdk: str = "sdk-python", **query: str) -> str:
        """Give the frame's address, as an SDK makes it."""
        asked = {"code": code, "messageId": "m-4", "sdk": sdk} | query
        return f"{self.server.url}/api/frame/{bid_id}?{urlencode(asked)}"

    async def mount(self, bid_id: str, *, query: Mapping[str, str] | None = None, **options: Any) -> None:
        """Put an ad into the page; *options* are those of the page's `mount`."""
        url = self.url(bid_id, **(query or {}))
        await self.page.evaluate(
            "([url, options]) => mount(url, options)", [url, options | {"server": self.server.url}]
        )

    async def show(self, text: str = "hi", **options: Any) -> str:
        """Ask for an ad and put it into the page, until it has said all it has to say; give its bid's id."""
        bid_id = await self.bid(text)
        await self.mount(bid_id, **options)
        await self.seen("ad-done-iframe")
        return bid_id

    async def messages(self, slot: int | None = None) -> list[dict[str, Any]]:
        """Give what the frames have posted so far."""
        log: list[dict[str, Any]] = await self.page.evaluate("log")
        return [one for one in log if slot in (None, one["slot"])]

    async def told(self, slot: int | None = None) -> list[str]:
        """Give the types of what was posted, an event by its name."""
        return [name(one) for one in await self.messages(slot)]

    async def event(self, wanted: str) -> dict[str, Any]:
        """Give the payload of the one event of this name."""
        (found,) = [one for one in await self.messages() if name(one) == wanted]
        return dict(found["data"]["payload"])

    async def seen(self, wanted: str, *, count: int = 1, within: float = 8.0, slot: int | None = None) -> None:
        """Wait until something was posted. Raises AssertionError after *within* seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while (told := await self.told(slot)).count(wanted) < count:
            assert loop.time() < end, f"{wanted} was posted {told.count(wanted)} times in {within} s: {told}"
            await asyncio.sleep(0.02)

    def frame(self, path: str = "/api/frame/", place: int = 0) -> Frame:
        """Give a frame of the page by its address."""
        return [one for one in self.page.frames if path in one.url][place]

    async def box(self, place: int = 0) -> dict[str, float]:
        """Give where the ad's own link is in the page, and how large the whole ad is."""
        element = await self.frame(place=place).frame_element()
        box = await element.bounding_box()
        assert box is not None
        return dict(box)


def name(message: Mapping[str, Any]) -> str:
    """What a message is called: its type, or the event's own name."""
    return str(message["data"]["name"] if message["type"] == "event-iframe" else message["type"])


@asynccontextmanager
async def staged(browser: Browser, settings: Settings, **context: Any) -> AsyncIterator[Stage]:
    """Start a server, open a page on another origin, and check in the end that nobody else was asked for anything."""
    host = web.Application()
    host.router.add_get("/", _page)
    runner = web.AppRunner(host, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with AdServer(settings) as server, aiohttp.ClientSession() as http:
        pages = await browser.new_context(**context)
        page = await pages.new_page()
        stage = Stage(server, page, http)
        problems: list[str] = []
        pages.on("weberror", lambda error: problems.append(str(error.error)))
        pages.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        # Another name, so that the two are not only other origins but other sites, in processes of their own.
        await page.goto(f"http://localhost:{port}/")
        yield stage
        await pages.close()
    await runner.cleanup()
    assert stage.strangers() == []
    assert [one for one in problems if "status of 4" not in one and "favicon" not in one] == []


async def _page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")

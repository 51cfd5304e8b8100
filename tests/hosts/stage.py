"""A browser, a chat page with ads in it, and an ad server whose frames say what a test has them say."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

import kontext_rx as kx
from kontext_rx import hosts
from kontext_rx.hosts import aiohttp as aiohttp_face

if TYPE_CHECKING:
    from playwright.async_api import Browser, Frame, Page


async def until(condition: Callable[[], Any], *, within: float = 8.0, what: str = "") -> Any:
    """Wait until something is true (or is there), and give it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert loop.time() < end, f"not within {within} s: {what or condition}"
        await asyncio.sleep(0.01)


FRAME = """<!doctype html><meta charset="utf-8"><title>ad</title><body style="margin:0">
<a id="link" href="#" style="display:block;height:100px;background:#cde">An ad</a>
<script>
window.got = [];
const query = new URL(location).searchParams, code = query.get("code"), modal = location.pathname.includes("/modal/");
const own = { code, ...(modal && { component: "modal" }) };
window.say = (type, data = {}) => parent.postMessage({ type, data: { ...own, ...data } }, "*");
addEventListener("message", (event) => {
  got.push({ at: performance.now(), origin: event.origin, host: event.source === parent, ...event.data });
  if (event.data.type === "update-iframe" && AUTO) { say("resize-iframe", { height: 120 }); say("show-iframe"); }
});
if (AUTO) say(modal ? "init-component-iframe" : "init-iframe");
</script>"""


class Ads:
    """An ad server of the test's own: every turn fills, and its frames can be told what to do."""

    def __init__(self) -> None:
        self.auto = True
        """Whether frames introduce themselves, and show themselves at 120 px."""
        self.preloads: list[dict[str, Any]] = []
        self.inits: list[dict[str, Any]] = []
        self.asked: list[web.Request] = []
        self.app = web.Application()
        self.app.router.add_post("/init", self._init)
        self.app.router.add_post("/preload", self._preload)
        self.app.router.add_get("/api/{kind}/{bid}", self._frame)
        self.app.router.add_get("/landing", self._landing)
        self.url = ""

    async def _init(self, request: web.Request) -> web.Response:
        self.inits.append(await request.json())
        return web.json_response({})

    async def _preload(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.preloads.append(body)
        bids = [{"bidId": str(uuid.uuid4()), "code": code} for code in body["enabledPlacementCodes"]]
        return web.json_response({"sessionId": str(uuid.uuid4()), "bids": bids})

    async def _frame(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        return web.Response(text=FRAME.replace("AUTO", str(self.auto).lower()), content_type="text/html")

    async def _landing(self, _: web.Request) -> web.Response:
        return web.Response(text="<title>landed</title>", content_type="text/html")


CHAT = """<!doctype html><meta charset="utf-8"><title>A chat</title><body style="margin:0">
<input id="prompt"><main id="chat"></main>
<script type="module">
import { mount, installId } from "/kontext/browser.js";
window.installId = installId;
window.refused = [];
window.start = (token, more = {}) => window.unmount = mount({ token, onRefused: (why) => refused.push(why), ...more });
window.place = (id, attributes = {}) => {
  const made = document.createElement("kontext-ad");
  made.setAttribute("message-id", id);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  document.querySelector("#chat").append(made);
  return made;
};
window.ready = true;
</script>"""


PLAIN = """<!doctype html><meta charset="utf-8"><title>A chat without code</title>
<meta name="kontext-token" content="TOKEN"><script type="module" src="/kontext/browser.js"></script>
<kontext-ad message-id="m1"></kontext-ad>"""


@asynccontextmanager
async def served(app: web.Application, name: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve an application; gives its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://{name}:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def uvicorn_at(app: Any, **options: Any) -> AsyncIterator[str]:
    """The same for an ASGI application."""
    import uvicorn

    # websockets-sansio: uvicorn's default uses an API of websockets that is deprecated, and warns.
    config = uvicorn.Config(
        app, port=0, log_level="critical", ws="websockets-sansio", timeout_graceful_shutdown=1, **options
    )
    server = uvicorn.Server(config)
    with ExitStack() as signals:
        server.capture_signals = signals.enter_context  # type: ignore[method-assign, assignment]
        running = asyncio.create_task(server._serve())
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await running


class Stage:
    """A chat server with a bridge, an ad server, and a browser."""

    def __init__(self, browser: Browser, ads: Ads, bridge: hosts.Bridge) -> None:
        self.browser, self.ads, self.bridge = browser, ads, bridge
        self.url = ""
        self.headers: dict[str, str] = {}
        """What the page without code is served with."""
        self.problems: list[str] = []
        self.sockets: list[Any] = []
        self._numbers = itertools.count(1)
        self._contexts: list[Any] = []
        self._told: dict[kx.Session, list[kx.AdEvent]] = {}

    def session(self, **options: Any) -> kx.Session:
        """A session with this ad server. It is destroyed when the test is over."""
        number = next(self._numbers)
        given = {
            "publisher_token": "test-token",
            "user_id": f"user-{number}",
            "conversation_id": f"conversation-{number}",
            "install_id": "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31",
            "ad_server_url": self.ads.url,
        }
        session = kx.create_session(**{**given, **options})
        self._told[session] = told(session)
        return session

    def told(self, session: kx.Session) -> list[kx.AdEvent]:
        """The list into which a session's events go."""
        return self._told[session]

    async def page(self, session: kx.Session | None = None, *, token: str = "", **context: Any) -> Page:
        """A page of a new browser profile, mounted with a token of the session's."""
        profile = await self.browser.new_context(**context)
        self._contexts.append(profile)
        return await self.tab(profile, session, token=token)

    async def tab(self, profile: Any, session: kx.Session | None = None, *, token: str = "", **more: Any) -> Page:
        """One more page of a profile."""
        page = await profile.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        await page.goto(self.url)
        await page.wait_for_function("window.ready")
        if session is not None:
            token = self.bridge.admit(session)
        if token:
            await page.evaluate("([token, more]) => start(token, more)", [token, more])
        return page

    async def turn(self, session: kx.Session, reply: str, *, text: str = "Hi") -> None:
        """The user says something, the assistant answers under this id, and there is an ad for it."""
        session.add_message(kx.Message.user(f"{reply}-asked", text))
        session.add_message(kx.Message.assistant(reply, "Hello"))
        assert isinstance(await session.outcome(reply), kx.Filled)

    async def shown(self, page: Page, session: kx.Session, reply: str, **attributes: str) -> Frame:
        """The same, and a place for the ad in the page; gives the ad's frame when it is visible."""
        await self.turn(session, reply)
        await page.evaluate("([id, attributes]) => void place(id, attributes)", [reply, attributes])
        return await self.visible(page, reply)

    async def ad(self, session: kx.Session | None = None) -> tuple[Page, Frame]:
        """A page of a session, a new one or this, and the frame of an ad that is to be seen there, for `m1`."""
        session = session or self.session()
        page = await self.page(session)
        return page, await self.shown(page, session, "m1")

    async def silent_ad(self, session: kx.Session | None = None) -> tuple[Page, Frame]:
        """The same, and the frame says nothing by itself."""
        self.ads.auto = False
        session = session or self.session()
        page = await self.page(session)
        await self.turn(session, "m1")
        await page.evaluate("void place('m1')")
        return page, await self.frame(page, "m1")

    async def visible(self, page: Page, reply: str) -> Frame:
        """The frame of an ad, as soon as it is to be seen."""
        frame = await self.frame(page, reply)
        element = await frame.frame_element()
        await element.wait_for_element_state("visible")
        return frame

    async def frame(self, page: Page, reply: str, kind: str = "frame", code: str = "") -> Frame:
        """An ad's frame, as soon as it has its script."""

        def find() -> Frame | None:
            wanted = (f"/api/{kind}/", f"messageId={reply}&", f"code={code}")
            return next((one for one in page.frames if all(part in one.url for part in wanted)), None)

        frame = await until(find, what=f"the {kind} of {reply}")
        await frame.wait_for_function("!!window.say", polling=20)  # a hidden frame has no animation frames
        return frame

    async def close(self) -> None:
        """Close the pages and the sessions."""
        for context in self._contexts:
            await context.close()
        for session in self._told:
            await session.aclose()

    async def drop_sockets(self) -> None:
        """Every page's socket dies, without a word."""
        for request in tuple(self.sockets):
            if request.transport is not None:
                request.transport.abort()


@asynccontextmanager
async def staged(browser: Browser, **options: Any) -> AsyncIterator[Stage]:
    """Everything runs; what goes wrong in a page's scripts fails the test in the end."""
    ads, bridge = Ads(), hosts.Bridge(**options)
    stage = Stage(browser, ads, bridge)

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=CHAT, content_type="text/html")

    async def plain(request: web.Request) -> web.Response:
        text = PLAIN.replace("TOKEN", request.query["token"])
        return web.Response(text=text, content_type="text/html", headers=stage.headers)

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> Any:
        if request.path.endswith("/ws"):
            stage.sockets.append(request)
        return await handler(request)

    app = web.Application(middlewares=[watch])
    app.router.add_get("/", page)
    app.router.add_get("/plain", plain)
    app.add_subapp("/kontext", aiohttp_face.app(bridge))
    # Two names, so that page and ads are not only other origins but other sites, in processes of their own.
    async with served(ads.app) as ads.url, served(app, "localhost") as stage.url:
        yield stage
        await stage.close()
    assert stage.problems == []


def told(session: kx.Session) -> list[kx.AdEvent]:
    """The list into which the session's events go from now on."""
    events: list[kx.AdEvent] = []
    session.events.subscribe(events.append)
    return events


def names(events: list[kx.AdEvent]) -> list[str]:
    """What they are called."""
    return [event.name for event in events]

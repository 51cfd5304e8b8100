"""The demo as an aiohttp application: the page, its socket, the bridge for its ads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from importlib import resources
from typing import Final

from aiohttp import WSMsgType, web

from ..adserver import AdServer
from ..context import ClientContext
from ..hosts import Bridge
from ..hosts import aiohttp as bridge_face
from .chat import Chat
from .marks import Mark
from .model import ChatModel
from .scripts import Script, Scripts
from .switches import switched

__all__ = ["DemoChat"]

FILES: Final = {
    "chat.css": "text/css",
    "chat.js": "text/javascript",
    "consent.js": "text/javascript",
    "timeline.js": "text/javascript",
}
"""What the page is made of."""


class DemoChat:
    """
    A chat page on an ad server of its own.

        async with AdServer() as ads, DemoChat(ads).serving() as url:
            print(url)
            await asyncio.Event().wait()

    Every page that is opened is a conversation with a session of its own.

    Args:
        ads: Where the ads come from; the page's switches change its settings.
        scripts: Conversations that the page plays, one after the other, instead of waiting for a visitor.
        model: Who answers a visitor. Default: canned replies.
        speed: Replies and played users are so many times as fast.
        tell: Called with every mark of every page's timeline, as it is made.

    """

    def __init__(
        self,
        ads: AdServer,
        *,
        scripts: Scripts | None = None,
        model: ChatModel | None = None,
        speed: float = 1.0,
        tell: Callable[[Mark], object] = lambda mark: None,
    ) -> None:
        self._ads, self._scripts, self._model, self._speed, self._tell = ads, scripts, model, speed, tell
        self._bridge = Bridge()
        ads.settings = switched(ads.settings, {"server": "fast"})
        self.application = web.Application()
        self.application.add_subapp("/kontext", bridge_face.app(self._bridge))
        self.application.router.add_get("/", _index)
        self.application.router.add_get("/static/{name}", _static)
        self.application.router.add_get("/chat", self._chat)

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncGenerator[str]:
        """Serve the page on 127.0.0.1, at *port* or any free one, and give its address. Raises `OSError`."""
        runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        if not self._bridge.allows(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden(text="this origin may not connect")
        number = _number(request.query.get("conversation", "1"))
        script = await self._script(number)
        socket = web.WebSocketResponse(max_msg_size=64 * 1024, heartbeat=25)
        await socket.prepare(request)
        context = ClientContext.from_request(request)
        async with Chat(
            self._ads, self._bridge, context, model=self._model, speed=self._speed, tell=self._tell
        ) as chat:
            played = None
            if script is not None:
                following = await self._script(number + 1)
                played = {"number": number, "title": script.title, "more": following is not None}
            chat.greet(bridge="kontext/ws", script="kontext/browser.js", played=played)
            if script is not None:
                chat.play(script)
            sending = asyncio.create_task(chat.send_to(socket.send_str))
            try:
                async for message in socket:
                    if message.type == WSMsgType.TEXT:
                        chat.receive(message.data)
            finally:
                sending.cancel()
        return socket

    async def _script(self, number: int) -> Script | None:
        return None if self._scripts is None else await self._scripts.get(number)


def _number(text: str) -> int:
    """A conversation's number in an address; 0, which none has, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


async def _index(_: web.Request) -> web.Response:
    return _file("index.html", "text/html")


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in FILES:
        raise web.HTTPNotFound
    return _file(name, FILES[name])


def _file(name: str, content_type: str) -> web.Response:
    body = resources.files("kontext_rx.demo").joinpath("static", name).read_bytes()
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers={"Cache-Control": "no-store"})

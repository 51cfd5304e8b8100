"""The demo as an aiohttp application: the page, its chat socket, the bridge for its ads, the switches."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import AsyncGenerator
from importlib import resources
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from ..adserver import KINDS, AdServer, Fixed
from ..context import ClientContext
from ..create import create_session
from ..event import AdEvent
from ..hosts import Bridge, PageConsent
from ..hosts import aiohttp as bridge_face
from ..message import Message, Turn
from ..pacing import Decision, Go, Hold, Rule
from ..session import Session
from ..trace import PreloadStep
from .replies import OPENERS, reply_to, tokens

__all__ = ["DemoChat"]

TOKEN_PAUSE_S: Final = 0.045
"""Seconds between the words of a reply."""

LONGEST_TEXT: Final = 4_000
"""Characters of a message that the page may send."""

SERVERS: Final = {
    "fast": {"latency": Fixed(0.15), "fill_rate": 1.0, "error_rate": 0.0},
    "slow": {"latency": Fixed(2.0), "fill_rate": 1.0, "error_rate": 0.0},
    "empty": {"latency": Fixed(0.15), "fill_rate": 0.0, "error_rate": 0.0},
    "broken": {"latency": Fixed(0.15), "fill_rate": 1.0, "error_rate": 1.0},
}
"""What the switch for the ad server sets."""

Sent: TypeAlias = dict[str, Any]


class DemoChat:
    """
    A chat page on an ad server of its own.

        async with AdServer() as ads, DemoChat(ads).serving() as url:
            print(url)
            await asyncio.Event().wait()

    Every page that is opened is a conversation with a session of its own.
    """

    def __init__(self, ads: AdServer) -> None:
        self._ads = ads
        self._bridge = Bridge()
        ads.settings = msgspec.structs.replace(ads.settings, **SERVERS["fast"])
        self.application = web.Application()
        self.application.add_subapp("/kontext", bridge_face.app(self._bridge))
        self.application.router.add_get("/", _index)
        self.application.router.add_get("/static/{name}", _static)
        self.application.router.add_get("/chat", self._chat)

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncGenerator[str]:
        """Serve the page on 127.0.0.1, at *port* or any free one, and give its address. Raises `OSError`."""
        runner = web.AppRunner(self.application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    async def _chat(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=64 * 1024, heartbeat=25)
        if not self._bridge.allows(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden(text="this origin may not connect")
        await socket.prepare(request)
        async with _Conversation(self._ads, self._bridge, ClientContext.from_request(request)) as conversation:
            sending = asyncio.create_task(conversation.send_to(socket))
            try:
                async for message in socket:
                    if message.type == WSMsgType.TEXT:
                        conversation.receive(message.data)
            finally:
                sending.cancel()
        return socket


class _Conversation:
    """One page's chat: what is typed goes to the session, what the session does goes to the page."""

    def __init__(self, ads: AdServer, bridge: Bridge, context: ClientContext) -> None:
        self._ads, self._bridge = ads, bridge
        self._outgoing: asyncio.Queue[Sent] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._writing: asyncio.Task[None] | None = None
        self._hold = False
        consent = PageConsent()
        self.session: Session = create_session(
            publisher_token="demo",
            user_id=f"visitor-{secrets.token_hex(4)}",
            conversation_id=f"demo-{secrets.token_hex(4)}",
            ad_server_url=ads.url,
            context=context,
            consent=consent,
            pacing=Rule(self._pace, start=None),
        )
        self._token = bridge.admit(self.session, consent=consent)
        self.session.events.subscribe(self._on_event)
        self.session.preloads.subscribe(self._on_step)

    async def __aenter__(self) -> _Conversation:
        hello = {"token": self._token, "bridge": "kontext/ws", "script": "kontext/browser.js", "openers": OPENERS}
        self._put("hello", now=time.time(), **hello)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._writing is not None:
            self._writing.cancel()
        await self.session.aclose()

    async def send_to(self, socket: web.WebSocketResponse) -> None:
        """Send what is to be sent, for as long as the page is there."""
        while not socket.closed:
            message = await self._outgoing.get()
            try:
                await socket.send_str(msgspec.json.encode(message).decode())
            except ConnectionError:
                return

    def receive(self, text: str) -> None:
        """Do what the page asks; what makes no sense is ignored."""
        try:
            asked = msgspec.json.decode(text, type=dict[str, str])
        except msgspec.DecodeError:
            return
        if asked.get("type") == "set":
            self._set(asked)
        elif asked.get("type") == "say" and asked.get("text", "").strip():
            self._say(asked["text"][:LONGEST_TEXT])

    def _say(self, text: str) -> None:
        number = next(self._numbers)
        if self._writing is not None and not self._writing.done():
            self._writing.cancel()
        question = Message.user(f"q{number}", text)
        self._put("message", id=question.id, role="user", content=text)
        self.session.add_message(question)
        self._writing = asyncio.create_task(self._reply(f"a{number}", reply_to(text)))

    async def _reply(self, message_id: str, reply: str) -> None:
        self._put("message", id=message_id, role="assistant", content="")
        try:
            for token in tokens(reply):
                await asyncio.sleep(TOKEN_PAUSE_S)
                self._put("token", id=message_id, text=token)
        except asyncio.CancelledError:  # the visitor went on: what was never finished is never fed
            self._put("done", id=message_id, interrupted=True)
            raise
        self.session.add_message(Message.assistant(message_id, reply))
        self._put("done", id=message_id, interrupted=False)

    def _set(self, switches: dict[str, str]) -> None:
        self._hold = switches.get("pacing") == "none"
        changes: dict[str, Any] = dict(SERVERS.get(switches.get("server", ""), {}))
        kind = switches.get("kind", "")
        changes["kinds"] = (kind,) if kind in KINDS else None
        self._ads.settings = msgspec.structs.replace(self._ads.settings, **changes)

    def _pace(self, state: None, turn: Turn) -> tuple[None, Decision]:
        del turn
        return state, Hold("the switch says so") if self._hold else Go("every turn")

    def _on_event(self, event: AdEvent) -> None:
        self._put("event", at=event.at, event=event.to_dict(), text=_told(event))

    def _on_step(self, step: PreloadStep) -> None:
        self._put("step", at=step.at, step=msgspec.to_builtins(step), text=_done(step))

    def _put(self, kind: str, **fields: Any) -> None:
        self._outgoing.put_nowait({"type": kind, **fields})


def _told(event: AdEvent) -> str:
    """An event in a few words."""
    payload = event.to_dict()["payload"]
    for key in ("skipCode", "errCode"):
        if key in payload:
            return f"{event.name}: {payload[key]}"
    if "height" in payload:
        return f"{event.name}: {payload['height']:.0f} px"
    if event.name == "ad.filled" and event.message_id is None:
        return f"{event.name}, ahead of the reply"
    return event.name


def _done(step: PreloadStep) -> str:
    """A step in a few words."""
    match step.name:
        case "coalesced":
            return f"{step.user_message_id} coalesced into {step.by}"
        case "cancelled":
            return f"request for {step.user_message_id} cancelled" + (f" by {step.by}" if step.by else "")
        case "sent" if step.track_only:
            return f"request for {step.user_message_id}, for the context only: {step.reason or 'asked for'}"
        case "sent":
            return f"request for {step.user_message_id}"
        case "retried":
            return f"attempt {step.attempt} for {step.user_message_id} in {step.delay_s:g} s: {step.reason}"
        case "resolved":
            took = "" if step.duration_s is None else f" after {step.duration_s * 1000:.0f} ms"
            return f"{step.user_message_id} {(step.outcome or '').replace('_', '-')}{took}"
        case "scheduled":
            return f"{step.user_message_id} waits 10 ms for a newer one"


async def _index(_: web.Request) -> web.Response:
    return _file("index.html", "text/html")


async def _static(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    kinds = {"chat.css": "text/css", "chat.js": "text/javascript"}
    if name not in kinds:
        raise web.HTTPNotFound
    return _file(name, kinds[name])


def _file(name: str, content_type: str) -> web.Response:
    body = resources.files("kontext_rx.demo").joinpath("static", name).read_bytes()
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers={"Cache-Control": "no-store"})

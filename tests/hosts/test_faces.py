"""The two faces over real sockets: one bridge, two frameworks, the same behaviour."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket as socketlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

import kontext_rx as kx
from kontext_rx import hosts
from kontext_rx.hosts import aiohttp as aiohttp_face
from kontext_rx.hosts import asgi as asgi_face
from kontext_rx.hosts import script, talk
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

from .stage import served, until, uvicorn_at

PING_S = 0.2
"""Seconds between a server's pings; an answer has as long, or half of it."""

HELLO: dict[str, Any] = {"t": "hello", "v": 1, "page": "page-0123456789abcdef", "seen": 0}


class Face:
    """A bridge behind one of the two."""

    def __init__(self, bridge: hosts.Bridge, url: str, http: aiohttp.ClientSession) -> None:
        self.bridge, self.url, self.http = bridge, url, http

    def connect(self, **options: Any) -> Any:
        headers = {"Origin": self.url} | options.pop("headers", {})
        return self.http.ws_connect(f"{self.url}/kontext/ws", headers=headers, **options)


@contextlib.asynccontextmanager
async def with_aiohttp(bridge: hosts.Bridge) -> AsyncIterator[str]:
    app = web.Application()
    app.add_subapp("/kontext", aiohttp_face.app(bridge))
    async with served(app) as url:
        yield url


@contextlib.asynccontextmanager
async def with_starlette(bridge: hosts.Bridge) -> AsyncIterator[str]:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    app = Starlette(routes=[Mount("/kontext", app=asgi_face.app(bridge))])
    async with uvicorn_at(app, ws_ping_interval=PING_S, ws_ping_timeout=PING_S) as url:
        yield url


@pytest_asyncio.fixture(params=["aiohttp", "starlette"])
async def face(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Face]:
    monkeypatch.setattr(aiohttp_face, "HEARTBEAT_S", PING_S)
    bridge = hosts.Bridge()
    serve = with_aiohttp if request.param == "aiohttp" else with_starlette
    async with serve(bridge) as url, aiohttp.ClientSession() as http:
        yield Face(bridge, url, http)


@pytest.fixture
def session(clock: VirtualClock, server: VirtualAdServer) -> kx.Session:
    return virtual_session(server)


async def test_the_script_is_served_and_asked_for_once(face: Face) -> None:
    """As a module, to pages of any origin, and with a 304 while it is the same."""
    address = f"{face.url}/kontext/browser.js"
    async with face.http.get(address) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/javascript"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert (await answer.read()) == Path(hosts.__file__).with_name("browser.js").read_bytes() == script.body()
    async with face.http.get(address, headers={"If-None-Match": answer.headers["ETag"]}) as again:
        assert again.status == 304
        assert await again.read() == b""
    async with face.http.head(address) as head:
        assert head.status == 200
        assert await head.read() == b""
    async with face.http.get(f"{face.url}/kontext/other.js") as other:
        assert other.status == 404


async def test_a_page_is_let_in_and_told_what_to_do(face: Face, session: kx.Session, clock: VirtualClock) -> None:
    host = face.bridge.slot(session, "top")
    async with face.connect() as socket:
        await socket.send_json({**HELLO, "token": face.bridge.admit(session)})
        assert (await socket.receive_json())["fresh"] is True
        await socket.send_json({"t": "slot", "n": 1, "slot": 1, "name": "top"})
        await until(lambda: host.is_attached)
        host.load("https://ads.test/frame")
        done = {"t": "do", "n": 1, "slot": 1, "call": "load", "args": ["https://ads.test/frame"]}
        assert await socket.receive_json() == done
        heard: list[Any] = []
        host.messages.subscribe(lambda message: heard.append(message.data))
        await socket.send_json({"t": "frame", "n": 2, "slot": 1, "source": "inline", "data": '{"type":"init-iframe"}'})
        await until(lambda: heard)
        session.destroy()
        assert await socket.receive_json() == {"t": "refused", "why": "session"}
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4404


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_a_foreign_page_does_not_even_get_a_socket(face: Face, origin: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await face.connect(headers={"Origin": origin})
    assert refused.value.status == 403
    assert face.bridge.stats.refused == 1


async def test_a_wrong_token_is_told_so(face: Face) -> None:
    async with face.connect() as socket:
        await socket.send_json({**HELLO, "token": "guess"})
        assert await socket.receive_json() == {"t": "refused", "why": "token"}
        await socket.receive()
        assert socket.close_code == 4401


@pytest.mark.parametrize(("given", "code"), [("x" * 70_000, 1009), ("garbage", 1007), (b"\0", 1003)])
async def test_who_breaks_the_rules_is_hung_up_on(face: Face, given: str | bytes, code: int) -> None:
    async with face.connect() as socket:
        await (socket.send_str(given) if isinstance(given, str) else socket.send_bytes(given))
        await socket.receive()
        assert socket.close_code == code


async def test_a_lost_socket_is_resumed(face: Face, session: kx.Session) -> None:
    """The socket is cut without a word; the next one gets what was meant for it."""
    host = face.bridge.slot(session, "top")
    token = face.bridge.admit(session)
    async with face.connect() as socket:
        await socket.send_json({**HELLO, "token": token})
        await socket.receive_json()
        await socket.send_json({"t": "slot", "n": 1, "slot": 1, "name": "top"})
        await until(lambda: host.is_attached)
        socket._response.connection.transport.abort()
    host.load("https://ads.test/frame")
    async with face.connect() as socket:
        await socket.send_json({**HELLO, "token": token})
        assert await socket.receive_json() == {"t": "welcome", "fresh": False, "seen": 1}
        assert (await socket.receive_json())["call"] == "load"


async def test_a_socket_that_is_open_and_dead_is_noticed(face: Face, session: kx.Session) -> None:
    """Its network is gone: pings are not answered. The page resumes on another, and what was meant for it comes."""
    host = face.bridge.slot(session, "top")
    token = face.bridge.admit(session)
    async with face.connect(autoping=False) as socket:
        await socket.send_json({**HELLO, "token": token})
        await socket.receive_json()
        await socket.send_json({"t": "slot", "n": 1, "slot": 1, "name": "top"})
        await until(lambda: host.is_attached)
        await until(lambda: not face.bridge._connections, within=5)
        host.load("https://ads.test/frame")
    async with face.connect() as socket:
        await socket.send_json({**HELLO, "token": token})
        assert await socket.receive_json() == {"t": "welcome", "fresh": False, "seen": 1}
        assert (await socket.receive_json())["call"] == "load"


async def test_a_socket_that_does_not_read_is_cut(
    face: Face, session: kx.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may well answer pings; what it is sent must not wait for ever."""
    monkeypatch.setattr(talk, "SEND_S", 0.2)
    host = face.bridge.slot(session, "top")
    address = urlsplit(face.url)
    with socketlib.socket() as raw:
        raw.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_RCVBUF, 4096)
        raw.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, (address.hostname, address.port))
        await loop.sock_sendall(raw, handshake(address.netloc))
        assert (await loop.sock_recv(raw, 12)).endswith(b"101")
        await loop.sock_sendall(raw, frame({**HELLO, "token": face.bridge.admit(session)}))
        await loop.sock_sendall(raw, frame({"t": "slot", "n": 1, "slot": 1, "name": "top"}))
        await until(lambda: host.is_attached)
        for _ in range(4):
            host.post({"text": "x" * 8_000_000})  # more than both kernels hold
            await asyncio.sleep(0)
        assert face.bridge._connections
        for _ in range(100):  # it is alive, as far as pings tell
            if not face.bridge._connections:
                break
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(raw, frame({"t": "ping"}, opcode=0x8A))
            await asyncio.sleep(0.05)
        assert not face.bridge._connections


def handshake(host: str) -> bytes:
    """What a browser asks for a WebSocket with."""
    lines = (
        "GET /kontext/ws HTTP/1.1", f"Host: {host}", f"Origin: http://{host}", "Connection: Upgrade",
        "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode()


def frame(message: dict[str, Any], opcode: int = 0x81) -> bytes:
    """A message as a browser frames it, with a mask of zeros."""
    text = json.dumps(message).encode()
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2)
    return bytes([opcode]) + size + bytes(4) + text


async def test_a_shutdown_is_quick_and_tells_the_pages() -> None:
    """Open sockets do not hold a server up."""
    for serve in (with_aiohttp, with_starlette):
        bridge = hosts.Bridge()
        async with aiohttp.ClientSession() as http:
            async with serve(bridge) as url:
                socket = await Face(bridge, url, http).connect()
                await socket.send_str(json.dumps({**HELLO, "token": "guess"}))
                await socket.receive()
                other = await Face(bridge, url, http).connect()
                began = asyncio.get_running_loop().time()
            assert asyncio.get_running_loop().time() - began < 3
            assert (await other.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_nothing_is_left_when_a_socket_is_gone(face: Face) -> None:
    before = asyncio.all_tasks()
    async with face.connect():
        pass
    await until(lambda: not face.bridge._connections)
    await until(lambda: len(asyncio.all_tasks()) <= len(before) + 1)

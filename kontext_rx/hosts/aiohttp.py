"""The bridge as an aiohttp application, to be mounted in another: `app.add_subapp("/kontext", app(bridge))`."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import WSMsgType, web

from . import script
from .bridge import Bridge
from .connection import Connection
from .limits import MESSAGE_CHARS

__all__ = ["app"]

HEARTBEAT_S = 25.0
"""Seconds between pings; a socket that does not answer is closed. Source: ours, proxies give up after 30 or 60."""


def app(bridge: Bridge) -> web.Application:
    """Serves `browser.js` and the WebSocket at `ws`, under whatever prefix it is mounted."""

    async def serve_script(request: web.Request) -> web.Response:
        headers = script.headers()
        if request.headers.get("If-None-Match") == headers["etag"]:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=script.body(), headers=headers)
        response.enable_compression()
        return response

    async def serve_socket(request: web.Request) -> web.StreamResponse:
        if not bridge.allows(request.headers.get("Origin"), request.headers.get("Host")):
            raise web.HTTPForbidden(text="this origin may not connect")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4 * MESSAGE_CHARS, compress=False)
        await socket.prepare(request)
        await _run(bridge, socket)
        return socket

    async def hang_up(_: web.Application) -> None:
        bridge.close()

    application = web.Application()
    application.router.add_get(f"/{script.NAME}", serve_script)
    application.router.add_get("/ws", serve_socket)
    application.on_shutdown.append(hang_up)
    return application


async def _run(bridge: Bridge, socket: web.WebSocketResponse) -> None:
    ready = asyncio.Event()
    connection = bridge.connect(ready.set)
    sending = asyncio.create_task(_send(connection, socket, ready))
    try:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                connection.receive(message.data)
    finally:
        connection.lost()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(connection: Connection, socket: web.WebSocketResponse, ready: asyncio.Event) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # the socket is gone: its reader notices too
        while True:
            await ready.wait()
            ready.clear()
            for text in connection.outgoing():
                await socket.send_str(text)
            if connection.closing is not None:
                code, reason = connection.closing
                await socket.close(code=code, message=reason.encode())
                return

"""The bridge as an aiohttp application, to be mounted in another: `app.add_subapp("/kontext", app(bridge))`."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from . import script
from .bridge import Bridge
from .connection import Connection
from .limits import CLOSE_S, MESSAGE_CHARS
from .talk import talk

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
        await _serve(bridge, socket, request.transport)
        return socket

    async def hang_up(_: web.Application) -> None:
        bridge.close()

    application = web.Application()
    application.router.add_get(f"/{script.NAME}", serve_script)
    application.router.add_get("/ws", serve_socket)
    application.on_shutdown.append(hang_up)
    return application


async def _serve(bridge: Bridge, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
    async def listen(connection: Connection) -> None:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                connection.receive(message.data)

    def abort() -> None:
        if transport is not None:
            transport.abort()

    await talk(
        bridge,
        listen=listen,
        send=socket.send_str,
        close=lambda code, reason: socket.close(code=code, message=reason.encode()),
        abort=abort,
    )
    if transport is not None and transport.get_write_buffer_size():  # closed, it would wait for ever to be read
        asyncio.get_running_loop().call_later(CLOSE_S, transport.abort)

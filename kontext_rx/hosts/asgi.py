"""The bridge as an ASGI application, for Starlette or FastAPI: `app.mount("/kontext", app(bridge))`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from . import script
from .bridge import Bridge
from .connection import Connection
from .talk import talk

__all__ = ["app"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def app(bridge: Bridge) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Serves `browser.js` and the WebSocket at `ws`, under whatever prefix it is mounted."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        name = str(scope.get("path", "")).rpartition("/")[2]
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope.get("headers", ())}
        match scope["type"]:
            case "http" if name == script.NAME and scope["method"] in ("GET", "HEAD"):
                await _serve_script(scope, headers, send)
            case "http":
                await _respond(send, 404, {"content-type": "text/plain"}, b"nothing is served here")
            case "websocket":
                await receive()  # websocket.connect
                if name != "ws" or not bridge.allows(headers.get("origin"), headers.get("host")):
                    await send({"type": "websocket.close", "code": 1008})  # before it is accepted: a 403
                    return
                await send({"type": "websocket.accept"})
                await _serve_socket(bridge, receive, send)
            case _:  # lifespan: there is nothing to start
                pass

    return serve


async def _serve_script(scope: Scope, asked: dict[str, str], send: Send) -> None:
    headers = script.headers()
    if asked.get("if-none-match") == headers["etag"]:
        await _respond(send, 304, headers, b"")
    else:
        await _respond(send, 200, headers, script.body() if scope["method"] == "GET" else b"")


async def _respond(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _serve_socket(bridge: Bridge, receive: Receive, send: Send) -> None:
    async def listen(connection: Connection) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            text, data = event.get("text"), event.get("bytes")
            connection.receive(text if text is not None else data or b"")

    await talk(
        bridge,
        listen=listen,
        send=lambda text: send({"type": "websocket.send", "text": text}),
        close=lambda code, reason: send({"type": "websocket.close", "code": code, "reason": reason}),
        abort=lambda: None,  # ASGI has no word for it; the server closes what its application has left
    )

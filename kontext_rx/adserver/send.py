"""An answer onto the wire, with what is to go wrong there."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
import sys

from aiohttp import web

from .answers import Answer
from .log import Ended

__all__ = ["send"]

_LOOK_EVERY = 0.1  # seconds
_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


async def send(request: web.Request, answer: Answer, closing: asyncio.Event) -> tuple[web.StreamResponse, Ended]:
    """
    Hold *answer* back for its delay, send it with its fault, and say how that ended.

    *closing* ends the holding back at once. Raises CancelledError when the client leaves and the runner
    cancels handlers; where it does not, the client's leaving is noticed all the same.
    """
    nothing = web.Response()  # for aiohttp, which finds the connection closed and writes none of it
    early = await _hold(request, math.inf if answer.fault == "hang" else answer.delay, closing)
    if early is not None:
        _abort(request)
        return nothing, early
    if answer.fault == "reset":
        _abort(request)
        return nothing, "reset"
    try:
        if answer.fault == "half-sent":
            return await _half_send(request, answer), "half-sent"
        response = web.Response(status=answer.status, body=answer.content() or None, headers=_headers(answer))
        await response.prepare(request)
        await response.write_eof()
        return response, "answered"
    except ConnectionError:
        return nothing, "aborted"


async def _hold(request: web.Request, seconds: float, closing: asyncio.Event) -> Ended | None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while (left := until - loop.time()) > 0 and not closing.is_set() and not _has_left(request):
        with contextlib.suppress(TimeoutError):
            # A mounted application may run where handlers are not cancelled: it has to look for itself.
            async with asyncio.timeout(min(left, _LOOK_EVERY)):
                await closing.wait()
    if _has_left(request):
        return "aborted"
    return "closed" if left > 0 else None


async def _half_send(request: web.Request, answer: Answer) -> web.StreamResponse:
    whole = answer.content()
    if len(whole) < 2:
        whole = b"{}"  # half of it must be some of it, and not all
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    response.force_close()
    if request.transport is not None:
        request.transport.close()
    return response


def _headers(answer: Answer) -> dict[str, str]:
    usual = {} if answer.status == 204 else {"Content-Type": "application/json"}
    return {**usual, **answer.headers}


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _abort(request: web.Request) -> None:
    if request.transport is None:
        return
    sock = request.transport.get_extra_info("socket")
    if sock is not None:
        # Without lingering a close is sent as a reset, not as an orderly end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    request.transport.abort()

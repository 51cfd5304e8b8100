"""The life of one socket, whatever the web framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .bridge import Bridge
from .connection import Connection
from .limits import SEND_S

__all__ = ["talk"]


async def talk(
    bridge: Bridge,
    *,
    listen: Callable[[Connection], Awaitable[None]],
    send: Callable[[str], Awaitable[None]],
    close: Callable[[int, str], Awaitable[object]],
    abort: Callable[[], None],
) -> None:
    """
    Let a socket that was opened be a connection, until it is gone.

    *listen* gives the connection what the socket receives, and returns when it is closed. A socket that answers pings,
    for all we know, and does not take what it is sent is cut with *abort*.
    """
    ready = asyncio.Event()
    connection = bridge.connect(ready.set)

    async def speak() -> None:
        while True:
            await ready.wait()
            ready.clear()
            try:
                async with asyncio.timeout(SEND_S):
                    for text in connection.outgoing():
                        await send(text)
                    if connection.closing is not None:
                        await close(*connection.closing)
                        return
            except TimeoutError:
                abort()
                return

    tasks = [asyncio.ensure_future(listen(connection)), asyncio.ensure_future(speak())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.lost()
        for task in tasks:
            task.cancel()
        # What a server raises for a socket that is gone differs from one to the next, and tells nothing new.
        await asyncio.gather(*tasks, return_exceptions=True)

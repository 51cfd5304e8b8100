"""`kontext-rx demo` on a machine with a screen: the page, served until somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser
from collections.abc import AsyncGenerator

from rich.text import Text

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat

from .replay import CommandError
from .screen import Screen

__all__ = ["serve_page", "served"]


@contextlib.asynccontextmanager
async def served(chat: DemoChat, port: int) -> AsyncGenerator[str]:
    """Serve the page and give its address. Raises `CommandError` when the port cannot be had."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(chat.serving(port))
        except OSError as error:
            why = f"127.0.0.1 port {port}: {error.strerror or error}"
            raise CommandError(f"{why}; give another --port, or 0 for any free one") from error
        yield url


async def serve_page(chat: DemoChat, ads: AdServer, screen: Screen, *, port: int, browser: bool) -> None:
    """Serve the page until it is cancelled, and open it if *browser* says so. Raises `CommandError`."""
    async with served(chat, port) as url:
        screen.out.print(Text.assemble("A chat with real ads: ", (url, "bold")), soft_wrap=True)
        screen.out.print(Text(f"The ad server behind it listens on {ads.url}. Ctrl-C stops both.", "dim"))
        if browser and not await asyncio.to_thread(webbrowser.open, url):
            screen.notice("no browser could be opened: open the address yourself")
        await asyncio.Event().wait()

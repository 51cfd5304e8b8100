"""`kontext-rx demo --page`: a chat page with real ads, in the browser."""

from __future__ import annotations

import asyncio
import contextlib
import webbrowser

from rich.text import Text

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat

from .replay import CommandError
from .screen import Screen
from .stopping import stopped_by_signals

__all__ = ["serve_page"]


async def serve_page(screen: Screen, *, port: int, browser: bool) -> None:
    """
    Serve the page on 127.0.0.1 until Ctrl-C or SIGTERM, and open it in the browser if *browser* says so.

    Raises `CommandError` when the port cannot be had.
    """
    with stopped_by_signals():
        async with contextlib.AsyncExitStack() as stack:
            ads = await stack.enter_async_context(AdServer())
            try:
                url = await stack.enter_async_context(DemoChat(ads).serving(port))
            except OSError as error:
                why = f"127.0.0.1 port {port}: {error.strerror or error}"
                raise CommandError(f"{why}; give another --port, or 0 for any free one") from error
            screen.out.print(Text.assemble("A chat with real ads: ", (url, "bold")), soft_wrap=True)
            screen.out.print(Text(f"The ad server behind it listens on {ads.url}. Ctrl-C stops both.", "dim"))
            if browser:
                await asyncio.to_thread(webbrowser.open, url)
            await asyncio.Event().wait()

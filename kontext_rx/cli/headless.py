"""`kontext-rx demo --headless`: a conversation in a browser without a screen, and its timeline as it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias

from rich.text import Text

from kontext_rx.demo import DemoChat
from kontext_rx.demo.chromium import find_chromium, running_chromium
from kontext_rx.demo.devtools import DevTools
from kontext_rx.demo.marks import Mark
from kontext_rx.demo.visit import Heard

from .page import served
from .replay import CommandError
from .screen import Screen, many
from .timeline import shortened

__all__ = ["Printed", "a_chromium", "perform", "summed_up"]

Act: TypeAlias = Callable[[DevTools, str, Heard], Awaitable[None]]
"""What is done in the browser, at the page's address."""

STYLES: Final = {
    "accent": "bold cyan",
    "wait": "cyan",
    "good": "green",
    "bad": "red",
    "soft": "dim",
    "click": "magenta",
}
"""How a mark looks, by its tone."""

LONGEST: Final = 100
"""Columns of what happened."""

COUNTED: Final = {
    "ad.filled": "filled",
    "ad.no-fill": "no fill",
    "ad.error": "failed",
    "ad.viewed": "viewed",
    "ad.clicked": "clicked",
    "reward.granted": "rewarded",
}
"""The events that are summed up, and as what."""


class Printed(Heard):
    """Prints each mark as it comes, a line with the seconds since the first one and its lane."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def __call__(self, mark: Mark) -> None:
        """Take note, and print what has a text."""
        super().__call__(mark)
        if mark.text:
            since = f"{mark.at - self.marks[0].at:7.2f} s  "
            said = (shortened(mark.text, LONGEST), STYLES.get(mark.tone, ""))
            self._screen.out.print(Text.assemble((since, "dim"), f"{mark.lane:<9} ", said), soft_wrap=True)


def a_chromium() -> str:
    """The path of a Chromium. Raises `CommandError` when there is none."""
    if (program := find_chromium()) is None:
        raise CommandError("--headless needs Chromium or Chrome on the PATH: apt install chromium, or give --text")
    return program


async def perform(chat: DemoChat, act: Act, heard: Printed, screen: Screen, *, program: str, port: int) -> None:
    """
    Serve the page, *act* on it in the Chromium at *program*, and sum up.

    Raises `ChromiumError`, `NoReplyError`, and `CommandError` when the port cannot be had.
    """
    async with served(chat, port) as url:
        screen.out.print(Text.assemble("A chat with real ads, in a headless browser: ", (url, "bold")), soft_wrap=True)
        screen.out.print()
        async with running_chromium(program) as address, DevTools.connected(address) as devtools:
            await act(devtools, url, heard)
        screen.out.print()
        screen.out.print(summed_up(heard.marks), soft_wrap=True)


def summed_up(marks: Iterable[Mark]) -> str:
    """How often what happened."""
    marks = list(marks)
    requests = sum(mark.lane == "request" and mark.opens != "" for mark in marks)
    cancelled = sum(mark.lane == "request" and mark.cut for mark in marks)
    names = Counter(mark.data.get("name") for mark in marks if mark.lane != "link")  # which retells a fill
    counts = [f"{names[name]} {word}" for name, word in COUNTED.items() if names[name]]
    return ", ".join([many(requests, "request"), *([f"{cancelled} cancelled"] if cancelled else []), *counts])

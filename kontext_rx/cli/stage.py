"""How the demo is shown: on a screen, by a browser without one, or as text."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from kontext_rx.demo.chromium import find_chromium

__all__ = ["Stage", "choose", "here", "without_screen"]


class Stage(msgspec.Struct, frozen=True):
    """The way the demo is shown, and why where nobody asked for it."""

    kind: Literal["page", "headless", "text"]
    why: str = ""


def choose(no_screen: str | None, chromium: str | None) -> Stage:
    """The best way there is: *no_screen* says why a page cannot be looked at here."""
    if no_screen is None:
        return Stage("page")
    if chromium is not None:
        return Stage("headless", f"{no_screen}: a headless browser visits the page instead")
    return Stage("text", f"{no_screen}, and no Chromium on the PATH: the conversations are shown as text")


def here() -> Stage:
    """The best way on this machine."""
    return choose(without_screen(), find_chromium())


def without_screen(
    *,
    environ: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    is_terminal: bool | None = None,
    browser: Callable[[], object] = webbrowser.get,
) -> str | None:
    """
    Why nobody could look at a page that is opened here, in a few words; None when somebody could.

    A command whose output is no terminal is run by a machine, and one that waits for Ctrl-C would wait for ever.
    """
    if not (sys.stdout.isatty() if is_terminal is None else is_terminal):
        return "the output is no terminal"
    by_display = platform.startswith(("linux", "freebsd", "openbsd", "netbsd"))
    if by_display and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY")):
        return "there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    try:
        browser()
    except webbrowser.Error:
        return "there is no browser to open"
    return None

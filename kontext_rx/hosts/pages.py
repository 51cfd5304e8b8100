"""One page of a session, over as many sockets as it takes, with the places it has for ads."""

from __future__ import annotations

import functools
from typing import Protocol, TypeAlias

from reactivex.disposable import SerialDisposable

from .browser import BrowserHost, Perform
from .limits import Allowance
from .reliable import Channel
from .seams import MountableAd

__all__ = ["Line", "Page", "Slot", "Wanted"]

Wanted: TypeAlias = tuple[str, str] | str
"""What a place is for: the ad of a message in a placement, or what the app mounts under a name."""


class Line(Protocol):
    """The socket over which a page is connected at the moment."""

    def wake(self) -> None:
        """There is something to send."""
        ...

    def refuse(self, why: str) -> None:
        """Tell the page that it is not wanted, and why; hang up."""
        ...

    def hang_up(self, code: int, reason: str) -> None:
        """Close the socket."""
        ...


class Slot:
    """A place in a page."""

    __slots__ = ("ad", "host", "id", "page", "theme", "wanted")

    def __init__(self, page: Page, slot_id: int, wanted: Wanted, theme: str | None) -> None:
        self.page, self.id, self.wanted, self.theme = page, slot_id, wanted, theme
        self.host: BrowserHost | None = None
        """What is shown in it; None when another place has taken that over."""
        self.ad: MountableAd | None = None
        """The ad that was mounted for it; None in a place with a name, whose ads are the app's."""

    @property
    def perform(self) -> Perform:
        """Has the page perform a call in this place."""
        return functools.partial(self.page.perform, self.id)


class Page:
    """A page that was let in: what it has open, what it has not acknowledged, and what it may still send."""

    def __init__(self, page_id: str) -> None:
        self.id = page_id
        self.channel = Channel()
        self.slots: dict[int, Slot] = {}
        self.line: Line | None = None
        """None while no socket is open."""
        self.expiry = SerialDisposable()
        """The timer that gives up on a page without a socket."""
        self.frames = Allowance(rate=400, burst=1000)
        """Messages of its frames; what is beyond is dropped. Source: ours, a page sends at most 100/s for a frame."""
        self.flood = Allowance(rate=2_000, burst=12_000)
        """The same; a page that sends more drops nothing itself, and is hung up on. Source: ours."""
        self.is_flooded = False
        """Whether messages of its frames had to be dropped."""
        self.control = Allowance(rate=64, burst=1024)
        """Its own messages; a page that sends more is hung up on. Source: ours."""
        self.installs = Allowance(rate=0, burst=1)
        """Install ids: a browser has one, and keeping it may cost the app something."""

    def perform(self, slot_id: int, call: str, *arguments: object) -> None:
        """Have the page do something in one of its places: now, or when it is back."""
        self.channel.send({"t": "do", "slot": slot_id, "call": call, "args": arguments})
        if self.line is not None:
            if self.channel.broken:
                self.line.hang_up(4413, "too far behind")  # it comes back, and starts afresh
            else:
                self.line.wake()

"""
The views of a cell: which of them shows the ad, what it is told to do, and what its frames say.

All of it goes over two values, one that is written here and one that the views write, and each of them is overwritten:
what changes twice before it is sent is sent once. So each value is whole by itself. It repeats what the other side is
not known to have, in order and numbered; what was seen before is not taken twice.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ..hosts.browser import BrowserHost
from ..hosts.limits import Allowance
from ..hosts.messages import Dismissed, ForeignSaid, FrameSaid, read, read_envelope
from ..hosts.reliable import Channel, GapError
from .written import read_written

__all__ = ["Views"]

KNOWN: Final = 32
"""Views that are remembered, so that one that asks again does not take the ad back. Source: ours."""


class Views:
    """
    Shows one host's ad in one view at a time: the newest, and the one before lets go of its frames.

    A view is known from what it writes first, and is over when it says so, when another one comes, when it breaks the
    rules, or when it leaves 1,024 commands undone. Without a view the ad goes on, and the next view shows it as it is.

    Args:
        host: Whose frames they show.
        write: Takes the value for the views, whenever it has changed.
        on_view: Is called when there is a new view.
        now: Seconds, of any clock.

    """

    def __init__(
        self,
        host: BrowserHost,
        write: Callable[[dict[str, Any]], None],
        on_view: Callable[[], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._write, self._on_view, self._now = host, write, on_view, now
        self._known = deque[str](maxlen=KNOWN)
        self._channel = Channel()
        self._frames = Allowance(rate=400, burst=1000)
        self.shown: str | None = None
        """The view that shows the ad; None while there is none."""
        self.unusable = 0
        """Messages that were not what they must be."""
        self.dropped = 0
        """Messages of frames that were too many or too large."""

    def value(self) -> dict[str, Any]:
        """What the views are to know: who is known, who shows the ad, and for that one what was heard and is to do."""
        return {
            "known": list(self._known),
            "shown": self.shown,
            "heard": self._channel.seen,
            "commands": self._channel.after(0),
        }

    def take(self, given: object) -> None:
        """A view has written this. It does not raise."""
        written = read_written(given)
        if written is None:
            self.unusable += 1
            return
        if written.view not in self._known:
            self._known.append(written.view)
            if not written.gone:
                self._show(written.view)
        if written.view == self.shown:
            try:
                self._channel.acknowledged(written.done)
                for text in written.said:
                    self._hear(text)
            except GapError:
                self.unusable += 1
                self.leave()
            if written.gone and written.view == self.shown:
                self.leave()
        self._write(self.value())

    def leave(self) -> None:
        """Take the ad from the view that shows it."""
        self.shown, self._channel = None, Channel()
        self._host.detach(gone=True)
        self._write(self.value())

    # --- inside ---

    def _show(self, view: str) -> None:
        if self.shown is not None:
            self.leave()
        self.shown = view
        self._host.attach(functools.partial(self._perform, self._channel))
        self._on_view()

    def _perform(self, channel: Channel, call: str, *arguments: Any) -> None:
        channel.send({"call": call, "args": arguments})
        if channel.broken:
            self.leave()  # nobody performs what is asked for; a view that is there after all can ask for the ad again
        else:
            self._write(self.value())

    def _hear(self, text: str) -> None:
        envelope = read_envelope(text)
        if envelope is None or envelope.n is None:
            raise GapError
        if not self._channel.accept(envelope.n):
            return  # it was written again, and had arrived
        match read(envelope, text):
            case FrameSaid() as said:
                self._hear_frame(said)
            case ForeignSaid(origin=origin, source=source):
                self._host.hear_foreign(origin, source)
            case Dismissed():
                self._host.dismiss()
            case _:
                self.unusable += 1

    def _hear_frame(self, said: FrameSaid) -> None:
        self.dropped += said.dropped
        if not self._frames.take(self._now()):
            self.dropped += 1
            return
        try:
            data: Any = msgspec.json.decode(said.data)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            self.unusable += 1
            return
        self._host.hear(data, said.source)

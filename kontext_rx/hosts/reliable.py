"""A channel that outlives its sockets: what was not acknowledged is sent again, what was seen is not taken twice."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

__all__ = ["ACK_EVERY", "Channel", "GapError"]

ACK_EVERY: Final = 8
"""Messages after which what was received is acknowledged. Source: ours."""

_encode: Final = msgspec.json.Encoder().encode


class GapError(Exception):
    """A message came whose predecessor did not: an honest peer sends everything in order."""


class Channel:
    """
    One end: numbers what goes out and keeps it until it is acknowledged, and checks the numbers of what comes in.

    At most *limit* messages of *limit_bytes* in sum are kept, or one that is larger; beyond that the channel is
    `broken`, and both sides have to start afresh.
    """

    __slots__ = ("_bytes", "_kept", "_limit", "_limit_bytes", "_unacked", "broken", "seen", "sent")

    def __init__(self, limit: int = 1024, limit_bytes: int = 4 * 1024 * 1024) -> None:
        self._kept: deque[tuple[int, str]] = deque()
        self._limit, self._limit_bytes, self._bytes = limit, limit_bytes, 0
        self._unacked = 0
        self.sent = 0
        """The number of the last message out."""
        self.seen = 0
        """The number of the last message in."""
        self.broken = False

    # --- out ---

    def send(self, message: dict[str, Any]) -> None:
        """Number a message and keep it."""
        if self.broken:
            return
        self.sent += 1
        text = _encode({"n": self.sent, **message}).decode()
        self._kept.append((self.sent, text))
        self._bytes += len(text)
        if len(self._kept) > self._limit or (self._bytes > self._limit_bytes and len(self._kept) > 1):
            self.broken = True
            self._kept.clear()

    def after(self, number: int) -> list[str]:
        """What is kept of the messages after *number*, in order."""
        return [text for n, text in self._kept if n > number]

    def acknowledged(self, number: int) -> None:
        """The peer has seen everything up to *number*. Raises `GapError` when that was never sent."""
        if number > self.sent:
            raise GapError
        while self._kept and self._kept[0][0] <= number:
            self._bytes -= len(self._kept.popleft()[1])

    def can_resume(self, seen: int) -> bool:
        """Whether a peer that has seen everything up to *seen* can be given the rest."""
        first = self._kept[0][0] if self._kept else self.sent + 1
        return not self.broken and first - 1 <= seen <= self.sent

    # --- in ---

    def accept(self, number: int) -> bool:
        """Whether a message is new. Raises `GapError` when one before it is missing."""
        if number > self.seen + 1:
            raise GapError
        if number <= self.seen:
            return False
        self.seen = number
        self._unacked += 1
        return True

    def due(self) -> int | None:
        """What to acknowledge now, if it is time to."""
        if self._unacked < ACK_EVERY:
            return None
        self._unacked = 0
        return self.seen

"""What a page may do at most."""

from __future__ import annotations

from typing import Final

__all__ = ["CLOSE_S", "FRAME_CHARS", "MESSAGE_CHARS", "SEND_S", "WAITING", "Allowance"]

MESSAGE_CHARS: Final = 64 * 1024
"""One message of a page's, in characters; a longer one closes its socket. Source: ours."""

FRAME_CHARS: Final = 16_000
"""One message of a frame's, as JSON; a longer one is dropped in the page. Source: ours."""

WAITING: Final = 1024
"""Sockets of a bridge that have not introduced their page; the oldest is hung up on for another one. Source: ours."""

SEND_S: Final = 30.0
"""Seconds in which a socket takes what it is sent, else it is cut. Source: ours."""

CLOSE_S: Final = 5.0
"""Seconds in which a socket that is closed takes what is left, else it is cut. Source: ours."""


class Allowance:
    """*rate* a second, and *burst* at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._left = rate, burst, burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more is within the allowance at *now*, in seconds."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

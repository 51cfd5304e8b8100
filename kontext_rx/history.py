"""The last thirty messages of a conversation, repeats ignored."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final, Literal

from .message import Message

__all__ = ["HISTORY_LIMIT", "KNOWN_LIMIT", "History"]

HISTORY_LIMIT: Final = 30
"""Messages that are kept and sent. Source: the official SDKs."""

KNOWN_LIMIT: Final = 10_000
"""Ids that are remembered, those of dropped messages included. Source: ours."""


class History:
    """
    What was said, oldest first, each message with its encoded form.

    An id is accepted once: apps feed their history again on every render, and that must cost nothing.
    """

    __slots__ = ("_encode", "_encoded", "_fresh", "_kept", "_known", "users")

    def __init__(self, encode: Callable[[Message], bytes]) -> None:
        self._encode = encode
        self._kept: dict[str, Message] = {}
        self._known: dict[str, int] = {}
        self._encoded: dict[str, bytes] = {}
        self._fresh = 0  # of the last messages, those that are not encoded yet, or more
        self.users = 0
        """How many user messages were accepted so far, dropped ones included."""

    def repeats(self, message: Message) -> Literal["same", "changed"] | None:
        """Whether this id was accepted before, with the same role and text or with others; None for a new id."""
        known = self._known.get(message.id)
        if known is None:
            return None
        return "same" if known == _fingerprint(message) else "changed"

    def add(self, message: Message) -> str | None:
        """Append a new message; gives the id of the one that this pushed out, if any."""
        known, kept, message_id = self._known, self._kept, message.id
        known[message_id] = _fingerprint(message)
        kept[message_id] = message
        self._fresh += 1
        if message.role == "user":
            self.users += 1
        if len(kept) <= HISTORY_LIMIT:
            return None
        if len(known) > KNOWN_LIMIT:
            del known[next(iter(known))]
        oldest = next(iter(kept))
        del kept[oldest]
        self._encoded.pop(oldest, None)
        return oldest

    def clear(self) -> None:
        """Let go of the messages; the ids stay known."""
        self._kept.clear()
        self._fresh = 0
        self._encoded.clear()

    @property
    def messages(self) -> tuple[Message, ...]:
        """A snapshot, oldest first."""
        return tuple(self._kept.values())

    @property
    def encoded(self) -> list[bytes]:
        """The same messages as they go on the wire; each is encoded once, when it first goes there."""
        if self._fresh:
            fresh = [*islice(reversed(self._kept.values()), self._fresh)]
            for message in reversed(fresh):
                self._encoded[message.id] = self._encode(message)
            self._fresh = 0
        return list(self._encoded.values())

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._kept

    def was_user(self, message_id: str) -> bool:
        """Whether the id was accepted as a user's."""
        return self._known.get(message_id, 0) % 2 == 1

    def knew(self, message_id: str) -> bool:
        """Whether the id was accepted at some time."""
        return message_id in self._known


def _fingerprint(message: Message) -> int:
    # Odd for a user's: the role is worth remembering, and a number is all that is kept of ten thousand messages.
    return hash(message.content) << 1 | (message.role == "user")

"""Where the records of users are kept for `per_user`: a small protocol, and a store in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Final, Protocol

import msgspec

from ..message import Seen
from .checks import whole

__all__ = ["MemoryStore", "Store", "UserRecord"]

USERS_KEPT: Final = 10_000
"""Users that a `MemoryStore` remembers. Source: ours; a record is well under a kilobyte."""


class UserRecord(msgspec.Struct, frozen=True):
    """What is known of one user over all their sessions. The numbers in it count the user's turns."""

    turns: int = 0
    """The turns of theirs that were paced: sent, and not as an explicit `track_only`."""
    passed: Seen | None = None
    """Those that a session's whole rule let through."""
    filled: Seen | None = None
    viewed: Seen | None = None
    clicked: Seen | None = None
    states: dict[str, Any] = {}
    """The state of each rule inside `per_user`, by its expression. Those of this package's rules survive JSON."""


class Store(Protocol):
    """
    Keeps the records of users.

    Both calls are synchronous, on the session's loop, once for each turn, fill, view and click, and must be quick: a
    cache, not a query across the world. What `load` raises lets the ad pass; what either raises is reported once.
    """

    def load(self, user_id: str, /) -> UserRecord | None:
        """What was saved last; None for a user that is not known."""
        ...

    def save(self, user_id: str, record: UserRecord, /) -> None:
        """Keep *record* in the place of the one before."""
        ...


class MemoryStore:
    """
    Records in this process's memory: those of the *size* users that were seen last.

    Older ones are forgotten, and their users start afresh. Raises `InvalidOptionError` when *size* is no whole number
    of 1 or more.
    """

    def __init__(self, size: int = USERS_KEPT) -> None:
        self._size = whole("MemoryStore", size, least=1)
        self._records: OrderedDict[str, UserRecord] = OrderedDict()
        self._lock = threading.Lock()  # sessions of several loops may share it

    def __len__(self) -> int:
        return len(self._records)

    def load(self, user_id: str, /) -> UserRecord | None:
        """What was saved last; None for a user that is not known."""
        with self._lock:
            if (record := self._records.get(user_id)) is not None:
                self._records.move_to_end(user_id)
            return record

    def save(self, user_id: str, record: UserRecord, /) -> None:
        """Keep *record*, and forget the user who was not seen for longest when there are too many."""
        with self._lock:
            self._records[user_id] = record
            self._records.move_to_end(user_id)
            if len(self._records) > self._size:
                self._records.popitem(last=False)

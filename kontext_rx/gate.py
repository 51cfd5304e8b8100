"""A cap on how many requests are under way: the rest wait, and the newest goes first."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Gate", "Waiting"]


class Waiting(Protocol):
    """What stands at a gate."""

    def admit(self) -> None:
        """Its turn has come."""
        ...


class Gate:
    """
    Lets *limit* through at a time.

    The newest goes first: its user is still waiting for the reply, while the ad of the one that has waited longest
    would come too late for its own. A session has one request at a time here, so none can crowd out the others.
    """

    __slots__ = ("_is_admitting", "_waiting", "in_flight", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        """How many are through, and have not left."""
        self._waiting: dict[Waiting, None] = {}
        self._is_admitting = False

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def enter(self, one: Waiting) -> bool:
        """Whether *one* may go on; else it waits, until it is admitted or leaves."""
        if self.in_flight < self.limit:
            self.in_flight += 1
            return True
        self._waiting[one] = None
        return False

    def leave(self, one: Waiting) -> None:
        """Let *one* go, be it through or waiting, and admit who waits in its place."""
        if self._waiting and one in self._waiting:
            del self._waiting[one]
            return
        self.in_flight -= 1
        if self._is_admitting:  # who is admitted may leave at once: the loop below goes on
            return
        self._is_admitting = True
        try:
            while self._waiting and self.in_flight < self.limit:
                newest, _ = self._waiting.popitem()
                self.in_flight += 1
                newest.admit()
        finally:
            self._is_admitting = False

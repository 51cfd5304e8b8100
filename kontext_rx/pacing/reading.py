"""What a rule needs to know that is not in the conversation: it is read into the turn, so that the step stays pure."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from reactivex import Observable

from .store import Store

__all__ = ["Kept", "Latest", "Reading", "Watched"]


class Watched:
    """An observable whose latest value is read: `turn.readings` has its `Latest`."""

    __slots__ = ("observable",)

    def __init__(self, observable: Observable[Any]) -> None:
        self.observable = observable


class Latest(msgspec.Struct, frozen=True):
    """Where an observable stands."""

    values: tuple[Any, ...] = ()
    """Its latest value; empty before the first."""
    error: Exception | None = None
    """Why no other value will come, if it has failed."""


class Kept:
    """
    A store from which the user's record is read: `turn.readings` has the `UserRecord`, or what the store raised.

    Two of the same store are the same reading: one record is read, and one is written.
    """

    __slots__ = ("store",)

    def __init__(self, store: Store) -> None:
        self.store = store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and other.store is self.store

    def __hash__(self) -> int:
        return id(self.store)


Reading: TypeAlias = Watched | Kept
"""One thing that must be read before a rule is asked."""

"""`per_user`: a rule over all the sessions of a user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ..errors import InvalidOptionError
from ..message import Turn
from .base import AnyRule, Rule
from .decision import Decision
from .reading import Kept
from .store import MemoryStore, Store, UserRecord

__all__ = ["per_user"]


def per_user(rule: AnyRule, store: Store | None = None) -> Rule[Any]:
    """
    Ask *rule* of the user's turns in all their sessions as if they were one conversation: a frequency cap.

    Inside it `number` counts the user's paced turns, and `passed`, `filled`, `viewed` and `clicked` are the user's:
    `per_user(at_most(3, per=86400))` is three a day, whatever the number of sessions. What one session lets through
    counts for the next turn of another at once.

    *store* keeps the users' records. Without one it is a `MemoryStore` that belongs to this rule: give the same rule to
    every session. Sessions that decide at the same instant in several threads or processes may each miss the other.

    Raises `InvalidOptionError` when *rule* is none, or has a `per_user` of its own, or *store* lacks `load` and `save`.
    """
    if not isinstance(rule, Rule):
        raise InvalidOptionError("per_user", rule, "give a rule of kontext_rx.pacing")
    inner: AnyRule = rule
    if any(isinstance(reading, Kept) for reading in inner.reads):
        raise InvalidOptionError("per_user", inner, "leave the per_user inside out: it says nothing more")
    if store is None:
        store = MemoryStore()
    elif not all(callable(getattr(store, name, None)) for name in ("load", "save")):
        raise InvalidOptionError("per_user.store", store, "give a store with load(user_id) and save(user_id, record)")
    return _PerUser(inner, Kept(store))


class _PerUser(Rule[Any]):
    """Its state is the inner rule's, which belongs into the user's record."""

    __slots__ = ("_inner", "_kept")

    def __init__(self, inner: AnyRule, kept: Kept) -> None:
        self._inner, self._kept = inner, kept

        def step(state: Any, turn: Turn) -> tuple[Any, Decision]:
            record = (turn.readings or {}).get(kept)
            if isinstance(record, Exception):
                raise record
            if isinstance(record, UserRecord):
                state = record.states.get(inner.text, inner.start)
                turn = _as_the_users(turn, record)
            after, decision = inner.ask(state, turn)  # without a record, this conversation is all there is
            return after, msgspec.structs.replace(decision, reason=f"{text}: {decision.reason}")

        text = f"per_user({inner.text})"
        super().__init__(step, inner.start, text=text, reads=(*inner.reads, kept))

    def kept(self, state: Any) -> Iterator[tuple[Kept, str, Any]]:
        yield self._kept, self._inner.text, state


def _as_the_users(turn: Turn, record: UserRecord) -> Turn:
    return msgspec.structs.replace(
        turn,
        number=record.turns + 1,
        passed=record.passed,
        filled=record.filled or turn.filled,
        viewed=record.viewed or turn.viewed,
        clicked=record.clicked or turn.clicked,
    )

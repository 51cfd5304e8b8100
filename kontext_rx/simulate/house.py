"""A rule at home in a simulation: what it would keep in the app's store it keeps here, and its failures are counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..message import Turn
from ..pacing import AnyRule, Decision, Rule, UserRecord
from ..pacing.reading import Kept
from .talk import Talk

__all__ = ["Failures", "Housed", "Shelf", "keeps", "of_users"]


class Failures:
    """How often a rule failed, and how it did first."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def note(self, error: Exception) -> None:
        """One more."""
        self.count += 1
        self.first = self.first or f"{type(error).__name__}: {error}"


def keeps(rule: AnyRule) -> bool:
    """Whether *rule* remembers users from one conversation to another."""
    return any(isinstance(reading, Kept) for reading in rule.reads)


def of_users(talks: Sequence[Talk]) -> list[list[int]]:
    """Which of *talks* are one user's; one without a user is alone."""
    users: dict[object, list[int]] = {}
    for index, talk in enumerate(talks):
        users.setdefault(index if talk.user_id is None else talk.user_id, []).append(index)
    return list(users.values())


class Housed(Rule[Any]):
    """
    *rule*, with stores of its own in the place of the app's: simulated users leave no trace in those.

    All conversations of a user share one; it must not be shared by users who are to be strangers.
    """

    __slots__ = ("_new", "_rule")

    def __init__(self, rule: AnyRule, failures: Failures) -> None:
        self._rule = rule
        kept = [reading for reading in rule.reads if isinstance(reading, Kept)]
        self._new = new = {old: Kept(Shelf()) for old in kept}
        old: dict[object, object] = {fresh: known for known, fresh in new.items()}

        def step(state: Any, turn: Turn) -> tuple[Any, Decision]:
            if old and turn.readings:
                readings = {old.get(key, key): value for key, value in turn.readings.items()}
                turn = msgspec.structs.replace(turn, readings=readings)
            after, decision = rule.ask(state, turn)
            if decision.error is not None:  # counted here, it needs no word of the session's in the log
                failures.note(decision.error)
                decision = msgspec.structs.replace(decision, error=None)
            return after, decision

        reads = tuple(new[reading] if isinstance(reading, Kept) else reading for reading in rule.reads)
        super().__init__(step, rule.start, text=rule.text, reads=reads)

    def kept(self, state: Any) -> Iterator[tuple[Kept, str, Any]]:
        """The states that belong into a user's record."""
        for kept, name, own in self._rule.kept(state):
            yield self._new[kept], name, own


class Shelf:
    """A store for one process and one simulation."""

    def __init__(self) -> None:
        self._records: dict[str, UserRecord] = {}

    def load(self, user_id: str, /) -> UserRecord | None:
        """What was saved last."""
        return self._records.get(user_id)

    def save(self, user_id: str, record: UserRecord, /) -> None:
        """Keep *record*."""
        self._records[user_id] = record

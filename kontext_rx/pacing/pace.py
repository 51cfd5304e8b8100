"""A rule at work on one conversation: what it reads is read before each turn, and what it keeps is kept after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable, Disposable

from ..message import Turn
from ..typing import Operator
from .decision import Decision, Go
from .fold import Standing, again, decide
from .reading import Kept, Latest, Watched
from .store import UserRecord

if TYPE_CHECKING:
    from .base import AnyRule

__all__ = ["Pace", "Paced", "Remembered", "paced"]

Remembered: TypeAlias = Literal["filled", "viewed", "clicked"]
"""What a user's record counts besides turns."""


class Paced(msgspec.Struct, frozen=True):
    """A turn as the rule saw it, and what it said."""

    turn: Turn
    decision: Decision


class Pace:
    """
    Folds *rule* over one conversation, with its surroundings: the observables it watches, the users' records it keeps.

    The observables are subscribed now, on *scheduler*, until `dispose`. All else is the pure fold.
    """

    __slots__ = ("_kept", "_rule", "_standing", "_watches")

    def __init__(self, rule: AnyRule, scheduler: SchedulerBase | None = None) -> None:
        self._rule = rule
        self._standing = Standing(rule.start)
        self._kept = tuple(reading for reading in rule.reads if isinstance(reading, Kept))
        self._watches = tuple(_Watch(reading, scheduler) for reading in rule.reads if isinstance(reading, Watched))

    def decide(self, turn: Turn) -> Paced:
        """Decide on the next turn of the conversation. It never raises."""
        passed = self._standing.passed
        if self._kept or self._watches:
            turn = msgspec.structs.replace(turn, passed=passed, readings=self._read(turn.user_id))
        elif turn.passed != passed:
            turn = msgspec.structs.replace(turn, passed=passed)
        self._standing, decision = decide(self._rule, self._standing, turn)
        if self._kept and (error := self._keep(turn, passes=isinstance(decision, Go))) is not None:
            decision = decision if decision.error is not None else msgspec.structs.replace(decision, error=error)
        return Paced(turn, decision)

    def notice(self, user_id: str, what: Remembered, at: float) -> Exception | None:
        """Count one more fill, view or click in the user's records; what a store raises is handed back."""
        failed: Exception | None = None
        for kept in self._kept:
            try:
                record = _record(kept, user_id)
                seen = again(getattr(record, what), at, record.turns)
                kept.store.save(user_id, msgspec.structs.replace(record, **{what: seen}))
            except Exception as error:
                failed = error
        return failed

    def dispose(self) -> None:
        """Let go of the observables."""
        for watch in self._watches:
            watch.dispose()

    def _read(self, user_id: str) -> dict[object, object]:
        readings: dict[object, object] = {watch.watched: watch.latest for watch in self._watches}
        for kept in self._kept:
            try:
                readings[kept] = _record(kept, user_id)
            except Exception as error:
                readings[kept] = error
        return readings

    def _keep(self, turn: Turn, *, passes: bool) -> Exception | None:
        """Write what the turn has changed in the user's records, so that their next turn in any session sees it."""
        states: dict[Kept, dict[str, Any]] = {}
        for kept, name, state in self._rule.kept(self._standing.state):
            states.setdefault(kept, {})[name] = state
        failed: Exception | None = None
        for kept in self._kept:
            record = (turn.readings or {}).get(kept)
            if not isinstance(record, UserRecord):  # it could not be read: what is there is better than what we know
                continue
            number = record.turns + 1
            after = msgspec.structs.replace(
                record,
                turns=number,
                passed=again(record.passed, turn.at, number) if passes else record.passed,
                states={**record.states, **states.get(kept, {})},
            )
            try:
                kept.store.save(turn.user_id, after)
            except Exception as error:
                failed = error
        return failed


def _record(kept: Kept, user_id: str) -> UserRecord:
    record: object = kept.store.load(user_id)
    if record is None:
        return UserRecord()
    if isinstance(record, UserRecord):
        return record
    raise TypeError(f"load(user_id) must give a UserRecord or None, not {type(record).__name__}")


class _Watch:
    """The latest value of an observable, for as long as somebody wants it."""

    __slots__ = ("_subscription", "latest", "watched")

    def __init__(self, watched: Watched, scheduler: SchedulerBase | None) -> None:
        self.watched, self.latest = watched, Latest()
        self._subscription: DisposableBase = Disposable()
        try:
            self._subscription = watched.observable.subscribe(self._take, self._fail, scheduler=scheduler)
        except Exception as error:
            self._fail(error)

    def _take(self, value: Any) -> None:
        self.latest = Latest((value,))

    def _fail(self, error: Exception) -> None:
        self.latest = Latest(self.latest.values, error)

    def dispose(self) -> None:
        self._subscription.dispose()


def paced(rule: AnyRule) -> Operator[Turn, Paced]:
    """Decide on the turns of one conversation; each subscription begins anew."""

    def paced_(turns: Observable[Turn]) -> Observable[Paced]:
        def subscribe(observer: ObserverBase[Paced], scheduler: SchedulerBase | None = None) -> DisposableBase:
            pace = Pace(rule, scheduler)

            def on_next(turn: Turn) -> None:
                observer.on_next(pace.decide(turn))

            source = turns.subscribe(on_next, observer.on_error, observer.on_completed, scheduler=scheduler)
            return CompositeDisposable(source, Disposable(pace.dispose))

        return Observable(subscribe)

    return paced_

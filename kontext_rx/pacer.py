"""A pacing rule at work in one session: its state, and what it may look back on."""

from __future__ import annotations

from typing import Any

from .event import AdEvent, Clicked, Filled, Viewed
from .history import History
from .message import Seen, Turn
from .outlet import Outlet
from .pacing import AnyRule, Go
from .preload import PacedTurn, Submitted

__all__ = ["Pacer"]


class Pacer:
    """Folds the rule over the turns that are really sent; a turn it holds back is marked, not dropped."""

    __slots__ = (
        "_conversation_id",
        "_history",
        "_outlet",
        "_passed",
        "_rule",
        "_seen",
        "_state",
        "_user_id",
    )

    def __init__(
        self, rule: AnyRule | None, history: History[Any], outlet: Outlet, *, user_id: str, conversation_id: str
    ) -> None:
        self._rule = rule
        self._state: Any = None if rule is None else rule.start
        self._history, self._outlet = history, outlet
        self._user_id, self._conversation_id = user_id, conversation_id
        self._passed: Seen | None = None
        self._seen: dict[type[AdEvent], Seen] = {}

    def pace(self, submitted: Submitted) -> PacedTurn:
        """Mark one settled turn. An explicit `track_only` wins, and touches no rule's state."""
        if submitted.track_only or self._rule is None:
            return PacedTurn(submitted, submitted.track_only)
        turn = Turn(
            message=submitted.message,
            number=submitted.number,
            at=submitted.at,
            conversation=self._history.messages,
            conversation_id=self._conversation_id,
            user_id=self._user_id,
            passed=self._passed,
            filled=self._seen.get(Filled),
            viewed=self._seen.get(Viewed),
            clicked=self._seen.get(Clicked),
        )
        try:
            self._state, decision = self._rule.step(self._state, turn)
            passes, reason = isinstance(decision, Go), decision.reason
        except Exception as error:  # a rule that fails lets the ad pass
            self._outlet.report(error, "pacing")
            passes, reason = True, "the pacing rule failed"
        if passes:
            self._passed = _again(self._passed, submitted.at, submitted.number)
        return PacedTurn(submitted, not passes, reason)

    def notice(self, event: AdEvent) -> None:
        """Remember an event that rules may look back on."""
        if isinstance(event, Filled | Viewed | Clicked):
            kind = type(event)
            self._seen[kind] = _again(self._seen.get(kind), event.at, self._history.users)


def _again(seen: Seen | None, at: float, number: int) -> Seen:
    return Seen(seen.count + 1 if seen else 1, at, number)

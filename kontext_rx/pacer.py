"""A pacing rule at work in one session: it decides on the turns that are sent, and is told what came of them."""

from __future__ import annotations

from collections.abc import Callable

from reactivex.abc import SchedulerBase

from .event import AdEvent, Clicked, Filled, Viewed
from .history import History
from .message import Seen, Turn
from .outlet import Outlet
from .pacing import AnyRule, Hold, Pace
from .pacing.events import LOOKED_BACK_ON
from .pacing.fold import again
from .preload import PacedTurn, Submitted

__all__ = ["Pacer"]


class Pacer:
    """Folds the rule over the turns that are really sent; a turn it holds back is marked, not dropped."""

    __slots__ = (
        "_conversation_id",
        "_history",
        "_outlet",
        "_pace",
        "_reported",
        "_seen",
        "_timezone",
        "_user_id",
    )

    def __init__(
        self,
        rule: AnyRule | None,
        history: History,
        outlet: Outlet,
        *,
        user_id: str,
        conversation_id: str,
        scheduler: SchedulerBase | None = None,
        timezone: Callable[[], str | None] | None = None,
    ) -> None:
        self._pace = None if rule is None else Pace(rule, scheduler)
        self._history, self._outlet = history, outlet
        self._user_id, self._conversation_id = user_id, conversation_id
        self._timezone = timezone
        self._seen: dict[type[AdEvent], Seen] = {}
        self._reported: frozenset[type[Exception]] = frozenset()

    def pace(self, submitted: Submitted) -> PacedTurn:
        """Mark one settled turn. An explicit `track_only` wins, and touches no rule's state."""
        if submitted.track_only or self._pace is None:
            return PacedTurn(submitted, submitted.track_only)
        turn = Turn(
            message=submitted.message,
            number=submitted.number,
            at=submitted.at,
            conversation=self._history.messages,
            conversation_id=self._conversation_id,
            user_id=self._user_id,
            filled=self._seen.get(Filled),
            viewed=self._seen.get(Viewed),
            clicked=self._seen.get(Clicked),
            timezone=(self._timezone and self._timezone()) or "Etc/UTC",
        )
        decision = self._pace.decide(turn).decision
        self._report(decision.error)
        return PacedTurn(submitted, isinstance(decision, Hold), decision.reason)

    def notice(self, event: AdEvent) -> None:
        """Remember an event that rules may look back on."""
        if self._pace is not None and isinstance(event, Filled | Viewed | Clicked):
            kind = type(event)
            self._seen[kind] = again(self._seen.get(kind), event.at, self._history.users)
            self._report(self._pace.notice(self._user_id, LOOKED_BACK_ON[kind], event.at))

    def dispose(self) -> None:
        """Let go of the observables that the rule watches."""
        if self._pace is not None:
            self._pace.dispose()
            self._pace = None

    def _report(self, error: Exception | None) -> None:
        """Each kind of error once a session: a rule that fails will fail at every turn."""
        if error is not None and type(error) not in self._reported:
            self._reported |= {type(error)}
            self._outlet.report(error, "pacing")

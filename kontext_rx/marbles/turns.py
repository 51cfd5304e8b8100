"""The turns of a conversation: what became of each user message, and when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from kontext_rx.event import AdError, AdEvent, Clicked, NoFill, RenderStarted, Viewed
from kontext_rx.trace import Added, Dropped, Linked, Mounted, PreloadStep, Retold, Settled, Trace

__all__ = ["Outcome", "TurnTiming", "turns_of"]

Outcome: TypeAlias = Literal["filled", "no_fill", "error", "track_only", "coalesced", "cancelled", "disabled"]


class TurnTiming(msgspec.Struct, frozen=True, kw_only=True):
    """
    One user message and what came of it. Times are epoch seconds, and None for what has not happened.

    Where something happens more than once, as with two placements, the first time counts.
    """

    user_message_id: str
    number: int
    """Which user message of the conversation it is, from 1."""
    added_at: float
    scheduled_at: float | None = None
    """When its debounce began."""
    debounced_at: float | None = None
    """When its debounce ended, whatever ended it."""
    sent_at: float | None = None
    track_only: bool = False
    """Whether no ad was asked for, because the app or a pacing rule said so."""
    pacing: str | None = None
    """What the pacing rule said."""
    retried_at: tuple[float, ...] = ()
    """When attempts failed that were followed by another."""
    ended_at: float | None = None
    """When the preload ended: answered, coalesced or cancelled."""
    outcome: Outcome | None = None
    """None while it is open. `disabled`: the session was switched off."""
    reason: str | None = None
    """The skip code, the error code, why it was cancelled."""
    by: str | None = None
    """The newer user message that coalesced or cancelled it."""
    reply_id: str | None = None
    reply_at: float | None = None
    """The assistant message that got its answer or, without one, the first after it."""
    linked_at: float | None = None
    mounted_at: float | None = None
    rendered_at: float | None = None
    viewed_at: float | None = None
    clicked_at: float | None = None
    dropped_at: float | None = None
    """When bids of it were dropped that nobody had mounted: they expired, or their message was trimmed."""

    @property
    def debounce_s(self) -> float | None:
        """Seconds in the debounce."""
        return _between(self.scheduled_at, self.debounced_at)

    @property
    def request_s(self) -> float | None:
        """Seconds from the request to its end."""
        return _between(self.sent_at, self.ended_at)

    @property
    def lead_s(self) -> float | None:
        """Seconds that the ad was there before the reply; less than 0 when the reply waited for it."""
        return _between(self.ended_at, self.reply_at) if self.linked_at is not None else None


def _between(start: float | None, end: float | None) -> float | None:
    """Seconds, to the microsecond: an epoch's float holds no more."""
    return None if start is None or end is None else round(end - start, 6)


def turns_of(traces: Iterable[Trace]) -> tuple[TurnTiming, ...]:
    """
    The turns in *traces*, which are in order of time, oldest first.

    A turn whose beginning is missing, as in what an app has collected from `session.preloads`, begins with the first
    step that is there.
    """
    reading = _Reading()
    for trace in traces:
        reading.read(trace)
    return tuple(TurnTiming(**facts) for facts in reading.turns)


class _Reading:
    """Turns as they become known."""

    def __init__(self) -> None:
        self.turns: list[dict[str, Any]] = []
        self._asked: dict[str, dict[str, Any]] = {}
        self._replied: dict[str, float] = {}
        self._answers: dict[str, dict[str, Any]] = {}
        """The turn whose answer a reply got."""

    def read(self, trace: Trace) -> None:
        match trace:
            case Added(role="user"):
                self._begin(trace.message_id, trace.at, trace.number, trace.track_only)
            case Added():
                self._replied[trace.message_id] = trace.at
                turn = self._asked.get(trace.after or "")
                if turn is not None and "reply_id" not in turn:
                    turn.update(reply_id=trace.message_id, reply_at=trace.at)
            case PreloadStep():
                self._step(trace)
            case Linked(message_id=reply, user_message_id=asked):
                self._belongs(reply, asked)
                self._once(self._asked.get(asked), "linked_at", trace.at)
            case Retold(message_id=reply, event=AdEvent(user_message_id=asked)):
                self._belongs(reply, asked)
            case NoFill(message_id=str(reply), user_message_id=asked):
                self._belongs(reply, asked)
            case AdError(message_id=str(reply), user_message_id=asked, bid_id=None):
                self._belongs(reply, asked)
            case Settled(message_id=asked, outcome=NoFill(skip_code="session_disabled")):
                turn = self._asked.get(asked)
                if turn is not None and "outcome" not in turn:
                    turn.update(outcome="disabled", ended_at=trace.at, reason="session_disabled")
            case Dropped(message_id=reply):
                turn = self._answers.get(reply)
                if turn is not None and "mounted_at" not in turn:
                    self._once(turn, "dropped_at", trace.at)
            case Mounted(message_id=reply):
                self._once(self._answers.get(reply), "mounted_at", trace.at)
            case RenderStarted() | Viewed() | Clicked():
                turn = self._asked.get(trace.user_message_id or "") or self._answers.get(trace.message_id or "")
                self._once(turn, _SHOWN[type(trace)], trace.at)
            case _:
                pass

    def _begin(self, message_id: str, at: float, number: int | None = None, track_only: bool = False) -> dict[str, Any]:
        if number is None:
            number = self.turns[-1]["number"] + 1 if self.turns else 1
        turn: dict[str, Any] = {"user_message_id": message_id, "number": number, "added_at": at}
        turn["track_only"] = track_only
        self.turns.append(turn)
        self._asked[message_id] = turn
        return turn

    def _step(self, step: PreloadStep) -> None:
        turn = self._asked.get(step.user_message_id) or self._begin(step.user_message_id, step.at)
        match step.name:
            case "scheduled":
                turn["scheduled_at"] = step.at
            case "sent":
                turn.update(debounced_at=step.at, sent_at=step.at, pacing=step.reason)
                turn["track_only"] = bool(step.track_only)
            case "retried":
                turn["retried_at"] = (*turn.get("retried_at", ()), step.at)
            case "coalesced" | "cancelled":
                disabled = step.reason == "session_disabled"
                turn.update(ended_at=step.at, outcome="disabled" if disabled else step.name, by=step.by)
                turn["reason"] = step.reason
            case "resolved":
                turn.update(ended_at=step.at, outcome=step.outcome, reason=step.reason)
        if step.name in ("coalesced", "cancelled", "resolved") and "scheduled_at" in turn:
            turn.setdefault("debounced_at", step.at)

    def _belongs(self, reply: str, asked: str | None) -> None:
        """*reply* is the one that got the answer to *asked*."""
        turn = self._asked.get(asked or "")
        if turn is not None:
            self._answers[reply] = turn
            turn.update(reply_id=reply, reply_at=self._replied.get(reply))

    def _once(self, turn: dict[str, Any] | None, what: str, at: float) -> None:
        if turn is not None:
            turn.setdefault(what, at)


_SHOWN = {RenderStarted: "rendered_at", Viewed: "viewed_at", Clicked: "clicked_at"}

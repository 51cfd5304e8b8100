"""What there is to draw: a lane, a kind and a stretch of time for each thing that happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kontext_rx.event import (
    AdError,
    AdEvent,
    Clicked,
    RenderCompleted,
    RenderStarted,
    RewardGranted,
    VideoCompleted,
    VideoStarted,
    Viewed,
)
from kontext_rx.trace import Added, Dropped, Ended, Linked, Mounted, PreloadStep, Trace

from .palette import LOOKS, Kind, Lane
from .turns import TurnTiming

__all__ = ["Item", "items_of", "rounded", "seconds", "span"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to draw. Times are epoch seconds; what happens at a moment starts and ends there."""

    lane: Lane
    kind: Kind
    start: float
    end: float
    turn: int
    """The place of its turn among the turns; -1 for what came before the first."""
    message_id: str | None = None
    text: str = ""
    """What to say about it beyond its kind and its times."""
    label: str = ""
    """A few characters beside it, where there is room."""

    @property
    def is_bar(self) -> bool:
        """Whether it has a length, or would have one if it had lasted longer."""
        return LOOKS[self.kind].body != ""


def items_of(traces: Sequence[Trace], turns: Sequence[TurnTiming]) -> tuple[Item, ...]:
    """All that there is to draw, by time."""
    end = traces[-1].at if traces else 0.0
    bars = [item for place, turn in enumerate(turns) for item in _of_turn(turn, place, end)]
    return tuple(sorted((*bars, *_marks(traces, turns)), key=lambda item: item.start))


def seconds(span_s: float) -> str:
    """A length of time for people: `10 ms`, `1.25 s`, `28 s`, `3 min`, `2 h`."""
    if span_s < 0.9995:
        return f"{span_s * 1000:.0f} ms"
    if span_s < 9.995:
        return f"{span_s:.2f} s"
    if span_s < 119.5:
        return f"{span_s:.0f} s"
    return f"{span_s / 60:.0f} min" if span_s < 7170 else f"{span_s / 3600:.0f} h"


def rounded(span_s: float) -> str:
    """The same for what is long: `9 s`, `3 min`."""
    return f"{span_s:.0f} s" if span_s < 119.5 else seconds(span_s)


def span(start: float, end: float) -> float:
    """Seconds between two moments, to the microsecond: an epoch's float holds no more."""
    return round(end - start, 6)


# --- what a turn is made of ---


def _of_turn(turn: TurnTiming, place: int, end: float) -> Iterator[Item]:
    user = turn.user_message_id
    yield Item(
        lane="user",
        kind="user",
        start=turn.added_at,
        end=turn.added_at,
        turn=place,
        message_id=user,
        label=str(turn.number),
    )
    if turn.scheduled_at is not None:
        coalesced = turn.outcome == "coalesced"
        until = end if turn.debounced_at is None else turn.debounced_at
        yield Item(
            lane="debounce",
            kind="coalesced" if coalesced else "debounce",
            start=turn.scheduled_at,
            end=until,
            turn=place,
            message_id=user,
            text=f"coalesced into {turn.by}" if coalesced else "",
            label=seconds(span(turn.scheduled_at, until)),
        )
    if turn.sent_at is not None:
        kind = _life(turn)
        until = end if turn.ended_at is None else turn.ended_at
        took = seconds(span(turn.sent_at, until))
        yield Item(
            lane="request",
            kind=kind,
            start=turn.sent_at,
            end=until,
            turn=place,
            message_id=user,
            text=_why(turn),
            label=took if kind == "filled" else f"{took} {LOOKS[kind].word}",
        )
    if turn.linked_at is not None and turn.reply_at is not None and turn.ended_at is not None:
        first, second = sorted((turn.ended_at, turn.reply_at))
        who = "the ad waits for the reply" if turn.ended_at <= turn.reply_at else "the reply waits for the ad"
        yield Item(
            lane="link",
            kind="waiting",
            start=first,
            end=second,
            turn=place,
            message_id=turn.reply_id,
            text=who,
            label=f"{who.split()[1]} waits {seconds(span(first, second))}" if second > first else "",
        )
    if turn.mounted_at is not None and turn.rendered_at is not None and turn.rendered_at >= turn.mounted_at:
        yield Item(
            lane="render",
            kind="loading",
            start=turn.mounted_at,
            end=turn.rendered_at,
            turn=place,
            message_id=turn.reply_id,
        )


def _life(turn: TurnTiming) -> Kind:
    match turn.outcome:
        case "filled" | "no_fill" | "error" | "track_only" | "cancelled":
            return turn.outcome
        case None:
            return "open"
        case _:
            return "cancelled"


def _why(turn: TurnTiming) -> str:
    parts = [
        f"by {turn.by}" if turn.by else None,
        turn.reason if turn.reason != turn.pacing else None,
        f"pacing: {turn.pacing}" if turn.pacing else None,
    ]
    return "; ".join(part for part in parts if part)


# --- what else happens ---

_SHOWN: Final[Mapping[type[AdEvent], tuple[Lane, Kind]]] = {
    RenderStarted: ("render", "render"),
    RenderCompleted: ("render", "rendered"),
    Viewed: ("view", "view"),
    Clicked: ("click", "click"),
    VideoStarted: ("video", "video"),
    VideoCompleted: ("video", "video"),
    RewardGranted: ("video", "video"),
}


def _marks(traces: Iterable[Trace], turns: Sequence[TurnTiming]) -> Iterator[Item]:
    places = {turn.reply_id: place for place, turn in enumerate(turns) if turn.reply_id is not None}
    places |= {turn.user_message_id: place for place, turn in enumerate(turns)}
    latest = -1  # the turn of what names none
    for trace in traces:
        while latest + 1 < len(turns) and turns[latest + 1].added_at <= trace.at:
            latest += 1
        ids = (getattr(trace, "user_message_id", None), getattr(trace, "message_id", None))
        turn = next((places[known] for known in ids if known in places), latest)
        if (drawn := _mark(trace, turns[turn] if turn >= 0 else None)) is None:
            continue
        lane, kind, text = drawn
        yield Item(
            lane=lane,
            kind=kind,
            start=trace.at,
            end=trace.at,
            turn=turn,
            message_id=ids[1] or ids[0],
            text=text,
            label=trace.reason if isinstance(trace, Dropped) else "",
        )


def _mark(trace: Trace, turn: TurnTiming | None) -> tuple[Lane, Kind, str] | None:
    match trace:
        case Added(role="assistant"):
            return "reply", "reply", ""
        case PreloadStep(name="retried", attempt=attempt, reason=reason):
            return "request", "retry", f"attempt {attempt} follows: {reason}"
        case Linked(bids=bids):
            return "link", "linked", f"to {trace.message_id}: {', '.join(bids)}"
        case Dropped(codes=codes, reason=reason) if turn is None or turn.dropped_at is not None:
            return "link", "dropped", f"{reason}: {', '.join(codes)}"
        case Mounted(code=code):
            return "render", "mounted", f"in {code}"
        case Ended():
            return "user", "end", ""
        case AdError(bid_id=str(), err_code=code):
            return "render", "failure", code
        case AdError(user_message_id=None, err_code=code):
            return "request", "failure", code
        case AdEvent() if type(trace) in _SHOWN:
            lane, kind = _SHOWN[type(trace)]
            where = f"in {trace.code}" if trace.code else ""
            return lane, kind, f"{trace.name} {where}".strip() if lane == "video" else where
        case _:
            return None

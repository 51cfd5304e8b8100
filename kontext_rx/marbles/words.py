"""What pictures say in words."""

from __future__ import annotations

import datetime as dt
import statistics
import unicodedata
from collections import Counter
from collections.abc import Sequence

from .items import Item, seconds, span
from .palette import LOOKS, Kind
from .turns import TurnTiming

__all__ = [
    "EMPTY",
    "cells",
    "clean",
    "clock",
    "legend",
    "outcome_of",
    "outcomes",
    "ruler",
    "shortened",
    "shown_outcome",
    "story",
    "summary",
]

EMPTY = "nothing has happened yet"


def clean(text: str) -> str:
    """*text* without characters that a terminal would obey or XML forbids: ids are the app's."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")
        else char
        for char in text
    )


def cells(text: str) -> int:
    """How many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def shortened(text: str, width: int) -> str:
    """*text* in *width* columns: filled up, or cut with an ellipsis."""
    text = clean(text)
    if cells(text) > width:
        while text and cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - cells(text))


def clock(at: float) -> str:
    """A moment in UTC, or its number when no calendar has it."""
    try:
        return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at:.3f}"


def ruler(at: float, began: float) -> str:
    """A moment as seconds from the start."""
    return f"{span(began, at):.3f} s"


def outcomes(turns: Sequence[TurnTiming]) -> list[tuple[Kind, int]]:
    """How often each outcome came, in the order of the legend."""
    counted = Counter(shown_outcome(turn) for turn in turns)
    order: tuple[Kind, ...] = ("filled", "no_fill", "error", "track_only", "cancelled", "coalesced", "open")
    return [(kind, counted[kind]) for kind in order if counted[kind]]


def shown_outcome(turn: TurnTiming) -> Kind:
    """As what a turn's outcome is drawn."""
    if turn.outcome is None:
        return "open"
    return "cancelled" if turn.outcome == "disabled" else turn.outcome


def outcome_of(turn: TurnTiming) -> str:
    """What became of a turn, and how long it took."""
    if turn.outcome is None:
        return "open"
    took = turn.debounce_s if turn.sent_at is None else turn.request_s
    return f"{'' if took is None else seconds(took):>6} {turn.outcome.replace('_', ' ')}".strip()


def summary(turns: Sequence[TurnTiming]) -> str:
    """What the numbers say, in a line; empty where there are none."""
    parts: list[str] = []
    answered = [
        turn.request_s for turn in turns if turn.outcome in ("filled", "no_fill") and turn.request_s is not None
    ]
    if answered:
        parts.append(f"half of the answers within {seconds(statistics.median(answered))}")
    leads = [lead for turn in turns if (lead := turn.lead_s) is not None]
    if leads:
        parts.append(f"the ad was there before the reply {sum(lead >= 0 for lead in leads):,} of {len(leads):,} times")
    return " · ".join(parts)


def legend(items: Sequence[Item]) -> list[Kind]:
    """The kinds that need a word, in the order of the palette."""
    used = {item.kind for item in items} - {"user", "reply", "debounce", "waiting", "loading"}
    return [kind for kind in LOOKS if kind in used]


def story(item: Item, turn: TurnTiming | None, began: float) -> str:
    """All about one thing, for tooltips."""
    what = LOOKS[item.kind].word
    when = ruler(item.start, began)
    if item.end > item.start:
        when = f"{when} to {ruler(item.end, began)} ({seconds(span(item.start, item.end))})"
    whose = f"turn {turn.number}" if turn is not None else ""
    lines = [
        f"{what} · {item.message_id}" if item.message_id else what,
        " · ".join(filter(None, (whose, when))),
        item.text,
    ]
    return "\n".join(clean(line) for line in lines if line)

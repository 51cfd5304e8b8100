"""`after`: a rule that looks back on what came of earlier ads."""

from __future__ import annotations

from typing import Final, TypeAlias

from ..errors import InvalidOptionError
from ..event import Clicked, Filled, Viewed
from ..message import Seen, Turn
from .base import Rule
from .checks import TICK, positive, shown, span, whole
from .decision import Decision, Go, Hold
from .pace import Remembered

__all__ = ["LOOKED_BACK_ON", "LookedBackOn", "after"]

LookedBackOn: TypeAlias = type[Filled] | type[Viewed] | type[Clicked]

LOOKED_BACK_ON: Final[dict[LookedBackOn, Remembered]] = {Filled: "filled", Viewed: "viewed", Clicked: "clicked"}
"""The events that a turn carries, and where."""


def after(event: LookedBackOn | str, seconds: float | None = None, *, turns: int | None = None) -> Rule[None]:
    """
    Pass in the *seconds* after the last fill, view or click, or in the next *turns* turns; mostly as `~after(...)`.

    *event* is `Filled`, `Viewed` or `Clicked`, or its name, such as `"ad.clicked"`. Exactly *seconds* later it is over.
    With *turns* the turn during which it happened is number 0: `turns=2` covers the two turns after it (and one that
    was added in the 10 ms before it). Before the first such event the rule holds back, so `~after(...)` passes.

        --1--x--2--3--4--|   (x a click)
        [ ~after(Clicked, turns=2) ]
        --g-----h--h--g--|

    Raises `InvalidOptionError` for another event, for both or neither of *seconds* and *turns*, and for one of them
    that is not over 0.
    """
    kind = next((kind for kind in LOOKED_BACK_ON if event is kind or event == kind.name), None)
    if kind is None:
        raise InvalidOptionError("after", event, "give Filled, Viewed or Clicked, or its name such as 'ad.clicked'")
    if (seconds is None) == (turns is None):
        raise InvalidOptionError(
            "after.seconds",
            seconds,
            "give either seconds or turns, as in after(Clicked, 120) or after(Clicked, turns=2)",
        )
    if seconds is not None:
        return _in_seconds(kind, positive("after.seconds", seconds, "give seconds, more than 0"))
    return _in_turns(kind, whole("after.turns", turns, least=1))


def _in_seconds(kind: LookedBackOn, seconds: float) -> Rule[None]:
    where, word = LOOKED_BACK_ON[kind], _WORDS[kind]
    text = f"after({kind.__name__}, {shown(seconds)})"
    over = seconds - TICK

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        seen: Seen | None = getattr(turn, where)
        if seen is None:
            return state, Hold(f"{text}: no {word} yet")
        since = turn.at - seen.at
        # A click between the message and the end of its debounce is known, and a moment ahead of the turn.
        said = f"{text}: the last {word} was {span(max(since, 0.0))} ago"
        return state, Go(said) if since < over else Hold(said)

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        seen: Seen | None = getattr(turn, where)
        return state, seen is not None and turn.at - seen.at < over

    return Rule(step, None, text=text, quick=quick)


def _in_turns(kind: LookedBackOn, turns: int) -> Rule[None]:
    where, word = LOOKED_BACK_ON[kind], _WORDS[kind]
    text = f"after({kind.__name__}, turns={turns})"

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        seen: Seen | None = getattr(turn, where)
        if seen is None:
            return state, Hold(f"{text}: no {word} yet")
        said = f"{text}: the last {word} was in turn {seen.number}, this is turn {turn.number}"
        return state, Go(said) if turn.number - seen.number <= turns else Hold(said)

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        seen: Seen | None = getattr(turn, where)
        return state, seen is not None and turn.number - seen.number <= turns

    return Rule(step, None, text=text, quick=quick)


_WORDS: Final[dict[LookedBackOn, str]] = {Filled: "fill", Viewed: "view", Clicked: "click"}

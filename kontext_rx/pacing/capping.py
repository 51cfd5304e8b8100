"""Rules that go by what the whole rule has let through."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..message import Turn
from .base import Rule
from .checks import TICK, number, positive, shown, span, whole
from .decision import Decision, Go, Hold

__all__ = ["at_most", "cooldown"]


def cooldown(seconds: float) -> Rule[None]:
    """
    Hold a turn back that comes less than *seconds* after the last one that the whole rule let through.

    One that comes exactly *seconds* after it passes. Time is that of `turn.at`, when the message was added.

        --a--b-----c--d-----|
        [    cooldown(5)    ]
        --g--h-----g--h-----|

    Raises `InvalidOptionError` when *seconds* is negative, or no finite number.
    """
    seconds = number("cooldown", seconds, "give seconds, 0 or more")
    text = f"cooldown({shown(seconds)})"
    enough = seconds - TICK

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        if turn.passed is None:
            return state, Go(f"{text}: no turn was let through before")
        since = turn.at - turn.passed.at
        if since < enough:
            return state, Hold(f"{text}: {span(seconds - since)} left")
        return state, Go(f"{text}: the last turn let through was {span(since)} ago")

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        passed = turn.passed
        return state, passed is None or turn.at - passed.at >= enough

    return Rule(step, None, text=text, quick=quick)


def at_most(n: int, per: float | None = None) -> Rule[Any]:
    """
    Let no more than *n* turns pass: in the whole conversation, or in any *per* seconds.

    What counts is what the whole rule let through. A turn that passed exactly *per* seconds ago counts no more, so
    `at_most(1, per=60)` is `cooldown(60)`.

        --a--b--c-----d-----|
        [ at_most(2, per=9) ]
        --g--g--h-----g-----|   (`a` is 12 s back)

    Raises `InvalidOptionError` when *n* is no whole number of 1 or more, or *per* not over 0 and finite.
    """
    n = whole("at_most", n, least=1)
    if per is None:
        return _at_most_ever(n)
    wanted = "give seconds, more than 0, or leave it out for the whole conversation"
    return _at_most_per(n, positive("at_most.per", per, wanted))


def _at_most_ever(n: int) -> Rule[None]:
    text = f"at_most({n})"

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        count = 0 if turn.passed is None else turn.passed.count
        if count < n:
            return state, Go(f"{text}: {count} of {n} so far")
        return state, Hold(f"{text}: {n} of {n} so far")

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        passed = turn.passed
        return state, passed is None or passed.count < n

    return Rule(step, None, text=text, quick=quick)


Window: TypeAlias = tuple[int, tuple[float, ...]]
"""How many turns had passed, and the times of the last of them."""


def _at_most_per(n: int, per: float) -> Rule[Window]:
    text = f"at_most({n}, per={shown(per)})"
    enough = per - TICK

    def moved(window: Window, turn: Turn) -> Window:
        known, times = window
        if turn.passed is not None and turn.passed.count > known:
            times = (*times, *[turn.passed.at] * min(turn.passed.count - known, n))
            known = turn.passed.count
        return known, tuple([at for at in times if turn.at - at < enough][-n:])

    def quick(window: Window, turn: Turn) -> tuple[Window, bool]:
        window = moved(window, turn)
        return window, len(window[1]) < n

    def step(window: Window, turn: Turn) -> tuple[Window, Decision]:
        known, times = moved(window, turn)
        if len(times) < n:
            return (known, times), Go(f"{text}: {len(times)} of {n} in the last {shown(per)} s")
        left = span(times[0] + per - turn.at)
        return (known, times), Hold(f"{text}: {n} of {n} in the last {shown(per)} s, {left} until the next")

    return Rule(step, (0, ()), text=text, quick=quick)

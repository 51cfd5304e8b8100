"""Rules that ask the app: the latest value of an observable, a predicate over the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactivex import Observable

from ..errors import InvalidOptionError
from ..message import Message, Turn
from .base import Rule
from .checks import function
from .decision import Decision, Go, Hold
from .reading import Latest, Watched

__all__ = ["only_if", "when"]


def when(observable: Observable[Any], *, name: str = "observable") -> Rule[None]:
    """
    Pass while the latest value of *observable* is true, in Python's sense; hold back until its first.

    It is subscribed when a session begins and let go when it ends; the value is read when pacing decides. The end of
    the observable, or its error, leaves its last value in force. *name* stands for it in reasons.

        ----T-----F-----------T---|   (the observable)
        --1----2----3----4------5-|
        [         when(...)       ]
        --h----g----h----h------g-|

    Raises `InvalidOptionError` when *observable* is none.
    """
    if not isinstance(observable, Observable):
        raise InvalidOptionError("when", observable, "give an observable, such as a reactivex BehaviorSubject")
    text = f"when({_named('when', name)})"
    watched = Watched(observable)

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        latest = (turn.readings or {}).get(watched)
        if not isinstance(latest, Latest):
            latest = Latest()
        since = "" if latest.error is None else f", and failed since: {type(latest.error).__name__}"
        if not latest.values:
            return state, Hold(f"{text}: it has said nothing yet{since}", latest.error)
        if latest.values[0]:
            return state, Go(f"{text}: it says yes{since}", latest.error)
        return state, Hold(f"{text}: it says no{since}", latest.error)

    return Rule(step, None, text=text, reads=(watched,))


def only_if(predicate: Callable[[Message], object], *, name: str | None = None) -> Rule[None]:
    """
    Pass when *predicate* says so of the turn's message: what it returns is true, in Python's sense.

    *name* stands for it in reasons, in the place of its own. Raises `InvalidOptionError` when it is no plain function.
    """
    asked = function("only_if", predicate)
    text = f"only_if({_named('only_if', getattr(asked, '__name__', 'predicate') if name is None else name)})"

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        if asked(turn.message):
            return state, Go(f"{text}: it says yes")
        return state, Hold(f"{text}: it says no")

    return Rule(step, None, text=text)


def _named(rule: str, name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidOptionError(f"{rule}.name", name, "give a text that is not blank, or leave it out")
    return name

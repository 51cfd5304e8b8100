"""`rule`: a function of the app's becomes a rule."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

import msgspec

from ..errors import InvalidOptionError
from ..message import Turn
from .base import Rule
from .checks import function
from .decision import Decision, Go, Hold

__all__ = ["rule"]

S = TypeVar("S")

_NOT_YET: Final = object()


@overload
def rule(step: Callable[[Turn], bool | Decision], /) -> Rule[None]: ...
@overload
def rule(step: Callable[[None, Turn], tuple[None, bool | Decision]], /) -> Rule[None]: ...
@overload
def rule(step: Callable[[S, Turn], tuple[S, bool | Decision]], /, *, start: S) -> Rule[S]: ...
@overload
def rule(*, start: S) -> Callable[[Callable[[S, Turn], tuple[S, bool | Decision]]], Rule[S]]: ...
def rule(step: Any = _NOT_YET, /, *, start: Any = None) -> Any:
    """
    Make a rule of a function, as a decorator or with a call.

    The number of its parameters says which of the two it is:

    * `(turn)`: it remembers nothing, and gives True to let the ad pass, False to hold it back;
    * `(state, turn)`: it gives the state for the next turn, and the answer; *start* is the first state.

    Instead of True and False it may give a `Go` or a `Hold` with a reason. It must be pure: time comes from `turn.at`,
    and a state is a value that is never changed::

        @pacing.rule
        def long_questions(turn: Turn) -> bool:
            return len(turn.message.content) > 80

        @pacing.rule(start=0)
        def every_second(seen: int, turn: Turn) -> tuple[int, bool]:
            return seen + 1, seen % 2 == 1

    Raises `InvalidOptionError` for what is no plain function of one or two parameters.
    """
    return functools.partial(_made, start=start) if step is _NOT_YET else _made(step, start)


def _made(step: object, start: Any) -> Rule[Any]:
    made = function("rule", step)
    text = str(getattr(made, "__name__", type(made).__name__))
    stateful = _parameters(made) == 2

    def own(state: Any, turn: Turn) -> tuple[Any, Decision]:
        after, answer = made(state, turn) if stateful else (state, made(turn))
        return after, _decision(text, answer)

    return Rule(own, start, text=text)


def _decision(text: str, answer: object) -> Decision:
    if isinstance(answer, Go | Hold):
        return msgspec.structs.replace(answer, reason=f"{text}: {answer.reason}")
    if not isinstance(answer, bool):
        raise TypeError(f"{text} must give True, False, a Go or a Hold, not {type(answer).__name__}")
    return Go(f"{text}: it says yes") if answer else Hold(f"{text}: it says no")


def _parameters(step: Callable[..., Any]) -> int:
    for arguments in ((None,), (None, None)):
        try:
            inspect.signature(step).bind(*arguments)
        except TypeError:
            continue
        except ValueError:  # a builtin without a signature
            break
        return len(arguments)
    raise InvalidOptionError("rule", step, "give a function of (turn) or (state, turn)")

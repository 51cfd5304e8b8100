"""
Pacing: whether a turn may have an ad, and why.

A rule is a pure step, `(state, turn) -> (state, decision)`: everything it may look at is in the `Turn`. A turn that is
held back is still sent, as `track_only`, so that the server keeps the context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from .message import Seen, Turn

__all__ = ["Decision", "Go", "Hold", "Rule", "Seen", "Turn"]

S = TypeVar("S")


class Go(msgspec.Struct, frozen=True):
    """An ad may be shown on this turn; `reason` is for a person to read."""

    reason: str


class Hold(msgspec.Struct, frozen=True):
    """No ad on this turn; `reason` is for a person to read."""

    reason: str


Decision: TypeAlias = Go | Hold


class Rule(Generic[S]):
    """A pacing rule: a pure *step* and the state it starts from. Each session folds its own."""

    __slots__ = ("start", "step")

    def __init__(self, step: Callable[[S, Turn], tuple[S, Decision]], start: S) -> None:
        self.step, self.start = step, start


AnyRule: TypeAlias = Rule[Any]

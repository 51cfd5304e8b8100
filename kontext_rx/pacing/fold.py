"""How a rule goes over the turns of a conversation: a pure fold, which also knows what the whole rule let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ..message import Seen, Turn
from .decision import Decision, Go

if TYPE_CHECKING:
    from .base import AnyRule

__all__ = ["Standing", "again", "decide"]


class Standing(msgspec.Struct, frozen=True):
    """Where a rule stands in one conversation. It starts as `Standing(rule.start)`."""

    state: Any
    """The rule's own state."""
    passed: Seen | None = None
    """The turns that the whole rule has let through so far."""


def decide(rule: AnyRule, standing: Standing, turn: Turn) -> tuple[Standing, Decision]:
    """
    One turn: where the rule stands after it, and whether the turn may have an ad.

    It is pure, and takes microseconds: a simulation folds it over millions of turns. What *turn* says of `passed` is
    replaced by what this fold knows; `readings` must be there if the rule has `reads`.
    """
    if turn.passed != standing.passed:
        turn = msgspec.structs.replace(turn, passed=standing.passed)
    state, decision = rule.ask(standing.state, turn)
    passed = again(standing.passed, turn.at, turn.number) if isinstance(decision, Go) else standing.passed
    return Standing(state, passed), decision


def again(seen: Seen | None, at: float, number: int) -> Seen:
    """It has happened once more: at *at*, in turn *number*."""
    return Seen(seen.count + 1 if seen else 1, at, number)

"""What a rule answers: `Go` or `Hold`, each with its reason; and what `&`, `|` and `~` make of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

__all__ = ["Decision", "Go", "Hold", "all_of", "any_of", "opposite"]


class Go(msgspec.Struct, frozen=True):
    """An ad may be shown on this turn."""

    reason: str
    """For a person to read."""
    error: Exception | None = None
    """What a part of the rule raised, if one did; a session reports it."""
    failed: bool = False
    """Whether the ad passes only because a part failed: `~` lets it pass all the same."""


class Hold(msgspec.Struct, frozen=True):
    """No ad on this turn."""

    reason: str
    """For a person to read."""
    error: Exception | None = None
    """What a part of the rule raised, if one did; a session reports it."""


Decision: TypeAlias = Go | Hold


def all_of(decisions: Sequence[Decision]) -> Decision:
    """Pass when every one does; held back, it gives the reasons of those that hold."""
    held = [decision for decision in decisions if isinstance(decision, Hold)]
    error = _error(decisions)
    if held:
        return Hold(_reasons(held if error is None else [*held, *filter(_failed, decisions)]), error)
    return Go(_reasons(decisions), error, error is not None and any(_failed(decision) for decision in decisions))


def any_of(decisions: Sequence[Decision]) -> Decision:
    """Pass when one does; passing, it gives the reasons of those that pass."""
    passing = [decision for decision in decisions if isinstance(decision, Go)]
    error = _error(decisions)
    if not passing:
        return Hold(_reasons(decisions), error)
    return Go(_reasons(passing), error, error is not None and all(_failed(decision) for decision in passing))


def opposite(decision: Decision, *, grouped: bool = False) -> Decision:
    """Turn an answer round, but not one that nothing but a failure gave; *grouped* puts its reason in brackets."""
    if _failed(decision):
        return decision
    reason = f"not ({decision.reason})" if grouped else f"not {decision.reason}"
    return Hold(reason, decision.error) if isinstance(decision, Go) else Go(reason, decision.error)


def _failed(decision: Decision) -> bool:
    return isinstance(decision, Go) and decision.failed


def _reasons(decisions: Sequence[Decision]) -> str:
    return "; ".join([decision.reason for decision in decisions])


def _error(decisions: Sequence[Decision]) -> Exception | None:
    for decision in decisions:
        if decision.error is not None:
            return decision.error
    return None

"""Turns to ask rules about, and what rules say of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kontext_rx import Message, Turn
from kontext_rx.pacing import AnyRule, Decision, Go, Standing, decide

START = 1_772_439_300.0
"""Monday, 2 March 2026, 08:15 UTC."""


def turn(number: int = 1, at: float | None = None, **known: Any) -> Turn:
    """A turn; *at* is in seconds after the start, and as many as its number unless given."""
    message = Message.user(f"u{number}", known.pop("text", "x"))
    facts: dict[str, Any] = {"conversation": (message,), "conversation_id": "c", "user_id": "u", **known}
    return Turn(message=message, number=number, at=START + (number if at is None else at), **facts)


def at(*seconds: float) -> list[Turn]:
    """Turns 1, 2, ... at these seconds after the start."""
    return [turn(number, second) for number, second in enumerate(seconds, start=1)]


def numbers(*given: int) -> list[Turn]:
    """Turns with these numbers, a second apart."""
    return [turn(number) for number in given]


def decisions(rule: AnyRule, turns: Iterable[Turn]) -> list[Decision]:
    """What *rule* says of each turn of one conversation."""
    standing, said = Standing(rule.start), []
    for one in turns:
        standing, decision = decide(rule, standing, one)
        said.append(decision)
    return said


def says(rule: AnyRule, turns: Iterable[Turn]) -> str:
    """The same in short: `g` for a turn that it lets through, `h` for one that it holds back."""
    return "".join("g" if isinstance(decision, Go) else "h" for decision in decisions(rule, turns))


def reasons(rule: AnyRule, turns: Iterable[Turn]) -> list[str]:
    return [decision.reason for decision in decisions(rule, turns)]

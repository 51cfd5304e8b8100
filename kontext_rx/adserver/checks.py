"""What a value must be: the few type checks that settings and latencies share."""

from __future__ import annotations

from typing import TypeGuard

__all__ = ["is_int", "is_number", "is_text"]


def is_number(given: object) -> TypeGuard[float]:
    """Say whether *given* is a number; True and False are not."""
    return isinstance(given, int | float) and not isinstance(given, bool)


def is_int(given: object) -> TypeGuard[int]:
    """Say whether *given* is an integer; True and False are not."""
    return isinstance(given, int) and not isinstance(given, bool)


def is_text(given: object) -> TypeGuard[str]:
    """Say whether *given* is a text with something in it."""
    return isinstance(given, str) and given.strip() != ""

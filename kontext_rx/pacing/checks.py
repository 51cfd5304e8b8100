"""What rules are given, checked at once; and how numbers are written in expressions and reasons."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, Final, cast

from ..errors import InvalidOptionError

__all__ = ["TICK", "function", "number", "positive", "shown", "span", "whole"]

TICK: Final = 1e-6
"""Seconds: a scheduler's clock has microseconds, and the difference of two epoch floats is off by less than one."""


def whole(option: str, given: object, *, least: int) -> int:
    """A whole number. Raises `InvalidOptionError` for any other, and for less than *least*."""
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise InvalidOptionError(option, given, f"give a whole number, {least} or more")
    return int(given)


def number(option: str, given: object, wanted: str, *, most: float = math.inf) -> float:
    """A finite number from 0 to *most*. Raises `InvalidOptionError` for anything else."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        try:
            value = float(given)
        except OverflowError:
            value = math.inf
        if math.isfinite(value) and 0 <= value <= most:
            return value
    raise InvalidOptionError(option, given, wanted)


def positive(option: str, given: object, wanted: str) -> float:
    """A finite number over 0. Raises `InvalidOptionError` for anything else."""
    if not (value := number(option, given, wanted)):
        raise InvalidOptionError(option, given, wanted)
    return value


def function(option: str, given: object) -> Callable[..., Any]:
    """A plain function. Raises `InvalidOptionError` for what cannot be called, and for an async one."""
    if not callable(given):
        raise InvalidOptionError(option, given, "give a function")
    if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(type(given).__call__):
        raise InvalidOptionError(option, "<async function>", "give a plain function: a rule decides at once")
    return cast("Callable[..., Any]", given)


def shown(value: float) -> str:
    """A number as one would type it: `60` and not `60.0`."""
    return str(int(value)) if value == int(value) else repr(value)


def span(seconds: float) -> str:
    """Some seconds, for a person to read."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"

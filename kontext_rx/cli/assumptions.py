"""`--assume NAME=VALUE`: what a simulation takes for granted, as it is written on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, Final

from kontext_rx import InvalidOptionError
from kontext_rx.simulate import Empirical, Fixed, Lognormal, Models
from kontext_rx.simulate.delays import Delay

from ..conversations import moment
from .replay import CommandError

__all__ = ["assumed"]

DELAY: Final = "give seconds, lognormal:MEDIAN,SIGMA or measured:SECONDS,SECONDS,..."


def assumed(given: Sequence[str]) -> Models:
    """
    The models of the command line, each `NAME=VALUE` a field of `Models`; the defaults for what is not given.

    Raises `CommandError` for a name that is none or is there twice, and for a value that cannot be used.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = (part.strip() for part in text.partition("="))
        if (read := READ.get(name)) is None:
            close = difflib.get_close_matches(name[:100], READ, n=1)
            raise CommandError(f"{name!r} is not assumed: {f'did you mean {close[0]}?' if close else _known()}")
        if name in found:
            raise CommandError(f"{name} is given twice")
        try:
            found[name] = read(value)
            Models(**{name: found[name]})
        except InvalidOptionError as error:
            raise CommandError(f"{name}={value} cannot be used: {error.wanted}") from None
        except ValueError as error:
            raise CommandError(f"{name}={value} cannot be used: {error}") from None
    return Models(**found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("give a number") from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError("give numbers with commas between them, such as 0.9,0.7") from None


def _delay(text: str) -> Delay:
    kind, colon, rest = text.partition(":")
    try:
        numbers = [float(number) for number in (rest if colon else kind).split(",")]
    except ValueError:
        raise ValueError(DELAY) from None
    match kind.strip().lower() if colon else "fixed", numbers:
        case "fixed", [seconds]:
            return Fixed(seconds)
        case "lognormal", [median, sigma]:
            return Lognormal(median, sigma)
        case "measured", _:
            return Empirical(tuple(numbers))
        case _:
            raise ValueError(DELAY)


def _moment(text: str) -> Any:
    if (found := moment(text)) is None:
        raise ValueError("give a day or a time, such as 2026-03-01")
    return found


READ: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("typing", "reply", "latency"), _delay),
    "times": str,
    "start": _moment,
    "span": _number,
    **dict.fromkeys(("fill", "revenue"), _numbers),
    "view": _number,
    "view_after": _delay,
    "click": _number,
    "click_after": _delay,
    **dict.fromkeys(("leave", "leave_after_ad", "leave_per_second"), _number),
}
"""How each field of `Models` is read."""


def _known() -> str:
    return f"give one of {', '.join(READ)}"

"""How long an answer is held back: a closed set of distributions, in seconds."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec

from .checks import is_number
from .errors import InvalidSettingError

__all__ = ["Fixed", "Latency", "Lognormal", "Uniform", "held_back", "parse_latency"]

_STANDARD_NORMAL = NormalDist()
_MAX_SIGMA = 10.0
_HOW = "give seconds such as '0.2', 'uniform:0.1,0.5' (from, to) or 'lognormal:0.2,0.6' (median, sigma)"


class Fixed(msgspec.Struct, frozen=True, tag="fixed"):
    """The same for every answer. Raises InvalidSettingError for less than zero seconds."""

    seconds: float
    """Seconds, zero or more."""

    def __post_init__(self) -> None:
        _need_seconds("seconds", self.seconds)


class Uniform(msgspec.Struct, frozen=True, tag="uniform"):
    """Anything from *low* to *high*, all alike. Raises InvalidSettingError unless 0 <= low <= high."""

    low: float
    """Seconds, zero or more."""
    high: float
    """Seconds, *low* or more."""

    def __post_init__(self) -> None:
        _need_seconds("low", self.low)
        _need_seconds("high", self.high)
        if self.high < self.low:
            raise InvalidSettingError("high", self.high, f"give at least low, {self.low} seconds")


class Lognormal(msgspec.Struct, frozen=True, tag="lognormal"):
    """
    Mostly near *median*, with a long tail, as real networks have it.

    Raises InvalidSettingError for a negative median, or a sigma outside 0 to 10.
    """

    median: float
    """Seconds, zero or more: half of the answers take less."""
    sigma: float
    """The standard deviation of the logarithm, 0 to 10; at 0.6 one answer in 20 takes over 2.7 medians."""

    def __post_init__(self) -> None:
        _need_seconds("median", self.median)
        if not (is_number(self.sigma) and 0 <= self.sigma <= _MAX_SIGMA):
            raise InvalidSettingError("sigma", self.sigma, f"give a number from 0 to {_MAX_SIGMA:g}")


Latency = Fixed | Uniform | Lognormal
"""Every way to hold an answer back."""


def held_back(latency: Latency, share: float) -> float:
    """Give the seconds at *share*, strictly between 0 and 1, of the distribution."""
    match latency:
        case Fixed(seconds):
            return seconds
        case Uniform(low, high):
            return low + share * (high - low)
        case Lognormal(median, sigma):
            return median * math.exp(sigma * _STANDARD_NORMAL.inv_cdf(share))


def parse_latency(text: str) -> Latency:
    """
    Read a latency in seconds from an option's text.

    The forms are "0.2" (or "fixed:0.2"), "uniform:0.1,0.5" and "lognormal:0.2,0.6".
    Raises InvalidSettingError for anything else.
    """
    kind, colon, rest = text.strip().partition(":")
    if not colon:
        kind, rest = "fixed", kind
    try:
        numbers = [float(number) for number in rest.split(",")]
    except ValueError:
        raise InvalidSettingError("latency", text, _HOW) from None
    match kind.strip().lower(), numbers:
        case "fixed", [seconds]:
            return Fixed(seconds)
        case "uniform", [low, high]:
            return Uniform(low, high)
        case "lognormal", [median, sigma]:
            return Lognormal(median, sigma)
        case _:
            raise InvalidSettingError("latency", text, _HOW)


def _need_seconds(name: str, given: object) -> None:
    if not (is_number(given) and 0 <= given < math.inf):
        raise InvalidSettingError(name, given, "give zero or more seconds")

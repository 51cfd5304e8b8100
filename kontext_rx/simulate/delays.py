"""How long things take: a fixed time, a lognormal one, or one out of many that were measured."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec
import numpy as np

from ..errors import InvalidOptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .dice import Draws

    Micros: TypeAlias = NDArray[np.int64]

__all__ = ["Delay", "Empirical", "Fixed", "Lognormal", "Quantiles", "need_delay", "quantiles", "seconds_us"]

LONGEST_S: Final = 31 * 86_400.0
"""Seconds; no delay is longer. Source: ours, the dates of a long conversation must not overflow."""

STEP_BITS: Final = 12
"""A quantile function is a table of 2**12 steps, straight between them. Source: ours."""

BETWEEN_BITS: Final = 16
LAST: Final = 0.25
"""Where the table of an endless tail ends: so much of a step before 1. Source: ours."""

SIGMA_MOST: Final = 10.0


class Fixed(msgspec.Struct, frozen=True, tag="fixed"):
    """Always the same. Raises `InvalidOptionError` for less than 0 seconds, or more than a month."""

    seconds: float

    def __post_init__(self) -> None:
        _need_seconds("Fixed.seconds", self.seconds)


class Lognormal(msgspec.Struct, frozen=True, tag="lognormal"):
    """
    Mostly near *median* seconds, with a long tail, as people and networks have it; never over a month.

    Raises `InvalidOptionError` for a median out of range, or a sigma outside 0 to 10.
    """

    median: float
    """Seconds: half of all take less."""
    sigma: float
    """The standard deviation of the logarithm; at 0.6 one in 20 takes over 2.7 medians."""

    def __post_init__(self) -> None:
        _need_seconds("Lognormal.median", self.median)
        if not (_is_number(self.sigma) and 0 <= self.sigma <= SIGMA_MOST):
            raise InvalidOptionError("Lognormal.sigma", self.sigma, f"give a number from 0 to {SIGMA_MOST:g}")


class Empirical(msgspec.Struct, frozen=True, tag="empirical"):
    """One of *values* seconds, all as likely. Raises `InvalidOptionError` for none, or one that is out of range."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        given: object = self.values
        if isinstance(given, str | bytes) or not isinstance(given, Sequence) or not given:
            raise InvalidOptionError("Empirical.values", given, "give the seconds that were measured, one at least")
        values = tuple(cast("Sequence[float]", given))
        for value in values:
            _need_seconds("Empirical.values", value)
        msgspec.structs.force_setattr(self, "values", tuple(sorted(values)))

    def __repr__(self) -> str:
        middle = self.values[len(self.values) // 2]
        return f"Empirical({len(self.values)} values, median {middle:g} s)"


Delay: TypeAlias = Fixed | Lognormal | Empirical
"""Every way to take time."""


def seconds_us(seconds: float) -> int:
    """Whole microseconds."""
    return round(seconds * 1_000_000)


class Quantiles:
    """A delay as a table that draws of 64 bits are looked up in; whole numbers, so that all machines round alike."""

    __slots__ = ("_array", "_is_measured", "_table")

    def __init__(self, delay: Delay) -> None:
        self._table = _table(delay)
        self._array: Micros = np.array(self._table, np.int64)
        self._is_measured = isinstance(delay, Empirical)

    def us(self, draw: int) -> int:
        """The microseconds that *draw* stands for."""
        table = self._table
        if self._is_measured:
            return table[(draw >> 32) * len(table) >> 32]
        if len(table) == 1:
            return table[0]
        step = draw >> (64 - STEP_BITS)
        between = draw >> (64 - STEP_BITS - BETWEEN_BITS) & (2**BETWEEN_BITS - 1)
        return table[step] + ((table[step + 1] - table[step]) * between >> BETWEEN_BITS)

    def all_us(self, draws: Draws) -> Micros:
        """The microseconds that each of *draws* stands for."""
        table = self._array
        if self._is_measured:
            return table[((draws >> np.uint64(32)) * np.uint64(len(table)) >> np.uint64(32)).astype(np.int64)]
        if len(table) == 1:
            return np.full(len(draws), table[0], np.int64)
        step = (draws >> np.uint64(64 - STEP_BITS)).astype(np.int64)
        between = (draws >> np.uint64(64 - STEP_BITS - BETWEEN_BITS)).astype(np.int64) & (2**BETWEEN_BITS - 1)
        low = table[step]
        return low + ((table[step + 1] - low) * between >> BETWEEN_BITS)


@functools.lru_cache(maxsize=64)
def quantiles(delay: Delay) -> Quantiles:
    """The table of a delay. To look it up again costs a hash of all that was measured: do so once for many draws."""
    return Quantiles(delay)


def need_delay(option: str, given: object) -> None:
    """Raises `InvalidOptionError` for what is no delay."""
    if not isinstance(given, Fixed | Lognormal | Empirical):
        raise InvalidOptionError(option, given, "give Fixed(seconds), Lognormal(median, sigma) or Empirical(values)")


def _table(delay: Delay) -> tuple[int, ...]:
    match delay:
        case Fixed(seconds=seconds) | Lognormal(median=seconds, sigma=0):
            return (seconds_us(seconds),)
        case Lognormal(median=median, sigma=sigma):
            steps = 2**STEP_BITS
            normal = NormalDist()
            places = [LAST, *range(1, steps), steps - LAST]
            values = (median * math.exp(sigma * normal.inv_cdf(place / steps)) for place in places)
            return tuple(seconds_us(min(value, LONGEST_S)) for value in values)
        case Empirical(values=values):
            return tuple(map(seconds_us, values))


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _need_seconds(option: str, given: Any) -> None:
    if not (_is_number(given) and 0 <= given <= LONGEST_S):
        raise InvalidOptionError(option, given, "give seconds from 0 to a month")

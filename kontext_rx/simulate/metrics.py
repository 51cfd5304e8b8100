"""What a rule is judged by, each a ratio of sums; and how sure one can be of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
import numpy as np

from .sums import NANO, Sum, bin_seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["METRICS", "Estimate", "Metric", "estimate"]

CONFIDENCE: Final = 0.95
"""Of an interval. Source: convention."""


class Metric(msgspec.Struct, frozen=True):
    """One thing that rules are compared by."""

    name: str
    """The name of its column."""
    title: str
    """For people."""
    of: Callable[[Ints], Floats]
    """Its value for each row of sums; NaN where there is nothing to divide by."""
    style: Literal["number", "share", "seconds", "money"] = "number"


class Estimate(msgspec.Struct, frozen=True):
    """A value and its 95 % interval; None where there is nothing to say."""

    value: float | None
    low: float | None
    high: float | None


def estimate(replicates: Floats, *, users: int) -> Estimate:
    """The first of *replicates*, between the ends of the others; one user alone has no interval."""
    value = float(replicates[0])
    others = replicates[1:][np.isfinite(replicates[1:])]
    if not np.isfinite(value):
        return Estimate(None, None, None)
    if users < 2 or len(others) < 2:
        return Estimate(value, None, None)
    low, high = np.quantile(others, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(value, float(low), float(high))


def _ratio(above: Callable[[Ints], Ints | Floats], below: Callable[[Ints], Ints]) -> Callable[[Ints], Floats]:
    def of(sums: Ints) -> Floats:
        divisor = below(sums).astype(np.float64)
        return np.divide(above(sums), divisor, out=np.full(len(sums), np.nan), where=divisor > 0)

    return of


def _sum(*facts: Sum) -> Callable[[Ints], Ints]:
    def of(sums: Ints) -> Ints:
        return sums[:, list(facts)].sum(axis=1)

    return of


def _revenue(sums: Ints) -> Floats:
    return sums[:, Sum.REVENUE_NANO] / NANO


def _wait_s(sums: Ints) -> Floats:
    return sums[:, Sum.WAIT_US] / 1e6


def _wait_p95(sums: Ints) -> Floats:
    """The upper end of the bin in which the 95th of a hundred ads is, by how long they waited."""
    shown = sums[:, Sum.SHOWN]
    counts = np.concatenate([sums[:, [Sum.READY]], sums[:, len(Sum) :]], axis=1).cumsum(axis=1)
    place = (counts < np.ceil(shown * 0.95)[:, None]).sum(axis=1)
    ends = np.array([0.0, *(bin_seconds(place) for place in range(counts.shape[1] - 1))])
    return np.where(shown > 0, ends[np.minimum(place, len(ends) - 1)], np.nan)


_CONVERSATIONS: Final = _sum(Sum.CONVERSATIONS)
_TURNS: Final = _sum(Sum.TURNS)
_SHOWN: Final = _sum(Sum.SHOWN)

METRICS: Final = (
    Metric("ads_per_conversation", "ads per conversation", _ratio(_SHOWN, _CONVERSATIONS)),
    Metric(
        "fill_rate",
        "fill rate",
        _ratio(_sum(Sum.FILLED), _sum(Sum.FILLED, Sum.NO_FILL, Sum.ERROR)),
        "share",
    ),
    Metric("ready_share", "ad ready before the reply", _ratio(_sum(Sum.READY), _SHOWN), "share"),
    Metric("wait_mean_s", "mean wait for the ad", _ratio(_wait_s, _SHOWN), "seconds"),
    Metric("wait_p95_s", "wait for the ad, 95th percentile", _wait_p95, "seconds"),
    Metric("revenue_per_conversation", "revenue per conversation", _ratio(_revenue, _CONVERSATIONS), "money"),
    Metric(
        "revenue_per_1000",
        "revenue per 1,000 conversations",
        _ratio(lambda sums: 1000 * _revenue(sums), _CONVERSATIONS),
        "money",
    ),
    Metric("view_rate", "views per ad", _ratio(_sum(Sum.VIEWED), _SHOWN), "share"),
    Metric("click_rate", "clicks per view", _ratio(_sum(Sum.CLICKED), _sum(Sum.VIEWED)), "share"),
    Metric("turns_per_conversation", "turns per conversation", _ratio(_TURNS, _CONVERSATIONS)),
    Metric("abandonment", "conversations left early", _ratio(_sum(Sum.ABANDONED), _CONVERSATIONS), "share"),
)
"""In the order in which they are shown."""

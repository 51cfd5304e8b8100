"""
What a simulation adds up to: whole numbers for each rule, and the same for resampled users.

Resampling is a Poisson bootstrap: in each of the replicates a user counts 0, 1, 2, ... times, drawn by the user's id.
So it needs no second pass and no memory that grows; and as all sums are whole numbers, they are the same in whatever
order and by however many workers they are added up. Source: Chamandy et al., "Estimating uncertainty for massive data
streams", 2012.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from .columns import Columns
from .dice import Purpose, key_of, throw
from .fate import Fate
from .talk import Talk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

__all__ = ["BINS", "REPLICATES", "Sum", "bin_seconds", "summed", "weights"]

REPLICATES: Final = 400
"""Resampled totals beside the plain one. Source: ours; a 95 % interval ends at the 10th from either side."""

NANO: Final = 1_000_000_000
"""Revenue is added up in whole billionths."""


class Sum(IntEnum):
    """What is added up, for each conversation."""

    CONVERSATIONS = 0
    TURNS = 1
    COALESCED = 2
    PACED_OUT = 3
    CANCELLED = 4
    ERROR = 5
    NO_FILL = 6
    FILLED = 7
    SHOWN = 8
    READY = 9
    WAIT_US = 10
    REVENUE_NANO = 11
    VIEWED = 12
    CLICKED = 13
    ABANDONED = 14
    TRACK_ONLY = 15


BINS: Final = 256
"""Of the histogram of waits, each 7 % wide, from 1 ms to over 9 hours; who did not wait is not in it. Source: ours."""

BLOCK: Final = 32
"""Conversations multiplied at once: so few that BLAS starts no threads for them, where workers share the cores."""

WIDTH: Final = 0.068
"""Of a bin, in the logarithm."""


def bin_seconds(place: int) -> float:
    """The upper end of a bin of waits."""
    return 0.001 * math.exp(WIDTH * place)


_EDGES_US: Final = np.array([math.floor(bin_seconds(place) * 1e6) for place in range(BINS)], np.int64)


def weights(talks: Sequence[Talk]) -> Floats:
    """How often each conversation counts in the plain total, which is the first row, and in each replicate."""
    keys = np.array([key_of(talk.owner) for talk in talks], np.uint64)
    draws = throw(
        keys[None, :], np.arange(REPLICATES // 4, dtype=np.uint64)[:, None], Purpose.WEIGHT
    )  # four of 16 bits in each
    parts = np.concatenate([draws >> np.uint64(shift) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)])
    return np.concatenate([np.ones((1, len(talks))), _POISSON[parts]])


def _poisson() -> Floats:
    """The Poisson number, of mean 1, at each 2**-16."""
    below = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])
    return np.searchsorted(below, (np.arange(2**16) + 0.5) / 2**16).astype(np.float64)


_POISSON: Final = _poisson()


def summed(columns: Columns, weight: Floats) -> Ints:
    """The sums of one rule over some conversations, weighted: a row a replicate, then the histogram of waits."""
    conversations = weight.shape[1]
    owner, fate = columns.conversation, columns.fate
    ready = columns.shown & (columns.wait == 0)
    revenue = np.rint(columns.revenue * NANO)
    facts: dict[Sum, Floats | NDArray[np.bool_] | Ints | None] = {
        Sum.TURNS: None,
        Sum.COALESCED: fate == Fate.COALESCED,
        Sum.PACED_OUT: fate == Fate.PACED_OUT,
        Sum.CANCELLED: fate == Fate.CANCELLED,
        Sum.ERROR: fate == Fate.ERROR,
        Sum.NO_FILL: fate == Fate.NO_FILL,
        Sum.FILLED: fate == Fate.FILLED,
        Sum.SHOWN: columns.shown,
        Sum.READY: ready,
        Sum.WAIT_US: columns.wait,
        Sum.REVENUE_NANO: revenue,
        Sum.VIEWED: columns.viewed,
        Sum.CLICKED: columns.clicked,
        Sum.ABANDONED: columns.abandoned,
        Sum.TRACK_ONLY: fate == Fate.TRACK_ONLY,
    }
    own = np.zeros((conversations, len(Sum)))
    own[:, Sum.CONVERSATIONS] = 1
    for fact, values in facts.items():
        own[:, fact] = np.bincount(owner, weights=values, minlength=conversations)
    late = np.flatnonzero(columns.wait)
    return np.concatenate([_weighted(own, weight), _histogram(columns.wait[late], weight[:, owner[late]])], axis=1)


def _weighted(own: Floats, weight: Floats) -> Ints:
    total = np.zeros((len(weight), own.shape[1]), np.int64)
    for begin in range(0, len(own), BLOCK):  # made whole here: who else is in the shard must not matter
        total += np.rint(weight[:, begin : begin + BLOCK] @ own[begin : begin + BLOCK]).astype(np.int64)
    return total


def _histogram(waits: Ints, weight: Floats) -> Ints:
    """How many waits are in each bin, weighted. Few ads come late: only they are looked at."""
    bins = np.minimum(np.searchsorted(_EDGES_US, waits), BINS - 1)
    order = np.argsort(bins, kind="stable")
    counted = np.zeros((len(weight), BINS), np.int64)
    if len(order):
        used, begin = np.unique(bins[order], return_index=True)
        counted[:, used] = np.rint(np.add.reduceat(weight[:, order], begin, axis=1))
    return counted

"""What shards hand over: turns as columns, one array a fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["Columns", "Row", "columns_of"]

Row: TypeAlias = tuple[int, int, int, int, bool, int, float, bool, bool, bool]
"""One turn; a row has the fields of `Columns` in their order."""


class Columns(msgspec.Struct, frozen=True, eq=False):
    """The turns of one rule under one seed, in the order of their conversations."""

    conversation: Ints
    """Which of the shard's conversations."""
    turn: Ints
    """The number of the user message, from 1."""
    at: Ints
    """When it was said: epoch microseconds."""
    fate: NDArray[np.uint8]
    """A `Fate`."""
    shown: Flags
    """Whether there was an ad under a reply."""
    wait: Ints
    """Microseconds by which it came later than the reply; 0 where there was none."""
    revenue: Floats
    """What its view brought."""
    viewed: Flags
    clicked: Flags
    abandoned: Flags
    """Whether the user left here, though there was more to say."""


def columns_of(rows: Sequence[Row]) -> Columns:
    """Rows as columns."""
    fields = list(zip(*rows, strict=True)) or [()] * 10
    return Columns(
        conversation=np.array(fields[0], np.int64),
        turn=np.array(fields[1], np.int64),
        at=np.array(fields[2], np.int64),
        fate=np.array(fields[3], np.uint8),
        shown=np.array(fields[4], np.bool_),
        wait=np.array(fields[5], np.int64),
        revenue=np.array(fields[6], np.float64),
        viewed=np.array(fields[7], np.bool_),
        clicked=np.array(fields[8], np.bool_),
        abandoned=np.array(fields[9], np.bool_),
    )

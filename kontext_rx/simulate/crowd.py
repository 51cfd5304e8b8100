"""How many users there are, when each may come back in any shard: exact for a hundred thousand, then an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from .dice import key_of
from .talk import Talk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys: TypeAlias = NDArray[np.uint64]

__all__ = ["EXACT", "Crowd", "Sketch"]

EXACT: Final = 2**17
"""
Hashes that are kept, the smallest: as many are counted exactly, and more to a third of a percent. Source: Bar-Yossef
et al., "Counting distinct elements in a data stream", 2002; the number is ours, 1 MB.
"""


class Crowd:
    """Users of conversations. It is the same in whatever order they come, and however they are shared out."""

    def __init__(self) -> None:
        self._all, self._named = Sketch(), Sketch()
        self._nameless = 0

    def add(self, talks: Sequence[Talk]) -> None:
        """Count whose conversations these are."""
        named = [talk.user_id for talk in talks if talk.user_id is not None]
        self._nameless += len(talks) - len(named)
        self._named.add(_keys(named))
        self._all.add(_keys([talk.owner for talk in talks]))

    def join(self, other: Crowd) -> None:
        """Count who is in *other*."""
        self._nameless += other._nameless
        self._named.join(other._named)
        self._all.join(other._all)

    @property
    def is_estimate(self) -> bool:
        """Whether they are too many to be told apart."""
        return self._all.is_full and self._named.is_full

    def __len__(self) -> int:
        # Who has no name has one conversation, unless its id is there twice: so much can be known of a few.
        return self._nameless + len(self._named) if self._all.is_full else len(self._all)


class Sketch:
    """The smallest of the hashes that were added; from them, how many there were."""

    def __init__(self) -> None:
        self._keys: Keys = np.empty(0, np.uint64)

    def add(self, keys: Keys) -> None:
        """Count them, unless they were here before."""
        if self.is_full:
            keys = keys[keys < self._keys[-1]]
        if len(keys):
            self._keys = np.unique(np.concatenate([self._keys, keys]))[:EXACT]

    def join(self, other: Sketch) -> None:
        """Count those of *other*."""
        self.add(other._keys)

    @property
    def is_full(self) -> bool:
        """Whether there may be more than are kept, so that their number is an estimate."""
        return len(self._keys) >= EXACT

    def __len__(self) -> int:
        return round((EXACT - 1) * 2**64 / int(self._keys[-1])) if self.is_full else len(self._keys)


def _keys(ids: Sequence[str]) -> Keys:
    return np.array([key_of(one) for one in ids], np.uint64)

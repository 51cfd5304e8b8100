"""What becomes of a turn."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

__all__ = ["FATES", "Fate"]


class Fate(IntEnum):
    """
    What became of a turn; the first that applies.

    The numbers are those of the columns that shards hand over.
    """

    COALESCED = 0
    """A newer user message came within the debounce: it was never sent."""
    TRACK_ONLY = 1
    """The app asked for no ad."""
    PACED_OUT = 2
    """The rule held it back: it was sent for the context alone."""
    CANCELLED = 3
    """A newer user message came before the answer."""
    ERROR = 4
    """The ad server gave no answer, however often it was asked."""
    NO_FILL = 5
    FILLED = 6


FATES: Final = tuple(fate.name.lower() for fate in Fate)
"""Their names, as results show them."""

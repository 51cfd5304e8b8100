"""
Chance that can be repeated: a draw is a hash of what it is about, never the next number of a generator.

So engines, orders, rules and workers cannot differ: all of them throw the same dice.
"""

from __future__ import annotations

from enum import IntEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Draws: TypeAlias = NDArray[np.uint64]

__all__ = ["Dice", "Purpose", "key_of", "seeded", "seeded_all", "share", "shares", "threshold", "throw"]


class Purpose(IntEnum):
    """What a draw is for. The numbers are part of the results: append, never renumber."""

    START = 0
    TYPING = 1
    REPLY = 2
    FILL = 3
    VIEW = 4
    VIEW_DELAY = 5
    CLICK = 6
    CLICK_DELAY = 7
    LEAVE = 8
    WEIGHT = 9
    LATENCY = 16
    """Of the first attempt; each retry has the number after the one before."""


SHARE_BITS: Final = 53
"""A share is a whole number of 2**-53, as a float holds it exactly."""

_MASK: Final = 2**64 - 1
# Source of the constants: splitmix64 (Steele, Lea and Flood, 2014) and, for the place, xxHash64's second prime.
_GOLDEN: Final = 0x9E3779B97F4A7C15
_PLACE: Final = 0xC2B2AE3D27D4EB4F
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB


def key_of(text: str) -> int:
    """64 bits that stand for an id."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def share(draw: int) -> int:
    """A draw as a share of 2**53, to be compared with a `threshold`."""
    return draw >> (64 - SHARE_BITS)


def threshold(probability: float) -> int:
    """The shares under it are as many as *probability* says: 0 is never reached, and 1 always."""
    return int(min(max(probability, 0.0), 1.0) * 2**SHARE_BITS)


class Dice:
    """The draws of one conversation under one seed, by its `seeded` key."""

    __slots__ = ("_key",)

    def __init__(self, key: int) -> None:
        self._key = key

    def throw(self, place: int, purpose: int) -> int:
        """64 bits, the same for the same place (of a message, or of a turn) and purpose."""
        return _mixed(_mixed((self._key + place * _PLACE) & _MASK) + purpose * _GOLDEN & _MASK)


def seeded(conversation_key: int, seed: int) -> int:
    """The key of a conversation under a seed."""
    return _mixed((conversation_key + (seed + 1) * _GOLDEN) & _MASK)


def _mixed(bits: int) -> int:
    bits = (bits ^ bits >> 30) * _FIRST & _MASK
    bits = (bits ^ bits >> 27) * _SECOND & _MASK
    return bits ^ bits >> 31


# --- the same for many at once ------------------------------------------------------------------------------------


def seeded_all(conversation_keys: Draws, seed: int) -> Draws:
    """The `seeded` key of each conversation."""
    return _mixed_all(conversation_keys + np.uint64((seed + 1) * _GOLDEN & _MASK))


def throw(keys: Draws, places: Draws, purpose: int) -> Draws:
    """The draw of `Dice.throw` for each key and place."""
    bits = _mixed_all(keys + places * np.uint64(_PLACE))
    bits += np.uint64(purpose * _GOLDEN & _MASK)
    return _mixed_all(bits)


def shares(draws: Draws) -> Draws:
    """The `share` of each draw."""
    return draws >> np.uint64(64 - SHARE_BITS)


def _mixed_all(bits: Draws) -> Draws:
    mixed = bits ^ (bits >> np.uint64(30))
    mixed *= np.uint64(_FIRST)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(_SECOND)
    mixed ^= mixed >> np.uint64(31)
    return mixed

"""
Chance that can be repeated.

A draw is a hash of what it is about (seed, user, conversation, turn, ...), never the next number of a
shared generator: so a run comes out the same in whatever order its requests arrive.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from uuid import UUID

__all__ = ["Part", "share", "uuid"]


Part = str | int
"""What a key is made of."""


def share(seed: int, *key: Part) -> float:
    """Draw a number strictly between 0 and 1, the same for the same *seed* and *key*."""
    # Half a step up from 52 bits: neither end is ever reached, so a rate of 0 never hits and 1 always does.
    return ((int.from_bytes(_digest(seed, key)[:8], "big") >> 12) + 0.5) / 2**52


def uuid(seed: int, *key: Part) -> str:
    """Draw a UUID in lower case, the same for the same *seed* and *key*."""
    return str(UUID(bytes=_digest(seed, key), version=4))


def _digest(seed: int, key: tuple[Part, ...]) -> bytes:
    # JSON keeps the parts apart ("a", "bc" is not "ab", "c") and escapes what UTF-8 cannot hold.
    return blake2b(json.dumps([seed, *key]).encode(), digest_size=16).digest()

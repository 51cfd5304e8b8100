"""The bids that were offered: what can be shown, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from .decide import Bid
from .memory import Recent

__all__ = ["Offer", "Offers"]

_KEPT = 20_000


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A bid that was offered."""

    bid: Bid
    at: float
    """When, in seconds by the clock of `Offers`."""


class Offers:
    """The latest 20 000 offers. *clock* gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._offers: Recent[str, Offer] = Recent(_KEPT)

    def add(self, bid: Bid) -> None:
        """Offer a bid, or offer it anew."""
        self._offers[bid.bid_id] = Offer(bid=bid, at=self._clock())

    def get(self, bid_id: str) -> Bid | None:
        """Give the bid with this id, in any case of letters, however old."""
        offer = self._offers.get(bid_id.lower())
        return None if offer is None else offer.bid

    def is_over(self, bid_id: str, ttl: float) -> bool:
        """Say whether the bid was offered *ttl* seconds ago or earlier, or never."""
        offer = self._offers.get(bid_id.lower())
        return offer is None or self._clock() - offer.at >= ttl

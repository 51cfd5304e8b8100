from __future__ import annotations

import math

from kontext_rx.adserver import CREATIVES, Bid
from kontext_rx.adserver.offers import Offers

BID = Bid(bid_id="0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f", code="inlineAd", creative=CREATIVES[0])


def test_an_offer_is_over_after_its_time() -> None:
    """Counted from when it was last offered; the bid itself is still known."""
    now = 100.0
    offers = Offers(clock=lambda: now)
    assert offers.is_over(BID.bid_id, 3_600)
    offers.add(BID)
    now = 3_699.9
    assert not offers.is_over(BID.bid_id, 3_600)
    now = 3_700.0
    assert offers.is_over(BID.bid_id, 3_600)
    assert not offers.is_over(BID.bid_id, math.inf)
    assert offers.get(BID.bid_id) == BID
    offers.add(BID)
    assert not offers.is_over(BID.bid_id, 3_600)


def test_an_id_is_known_in_any_case_of_letters() -> None:
    """UUIDs may come in upper case."""
    offers = Offers()
    offers.add(BID)
    assert offers.get(BID.bid_id.upper()) == BID
    assert not offers.is_over(BID.bid_id.upper(), 1)
    assert offers.get("another") is None

"""The ad events: names, shapes, and what they are as plain values."""

import pytest

from kontext_rx import event as events
from kontext_rx.event import (
    AdError,
    AdEvent,
    AdHeight,
    Clicked,
    Filled,
    NoFill,
    RenderCompleted,
    RenderStarted,
    RewardGranted,
    VideoCompleted,
    VideoStarted,
    Viewed,
)

HERE = {"code": "inlineAd", "message_id": "a1", "user_message_id": "u1", "at": 1.5}
BID = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"

EVENTS: list[tuple[AdEvent, str, dict[str, object]]] = [
    (Filled(**HERE, bid_id=BID, revenue=0.03), "ad.filled", {"bidId": BID, "revenue": 0.03}),
    (Filled(**HERE, bid_id=BID), "ad.filled", {"bidId": BID}),
    (NoFill(at=1.5, skip_code="unfilled_bid"), "ad.no-fill", {"skipCode": "unfilled_bid"}),
    (
        AdError(at=1.5, message="HTTP 503", err_code="request_failed"),
        "ad.error",
        {"message": "HTTP 503", "errCode": "request_failed"},
    ),
    (
        AdError(at=1.5, message="Error loading iframe", err_code="iframe_error", bid_id=BID),
        "ad.error",
        {"message": "Error loading iframe", "errCode": "iframe_error", "bidId": BID},
    ),
    (
        Viewed(**HERE, bid_id=BID, content="Tents", format="text", revenue=0.0),
        "ad.viewed",
        {"bidId": BID, "content": "Tents", "format": "text", "revenue": 0.0},
    ),
    (
        Clicked(**HERE, bid_id=BID, content="Tents", url="/click/1", format="text", area="body"),
        "ad.clicked",
        {"bidId": BID, "content": "Tents", "url": "/click/1", "format": "text", "area": "body"},
    ),
    (RenderStarted(**HERE, bid_id=BID), "ad.render-started", {"bidId": BID}),
    (RenderCompleted(**HERE, bid_id=BID), "ad.render-completed", {"bidId": BID}),
    (AdHeight(**HERE, bid_id=BID, height=212.5), "ad.height", {"bidId": BID, "height": 212.5}),
    (VideoStarted(**HERE, bid_id=BID), "video.started", {"bidId": BID}),
    (VideoCompleted(**HERE, bid_id=BID), "video.completed", {"bidId": BID}),
    (RewardGranted(**HERE, bid_id=BID), "reward.granted", {"bidId": BID}),
]


@pytest.mark.parametrize(("event", "name", "payload"), EVENTS)
def test_an_event_as_plain_values_has_the_names_of_the_wire(
    event: AdEvent, name: str, payload: dict[str, object]
) -> None:
    """Name, placement, ids, and the payload in camelCase; absent ones are left out (A-099, P-049, P-050)."""
    assert event.name == type(event).name == name
    assert event.to_dict() == {
        "name": name,
        "code": event.code,
        "messageId": event.message_id,
        "userMessageId": event.user_message_id,
        "payload": payload,
    }


def test_there_are_eleven_events_and_each_has_a_name_of_its_own() -> None:
    """The set is closed, and every one of it is in the table above (A-099)."""
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, AdEvent)}
    kinds.remove(AdEvent)
    assert kinds == {type(event) for event, _, _ in EVENTS}
    assert len(kinds) == len({kind.name for kind in kinds}) == 11


def test_an_event_does_not_change_and_equals_its_like() -> None:
    """Every subscriber gets the same object, so none may alter it (S-099)."""
    event = Filled(**HERE, bid_id=BID)
    with pytest.raises(AttributeError):
        event.bid_id = "other"  # type: ignore[misc]
    assert event == Filled(**HERE, bid_id=BID)
    assert event != RenderStarted(**HERE, bid_id=BID)


def test_the_price_is_passed_on_as_it_came() -> None:
    """No unit is converted (P-058)."""
    assert Filled(**HERE, bid_id=BID, revenue=0.1 + 0.2).to_dict()["payload"]["revenue"] == 0.1 + 0.2

"""The eleven ad events: what a session tells the app, as frozen values."""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import msgspec

__all__ = [
    "AdError",
    "AdEvent",
    "AdHeight",
    "Clicked",
    "Filled",
    "NoFill",
    "Outcome",
    "RenderCompleted",
    "RenderStarted",
    "RewardGranted",
    "VideoCompleted",
    "VideoStarted",
    "Viewed",
]


class AdEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    What every ad event carries. `name` is stable and belongs to the class.

    Source of the names and payloads: the product's API reference and the official session SDKs;
    `message_id` and `user_message_id` on preload-time events are ours.
    """

    name: ClassVar[str] = ""

    code: str | None = None
    """The placement code; None on the session-wide events, `NoFill` and `AdError`."""
    message_id: str | None = None
    """The assistant message the event belongs to; None while that is not known yet."""
    user_message_id: str | None = None
    """The user message whose preload it came from, where there is one."""
    at: float
    """When it happened: epoch seconds by the session's scheduler."""

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-ready values: name, code, ids, and the payload in camelCase without absent values."""
        payload = {
            _camel(field): value
            for field in self.__struct_fields__
            if field not in _ENVELOPE and (value := getattr(self, field)) is not None
        }
        return {
            "name": self.name,
            "code": self.code,
            "messageId": self.message_id,
            "userMessageId": self.user_message_id,
            "payload": payload,
        }


_ENVELOPE = frozenset(AdEvent.__struct_fields__)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


class Filled(AdEvent, frozen=True, kw_only=True, gc=False):
    """An ad is available for a placement."""

    name = "ad.filled"
    bid_id: str
    revenue: float | None = None
    """As the server sent it; None when it sent none."""


class NoFill(AdEvent, frozen=True, kw_only=True, gc=False):
    """No ad is available; `skip_code` says why, from an open set (`unfilled_bid`, `ads_disabled`, ...)."""

    name = "ad.no-fill"
    skip_code: str


class AdError(AdEvent, frozen=True, kw_only=True, gc=False):
    """Something failed: a request, the server's answer, a frame."""

    name = "ad.error"
    message: str
    err_code: str
    bid_id: str | None = None
    """The bid it concerns, when it comes from a mounted ad."""


class Viewed(AdEvent, frozen=True, kw_only=True, gc=False):
    """The user has seen the ad, as the creative judges it."""

    name = "ad.viewed"
    bid_id: str
    content: str
    format: str
    revenue: float | None = None


class Clicked(AdEvent, frozen=True, kw_only=True, gc=False):
    """The user has clicked the ad; `url` is passed on as sent."""

    name = "ad.clicked"
    bid_id: str
    content: str
    url: str
    format: str
    area: str


class RenderStarted(AdEvent, frozen=True, kw_only=True, gc=False):
    """The creative is about to show its first token."""

    name = "ad.render-started"
    bid_id: str


class RenderCompleted(AdEvent, frozen=True, kw_only=True, gc=False):
    """The creative has shown its last token."""

    name = "ad.render-completed"
    bid_id: str


class AdHeight(AdEvent, frozen=True, kw_only=True, gc=False):
    """The creative asks for another height, in CSS pixels."""

    name = "ad.height"
    bid_id: str
    height: float


class VideoStarted(AdEvent, frozen=True, kw_only=True, gc=False):
    """Video playback has started."""

    name = "video.started"
    bid_id: str


class VideoCompleted(AdEvent, frozen=True, kw_only=True, gc=False):
    """Video playback has finished."""

    name = "video.completed"
    bid_id: str


class RewardGranted(AdEvent, frozen=True, kw_only=True, gc=False):
    """The user has earned the reward of a rewarded ad."""

    name = "reward.granted"
    bid_id: str


Outcome: TypeAlias = Filled | NoFill | AdError
"""The one word that settles a message: an ad, no ad, or a failure."""

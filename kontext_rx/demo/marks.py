"""What the timeline shows: each step and event as a mark in a lane, for the page and for a terminal alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ..event import AdEvent, Filled
from ..message import Message
from ..trace import PreloadStep

__all__ = [
    "LANES",
    "Lane",
    "Mark",
    "Tone",
    "asked",
    "carried",
    "failed",
    "interrupted",
    "linked",
    "replied",
    "stepped",
    "told",
]

Lane: TypeAlias = Literal["message", "debounce", "request", "answer", "reply", "link", "render", "view", "click"]

LANES: Final[tuple[Lane, ...]] = (
    "message",
    "debounce",
    "request",
    "answer",
    "reply",
    "link",
    "render",
    "view",
    "click",
)
"""From top to bottom: the way of a message."""

Tone: TypeAlias = Literal["plain", "accent", "wait", "good", "bad", "soft", "click"]

EVENTS: Final[dict[str, tuple[Lane, Tone]]] = {
    "ad.filled": ("answer", "good"),
    "ad.no-fill": ("answer", "soft"),
    "ad.error": ("answer", "bad"),
    "ad.render-started": ("render", "good"),
    "ad.render-completed": ("render", "good"),
    "ad.height": ("render", "soft"),
    "ad.viewed": ("view", "good"),
    "video.started": ("render", "accent"),
    "video.completed": ("render", "accent"),
    "reward.granted": ("render", "click"),
    "ad.clicked": ("click", "click"),
}
"""Where an event stands."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. `opens` begins something that lasts, and the mark with the same `closes` ends it."""

    lane: Lane
    at: float
    """Epoch seconds."""
    text: str
    """What happened, in a few words."""
    tone: Tone = "plain"
    label: str = ""
    """What stands in the marble."""
    data: Mapping[str, Any] = {}
    """All there is to know, as JSON."""
    opens: str = ""
    closes: str = ""
    cut: bool = False
    """Whether what it closes was cut off."""


def asked(message: Message, at: float) -> Mark:
    """The user has said something."""
    return _said(message, at, text=f"{message.id} message: {message.content}", tone="accent")


def replied(message: Message, at: float) -> Mark:
    """A reply is complete."""
    return _said(message, at, text=f"{message.id} reply", tone="plain")


def interrupted(message: Message, at: float) -> Mark:
    """A reply will never be complete, as the user has gone on: the session does not hear of it."""
    return _said(message, at, text=f"{message.id} reply interrupted: it is not fed", tone="bad")


def failed(message: Message, at: float, why: str) -> Mark:
    """A reply will never be complete, as nobody gives it: the session does not hear of it."""
    return _said(message, at, text=f"{message.id} reply failed, it is not fed: {why}", tone="bad", failed=why)


def _said(message: Message, at: float, *, text: str, tone: Tone, **more: str) -> Mark:
    data = {"id": message.id, "role": message.role, "content": message.content, **more}
    lane = "message" if message.role == "user" else "reply"
    return Mark(lane=lane, at=at, text=text, tone=tone, label=message.id, data=data)


def stepped(step: PreloadStep) -> tuple[Mark, ...]:
    """A step of a preload."""
    asker, at, data = step.user_message_id, step.at, msgspec.to_builtins(step)
    debounce, request = f"debounce {asker}", f"request {asker}"

    def mark(lane: Lane, text: str, tone: Tone, **more: Any) -> Mark:
        return Mark(lane=lane, at=at, text=text, tone=tone, label=asker, data=data, **more)

    match step.name:
        case "scheduled":
            return (mark("debounce", f"{asker} waits 10 ms for a newer one", "wait", opens=debounce),)
        case "coalesced":
            return (mark("debounce", f"{asker} coalesced into {step.by}", "soft", closes=debounce),)
        case "sent":
            # Its end is no news beside the request that begins with it.
            settled = mark("debounce", "", "wait", closes=debounce)
            if step.track_only:
                why = step.reason or "asked for"
                return settled, mark("request", f"request for {asker}, no ad wanted: {why}", "soft", opens=request)
            return settled, mark("request", f"request for {asker}", "wait", opens=request)
        case "retried":
            wait = f"attempt {step.attempt} for {asker} in {step.delay_s or 0:g} s: {step.reason}"
            return (mark("request", wait, "wait"),)
        case "cancelled":
            by = f" by {step.by}" if step.by else f": {step.reason}" if step.reason else ""
            ended = mark("request", f"request for {asker} cancelled{by}", "bad", closes=request, cut=True)
            return mark("debounce", "", "bad", closes=debounce), ended
        case "resolved":
            took = "" if step.duration_s is None else f" after {step.duration_s * 1000:.0f} ms"
            tone: Tone = "good" if step.outcome == "filled" else "bad" if step.outcome == "error" else "soft"
            said = (step.outcome or "").replace("_", "-")
            return (mark("request", f"{asker} {said}{took}", tone, closes=request),)


def told(event: AdEvent) -> Mark:
    """An ad event."""
    lane, tone = EVENTS[event.name]
    label = event.message_id or event.user_message_id or ""
    text = f"{label} {_words(event)}".strip()
    return Mark(lane=lane, at=event.at, text=text, tone=tone, label=label, data=event.to_dict())


def _words(event: AdEvent) -> str:
    payload = event.to_dict()["payload"]
    for key in ("skipCode", "errCode"):
        if key in payload:
            return f"{event.name}: {payload[key]}"
    if "height" in payload:
        return f"{event.name}: {payload['height']:.0f} px"
    if isinstance(event, Filled) and event.message_id is None:
        return f"{event.name}, ahead of the reply"
    return event.name


def linked(filled: Filled, at: float) -> Mark:
    """The ad for a question has got its reply."""
    text = f"{filled.user_message_id} linked to {filled.message_id}"
    return Mark(lane="link", at=at, text=text, tone="good", label=filled.message_id or "", data=filled.to_dict())


def carried(asker: str, at: float, body: Mapping[str, Any]) -> Mark:
    """What the ad server got with the request for a message, as far as consent goes; the rest is in the data."""
    regulatory: Mapping[str, Any] = body.get("regulatory", {})
    named = [f"{name}={_short(str(regulatory[name]))}" for name in ("gdpr", "gdprConsent") if name in regulatory]
    text = f"{asker} carried {' '.join(named) or 'no consent'}"
    return Mark(lane="request", at=at, text=text, tone="soft", label=asker, data=body)


def _short(text: str) -> str:
    return text if len(text) <= 14 else f"{text[:12]}…"

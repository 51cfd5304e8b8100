"""
The iframe protocol of one ad, as a pure step: `(state, input) -> (state, outputs)`.

What its frames say goes in; what the host must do and the session must tell comes out. The host has checked where a
message comes from; everything inside it is doubted here, and a field of the wrong kind counts as absent. Source: the
message types of the official SDKs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import quote

import msgspec

from . import css
from .event import (
    AdError,
    AdEvent,
    AdHeight,
    Clicked,
    RenderCompleted,
    RenderStarted,
    RewardGranted,
    VideoCompleted,
    VideoStarted,
    Viewed,
)
from .typing import FrameMessage
from .wire import click_url, is_uuid

__all__ = [
    "CloseModal",
    "Fail",
    "Foreign",
    "Frame",
    "FrameState",
    "Hide",
    "ModalTimedOut",
    "OpenLink",
    "OpenModal",
    "Output",
    "Post",
    "Resize",
    "RevealModal",
    "Show",
    "Strange",
    "Style",
    "Tell",
    "step",
    "user_event",
]

MODAL_TIMEOUT_S: Final = 5.0
"""Seconds a modal has to initialise, unless the ad says otherwise. Source: the official SDKs."""

MODAL_TIMEOUT_MOST_S: Final = 60.0
"""Seconds, whatever the ad says. Source: ours, a modal that takes longer comes when nobody expects it."""

TALLEST: Final = 10_000.0
"""CSS pixels; a height beyond it is not heard. Source: ours."""

QUIET: Final = frozenset(
    {"ad-done-iframe", "view-iframe", "ad-done-component-iframe", "open-skoverlay-iframe", "close-skoverlay-iframe"}
)
"""Known messages that ask nothing of us: what they say comes as an event too, or concerns phones."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change about an ad that has its bid."""

    bid_id: str
    code: str
    message_id: str
    user_message_id: str | None
    revenue: float | None
    server: str
    modal_url: str
    """The modal's address, without parameters of the component."""
    update: Callable[[], dict[str, Any]]
    """Makes the data of `update-iframe`, the answer to every `init-iframe`."""


class FrameState(msgspec.Struct, frozen=True):
    """What a host shows of an ad."""

    visible: bool = False
    height: float = 0.0
    """CSS pixels; kept while hidden."""
    modal: int | None = None
    """Which modal is open, counted from 1; None when none is."""
    modals: int = 0
    revealed: bool = False
    strange: frozenset[str] = frozenset()
    """Types that were not known and origins that were foreign, each noted once."""


# --- inputs ---


class ModalTimedOut(msgspec.Struct, frozen=True):
    """The time of a modal to initialise is up."""

    modal: int


Input: TypeAlias = FrameMessage | ModalTimedOut

# --- outputs ---


class Post(msgspec.Struct, frozen=True):
    """Post a message into the inline frame."""

    message: dict[str, Any]


class Show(msgspec.Struct, frozen=True):
    """Make the inline frame visible."""


class Hide(msgspec.Struct, frozen=True):
    """Hide the inline frame; it keeps its height."""


class Resize(msgspec.Struct, frozen=True):
    """Give the inline frame this height, in CSS pixels."""

    height: float


class Style(msgspec.Struct, frozen=True):
    """Apply CSS to the slot and to the inline frame."""

    container: dict[str, str]
    iframe: dict[str, str]


class OpenModal(msgspec.Struct, frozen=True):
    """Load the modal, hidden; it has *timeout_s* seconds to initialise."""

    modal: int
    url: str
    timeout_s: float


class RevealModal(msgspec.Struct, frozen=True):
    """Show the modal on top of everything."""


class CloseModal(msgspec.Struct, frozen=True):
    """Remove the modal."""


class OpenLink(msgspec.Struct, frozen=True):
    """The user wants to go to *url*, or where that cannot be opened to *fallback*; resolved against the ad server."""

    url: str
    target: Literal["browser", "in-app"]
    fallback: str | None = None


class Tell(msgspec.Struct, frozen=True):
    """Tell the session's listeners."""

    event: AdEvent


class Fail(msgspec.Struct, frozen=True):
    """The frame gave up: the ad is over."""


class Strange(msgspec.Struct, frozen=True):
    """A message nobody knows; noted once for each type."""

    type: str


class Foreign(msgspec.Struct, frozen=True):
    """The frame is at another origin than the ad server's, and is not heard; noted once for each origin."""

    origin: str


Output: TypeAlias = (
    Post
    | Show
    | Hide
    | Resize
    | Style
    | OpenModal
    | RevealModal
    | CloseModal
    | OpenLink
    | Tell
    | Fail
    | Strange
    | Foreign
)

Stepped: TypeAlias = tuple[FrameState, tuple[Output, ...]]


def step(frame: Frame, state: FrameState, given: Input, at: float) -> Stepped:
    """What one message of an ad's frames, or a modal's deadline, changes and asks for. *at* is epoch seconds."""
    if isinstance(given, ModalTimedOut):
        if given.modal != state.modal or state.revealed:
            return state, ()
        error = _error(frame, at, "modal init timeout", "timeout")
        return _closed(state), (CloseModal(), error)
    if given.foreign is not None:
        return _noted(state, given.foreign, Foreign(given.foreign))
    read = _read(given.data, frame.code)
    if read is None:
        return state, ()
    kind, data = read
    if given.source == "modal" and kind in _INLINE_ONLY:
        return state, ()
    match kind:
        case "init-iframe":
            return state, (Post({"type": "update-iframe", "data": frame.update()}),)
        case "show-iframe":
            return (state, ()) if state.visible else (_with(state, visible=True), (Show(),))
        case "hide-iframe":
            return (_with(state, visible=False), (Hide(),)) if state.visible else (state, ())
        case "resize-iframe":
            return _resize(frame, state, data, at)
        case "set-styles-iframe":
            return state, (
                Style(css.declarations(data.get("containerStyles")), css.declarations(data.get("iframeStyles"))),
            )
        case "error-iframe":
            return _failed(frame, state, given.source, at)
        case "click-iframe":
            return state, _link(frame, data)
        case "event-iframe":
            event = _event(frame, data, at)
            return state, () if event is None else (Tell(event),)
        case "open-component-iframe":
            return _open_modal(frame, state, data)
        case "init-component-iframe":
            if state.modal is None or state.revealed:
                return state, ()
            return _with(state, revealed=True), (RevealModal(),)
        case "close-component-iframe":
            return (_closed(state), (CloseModal(),)) if state.modal is not None else (state, ())
        case "error-component-iframe":
            error = _error(
                frame,
                at,
                _text(data, "message") or "Modal component error",
                _text(data, "errorType") or "modal_component_error",
            )
            return _closed(state), ((CloseModal(), error) if state.modal is not None else (error,))
        case _ if kind in QUIET:
            return state, ()
        case _:
            return _noted(state, kind, Strange(kind))


def user_event(code: str, name: str, payload: Mapping[str, Any] | None) -> Post:
    """The message that tells a frame what the user does."""
    data: dict[str, Any] = {"name": name, "code": code}
    if payload is not None:
        data["payload"] = dict(payload)
    return Post({"type": "user-event-iframe", "data": data})


_INLINE_ONLY: Final = frozenset(
    {"init-iframe", "show-iframe", "hide-iframe", "resize-iframe", "set-styles-iframe", "open-component-iframe"}
)
_STRANGE_LIMIT: Final = 32


def _read(given: object, code: str) -> tuple[str, dict[str, Any]] | None:
    """The type and the data of a message for this placement; None for one that is not, or is no message."""
    if not isinstance(given, dict):
        return None
    message = cast(dict[str, object], given)
    kind, data = message.get("type"), message.get("data")
    if not isinstance(kind, str) or "-iframe" not in kind:
        return None
    fields = cast(dict[str, Any], data) if isinstance(data, dict) else {}
    if fields.get("code") not in (None, code) or fields.get("component") not in (None, "modal"):
        return None
    return kind, fields


def _resize(frame: Frame, state: FrameState, data: dict[str, Any], at: float) -> Stepped:
    height = _number(data, "height")
    if height is None or not 0 < height <= TALLEST or height == state.height:
        return state, ()
    event = AdHeight(
        code=frame.code,
        message_id=frame.message_id,
        user_message_id=frame.user_message_id,
        at=at,
        bid_id=frame.bid_id,
        height=height,
    )
    return _with(state, height=height), (Resize(height), Tell(event))


def _failed(frame: Frame, state: FrameState, source: str, at: float) -> Stepped:
    error = _error(frame, at, "Error loading iframe", "iframe_error")
    if source == "modal":
        return _closed(state), ((CloseModal(), error) if state.modal is not None else (error,))
    return state, (error, Fail())


def _link(frame: Frame, data: dict[str, Any]) -> tuple[Output, ...]:
    url = _text(data, "url")
    if not url:
        return ()
    fallback = _text(data, "fallbackUrl")
    link = OpenLink(
        click_url(frame.server, url),
        "in-app" if data.get("target") == "in-app" else "browser",
        click_url(frame.server, fallback) if fallback else None,
    )
    return (link,)


def _open_modal(frame: Frame, state: FrameState, data: dict[str, Any]) -> Stepped:
    if data.get("component") != "modal":
        return state, ()
    asked_ms = _number(data, "timeout")
    timeout_s = asked_ms / 1000 if asked_ms is not None and asked_ms > 0 else MODAL_TIMEOUT_S
    timeout_s = min(timeout_s, MODAL_TIMEOUT_MOST_S)
    params = data.get("componentParams")
    url = frame.modal_url
    if isinstance(params, dict):
        url += "&componentParams=" + _encoded(cast(dict[str, Any], params))
    number = state.modals + 1
    opened = OpenModal(number, url, timeout_s)
    before = (CloseModal(),) if state.modal is not None else ()
    return _with(state, modal=number, modals=number, revealed=False), (*before, opened)


def _encoded(params: dict[str, Any]) -> str:
    try:
        text = msgspec.json.encode(params).decode()
    except (UnicodeEncodeError, RecursionError):  # half an emoji, or a hostile depth
        text = "{}"
    return quote(text, safe="")


def _event(frame: Frame, data: dict[str, Any], at: float) -> AdEvent | None:
    given = data.get("payload")
    payload = cast(dict[str, Any], given) if isinstance(given, dict) else {}
    name = data.get("name")
    if name == "ad.error":
        return _error(
            frame, at, _text(payload, "message") or "Unknown error", _text(payload, "errCode") or "unknown"
        ).event
    bid_id = payload.get("id")
    common: dict[str, Any] = {
        "code": frame.code,
        "message_id": frame.message_id,
        "user_message_id": frame.user_message_id,
        "at": at,
        "bid_id": str(bid_id).lower() if is_uuid(bid_id) else frame.bid_id,
    }
    content, form = _text(payload, "content"), _text(payload, "format")
    match name:
        case "ad.viewed" if content is not None and form is not None:
            revenue = frame.revenue if frame.revenue is not None else _number(payload, "revenue")
            return Viewed(**common, content=content, format=form, revenue=revenue)
        case "ad.clicked" if content is not None and form is not None:
            url, area = _text(payload, "url"), _text(payload, "area")
            if url is None or area is None:
                return None
            return Clicked(**common, content=content, format=form, url=url, area=area)
        case "ad.render-started" | "ad.render-completed" | "video.started" | "video.completed" | "reward.granted":
            return _PLAIN[name](**common)
        case _:
            return None


_PLAIN: Final[dict[str, type[AdEvent]]] = {
    kind.name: kind for kind in (RenderStarted, RenderCompleted, VideoStarted, VideoCompleted, RewardGranted)
}


def _error(frame: Frame, at: float, message: str, err_code: str) -> Tell:
    event = AdError(
        message_id=frame.message_id,
        user_message_id=frame.user_message_id,
        at=at,
        message=message,
        err_code=err_code,
        bid_id=frame.bid_id,
    )
    return Tell(event)


def _noted(state: FrameState, what: str, note: Output) -> Stepped:
    if what in state.strange or len(state.strange) >= _STRANGE_LIMIT:
        return state, ()
    return _with(state, strange=state.strange | {what}), (note,)


def _closed(state: FrameState) -> FrameState:
    return _with(state, modal=None, revealed=False)


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) else None


def _number(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


_with: Final = msgspec.structs.replace

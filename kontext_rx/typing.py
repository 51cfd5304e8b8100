"""The few shapes that the parts of kontext_rx share: operators, schedulers, HTTP calls and what sends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from reactivex import Observable

__all__ = [
    "BodyTooLargeError",
    "FrameMessage",
    "Host",
    "HttpRequest",
    "HttpResponse",
    "InstallIdStore",
    "Operator",
    "Tap",
    "Transport",
]

A = TypeVar("A")
B = TypeVar("B")

Operator: TypeAlias = Callable[[Observable[A]], Observable[B]]
"""Takes one stream and gives another: what `pipe` composes."""


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One POST: an absolute address, headers, and a JSON body."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class HttpResponse(msgspec.Struct, frozen=True, gc=False):
    """What came back, whatever the status; header names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class BodyTooLargeError(Exception):
    """A response's body went over the cap; it is not read further, and not asked for again."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the body is larger than {self.limit} bytes"


class Transport(Protocol):
    """
    Sends one request: subscribing sends it, disposing aborts it on the wire.

    The observable gives one `HttpResponse` and completes, or errors when the network fails: with an `OSError`, after
    which it is tried again; any other exception is final. It keeps no time: the timeout of an attempt and the pauses
    between attempts belong to the caller and its scheduler.
    """

    def __call__(self, request: HttpRequest, /) -> Observable[HttpResponse]:
        """The request as a cold observable."""
        ...


class FrameMessage(msgspec.Struct, frozen=True):
    """What a frame of an ad has posted; the host has checked the origin and the window it came from."""

    data: object
    source: Literal["inline", "modal"] = "inline"
    foreign: str | None = None
    """The origin, where it is not the ad server's; the host then leaves *data* out: None."""


class Host(Protocol):
    """
    What an ad is mounted into: a slot that shows a frame, hands messages in and out, and opens what is clicked.

    An `Ad` calls it on the session's loop, in order, and not after `release`. No call may block; what one raises is
    reported and costs nothing else.
    """

    @property
    def messages(self) -> Observable[FrameMessage]:
        """What the inline frame and the modal post, from the exact origin of the ad server only; on the loop."""
        ...

    def load(self, url: str) -> None:
        """Load *url* in the inline frame: hidden, no border, transparent, full width, height 0."""
        ...

    def post(self, message: dict[str, Any]) -> None:
        """Post *message* into the inline frame, to the ad server's origin and no other."""
        ...

    def show(self) -> None:
        """Make the inline frame visible."""
        ...

    def hide(self) -> None:
        """Hide the inline frame; it keeps its height."""
        ...

    def resize(self, height: float) -> None:
        """Give the inline frame *height* CSS pixels."""
        ...

    def style(self, container: dict[str, str], iframe: dict[str, str]) -> None:
        """Apply CSS properties to the slot and to the inline frame."""
        ...

    def open_modal(self, url: str) -> None:
        """Load *url* in a frame that covers everything, hidden until it is revealed."""
        ...

    def reveal_modal(self) -> None:
        """Show the modal."""
        ...

    def close_modal(self) -> None:
        """Remove the modal."""
        ...

    def open_link(self, url: str, target: Literal["browser", "in-app"], fallback: str | None = None) -> None:
        """
        Take the user to *url*, or where that cannot be opened to *fallback*, once; if it is safe to.

        *target* is advice: a host without a browser of its own, such as a web page, opens `in-app` like `browser`.
        """
        ...

    def release(self) -> None:
        """Remove the frames; the slot is free for another ad."""
        ...


class Tap(Protocol):
    """
    Told of all that enters a session, in order, as it enters; and of all that follows, as it happens.

    Every `at` is epoch seconds by the session's scheduler. It must not raise, and must not call the session.
    """

    def called(self, at: float, name: str, /, *args: Any) -> None:
        """The app called *name*."""
        ...

    def rang(self, at: float, due: float, /) -> None:
        """A timer rang that was due at *due*."""
        ...

    def answered(self, at: float, number: int, answer: HttpResponse | Exception | None, /) -> None:
        """Request *number*, counted from 0, got its answer, failed, or ended without one."""
        ...

    def framed(self, at: float, message_id: str, code: str, message: FrameMessage, /) -> None:
        """A frame of a mounted ad posted *message*."""
        ...

    def traced(self, trace: Any, /) -> None:
        """The session did something: a `kontext_rx.trace.Trace`."""
        ...


class InstallIdStore(Protocol):
    """
    Where install ids are kept. On a server with many users, give each user an id of their own.

    Both calls are synchronous and should be quick; one that raises costs a warning and an id that lives as long
    as the process.
    """

    def load(self, user_id: str, /) -> str | None:
        """The stored id, or None."""
        ...

    def save(self, user_id: str, install_id: str, /) -> None:
        """Store *install_id*, a lower-case UUID."""
        ...

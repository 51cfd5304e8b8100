"""What a page may say, and how it is read: an envelope first, its content by kind, and nothing is believed."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from .limits import FRAME_CHARS

__all__ = [
    "VERSION",
    "Ack",
    "Bye",
    "ConsentSaid",
    "ContextSaid",
    "Dismissed",
    "Envelope",
    "ForeignSaid",
    "FrameSaid",
    "Gone",
    "Hello",
    "InstallSaid",
    "PageMessage",
    "SlotShown",
    "read",
    "read_envelope",
]

VERSION: Final = 1
"""The version of what a page and we say to each other; an older page must reload."""

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_SlotId: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


def _text(longest: int, shortest: int = 1) -> Any:
    return msgspec.Meta(min_length=shortest, max_length=longest)


def _like(pattern: str) -> Any:
    return msgspec.Meta(pattern=rf"\A{pattern}\Z")  # `$` would let a last line feed pass


class Envelope(msgspec.Struct, frozen=True):
    """The kind of a message, and its number if it is one that must not get lost."""

    t: str
    n: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None


class _Said(msgspec.Struct, frozen=True, rename="camel"):
    """A message of a page's."""


class Hello(_Said, frozen=True):
    """Who comes: the token, the page's own id, and what it has seen of us."""

    v: int
    token: Annotated[str, _text(512)]
    page: Annotated[str, _like(r"[A-Za-z0-9_-]{16,64}")]
    seen: _Number = 0


class Ack(_Said, frozen=True):
    """Everything up to this number has arrived."""

    a: _Number


class Ping(_Said, frozen=True):
    """Is somebody there."""


class Bye(_Said, frozen=True):
    """The page is closed and will not come back."""


class ScreenSaid(_Said, frozen=True, kw_only=True):
    """The screen, in physical pixels."""

    width: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    height: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    dpr: Annotated[float, msgspec.Meta(ge=0.1, le=20)] = 1.0
    dark_mode: bool = False
    orientation: Literal["portrait", "landscape"] | None = None


class ContextSaid(_Said, frozen=True, kw_only=True):
    """The browser and its device."""

    user_agent: Annotated[str, _like(r"[ -~]{1,1024}")] | None = None
    language: Annotated[str, _like(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}")] | None = None
    timezone: Annotated[str, _like(r"[A-Za-z0-9_+/-]{1,64}")] | None = None
    screen: ScreenSaid | None = None


class ConsentSaid(_Said, frozen=True, kw_only=True):
    """What the consent platform says."""

    gdpr: Literal[0, 1] | None = None
    gdpr_consent: Annotated[str, _like(r"[A-Za-z0-9._~-]{1,20000}")] | None = None


class InstallSaid(_Said, frozen=True):
    """The browser's install id."""

    id: Annotated[str, _text(36, 36)]


class SlotShown(_Said, frozen=True, kw_only=True):
    """There is a place: for the ad of a message, or for what the app mounts under a name."""

    slot: _SlotId
    message_id: Annotated[str, _text(256)] | None = None
    code: Annotated[str, _text(128)] = "inlineAd"
    theme: Annotated[str, _text(64)] | None = None
    name: Annotated[str, _text(256)] | None = None


class Gone(_Said, frozen=True):
    """A place is not there any more."""

    slot: _SlotId


class FrameSaid(_Said, frozen=True, kw_only=True):
    """A frame has posted something: JSON in JSON, so that nothing in it can spoil the rest."""

    slot: _SlotId
    source: Literal["inline", "modal"]
    data: Annotated[str, _text(FRAME_CHARS)]
    dropped: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Messages of this frame that were too many or too large, since the last one."""


class ForeignSaid(_Said, frozen=True, kw_only=True):
    """A frame has posted something from another origin than the ad server's; told once for each origin."""

    slot: _SlotId
    source: Literal["inline", "modal"]
    origin: Annotated[str, _like(r"[ -~]{1,256}")]


class Dismissed(_Said, frozen=True):
    """The user has closed a modal."""

    slot: _SlotId


PageMessage: TypeAlias = (
    Hello
    | Ack
    | Ping
    | Bye
    | ContextSaid
    | ConsentSaid
    | InstallSaid
    | SlotShown
    | Gone
    | FrameSaid
    | ForeignSaid
    | Dismissed
)

_ENVELOPE: Final = msgspec.json.Decoder(Envelope)

_KINDS: Final[dict[str, msgspec.json.Decoder[PageMessage]]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "hello": Hello,
        "ack": Ack,
        "ping": Ping,
        "bye": Bye,
        "context": ContextSaid,
        "consent": ConsentSaid,
        "install": InstallSaid,
        "slot": SlotShown,
        "gone": Gone,
        "frame": FrameSaid,
        "foreign": ForeignSaid,
        "dismissed": Dismissed,
    }.items()
}


def read_envelope(text: str) -> Envelope | None:
    """The envelope of a message; None for what is none."""
    try:
        return _ENVELOPE.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):  # a lone surrogate is no text
        return None


def read(envelope: Envelope, text: str) -> PageMessage | None:
    """The message; None when its kind is not known or anything in it is not as it must be."""
    decoder = _KINDS.get(envelope.t)
    if decoder is None:
        return None
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None

"""What a recording is made of: what entered the session, and what it did; each as one line of JSON."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final, Literal, TypeAlias

import msgspec

from .. import event, trace
from ..errors import KontextError
from ..event import AdEvent
from ..message import Role
from ..trace import PreloadStep, Trace

__all__ = [
    "VERSION",
    "Answered",
    "Called",
    "End",
    "Entry",
    "Framed",
    "Header",
    "Init",
    "Input",
    "MessageAdded",
    "Rang",
    "RecordingError",
    "decode",
    "encode",
]

VERSION: Final = 1
"""Of the file format."""


class RecordingError(KontextError, ValueError):
    """A recording cannot be made, read or replayed; the message says why and what to do."""


# --- what entered; every `at` is epoch seconds by the session's scheduler -------------------------------------------


class MessageAdded(msgspec.Struct, frozen=True, kw_only=True):
    """The app added a message. `content` is a keyed hash of the text, unless the recording keeps texts."""

    at: float
    id: str
    role: Role
    content: str
    created_at: dt.datetime
    track_only: bool = False


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """The app called something else; nothing is kept of what `update_options` and `send_user_event` were given."""

    at: float
    name: Literal["create_ad", "mount", "destroy_ad", "destroy", "update_options", "send_user_event"]
    message_id: str | None = None
    code: str | None = None
    theme: str | None = None


class Rang(msgspec.Struct, frozen=True, kw_only=True):
    """A timer rang."""

    at: float
    due: float


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request to `/init` or `/preload` ended: with a response, with an error, or with neither."""

    at: float
    number: int
    """Which request, counted from 0."""
    status: int | None = None
    headers: dict[str, str] = {}
    text: str | None = None
    body: bytes | None = None
    """Base64 in the file; only where `text` cannot hold it."""
    error: str | None = None
    is_network: bool = False
    """Whether the error was one of the network, after which it is tried again."""


class Framed(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a mounted ad posted a message."""

    at: float
    message_id: str
    code: str
    data: Any
    source: Literal["inline", "modal"] = "inline"


Input: TypeAlias = MessageAdded | Called | Rang | Answered | Framed
Entry: TypeAlias = Input | Trace


class Init(msgspec.Struct, frozen=True, kw_only=True):
    """What `/init` had said when the recording began."""

    enabled: bool = True
    preload_timeout_ms: int | None = None
    report_errors: bool = True
    report_debug: bool = False


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: which session this is, as far as it decides what the session does."""

    format: Literal["kontext_rx recording"] = "kontext_rx recording"
    version: int = VERSION
    kontext_rx: str
    at: float
    conversation_id: str
    user: str
    """A hash of the user's id: the same for the same user."""
    enabled: bool
    enabled_placement_codes: tuple[str, ...]
    ad_server_url: str
    ad_ttl: float | None = None
    timezone: str | None = None
    rule: str | None = None
    """The pacing rule, as one would type it."""
    texts: bool
    """Whether the messages' text is kept."""
    init: Init | None = None
    """None while it was not answered yet."""
    requests: int
    """How many had been sent."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: how many entries came before it."""

    entries: int


# --- lines ----------------------------------------------------------------------------------------------------------


def _kind(cls: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


_EVENTS: Final[dict[str, type[Any]]] = {
    cls.name: cls
    for name in event.__all__
    if isinstance(cls := getattr(event, name), type) and issubclass(cls, AdEvent) and cls is not AdEvent
}
_KINDS: Final[dict[str, type[Any]]] = {
    **{_kind(cls): cls for cls in (Header, End, MessageAdded, Called, Rang, Answered, Framed)},
    **{_kind(cls): cls for name in trace.__all__ if isinstance(cls := getattr(trace, name), type)},
    **_EVENTS,
}
"""By the word that each line begins with; for an ad event that is its name."""


class _Retold(msgspec.Struct):
    """A `Retold` whose event's class is not known before it is read."""

    message_id: str
    at: float
    event: dict[str, Any]


def encode(entry: Header | End | Entry) -> bytes:
    """One line, without its end."""
    return msgspec.json.encode(_plain(entry))


def decode(line: bytes | str) -> Header | End | Entry:
    """The entry of a line. Raises `RecordingError` in a few words."""
    try:
        given = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"not a JSON object ({error})") from None
    return _value(given)


def _plain(entry: Header | End | Entry) -> dict[str, Any]:
    kind = entry.name if isinstance(entry, AdEvent) else _kind(type(entry))
    fields: dict[str, Any] = {
        name: value for name in entry.__struct_fields__ if (value := getattr(entry, name)) is not None
    }
    if isinstance(entry, trace.Retold):
        fields["event"] = _plain(entry.event)
    return {"kind": kind, **fields}


def _value(given: dict[str, Any]) -> Any:
    kind = given.pop("kind", None)
    cls = _KINDS.get(str(kind))
    if cls is None:
        raise RecordingError(f"kind {kind!r} is not known")
    unknown = given.keys() - set(cls.__struct_fields__)
    if unknown:
        raise RecordingError(f"{kind}: {', '.join(sorted(unknown))} is not known")
    try:
        if cls is trace.Retold:
            told = msgspec.convert(given, _Retold)
            return trace.Retold(message_id=told.message_id, at=told.at, event=_value(told.event))
        return msgspec.convert(given, cls)
    except msgspec.ValidationError as error:
        raise RecordingError(f"{kind}: {error}") from None


def fields_of(entry: Entry) -> dict[str, Any]:
    """An entry as one row: its kind, and what it holds, as JSON-ready values."""
    return msgspec.to_builtins(_plain(entry))


def subject_of(entry: Entry) -> tuple[str | None, str | None]:
    """The assistant or the added message, and the user message, that an entry is about."""
    match entry:
        case MessageAdded(id=message_id):
            return message_id, None
        case PreloadStep(user_message_id=user):
            return None, user
        case trace.Retold(message_id=message_id, event=told):
            return message_id, told.user_message_id
        case _:
            return getattr(entry, "message_id", None), getattr(entry, "user_message_id", None)

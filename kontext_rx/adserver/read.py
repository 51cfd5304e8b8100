"""
What comes in: bodies and headers of the session API, checked.

An SDK of today must send what the API says is always sent, and is told which field is wrong; an SDK older
than version 4 is taken as it is. Unknown keys are ignored in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

__all__ = [
    "BadRequestError",
    "Preload",
    "check_init",
    "check_report",
    "is_older_sdk",
    "read_object",
    "read_preload",
]

TOKEN_HEADER = "Kontextso-Publisher-Token"
IS_DISABLED_HEADER = "Kontextso-Is-Disabled"

_T = TypeVar("_T")

_FIRST_STRICT_VERSION = 4
_OWN_NAME = "sdk-python"  # counts its versions from 0, and is no older than the others


class BadRequestError(Exception):
    """A request that cannot be served; answered with a 400 that says which *field* is wrong, and how."""

    def __init__(self, problem: str, field: str | None = None) -> None:
        super().__init__(problem, field)
        self.problem, self.field = problem, field

    def __str__(self) -> str:
        return self.problem if self.field is None else f"{self.field}: {self.problem}"


class Preload(msgspec.Struct, frozen=True, kw_only=True):
    """What the server looks at in a request to /preload."""

    user_id: str
    conversation_id: str
    codes: tuple[str, ...]
    """The enabled placement codes, each once."""
    contents: tuple[str, ...]
    """The texts of the messages, oldest first."""
    user_message_ids: tuple[str, ...]
    """The ids of the user's messages, oldest first."""
    session_id: str | None
    """The session id of an earlier answer, in lower case."""
    track_only: bool
    """Whether the SDK asks for no ad: `Kontextso-Is-Disabled: 1`."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object, whatever its content type says. Raises BadRequestError."""
    try:
        # The standard library's decoder, because a browser may send half of a surrogate pair, escaped.
        body: object = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body is JSON, but not an object")
    return cast("dict[str, Any]", body)


def is_older_sdk(sdk: object) -> bool:
    """Say whether an `sdk` object is that of an SDK before version 4; our own never is."""
    if not isinstance(sdk, dict):
        return False
    named = cast("dict[str, object]", sdk)
    name, major = named.get("name"), re.match(r"\d{1,9}", str(named.get("version", "")))
    if not isinstance(name, str) or name == _OWN_NAME or major is None:
        return False
    return int(major[0]) < _FIRST_STRICT_VERSION


def check_init(body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Check a request to /init. Raises BadRequestError."""
    if is_older_sdk(body.get("sdk")):
        _convert(body, _OlderInit)
        return
    _convert(body, _Init)
    _need_token(headers)


def read_preload(body: Mapping[str, Any], headers: Mapping[str, str]) -> Preload:
    """Read a request to /preload. Raises BadRequestError."""
    if is_older_sdk(body.get("sdk")):
        asked = _convert(body, _OlderPreload)
    else:
        asked = _convert(body, _Preload)
        _need_token(headers)
        if headers.get(IS_DISABLED_HEADER) not in ("0", "1"):
            raise BadRequestError(
                'is required: "0", or "1" for a turn that is only tracked', f"header {IS_DISABLED_HEADER}"
            )
    return Preload(
        user_id=asked.user_id,
        conversation_id=asked.conversation_id,
        codes=tuple(dict.fromkeys(asked.enabled_placement_codes)),
        contents=tuple(message.content or "" for message in asked.messages),
        user_message_ids=tuple(message.id or "" for message in asked.messages if message.role == "user"),
        session_id=_uuid(asked.session_id),
        track_only=headers.get(IS_DISABLED_HEADER) == "1",
    )


def check_report(body: Mapping[str, Any], key: Literal["error", "name"]) -> None:
    """Check a request to /error (*key* `error`) or /debug (*key* `name`). Raises BadRequestError."""
    given: object = body.get("additionalData")
    additional = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    # Older ones do not name themselves in a report, but say where they send it.
    if is_older_sdk(additional.get("sdk")) or ("sdk" not in additional and "adServerUrl" in additional):
        return
    if not isinstance(body.get(key), str):
        raise BadRequestError("is required, as a text", key)
    _convert(body, _Report)


# What msgspec says of these names a field as it is on the wire.

_Text = Annotated[str, Meta(min_length=1)]
_Bit = Literal[0, 1]


class _Sdk(msgspec.Struct, frozen=True, rename="camel"):
    name: _Text
    platform: _Text
    version: _Text


class _App(msgspec.Struct, frozen=True, rename="camel"):
    bundle_id: str
    version: str


class _Init(msgspec.Struct, frozen=True, rename="camel"):
    publisher_token: _Text
    user_id: _Text
    install_id: _Text
    sdk: _Sdk
    app: _App


class _OlderInit(msgspec.Struct, frozen=True, rename="camel"):
    publisher_token: _Text


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    id: _Text
    role: Literal["user", "assistant", "system"]
    content: str
    created_at: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Hardware(msgspec.Struct, frozen=True, rename="camel"):
    type: Literal["handset", "tablet", "desktop", "tv", "other"]


class _Os(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    version: str
    locale: str
    timezone: str


class _Screen(msgspec.Struct, frozen=True, rename="camel"):
    width: Annotated[int, Meta(ge=0)]
    height: Annotated[int, Meta(ge=0)]
    dpr: Annotated[float, Meta(gt=0)]
    dark_mode: bool


class _Device(msgspec.Struct, frozen=True, rename="camel"):
    hardware: _Hardware
    os: _Os
    screen: _Screen


class _Character(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    name: str
    avatar_url: str


class _Regulatory(msgspec.Struct, frozen=True, rename="camel"):
    gdpr: _Bit | UnsetType = UNSET
    gdpr_consent: str | UnsetType = UNSET
    coppa: _Bit | UnsetType = UNSET
    gpp: str | UnsetType = UNSET
    gpp_sid: list[int] | UnsetType = UNSET
    us_privacy: str | UnsetType = UNSET


class _Preload(msgspec.Struct, frozen=True, rename="camel"):
    publisher_token: _Text
    user_id: _Text
    install_id: _Text
    conversation_id: _Text
    enabled_placement_codes: Annotated[list[_Text], Meta(min_length=1)]
    messages: Annotated[list[_Message], Meta(min_length=1, max_length=30)]
    sdk: _Sdk
    device: _Device
    app: _App
    session_id: UUID | UnsetType = UNSET
    character: _Character | UnsetType = UNSET
    regulatory: _Regulatory | UnsetType = UNSET
    user_email: str | UnsetType = UNSET
    variant_id: str | UnsetType = UNSET
    advertising_id: str | UnsetType = UNSET
    vendor_id: str | UnsetType = UNSET


class _OlderMessage(msgspec.Struct, frozen=True, rename="camel"):
    id: str | None = None
    role: str | None = None
    content: str | None = None


class _OlderPreload(msgspec.Struct, frozen=True, rename="camel"):
    publisher_token: _Text
    user_id: _Text
    conversation_id: _Text
    enabled_placement_codes: Annotated[list[_Text], Meta(min_length=1)]
    messages: Annotated[list[_OlderMessage], Meta(min_length=1)]
    session_id: str | None = None


class _Reporter(msgspec.Struct, frozen=True, rename="camel"):
    sdk: _Sdk


class _Report(msgspec.Struct, frozen=True, rename="camel"):
    additional_data: _Reporter


_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`(?: - at `\$(?P<path>[^`]*)`)?$")
_INSTANT = "give an instant in UTC such as 2026-03-02T08:15:00.250Z"
_WRONG = re.compile(r"^(?P<problem>.*) - at `\$(?P<path>[^`]*)`$", re.DOTALL)


def _convert(body: Mapping[str, Any], into: type[_T]) -> _T:
    try:
        return msgspec.convert(body, into)
    except msgspec.ValidationError as error:
        complaint = str(error)
    if missing := _MISSING.match(complaint):
        raise BadRequestError("is required", f"{missing['path'] or ''}.{missing['name']}".lstrip("."))
    if wrong := _WRONG.match(complaint):
        if "matching regex" in complaint:  # only an instant has one, and an example says more than it does
            raise BadRequestError(_INSTANT, wrong["path"].lstrip("."))
        raise BadRequestError(wrong["problem"], wrong["path"].lstrip("."))
    raise BadRequestError(complaint)


def _need_token(headers: Mapping[str, str]) -> None:
    if not headers.get(TOKEN_HEADER, "").strip():
        raise BadRequestError("is required", f"header {TOKEN_HEADER}")


def _uuid(given: UUID | str | UnsetType | None) -> str | None:
    match given:
        case UUID():
            return str(given)
        case str():
            try:
                return str(UUID(given))
            except ValueError:
                return None  # an older SDK's own idea of one: a good answer needs a real UUID
        case _:
            return None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")

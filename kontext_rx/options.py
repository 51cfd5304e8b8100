"""What the app decides about a session, checked once on the way in."""

from __future__ import annotations

import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, ParamSpec, TypeGuard, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from .context import ClientContext, Screen
from .errors import InvalidOptionError
from .message import is_sendable, plain

__all__ = ["App", "Character", "Consent", "ConsentProvider", "Options", "Regulatory", "Sdk"]

DEFAULT_CODES: Final = ("inlineAd",)
"""The placements when the app names none. Source: the product's API reference."""

DEFAULT_SERVER: Final = "https://server.megabrain.co"
"""The production ad server. Source: the official SDKs."""

DEFAULT_TTL_S: Final = 3600.0
"""Seconds an ad that nobody shows is kept. Source: ours."""

ABSOLUTE: Final = "give an absolute http(s) address such as https://server.example"

CODES: Final = "give a list of placement codes such as ['inlineAd']"

USER_EVENTS: Final = ("user.typing.started",)
"""What may be told to a mounted ad. Source: the official SDKs; the set is closed."""


class Character(msgspec.Struct, frozen=True, kw_only=True):
    """The persona that the user talks to, for contextual ad selection. It cannot change during a session."""

    id: str
    name: str
    avatar_url: str
    """Sent exactly as given, query string included."""
    greeting: str | None = None
    persona: str | None = None
    tags: tuple[str, ...] | None = None
    is_nsfw: bool | None = None


class Regulatory(msgspec.Struct, frozen=True, kw_only=True):
    """Privacy signals of this user. Zero is a value and is sent; None is left out."""

    gdpr: Literal[0, 1] | None = None
    """1 when GDPR applies."""
    gdpr_consent: str | None = None
    """The IAB TCF consent string."""
    coppa: Literal[0, 1] | None = None
    gpp: str | None = None
    """The IAB Global Privacy Platform string."""
    gpp_sid: tuple[int, ...] | None = None
    """The GPP section ids that apply."""
    us_privacy: str | None = None


class App(msgspec.Struct, frozen=True, kw_only=True):
    """Which app this is. Times are epoch milliseconds."""

    bundle_id: str = ""
    version: str = "0.0.0"
    first_install_time: int | None = None
    last_update_time: int | None = None
    start_time: int | None = None
    """When the app started, never in the future; when kontext_rx was imported, unless given."""
    store_url: str | None = None


class Sdk(msgspec.Struct, frozen=True, kw_only=True):
    """How we name ourselves on the wire; the production server keeps a list of the names it knows."""

    name: str
    platform: str
    version: str


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a consent platform says (IAB TCF). A value that is present wins over `Regulatory`, each on its own."""

    gdpr: int | bool | str | None = None
    """0 or 1, also as a bool or a digit; anything else counts as absent."""
    gdpr_consent: str | None = None
    """The TC string; blank counts as absent."""


def consent_of(given: Consent | Mapping[str, Any] | None) -> Consent | None:
    """What a provider gave: a `Consent`, or a mapping with its keys or the IAB's; other keys are ignored."""
    if given is None or isinstance(given, Consent):
        return given
    return Consent(
        gdpr=given.get("gdpr", given.get("IABTCF_gdprApplies")),
        gdpr_consent=given.get("gdpr_consent", given.get("IABTCF_TCString")),
    )


ConsentProvider = Callable[[], "Consent | Mapping[str, Any] | None"]
"""Asked before every preload; one that raises or answers None counts as no values."""


class Options(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything that goes into a request, after checking. `update_options` replaces the mutable part."""

    publisher_token: str
    user_id: str
    conversation_id: str
    sdk: Sdk
    app: App
    enabled_placement_codes: tuple[str, ...] = DEFAULT_CODES
    ad_server_url: str = DEFAULT_SERVER
    character: Character | None = None
    regulatory: Regulatory | None = None
    user_email: str | None = None
    variant_id: str | None = None
    advertising_id: str | None = None
    vendor_id: str | None = None
    context: ClientContext | None = None
    ad_ttl: float | None = DEFAULT_TTL_S

    def __repr__(self) -> str:  # tokens, user ids and addresses stay out of logs and tracebacks
        return f"Options(conversation_id={self.conversation_id!r}, ad_server_url={self.ad_server_url!r})"


MUTABLE: Final = ("variant_id", "regulatory", "user_email", "advertising_id", "vendor_id", "context")
"""What `update_options` takes: the product's three, the device ids, and the context."""

IMMUTABLE: Final = (
    "publisher_token", "user_id", "conversation_id", "enabled_placement_codes", "character",
    "ad_server_url", "ad_ttl", "app", "pacing", "consent", "sdk", "install_id", "install_id_store",
    "on_event", "on_debug_event", "enabled", "client", "scheduler",
)  # fmt: skip

S = TypeVar("S", bound=msgspec.Struct)
P = ParamSpec("P")
R = TypeVar("R")


def refuse_unknown(wanted: Callable[[str], InvalidOptionError]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function raise *wanted* for a keyword that it does not take; to a type checker it stays what it is."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = frozenset(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not known.issuperset(kwargs):
                raise wanted(next(name for name in kwargs if name not in known))
            return function(*args, **kwargs)

        return call

    return decorate


def no_such_option(name: str) -> InvalidOptionError:
    """The error for an option that `create_session` does not take."""
    return InvalidOptionError(name, "...", "there is no such option; see the signature of create_session")


def not_mutable(name: str) -> InvalidOptionError:
    """The error for an option that `update_options` does not take."""
    if name in IMMUTABLE:
        return InvalidOptionError(name, "...", "it is fixed for a session's life; create a new session to change it")
    return InvalidOptionError(name, "...", f"there is no such option; the mutable ones are {', '.join(MUTABLE)}")


def checked(
    *,
    enabled: bool,
    publisher_token: object,
    user_id: object,
    conversation_id: object,
    sdk: object,
    app: object,
    enabled_placement_codes: object,
    ad_server_url: object,
    character: object,
    ad_ttl: object,
    default_sdk: Sdk,
    default_app: App,
    **changeable: object,
) -> Options:
    """Options from what `create_session` was given. Raises `InvalidOptionError` at the first that cannot be used."""
    return Options(
        publisher_token=_identity("publisher_token", publisher_token, required=enabled),
        user_id=_identity("user_id", user_id, required=enabled),
        conversation_id=_identity("conversation_id", conversation_id, required=enabled),
        sdk=_shared("sdk", sdk, Sdk, default_sdk),
        app=_shared("app", app, App, default_app),
        enabled_placement_codes=_placement_codes(enabled_placement_codes),
        ad_server_url=server_url(ad_server_url),
        character=_struct("character", character, Character),
        ad_ttl=_ttl(ad_ttl),
        **mutable(**{name: value for name, value in changeable.items() if value is not None}),
    )


def mutable(**given: object) -> dict[str, Any]:
    """The mutable fields of *given*, checked; None clears one. Raises `InvalidOptionError` for any other name."""
    fields: dict[str, Any] = {}
    for name, value in given.items():
        match name:
            case "regulatory":
                fields[name] = _struct(name, value, Regulatory)
            case "context":
                fields[name] = _struct(name, value, ClientContext)
            case "variant_id" | "user_email" | "advertising_id" | "vendor_id":
                fields[name] = _text(name, value)
            case _:
                raise not_mutable(name)
    return fields


def server_url(given: object) -> str:
    """An ad server's address without its trailing slashes. Raises `InvalidOptionError` when it has no http(s) host."""
    if not isinstance(given, str):
        raise InvalidOptionError("ad_server_url", given, ABSOLUTE)
    return _server_url(plain(given))


@functools.lru_cache
def _server_url(given: str) -> str:  # the sessions of a process have one address, or a few
    address = given.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme.lower() in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that never closes, a host that is no name
        usable = False
    if not usable or not address.isprintable() or re.search(r"[\s\\]", address):
        raise InvalidOptionError("ad_server_url", given, ABSOLUTE)
    if "?" in address or "#" in address:  # an empty one too: the path is appended to it
        raise InvalidOptionError("ad_server_url", given, "leave the query and the fragment out")
    parts = urlsplit(address)
    if "@" in parts.netloc:  # the address stands in every page that shows an ad
        raise InvalidOptionError("ad_server_url", "...", "leave the user and the password out")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"


def known_message_id(given: object) -> str:
    """A message's id. Raises `InvalidOptionError` for what cannot be one."""
    if not isinstance(given, str) or not given.strip() or not is_sendable(given):
        raise InvalidOptionError("message_id", given, "give the id of a message, a text that is not blank")
    return plain(given)


def known_user_event(name: object) -> str:
    """*name*, if it is an event that a user can cause. Raises `InvalidOptionError` otherwise."""
    if name not in USER_EVENTS:
        raise InvalidOptionError("name", name, f"the known user events are {', '.join(USER_EVENTS)}")
    return cast(str, name)


def placement_code(given: object) -> str:
    """A placement code. Raises `InvalidOptionError` for a blank one and for what is no text."""
    if not isinstance(given, str) or not given.strip():
        raise InvalidOptionError("code", given, "give a placement code such as 'inlineAd'")
    if not is_sendable(given):
        raise InvalidOptionError("code", given, "leave lone surrogates out: it is part of an address")
    return plain(given)


def _is_usual(given: object) -> TypeGuard[str]:
    """Whether *given* is what nearly every text is, which nothing is wrong with: the rest has to be looked at."""
    return type(given) is str and given.isascii() and given.isprintable() and not given.isspace() and given != ""


def _identity(name: str, given: object, *, required: bool) -> str:
    if _is_usual(given):
        return given
    if given is None and not required:
        return ""
    if given is None:
        issued = "the token issued by Kontext" if name == "publisher_token" else "a text"
        raise InvalidOptionError(name, None, f"give {issued}, or enabled=False for a session without ads")
    if not isinstance(given, str):
        # The value is not shown: it may be a token given in the wrong shape.
        raise InvalidOptionError(name, f"<{type(given).__name__}>", "give a text")
    if not is_sendable(given):
        raise InvalidOptionError(name, f"<{type(given).__name__}>", "leave lone surrogates out: it must be UTF-8")
    if required and not given.strip():
        raise InvalidOptionError(
            name, given, "give a text that is not blank, or enabled=False for a session without ads"
        )
    if name == "publisher_token" and not given.isprintable():
        raise InvalidOptionError(
            name, f"<{type(given).__name__}>", "give one line of printable text (strip the line break): it is a header"
        )
    return plain(given)


def _text(name: str, given: object) -> str | None:
    if _is_usual(given):
        return given
    if given is not None and not isinstance(given, str):
        raise InvalidOptionError(name, f"<{type(given).__name__}>", "give a text, or None to leave it out")
    if given is not None and not is_sendable(given):
        raise InvalidOptionError(name, f"<{type(given).__name__}>", "leave lone surrogates out: it must be UTF-8")
    return None if given is None else plain(given)


def _ttl(given: object) -> float | None:
    if given is None:
        return None
    if not isinstance(given, int | float) or isinstance(given, bool) or not given >= 0:
        raise InvalidOptionError("ad_ttl", given, "give seconds, 0 or more, or None to keep ads for the whole session")
    return float(given) if given <= sys.float_info.max else math.inf


def _placement_codes(given: object) -> tuple[str, ...]:
    if given is None:
        return DEFAULT_CODES
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidOptionError("enabled_placement_codes", given, CODES)
    codes = tuple(cast(Iterable[object], given))
    if not all(isinstance(code, str) for code in codes):
        raise InvalidOptionError("enabled_placement_codes", list(codes), CODES)
    return _codes(tuple(map(plain, cast(tuple[str, ...], codes))))


@functools.lru_cache
def _codes(given: tuple[str, ...]) -> tuple[str, ...]:  # an app has a handful, and its sessions share them
    if not all(map(str.strip, given)):
        raise InvalidOptionError("enabled_placement_codes", list(given), CODES)
    if not all(map(is_sendable, given)):
        raise InvalidOptionError("enabled_placement_codes", list(given), "leave lone surrogates out: it must be UTF-8")
    return tuple(dict.fromkeys(given)) or DEFAULT_CODES


def _shared(name: str, given: object, kind: type[S], default: S) -> S:
    """*given* as a *kind*, checked; one object for all that are equal, which the sessions of an app share."""
    struct = _struct(name, given, kind)
    return default if struct is None else cast(S, _first(struct))


@functools.lru_cache
def _first(struct: msgspec.Struct) -> msgspec.Struct:
    return struct


def _struct(name: str, given: object, kind: type[S]) -> S | None:
    """*given* as a *kind*: itself or a dict with its keys, checked field by field."""
    if given is None:
        return None
    shown = f"<{type(given).__name__}>"
    fields: dict[str, Any]
    if isinstance(given, kind):
        fields = {field: getattr(given, field) for field in given.__struct_fields__}
    elif isinstance(given, Mapping):
        fields = {**cast(Mapping[str, Any], given)}
        if unknown := [key for key in fields if key not in kind.__struct_fields__]:
            raise InvalidOptionError(
                f"{name}.{unknown[0]}", "...", f"there is no such key; the keys are {', '.join(kind.__struct_fields__)}"
            )
    else:
        raise InvalidOptionError(name, shown, f"give a {kind.__name__} or a dict with its keys")
    fields = {key: _sound(f"{name}.{key}", value) for key, value in fields.items()}
    if kind is ClientContext:
        screen: object = fields.get("screen")
        if isinstance(screen, Mapping):
            fields["screen"] = _screen(dict(cast(Mapping[str, Any], screen)))
        return kind(**fields)
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        # msgspec names the place and the kinds, never the value: consent strings and names stay out of it.
        raise InvalidOptionError(name, shown, str(error).replace("`$.", f"`{name}.")) from None


def _sound(name: str, value: Any) -> Any:
    """*value* with the texts in it plain. Raises `InvalidOptionError` for one that cannot be sent."""
    if isinstance(value, str):
        if not is_sendable(value):
            raise InvalidOptionError(name, f"<{type(value).__name__}>", "leave lone surrogates out: it must be UTF-8")
        return plain(value)
    if isinstance(value, list | tuple):
        return [_sound(name, one) for one in cast(list[object], value)]
    return value


def _screen(given: Mapping[str, Any]) -> Screen:
    if unknown := [key for key in given if key not in Screen.__struct_fields__]:
        raise InvalidOptionError(
            f"screen.{unknown[0]}", "...", f"there is no such key; the keys are {', '.join(Screen.__struct_fields__)}"
        )
    return Screen(**given)

"""Whose device it is: `ClientContext` describes the end user's, not the server's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, TypeGuard, cast

import msgspec

from .errors import InvalidOptionError

__all__ = ["ClientContext", "HardwareType", "Screen"]

HardwareType = Literal["handset", "tablet", "desktop", "tv", "other"]


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """The user's screen, in physical pixels."""

    width: int = 0
    height: int = 0
    dpr: float = 1.0
    """Physical pixels a CSS pixel, greater than 0."""
    dark_mode: bool = False
    orientation: Literal["portrait", "landscape"] | None = None
    brightness: float | None = None
    """0 to 100."""

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            size: object = getattr(self, name)
            if not _is_number(size) or not 0 <= size < 1e9:
                raise InvalidOptionError(f"screen.{name}", size, "give physical pixels, 0 or more")
            msgspec.structs.force_setattr(self, name, round(size))  # CSS pixels times their ratio need not be whole
        if not _is_number(self.dpr) or not 0 < self.dpr < 1000:
            raise InvalidOptionError("screen.dpr", self.dpr, "give physical pixels a CSS pixel, more than 0")
        if not isinstance(self.dark_mode, bool):
            raise InvalidOptionError("screen.dark_mode", self.dark_mode, "give True or False")
        if self.orientation not in (None, "portrait", "landscape"):
            raise InvalidOptionError("screen.orientation", self.orientation, "give 'portrait' or 'landscape'")
        if self.brightness is not None and (not _is_number(self.brightness) or not 0 <= self.brightness <= 100):
            raise InvalidOptionError("screen.brightness", self.brightness, "give 0 to 100")


class ClientContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    What is known of the end user's device. It fills `device` in every preload; nothing is invented.

    Without a context the request describes this process: its own operating system, hardware `other`, no screen.
    What a context leaves out and the server requires is sent as `other`, `unknown`, `und` or `Etc/UTC`; the rest is
    left out. Raises `InvalidOptionError` for a value of the wrong kind.
    """

    user_agent: str | None = None
    """The browser's user agent; the operating system and the kind of hardware are read from it when not given."""
    locale: str | None = None
    """BCP 47 with a hyphen, such as `en-GB`."""
    timezone: str | None = None
    """IANA, such as `Europe/Prague`."""
    screen: Screen | None = None
    hardware_type: HardwareType | None = None
    brand: str | None = None
    model: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    network_type: Literal["wifi", "cellular", "ethernet", "other"] | None = None
    carrier: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name != "screen" and value is not None and not isinstance(value, str):
                raise InvalidOptionError(f"context.{name}", value, "give a text, or leave it out")
        if self.screen is not None and not isinstance(self.screen, Screen):
            raise InvalidOptionError("context.screen", self.screen, "give a Screen, or leave it out")
        if self.hardware_type not in (None, *_HARDWARE):
            raise InvalidOptionError("context.hardware_type", self.hardware_type, f"give one of {', '.join(_HARDWARE)}")
        if self.network_type not in (None, *_NETWORKS):
            raise InvalidOptionError("context.network_type", self.network_type, f"give one of {', '.join(_NETWORKS)}")

    @classmethod
    def from_request(cls, request: Any, **known: Any) -> ClientContext:
        """
        The context as a browser's HTTP request tells it: user agent, first language, client hints.

        *request* is anything with a `headers` mapping (aiohttp, Starlette, FastAPI, Django, Flask) or such a mapping
        itself; *known* are fields that the app knows better, such as `timezone` and `screen`.

        Raises `InvalidOptionError` when there are no headers to read.
        """
        headers = getattr(request, "headers", request)
        items = getattr(headers, "items", None)  # not every framework's headers are a `Mapping`: Flask's are none
        if not callable(items):
            raise InvalidOptionError("request", type(request).__name__, "give a request with a `headers` mapping")
        pairs = cast(Iterable[tuple[object, object]], items())
        # A header is whatever a client sent: a byte that is no UTF-8 must not cost the app its session.
        lower = {str(name).lower(): str(value).encode("utf-8", "replace").decode() for name, value in pairs}
        fields: dict[str, Any] = {
            "user_agent": lower.get("user-agent") or None,
            "locale": _first_language(lower.get("accept-language", "")),
            "os_name": _unquoted(lower.get("sec-ch-ua-platform", "")).lower() or None,
            "os_version": _unquoted(lower.get("sec-ch-ua-platform-version", "")) or None,
            "model": _unquoted(lower.get("sec-ch-ua-model", "")) or None,
            "hardware_type": "handset" if lower.get("sec-ch-ua-mobile") == "?1" else None,
        }
        if isinstance(screen := known.get("screen"), dict):
            known = {**known, "screen": Screen(**cast(dict[str, Any], screen))}
        return cls(**{**fields, **known})


_HARDWARE = ("handset", "tablet", "desktop", "tv", "other")
_NETWORKS = ("wifi", "cellular", "ethernet", "other")

_SYSTEMS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ios", re.compile(r"(?:iPhone|iPad|iPod).*? OS (\d+(?:_\d+)*)")),
    ("android", re.compile(r"Android(?: (\d+(?:\.\d+)*))?")),
    ("windows", re.compile(r"Windows(?: NT (\d+(?:\.\d+)*))?")),
    ("macos", re.compile(r"Mac OS X (\d+(?:[._]\d+)*)")),
    ("chromeos", re.compile(r"CrOS \S+ (\d+(?:\.\d+)*)")),
    ("linux", re.compile(r"Linux()")),
)


def read_user_agent(user_agent: str) -> tuple[str | None, str | None, HardwareType | None]:
    """The operating system, its version and the kind of hardware, as far as a user agent tells them."""
    name = version = None
    for system, pattern in _SYSTEMS:
        if found := pattern.search(user_agent):
            name, version = system, (found[1] or "").replace("_", ".") or None
            break
    hardware: HardwareType | None = None
    if re.search(r"smart-?tv|AppleTV|GoogleTV|BRAVIA|\bTV\b", user_agent, re.IGNORECASE):
        hardware = "tv"
    elif "iPad" in user_agent or (name == "android" and "Mobile" not in user_agent):
        hardware = "tablet"
    elif name in ("ios", "android"):
        hardware = "handset"
    elif name is not None:
        hardware = "desktop"
    return name, version, hardware


def _first_language(accepted: str) -> str | None:
    first = accepted.split(",")[0].split(";")[0].strip().replace("_", "-")
    return first if re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", first) else None


def _unquoted(hint: str) -> str:
    return hint.strip().strip('"')


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Whose pages may connect: the origins an app has named, or its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ..errors import InvalidOptionError
from ..wire import canonical_origin

__all__ = ["Origins"]


class Origins:
    """
    The origins whose pages may connect.

    None is the address under which the page reached us: scheme aside, the `Origin` of the request must be its `Host`.
    Behind a proxy that rewrites `Host`, name them. Raises `InvalidOptionError` for what is no origin.
    """

    def __init__(self, origins: Iterable[str] | None) -> None:
        if isinstance(origins, str):
            raise InvalidOptionError("origins", origins, "give a list, such as ['https://chat.example']")
        self._known = None if origins is None else frozenset(map(_origin, origins))

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a request with these two headers comes from a page that may connect."""
        if not origin:
            return False  # no browser leaves it out of a WebSocket's handshake
        try:
            given = _origin(origin)
        except InvalidOptionError:
            return False
        if self._known is not None:
            return given in self._known
        return bool(host) and _origin_or_none(f"{urlsplit(given).scheme}://{host}") == given


def _origin_or_none(given: str) -> str | None:
    try:
        return _origin(given)
    except InvalidOptionError:
        return None


def _origin(given: Any) -> str:
    """*given* as a browser would write it. Raises `InvalidOptionError` when it is more or less than an origin."""
    wanted = "give scheme, host and port of a page, such as 'https://chat.example'"
    if not isinstance(given, str):
        raise InvalidOptionError("origins", given, wanted)
    try:
        parts = urlsplit(given)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:  # a port that is no number, a bracket that never closes, a host that is no name
        raise InvalidOptionError("origins", given, wanted) from None
    more = parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme.lower() not in ("http", "https") or not host or more or re.search(r"[\s\\]", given):
        raise InvalidOptionError("origins", given, wanted)
    shown = f"[{host}]" if ":" in host else host
    return canonical_origin(f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else ""))

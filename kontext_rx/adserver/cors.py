"""Cross-origin headers: a page from anywhere may call the server and read its answers, errors too."""

from __future__ import annotations

from collections.abc import Mapping

from .read import IS_DISABLED_HEADER, TOKEN_HEADER

__all__ = ["HEADERS", "preflight_headers"]

HEADERS: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}
"""On every answer."""

_ALLOWED = ("Content-Type", TOKEN_HEADER, IS_DISABLED_HEADER)
_MAX_AGE_S = "600"


def preflight_headers(asked: Mapping[str, str]) -> dict[str, str]:
    """Allow what a preflight with the headers *asked* wants to know about."""
    known = {name.lower() for name in _ALLOWED}
    wanted = [name.strip() for name in asked.get("Access-Control-Request-Headers", "").split(",")]
    headers = {
        "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        "Access-Control-Allow-Headers": ", ".join(
            [*_ALLOWED, *(name for name in wanted if name and name.lower() not in known)]
        ),
        "Access-Control-Max-Age": _MAX_AGE_S,
    }
    if asked.get("Access-Control-Request-Private-Network") == "true":
        # A page from the internet that calls a server on the developer's own machine.
        headers["Access-Control-Allow-Private-Network"] = "true"
    return headers

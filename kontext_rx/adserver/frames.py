"""What a browser asks for: the frames of an ad, what is in them, and where a click leads."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import msgspec
from aiohttp import web

from . import pages
from .art import draw
from .creatives import CREATIVES
from .offers import Offers

__all__ = ["PATHS", "Route", "answer", "route"]

PATHS = ("/api/frame/{bidId}", "/api/modal/{bidId}", "/click/{bidId}")
"""The addresses of a bid. What its pages are made of stands below /api/static and /api/art."""

_STATIC = Path(__file__).parent / "static"
_TYPES: Mapping[str, str] = {
    "ad.css": "text/css; charset=utf-8",
    "ad.js": "text/javascript; charset=utf-8",
    "frame.js": "text/javascript; charset=utf-8",
    "modal.js": "text/javascript; charset=utf-8",
    "gone.js": "text/javascript; charset=utf-8",
    "spot.webm": "video/webm",
}
_CREATIVES = {creative.id: creative for creative in CREATIVES}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_PAGE = _SAFE | {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
_LANDING = _PAGE | {"Content-Security-Policy": f"{_POLICY}; frame-ancestors 'none'"}
_PART = _SAFE | {"Cache-Control": "no-cache"}
_DRAWING = _PART | {"Content-Security-Policy": "default-src 'none'"}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What an address asks for."""

    kind: str
    """`frame`, `modal`, `click`, `static` or `art`."""
    name: str
    """The bid's id, or the file's name."""

    @property
    def counted_as(self) -> str | None:
        """The path that it is counted as; `None` for the parts of a page, which are not worth a line in a log."""
        return {"frame": PATHS[0], "modal": PATHS[1], "click": PATHS[2]}.get(self.kind)


def route(method: str, path: str) -> Route | None:
    """Say what a request asks for; `None` when it is not for this module."""
    if method not in ("GET", "HEAD"):
        return None
    match path.removeprefix("/").split("/"):
        case ["api", ("frame" | "modal" | "static" | "art") as kind, name] if name:
            return Route(kind=kind, name=name)
        case ["click", name] if name:
            return Route(kind="click", name=name)
        case _:
            return None


def answer(asked: Route, offers: Offers, ttl: float, part: slice | None = None) -> web.Response:
    """Answer a request; an offer can be shown for *ttl* seconds. *part* is the range of bytes that is asked for."""
    match asked.kind:
        case "frame" | "modal":
            return _frame(asked, offers, ttl)
        case "click":
            bid = offers.get(asked.name)
            return _html(pages.landing(bid and bid.creative), _LANDING)
        case "static" if asked.name in _TYPES:
            return _file(asked.name, part)
        case "art" if (creative := _CREATIVES.get(asked.name.removesuffix(".svg"))) is not None:
            return web.Response(text=draw(creative), content_type="image/svg+xml", headers=_DRAWING)
        case _:
            return web.Response(status=404, text="There is no such part of an ad", headers=_SAFE)


def _file(name: str, part: slice | None) -> web.Response:
    """A file, or a part of it: some browsers play a video only where they can ask for one."""
    body = _body(name)
    headers = _PART | {"Content-Type": _TYPES[name], "Accept-Ranges": "bytes"}
    if part is None or (part.start is None and part.stop is None):
        return web.Response(body=body, headers=headers)
    start, stop, _ = part.indices(len(body))
    if start >= stop:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{len(body)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
    return web.Response(status=206, body=body[start:stop], headers=headers)


@functools.cache
def _body(name: str) -> bytes:
    # In memory: a response that reads from the disk leaves the file open when the server is stopped meanwhile.
    return (_STATIC / name).read_bytes()


def _frame(asked: Route, offers: Offers, ttl: float) -> web.Response:
    component = "modal" if asked.kind == "modal" else None
    bid = offers.get(asked.name)
    if bid is None:
        return _html(pages.gone("No bid was offered with this id", component), _PAGE, status=404)
    if offers.is_over(asked.name, ttl):
        return _html(pages.gone("The bid has expired", component), _PAGE, status=410)
    return _html(pages.frame(bid) if component is None else pages.modal(bid), _PAGE)


def _html(text: str, headers: Mapping[str, str], *, status: int = 200) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers=headers, status=status)

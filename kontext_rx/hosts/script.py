"""The browser half, as a face serves it."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

__all__ = ["NAME", "body", "headers"]

NAME = "browser.js"


@functools.cache
def body() -> bytes:
    """The file."""
    return resources.files(__name__.rpartition(".")[0]).joinpath(NAME).read_bytes()


@functools.cache
def headers() -> dict[str, str]:
    """
    What it is served with, names in lower case.

    It is asked for again each time and answered with a 304 while it is the same, since it must fit our version; pages
    of any origin may import it, it holds no secret.
    """
    return {
        "content-type": "text/javascript; charset=utf-8",
        "cache-control": "no-cache",
        "etag": f'"{hashlib.sha256(body()).hexdigest()[:32]}"',
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
    }

"""Which CSS an ad may give to its slot and its frame: what stays inside the slot, and nothing that leaves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["safe_styles"]

LARGEST_PX: Final = 10_000.0
"""A length beyond it is not applied. Source: ours, the tallest frame that is heard."""

_PROPERTY: Final = re.compile(
    r"(margin|padding)(-(top|right|bottom|left|block|inline)(-(start|end))?)?"
    r"|border(-(top|right|bottom|left))?(-(width|style|color|radius))?|border-(top|bottom)-(left|right)-radius"
    r"|background(-color)?|color|color-scheme|opacity|box-shadow|box-sizing|overflow(-[xy])?"
    r"|(min-|max-)?width|max-height|aspect-ratio|text-align|vertical-align"
    r"|(align|justify)-(items|self|content)|flex(-(grow|shrink|basis|direction|wrap))?|gap|order"
)
"""No `position`, `z-index`, `transform` or offset, no `display` and no height: those are the protocol's."""

_VALUE: Final = re.compile(r"[\w\s.,%#()/+-]{1,200}")
_UNSAFE: Final = re.compile(r"url|image|expression|var|attr|env|(^|[\s(,])-", re.IGNORECASE)
"""No address is loaded for a style, and nothing is drawn to a negative place."""

_UNITLESS: Final = frozenset({"opacity", "order", "flex", "flex-grow", "flex-shrink", "aspect-ratio"})


def safe_styles(given: Mapping[str, str]) -> dict[str, str]:
    """The properties of *given* that may be applied, with names as in a style sheet; a bare number is CSS pixels."""
    safe: dict[str, str] = {}
    for name, value in given.items():
        name = re.sub(r"[A-Z]", lambda upper: "-" + upper[0].lower(), name)
        if not _PROPERTY.fullmatch(name) or not _VALUE.fullmatch(value) or _UNSAFE.search(value):
            continue
        if any(float(number) > LARGEST_PX for number in re.findall(r"\d+(?:\.\d+)?", value)):
            continue
        if name not in _UNITLESS and re.fullmatch(r"[1-9]\d*(\.\d+)?|0\.\d+", value):
            value += "px"
        safe[name] = value
    return safe

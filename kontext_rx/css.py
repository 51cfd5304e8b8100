"""Styles as creatives write them, `{borderRadius: 8}`, as a style sheet has them, `border-radius: 8px`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

__all__ = ["declarations"]

_UNITLESS: Final = frozenset(
    {
        "aspect-ratio", "column-count", "flex", "flex-grow", "flex-shrink", "font-weight", "grid-area", "grid-column",
        "grid-row", "line-height", "opacity", "order", "scale", "z-index", "zoom",
    }
)  # fmt: skip
"""Properties whose numbers have no unit, those that creatives use. Source: React."""


def declarations(given: object) -> dict[str, str]:
    """
    Names in kebab case, values as text; a number is CSS pixels, but for the properties that have no unit.

    What is neither text nor number is left out, and what is no object has no styles. Source: React's `style`, for
    which creatives write.
    """
    if not isinstance(given, Mapping):
        return {}
    styles: dict[str, str] = {}
    for key, value in cast(Mapping[Any, Any], given).items():
        name = re.sub(r"[A-Z]", lambda upper: "-" + upper[0].lower(), str(key))
        if isinstance(value, str):
            styles[name] = value.strip()
        elif isinstance(value, int | float) and not isinstance(value, bool):
            styles[name] = str(value) if value == 0 or name in _UNITLESS else f"{value}px"
    return styles

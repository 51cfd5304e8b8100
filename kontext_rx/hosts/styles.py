"""
Which CSS an ad may give to its container and its frame: any that lays out and paints, and none that loads.

The page's slot clips what is drawn in it (`browser.js`), whatever the styles; so they need no bounds here. Creatives
written for the official web SDK, which applies everything, look the same as long as they stay in their slot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["container_styles", "frame_styles"]

_PROPERTY: Final = re.compile(
    r"(margin|padding|border|background|outline|box|overflow|flex|grid|align|justify|place|font|text|line|letter|word"
    r"|white|min|max|row|column|object|inset|transform|transition|vertical|aspect|color|pointer)(-[a-z]+)*"
    r"|display|float|clear|position|top|right|bottom|left|width|height|gap|order|opacity|visibility|z-index|cursor"
)
"""Nothing with which an element takes part in what is not its own: no custom property, no view transition's name."""

_VALUE: Final = re.compile(r"[\w\s.,%#()*/+-]{1,200}")
_LOADS: Final = re.compile(r"url|image|src|attr|var|env|expression|element|paint|cross-fade", re.IGNORECASE)
"""An address that is loaded for a style would be asked for by the page, and not by the frame."""

_PROTOCOL: Final = frozenset({"display", "height", "visibility"})
"""Of the frame these are the protocol's: `show-iframe`, `hide-iframe`, `resize-iframe`."""


def container_styles(given: Mapping[str, str]) -> dict[str, str]:
    """The declarations of *given* that may be applied to the element around the frame."""
    return {
        name: value
        for name, value in given.items()
        if _PROPERTY.fullmatch(name) and _VALUE.fullmatch(value) and not _LOADS.search(value)
    }


def frame_styles(given: Mapping[str, str]) -> dict[str, str]:
    """The same for the frame itself."""
    return {name: value for name, value in container_styles(given).items() if name not in _PROTOCOL}

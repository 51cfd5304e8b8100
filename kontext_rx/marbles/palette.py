"""What things look like: one colour, one glyph and one word for each, in every picture."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec

__all__ = ["LANES", "LOOKS", "THEMES", "Kind", "Lane", "Look", "Theme"]

Lane: TypeAlias = Literal["user", "debounce", "request", "reply", "link", "render", "view", "click", "video"]

LANES: Final[tuple[Lane, ...]] = ("user", "debounce", "request", "reply", "link", "render", "view", "click", "video")
"""From top to bottom, in the order in which a turn goes through them."""

Kind: TypeAlias = Literal[
    "user",
    "end",
    "debounce",
    "coalesced",
    "filled",
    "no_fill",
    "error",
    "track_only",
    "cancelled",
    "open",
    "retry",
    "failure",
    "reply",
    "waiting",
    "linked",
    "dropped",
    "mounted",
    "loading",
    "render",
    "rendered",
    "view",
    "click",
    "video",
]


class Look(msgspec.Struct, frozen=True):
    """How one kind of thing is drawn."""

    word: str
    """For legends."""
    glyph: str
    """In text: the thing itself or, for what has a length, its end."""
    colour: str
    """A name of `Theme.colours`."""
    body: str = ""
    """In text: what its length is made of."""


LOOKS: Final[dict[Kind, Look]] = {
    "user": Look("user message", "●", "ink"),
    "end": Look("session destroyed", "│", "ink"),
    "debounce": Look("debounce", "┤", "quiet", "─"),
    "coalesced": Look("coalesced", "╳", "quiet", "╌"),  # noqa: RUF001 - it is meant
    "filled": Look("filled", "■", "filled", "━"),
    "no_fill": Look("no fill", "□", "no_fill", "─"),
    "error": Look("error", "✕", "error", "━"),
    "track_only": Look("track only", "◌", "track_only", "┄"),
    "cancelled": Look("cancelled", "!", "cancelled", "╌"),
    "open": Look("still open", "…", "quiet", "━"),
    "retry": Look("attempt failed", "↻", "error"),
    "failure": Look("ad error", "✕", "error"),
    "reply": Look("reply", "◆", "ink"),
    "waiting": Look("waits", "╌", "filled", "╌"),
    "linked": Look("linked", "◇", "filled"),
    "dropped": Look("dropped", "✕", "quiet"),
    "mounted": Look("mounted", "▫", "ad"),
    "loading": Look("frame loads", "╌", "ad", "╌"),
    "render": Look("render starts", "▷", "ad"),
    "rendered": Look("render complete", "▶", "ad"),
    "view": Look("viewed", "◉", "ad"),
    "click": Look("clicked", "✱", "ad"),
    "video": Look("video, reward", "▸", "ad"),
}


class Theme(msgspec.Struct, frozen=True):
    """Colours by what they mean."""

    paper: str
    line: str
    colours: dict[str, str]


THEMES: Final = {
    "light": Theme(
        paper="#ffffff",
        line="#dfe3e8",
        colours={
            "ink": "#1f2328",
            "quiet": "#8a929b",
            "text": "#59636e",
            "filled": "#009e73",
            "no_fill": "#e69f00",
            "error": "#d55e00",
            "track_only": "#56b4e9",
            "cancelled": "#b8558a",
            "ad": "#0072b2",
        },
    ),
    "dark": Theme(
        paper="#11151a",
        line="#2d343c",
        colours={
            "ink": "#e8edf2",
            "quiet": "#7d8791",
            "text": "#9aa4ae",
            "filled": "#2bc795",
            "no_fill": "#f0b429",
            "error": "#f27a3d",
            "track_only": "#7cc8f5",
            "cancelled": "#dd8fbb",
            "ad": "#5aade8",
        },
    ),
}
"""
The hues are those of Okabe and Ito, which people with any colour vision tell apart; the dark ones are lighter. Source:
Okabe & Ito, "Color Universal Design" (2002). No meaning rests on colour alone: length, shape or pattern says it too.
"""

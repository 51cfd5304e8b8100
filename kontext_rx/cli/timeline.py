"""The timeline of a conversation: a row for each of the user's turns, folded from what happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from kontext_rx import Filled, PreloadStep

from .player import Closed, Happening, Linked, Said, Stepped, Told

__all__ = ["PLAIN_WIDTH", "Row", "Timeline", "line", "shortened"]

STYLES: Final = {
    "waiting": "cyan",
    "filled": "green",
    "coalesced": "dim",
    "cancelled": "magenta",
    "no fill": "yellow",
    "error": "red",
}
"""How a row looks, by how it stands."""

SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

SAID_WIDTH: Final = 24
WHAT_WIDTH: Final = 28
LINKED_WIDTH: Final = 21
LEAST_WIDTH: Final = 3 + SAID_WIDTH + 2 + WHAT_WIDTH + 2 + LINKED_WIDTH
AD_WIDTH: Final = 22
MORE_SAID: Final = 30
PLAIN_WIDTH: Final = LEAST_WIDTH + AD_WIDTH + 18
"""Columns: of the parts of a line, of all of them, of what a wider terminal has besides, and where there is none."""


@dataclass
class Row:
    """One turn of the user's."""

    label: str
    """`u1`, `u2`, ..."""
    message_id: str
    text: str
    state: str = "waiting"
    """A key of `STYLES`."""
    what: str = "said"
    """What has happened to it."""
    linked: str = ""
    """To which reply its ad was linked, and which of them was there first."""
    ad: str = ""
    """Whose ad it is."""
    sent_at: float | None = None
    filled_at: float | None = None
    """Epoch seconds, as the session tells them."""
    ended: bool = False
    """Whether nothing more can happen to it."""


@dataclass
class _Reply:
    label: str
    text: str
    at: float


@dataclass
class Timeline:
    """
    Folds what happens in one conversation into rows; *on_end* is called with each row when nothing more can happen.

    *brand* names the ad of a bid. *now* is epoch seconds.
    """

    on_end: Callable[[Row], None] = lambda row: None
    brand: Callable[[str], str | None] = lambda bid_id: None
    now: Callable[[], float] = time.time
    rows: list[Row] = field(default_factory=list[Row])
    _replies: dict[str, _Reply] = field(default_factory=dict[str, _Reply])

    def __call__(self, happening: Happening) -> None:
        """Take note."""
        match happening:
            case Said(message=message) if message.role == "user":
                self._let_go()
                self.rows.append(Row(f"u{len(self.rows) + 1}", message.id, message.content))
            case Said(message=message):
                self._replies[message.id] = _Reply(f"a{len(self._replies) + 1}", message.content, self.now())
            case Stepped(step=step):
                self._step(step)
            case Told(event=Filled() as filled):
                self._fill(filled)
            case Linked(user_message_id=user_message_id, message_id=message_id):
                self._link(user_message_id, message_id)
            case Closed():
                self._let_go()
            case _:
                pass

    def _step(self, step: PreloadStep) -> None:
        row = self._row(step.user_message_id)
        if row is None:
            return
        match step.name:
            case "scheduled":
                row.what = "waiting for more"
            case "sent":
                row.sent_at, row.what = step.at, "asked for an ad"
            case "coalesced":
                self._end(row, "coalesced", f"coalesced into {self._label(step.by)}")
            case "cancelled":
                by = "the end" if step.by is None else self._label(step.by)
                after = "" if row.sent_at is None else f" after {_time(step.at - row.sent_at)}"
                self._end(row, "cancelled", f"cancelled by {by}{after}")
            case "retried":
                row.what = f"attempt {step.attempt} in {step.delay_s:g} s ({step.reason})"
            case "resolved":
                took = _time(step.duration_s or 0.0)
                if step.outcome == "filled":
                    row.state, row.what, row.filled_at = "filled", f"filled after {took}", step.at
                elif step.outcome == "error":
                    self._end(row, "error", f"error: {step.reason}, {took}")
                else:
                    self._end(row, "no fill", f"no fill: {step.reason}, {took}")

    def _fill(self, filled: Filled) -> None:
        row = self._row(filled.user_message_id)
        if row is not None and (brand := self.brand(filled.bid_id)) is not None:
            row.ad = brand

    def _link(self, user_message_id: str, message_id: str) -> None:
        row, reply = self._row(user_message_id), self._replies.get(message_id)
        if row is not None and reply is not None:
            ahead_s = reply.at - (reply.at if row.filled_at is None else row.filled_at)
            row.linked = f"{reply.label}, {_time(abs(ahead_s))} {'ahead' if ahead_s >= 0 else 'behind'}"
            self._end(row, row.state, row.what)

    def _let_go(self) -> None:
        """Whatever is filled and has no reply will never have one."""
        for row in self.rows:
            if row.state == "filled" and not row.ended:
                row.linked = "no reply"
                self._end(row, row.state, row.what)

    def _end(self, row: Row, state: str, what: str) -> None:
        row.state, row.what, row.ended = state, what, True
        self.on_end(row)

    def _row(self, message_id: str | None) -> Row | None:
        return next((row for row in reversed(self.rows) if row.message_id == message_id), None)

    def _label(self, message_id: str | None) -> str:
        row = self._row(message_id)
        return "a newer message" if row is None else row.label


def line(row: Row, width: int, *, now: float | None = None) -> Text:
    """
    The row on one line of at most *width* characters, at least 80.

    With *now*, in epoch seconds, a row that waits shows for how long.
    """
    width = max(width, LEAST_WIDTH)
    spare = width - LEAST_WIDTH
    ad_width = min(AD_WIDTH, spare)  # what is left over shows the ad, and then more of what was said
    said_width = SAID_WIDTH + min(spare - ad_width, MORE_SAID)
    text = Text.assemble(
        (_cell(row.label, 3), "bold"),
        _cell(row.text, said_width),
        "  ",
        (_cell(_what(row, now), WHAT_WIDTH), STYLES[row.state]),
        "  ",
        _cell(row.linked and f"→ {row.linked}", LINKED_WIDTH),
        "  " if ad_width > 2 else "",
        (_cell(row.ad, max(0, ad_width - 2)), "dim"),
    )
    text.rstrip()
    text.no_wrap = True
    return text


def _what(row: Row, now: float | None) -> str:
    if row.state != "waiting" or now is None:
        return row.what
    since = "" if row.sent_at is None else f", {max(0.0, now - row.sent_at):.1f} s ago"
    return f"{SPINNER[int(now * 10) % len(SPINNER)]} {row.what}{since}"


def _cell(text: str, width: int) -> str:
    return set_cell_size(shortened(text, width), width)


def shortened(text: str, width: int) -> str:
    """The text on one line, in at most *width* columns of a terminal."""
    flat = " ".join(text.split())
    return flat if cell_len(flat) <= width else set_cell_size(flat, max(0, width - 1)).rstrip() + "…"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"

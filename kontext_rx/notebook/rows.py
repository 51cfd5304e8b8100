"""What is shown beside an ad: a line for each event, as values, as text, and as HTML that needs nothing to be read."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from ..event import AdEvent

__all__ = ["Row", "as_html", "row_of"]

DETAIL_CHARS: Final = 200
"""What of an event's payload is shown. Source: ours, a line."""


class Row(msgspec.Struct, frozen=True):
    """One event."""

    at: float
    """Epoch seconds."""
    name: str
    detail: str
    """Its payload in a line."""


def row_of(event: AdEvent) -> Row:
    """An event as a line, without the bid's id: all events of an ad have the same."""
    payload: dict[str, Any] = event.to_dict()["payload"]
    words = [f"{name} {_short(value)}" for name, value in payload.items() if name != "bidId" and value != ""]
    detail = " ".join(" · ".join(words).split())
    return Row(event.at, event.name, detail if len(detail) <= DETAIL_CHARS else detail[: DETAIL_CHARS - 1] + "…")


def as_html(title: str, note: str, rows: Sequence[Row]) -> str:
    """A table that is readable without script or style, in light and in dark."""
    head = f"<strong>{html.escape(title)}</strong>" + (f"<br>{html.escape(note)}" if note else "")
    if not rows:
        return f"<div>{head}</div>"
    return f"<div>{head}<table>{''.join(_html_rows(rows))}</table></div>"


def _html_rows(rows: Sequence[Row]) -> Iterable[str]:
    for row in rows:
        texts = (f"+{row.at - rows[0].at:.3f} s", row.name, row.detail)
        cells = (f'<td style="text-align:left">{html.escape(text)}</td>' for text in texts)
        yield f"<tr>{''.join(cells)}</tr>"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

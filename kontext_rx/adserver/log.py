"""The request log: what came in, what was answered, and how it ended."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from .answers import Answer

__all__ = ["Ended", "LoggedRequest", "RequestLog", "Stats"]

Ended = Literal["open", "answered", "aborted", "reset", "half-sent", "closed"]
"""
How a request ended: `open` (not yet), `answered`, `aborted` (the client went away before the answer),
`reset` or `half-sent` (as the server was told to), `closed` (the server closed before the answer).
"""


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. The token and the conversation stand in it: it is a developer's log, in memory only."""

    number: int
    """Counted from 1 as the server starts."""
    at: float
    """When it came, in seconds since 1970."""
    method: str
    path: str
    """The path below the server's address, without a query."""
    headers: Mapping[str, str]
    """Its headers; names are looked up in any case."""
    body: Mapping[str, Any] | None
    """The JSON object it carried; `None` when it carried none."""
    size: int
    """Bytes of the body as it came."""
    status: int | None = None
    """The HTTP status that was sent; `None` while there is none."""
    answer: Any = None
    """The JSON that was sent, where it was JSON."""
    ended: Ended = "open"


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the server was made, whatever the log has let go."""

    requests: int
    paths: Mapping[str, int]
    """Requests by path; those for an ad's frame as `/api/frame/{bidId}`, and so on."""
    statuses: Mapping[int, int]
    """Answers that were sent, by HTTP status."""
    ended: Mapping[str, int]
    """Requests by how they ended."""
    fills: int
    """Answers that were sent with a bid."""
    skips: Mapping[str, int]
    """Answers that were sent with a skip, by skip code."""


class RequestLog:
    """The latest requests, oldest first, and a way to wait for them."""

    def __init__(self, size: int) -> None:
        self.entries: deque[LoggedRequest] = deque(maxlen=size)
        self._changed = asyncio.Event()
        self._number = 0
        self._fills = 0
        self._paths: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._ended: Counter[str] = Counter()
        self._skips: Counter[str] = Counter()

    def open(
        self,
        *,
        at: float,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | None,
        size: int,
        counted_as: str | None = None,
    ) -> LoggedRequest:
        """Log a request that has come; *counted_as* is its path in the counts, where that has a bid's id in it."""
        self._number += 1
        entry = LoggedRequest(
            number=self._number, at=at, method=method, path=path, headers=headers, body=body, size=size
        )
        self.entries.append(entry)
        self._paths[counted_as or path] += 1
        self._notify()
        return entry

    def end(self, entry: LoggedRequest, ended: Ended, answer: Answer | None = None) -> LoggedRequest:
        """Log how a request ended and, where one was sent, with what *answer*."""
        entry = msgspec.structs.replace(
            entry,
            ended=ended,
            status=None if answer is None else answer.status,
            answer=None if answer is None else answer.json,
        )
        place = len(self.entries) - (self._number - entry.number) - 1
        if place >= 0:  # else the log has let go of it
            self.entries[place] = entry
        self._ended[ended] += 1
        if answer is not None:
            self._statuses[answer.status] += 1
            if ended == "answered":
                self._count_outcome(answer.fields())
        self._notify()
        return entry

    async def received(
        self, path: str | None, *, count: int, ended: Ended | None, within: float
    ) -> Sequence[LoggedRequest]:
        """Wait until the log holds *count* such requests. Raises TimeoutError after *within* seconds."""
        found: list[LoggedRequest] = []
        try:
            async with asyncio.timeout(within):
                while True:
                    found = [
                        entry for entry in self.entries if path in (None, entry.path) and ended in (None, entry.ended)
                    ]
                    if len(found) >= count:
                        return found
                    await self._changed.wait()
        except TimeoutError:
            kind = "" if ended is None else f" that ended as {ended!r}"
            raise TimeoutError(
                f"{len(found)} of {count} requests to {path or 'any path'}{kind} within {within} s"
            ) from None

    def stats(self) -> Stats:
        """Count everything so far."""
        return Stats(
            requests=self._number,
            paths=dict(self._paths),
            statuses=dict(self._statuses),
            ended=dict(self._ended),
            fills=self._fills,
            skips=dict(self._skips),
        )

    def _count_outcome(self, answer: Mapping[str, object]) -> None:
        if answer.get("bids"):
            self._fills += 1
        if answer.get("skip") is True:
            self._skips[str(answer.get("skipCode", ""))] += 1

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

"""Posts to `/error` and `/debug`: never retried, never in the app's way, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

from reactivex.abc import SchedulerBase

from .backend import Tally
from .exchange import Exchange, Lost
from .typing import HttpRequest, HttpResponse, Transport

__all__ = ["Telemetry"]

TIMEOUT_S: Final = 5.0
"""Seconds for a post. Source: the official SDKs."""

AT_ONCE: Final = 2
"""Posts in flight at the same time. Source: ours."""

WAITING: Final = 100
"""Posts that wait; beyond that the oldest is dropped and counted. Source: ours."""


class Telemetry:
    """A bounded queue of posts, whose answers nobody reads."""

    __slots__ = ("_idle", "_in_flight", "_scheduler", "_send", "_tally", "_waiting", "dropped")

    def __init__(self, send: Transport, scheduler: SchedulerBase, tally: Tally | None = None) -> None:
        self._send, self._scheduler, self._tally = send, scheduler, tally
        self._waiting: deque[HttpRequest] = deque()
        self._in_flight: set[_Report] = set()
        self._idle: asyncio.Event | None = None
        self.dropped = 0
        """Posts that were dropped because too many waited."""

    def post(self, request: HttpRequest) -> None:
        """Send *request* when its turn comes."""
        self._waiting.append(request)
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.dropped += 1
            if self._tally is not None:
                self._tally.dropped += 1
        self._next()

    def done(self, report: _Report) -> None:
        """A post has ended, whatever came of it."""
        self._in_flight.discard(report)
        self._next()

    def _next(self) -> None:
        while self._waiting and len(self._in_flight) < AT_ONCE:
            report = _Report(self, self._waiting.popleft(), self._send, self._scheduler)
            self._in_flight.add(report)
            report.attempt()
        if self._idle is not None and not self._in_flight:
            self._idle.set()

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything is sent, at most *timeout_s* seconds."""
        if not self._in_flight:
            return
        self._idle = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_s)

    def close(self) -> None:
        """Drop what waits and abort what is in flight."""
        self._waiting.clear()
        for report in tuple(self._in_flight):
            report.dispose()
        self._in_flight.clear()
        if self._idle is not None:
            self._idle.set()


class _Report(Exchange):
    """One post: a single attempt."""

    __slots__ = ("_telemetry",)

    def __init__(self, telemetry: Telemetry, request: HttpRequest, send: Transport, scheduler: SchedulerBase) -> None:
        super().__init__(send, request, timeout_s=TIMEOUT_S, scheduler=scheduler, retries=0)
        self._telemetry = telemetry

    def ended(self, result: HttpResponse | Lost) -> None:
        self._telemetry.done(self)

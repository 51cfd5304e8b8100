"""The HTTP pool: one for each event loop, shared by every session on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from .backend import Backend
from .gate import Gate
from .transport import AiohttpTransport
from .typing import Transport

if TYPE_CHECKING:
    import aiohttp

__all__ = ["PRELOADS", "Client", "ClientStats", "backend_of", "leave", "shared_client"]

PRELOADS: Final = 1000
"""
Preloads that are under way at a time. Source: ours; a core has fewer than this on the wire at any latency under 200 ms,
so it is reached by a server that does not answer, and then keeps a process from opening sockets without end.
"""


class ClientStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a client's sessions are doing, and what has come of them; counted from the client's start."""

    sessions: int
    """That are open."""
    in_flight: int
    """Preloads under way, until their answer."""
    queued: int
    """Preloads that wait because `max_preloads` are under way."""
    coalesced: int
    """User messages that were not sent, because a newer one followed within the debounce."""
    cancelled: int
    """Preloads that were let go before they were answered."""
    dropped: int
    """Reports to `/error` and `/debug` that were not sent, because too many waited."""
    internal_errors: int
    """Defects of ours: each has cost a turn its ad, and is in the log."""


class Client:
    """
    A pool of HTTP connections for many sessions; it ends with the loop at the latest.

    Without one, the sessions of an event loop share a client of their own; make one to share it with more care: to
    close it at a moment you choose, or to pass your own `aiohttp.ClientSession` (*http*, which is never closed here) or
    a transport of another kind (*transport*, as `kontext_rx.testing` has one that answers in virtual time).

    Of the preloads *max_preloads* are under way at a time, by default 1,000; the rest wait, and the newest goes first.
    One that has waited for as long as a preload may take ends as an `AdError`.

    Raises `TypeError` when both *http* and *transport* are given, and `ValueError` when *max_preloads* is no number
    from 1 on.
    """

    def __init__(
        self,
        *,
        http: aiohttp.ClientSession | None = None,
        transport: Transport | None = None,
        max_preloads: int = PRELOADS,
    ) -> None:
        if not isinstance(max_preloads, int) or isinstance(max_preloads, bool) or max_preloads < 1:
            raise ValueError(f"max_preloads={max_preloads!r} cannot be used: give a whole number from 1 on")
        if http is not None and transport is not None:
            raise TypeError("give http= or transport=, not both")
        pool = AiohttpTransport(http) if transport is None else None
        self._backend = Backend(pool or transport, Gate(max_preloads), pool)  # pyright: ignore[reportArgumentType]  # one of them is there

    @property
    def transport(self) -> Transport:
        """What sends the requests."""
        return self._backend.transport

    @property
    def stats(self) -> ClientStats:
        """What the sessions are doing now, and what has come of them; a snapshot."""
        gate, tally = self._backend.gate, self._backend.tally
        return ClientStats(
            sessions=tally.sessions,
            in_flight=gate.in_flight,
            queued=gate.queued,
            coalesced=tally.coalesced,
            cancelled=tally.cancelled,
            dropped=tally.dropped,
            internal_errors=tally.internal_errors,
        )

    async def aclose(self) -> None:
        """Abort what is in flight and close the connections. Safe to call again."""
        if self._backend.pool is not None:
            await self._backend.pool.aclose()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()


_shared: Final[dict[asyncio.AbstractEventLoop, Client]] = {}


def shared_client(loop: asyncio.AbstractEventLoop) -> Client:
    """The client that the sessions of *loop* share."""
    client = _shared.get(loop)
    if client is None:
        for closed in [other for other in _shared if other.is_closed()]:
            del _shared[closed]
        client = _shared[loop] = Client()
    return client


def backend_of(client: Client) -> Backend:
    """What the sessions of *client* share."""
    return client._backend  # pyright: ignore[reportPrivateUsage]  # ours: one house


async def leave(loop: asyncio.AbstractEventLoop, backend: Backend) -> None:
    """A session has ended: wait for what it let go, and after the last one close the loop's own client."""
    if backend.pool is not None:
        await backend.pool.settled()
    client = _shared.get(loop)
    if client is not None and backend_of(client) is backend and not backend.tally.sessions:
        del _shared[loop]
        await client.aclose()

"""What the sessions of a client share."""

from __future__ import annotations

from typing import Protocol

from .gate import Gate
from .typing import Transport

__all__ = ["Backend", "Pool", "Tally"]


class Tally:
    """What the sessions of a client count up."""

    __slots__ = ("cancelled", "coalesced", "dropped", "internal_errors", "sessions")

    def __init__(self) -> None:
        self.sessions = self.coalesced = self.cancelled = self.dropped = self.internal_errors = 0


class Pool(Protocol):
    """Connections that were opened here."""

    async def settled(self) -> None:
        """Wait until every request that was let go is off the wire."""
        ...

    async def aclose(self) -> None:
        """Abort what is in flight and close the connections. Safe to call again."""
        ...


class Backend:
    """A transport, the gate in front of it, and the count of what is done with it."""

    __slots__ = ("gate", "pool", "tally", "transport")

    def __init__(self, transport: Transport, gate: Gate, pool: Pool | None) -> None:
        self.transport, self.gate, self.pool = transport, gate, pool
        self.tally = Tally()

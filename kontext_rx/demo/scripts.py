"""Conversations to be played in the page: what was said, in order, read only as far as somebody has got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec

from ..message import Role

__all__ = ["Line", "Script", "Scripts"]


class Line(msgspec.Struct, frozen=True):
    """What one of them says."""

    role: Role
    text: str


class Script(msgspec.Struct, frozen=True):
    """One conversation."""

    title: str
    lines: tuple[Line, ...]


class Scripts:
    """Scripts by number, from 1. They come from *source* as they are asked for, and stay."""

    def __init__(self, source: AsyncIterator[Script], known: Iterable[Script] = ()) -> None:
        self._source, self._known = source, list(known)
        self._reading = asyncio.Lock()

    async def get(self, number: int) -> Script | None:
        """The script with this number; None when there are not so many."""
        if number < 1:
            return None
        async with self._reading:
            while len(self._known) < number:
                try:
                    self._known.append(await anext(self._source))
                except StopAsyncIteration:
                    return None
        return self._known[number - 1]

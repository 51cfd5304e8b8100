"""Conversations of one user, side by side: what happens first goes first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

__all__ = ["ANSWER", "FRAME", "MESSAGE", "Moment", "together"]

ANSWER: Final = 0
"""Of what happens at one instant, timers and answers come first,"""
FRAME: Final = 1
"""then what frames of ads say,"""
MESSAGE: Final = 2
"""then messages; and of two conversations the one that was given first. Source: ours, so that engines agree."""

Moment: TypeAlias = tuple[int, int]
"""When a conversation will go on, in epoch microseconds, and with what."""


def together(conversations: Iterable[Iterator[Moment]]) -> None:
    """Play conversations that each say when they go on, the earliest first, to their ends."""
    waiting: list[tuple[Moment, int, Iterator[Moment]]] = []
    for number, conversation in enumerate(conversations):
        if (moment := next(conversation, None)) is not None:
            waiting.append((moment, number, conversation))
    heapq.heapify(waiting)
    while len(waiting) > 1:
        _, number, conversation = waiting[0]
        if (moment := next(conversation, None)) is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (moment, number, conversation))
    for _, _, conversation in waiting:  # the last one goes on by itself
        for _ in conversation:
            pass

"""Where the traces to draw come from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias, cast

from kontext_rx.session import Session
from kontext_rx.trace import Trace

__all__ = ["Source", "Traced", "traces_of"]


class Traced(Protocol):
    """What remembers what a session did, such as a recording."""

    @property
    def traces(self) -> Sequence[Trace]:
        """All that is remembered."""
        ...


Source: TypeAlias = Session | Traced | Iterable[Trace]


def traces_of(source: Source) -> tuple[Trace, ...]:
    """
    What happened in *source*, by time.

    Raises `TypeError` for what is no session, no recording and no iterable of traces.
    """
    if isinstance(source, Session):
        given: object = source._internals().ledger.traces  # pyright: ignore[reportPrivateUsage]  # ours: one package
    else:
        given = getattr(source, "traces", source)
    if not isinstance(given, Iterable) or isinstance(given, str | bytes):
        raise TypeError(f"give a Session, a Recording or an iterable of traces, not {type(source).__name__}")
    traces = tuple(cast("Iterable[object]", given))
    for place, trace in enumerate(traces):
        if not isinstance(trace, Trace):
            raise TypeError(f"item {place} is {type(trace).__name__}, and no trace: give what a session did")
        if isinstance(trace.at, bool) or not isinstance(trace.at, int | float) or not math.isfinite(trace.at):
            raise TypeError(f"item {place} happened at {trace.at!r}: give epoch seconds")
    return tuple(sorted(cast("tuple[Trace, ...]", traces), key=lambda trace: trace.at))

"""What a person sees: notices, progress, and the summary at the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .summary import Summary, Tally

__all__ = ["FRAME_S", "Screen", "clock", "counts_line", "many", "repeated", "report", "skipped"]

FRAME_S: Final = 0.1
"""Seconds between two looks at a display on a terminal. Source: ours; drawing costs a millisecond or two."""

LINE_S: Final = 5.0
"""Seconds between two lines of progress where there is no terminal. Source: ours."""

NOTICES: Final = 100
"""Notices of one kind that are printed; the rest are counted. Source: ours."""

BAR_WIDTH: Final = 40

REASONS_SHOWN: Final = 5


class Screen:
    """
    Standard output for what was asked for, standard error for everything else.

    On a terminal (and not a dumb one) displays are live, elsewhere they are lines.
    """

    def __init__(self) -> None:
        self.out = Console(highlight=False)
        self.err = Console(stderr=True, highlight=False)
        self._notices: dict[str, int] = {}

    def notice(self, text: str, *, kind: str | None = None) -> None:
        """Say something on standard error, on one line. Of one *kind* only the first hundred are said."""
        if kind is not None:
            self._notices[kind] = count = self._notices.get(kind, 0) + 1
            if count > NOTICES:
                return
        self.err.print(Text(text), soft_wrap=True)

    def left_out(self, kind: str) -> int:
        """How many notices of a *kind* were not said."""
        return max(0, self._notices.get(kind, 0) - NOTICES)

    @contextlib.asynccontextmanager
    async def progress(self, tally: Tally, total: Callable[[], int | None], *, lines: bool) -> AsyncGenerator[None]:
        """
        Show how far it is while the block runs: a bar on a terminal, else a line every five seconds if *lines*.

        *total* is asked how many conversations there will be.
        """
        started = time.monotonic()
        if self.err.is_interactive:
            with self.live(lambda: _progress(tally, total(), time.monotonic() - started), self.err) as shown:
                async with repeated(FRAME_S, shown.refresh):
                    yield
        elif lines:
            async with repeated(LINE_S, lambda: self.notice(counts_line(tally, total()))):
                yield
        else:
            yield

    def live(self, draw: Callable[[], RenderableType], console: Console) -> Live:
        """A live display that is gone when it ends; drawn when it is told to, by no thread."""
        return Live(get_renderable=draw, console=console, auto_refresh=False, transient=True)


@contextlib.asynccontextmanager
async def repeated(every_s: float, action: Callable[[], object]) -> AsyncGenerator[None]:
    """Do something again and again, every so many seconds, while the block runs."""

    async def repeat() -> None:
        while True:
            await asyncio.sleep(every_s)
            action()

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def counts_line(tally: Tally, total: int | None) -> str:
    """How far it is, on one line."""
    whole = "" if total is None else f"/{max(total, tally.conversations)}"
    return (
        f"{tally.closed}{whole} conversations, {tally.messages} messages, {tally.preloads} preloads: "
        f"{tally.filled} filled, {tally.no_fill} no fill, {tally.errors} errors, {len(tally.in_flight)} in flight"
    )


def _progress(tally: Tally, total: int | None, elapsed_s: float) -> RenderableType:
    bar = Table.grid(padding=(0, 1))
    whole = None if total is None else max(total, tally.conversations)
    bar.add_row(
        ProgressBar(
            total=whole,
            completed=tally.closed,
            width=BAR_WIDTH,
            pulse=whole is None,
            animation_time=elapsed_s,
            complete_style="green",
            finished_style="green",
        ),
        f"{tally.closed}{'' if whole is None else f'/{whole}'} conversations",
        Text(clock(elapsed_s), "dim"),
    )
    counts = Text.assemble(
        (f"{tally.preloads} preloads", "bold"),
        "  ",
        (f"{tally.filled} filled", "green"),
        "  ",
        (f"{tally.no_fill} no fill", "yellow"),
        "  ",
        (f"{tally.errors} errors", "red" if tally.errors else ""),
        "  ",
        (f"{len(tally.in_flight)} in flight", "cyan"),
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(bar, counts)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: `1:02:03`."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02d}:{second:02d}"


def report(summary: Summary, tally: Tally) -> RenderableType:
    """The summary as a table."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")

    def row(name: str, value: object, more: str = "", style: str = "") -> None:
        table.add_row(Text(name, style), str(value), Text(more))

    row("conversations", summary.conversations, f"in {summary.duration_s:.1f} s")
    row("messages", summary.messages, f"{summary.user_messages} by users")
    row("preloads", summary.preloads, f"and {many(summary.coalesced, 'user message')} coalesced")
    latency = "" if summary.p50_ms is None else f"p50 {summary.p50_ms:.1f} ms, p99 {summary.p99_ms:.1f} ms"
    row("  filled", summary.filled, latency, "green")
    row("  no fill", summary.no_fill, _reasons(tally, "no fill"), "yellow" if summary.no_fill else "")
    row("  errors", summary.errors, _reasons(tally, "error"), "red" if summary.errors else "")
    row("  cancelled", summary.cancelled, _reasons(tally, "cancelled"))
    row("linked", summary.linked, f"to a reply; {summary.unlinked} fills had none")
    if tally.retried:
        row("retries", tally.retried)
    if tally.skipped:
        row("skipped", tally.skipped.total(), skipped(tally))
    return table


def skipped(tally: Tally) -> str:
    """Why messages were skipped, and how many each."""
    return ", ".join(f"{count} with {reason}" for reason, count in tally.skipped.most_common())


def _reasons(tally: Tally, kind: str) -> str:
    found = [
        (reason.removeprefix(f"{kind}: "), count)
        for reason, count in tally.reasons.most_common()
        if reason.startswith(f"{kind}: ")
    ]
    more = ", ..." if len(found) > REASONS_SHOWN else ""
    return ", ".join(f"{reason} {count}" for reason, count in found[:REASONS_SHOWN]) + more


def many(count: int, noun: str) -> str:
    """A count with its noun: `1 line`, `2 lines`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

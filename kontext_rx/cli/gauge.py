"""How far a long computation is: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .screen import BAR_WIDTH, FRAME_S, LINE_S, Screen, clock

__all__ = ["Gauge"]


class Gauge:
    """
    Counts conversations as they are done, for one who works and does not wait; a context manager.

    *total* is how many conversations there will be, about; None when there is no telling.
    """

    def __init__(self, screen: Screen, *, total: int | None, lines: bool) -> None:
        self.done = self.turns = 0
        self._screen, self._total, self._lines = screen, total, lines
        self._began = self._shown = time.monotonic()
        self._live: Live | None = screen.live(self._draw, screen.err) if screen.err.is_interactive else None

    def __enter__(self) -> Gauge:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def reach(self, conversations: int, turns: int) -> None:
        """So many are done."""
        self.done, self.turns = conversations, turns
        self._show()

    def __str__(self) -> str:
        whole = "" if self._total is None else f" of {max(self._total, self.done):,}"
        return f"{self.done:,}{whole} conversations, {self.turns:,} turns"

    def _show(self) -> None:
        now = time.monotonic()
        if now - self._shown < (LINE_S if self._live is None else FRAME_S):
            return
        self._shown = now
        if self._live is not None:
            self._live.refresh()
        elif self._lines:
            self._screen.notice(str(self))

    def _draw(self) -> RenderableType:
        elapsed_s = time.monotonic() - self._began
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(
                total=None if self._total is None else max(self._total, self.done),
                completed=self.done,
                width=BAR_WIDTH,
                pulse=self._total is None,
                animation_time=elapsed_s,
                complete_style="green",
                finished_style="green",
            ),
            str(self),
            Text(clock(elapsed_s), "dim"),
        )
        return bar

"""Ctrl-C and SIGTERM as a cancellation that the command can answer in its own time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Generator

__all__ = ["Stop", "stopped_by_signals"]


class Stop:
    """Whether it was stopped, and by which signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells have it; 0 when it was not stopped."""
        return 0 if self.signal is None else 128 + self.signal


@contextlib.contextmanager
def stopped_by_signals() -> Generator[Stop]:
    """
    The first signal cancels the task inside the block, and the block ends in peace; a second one cancels what follows.

    The task that enters is the one that is cancelled. A cancellation that no signal caused is passed on.
    """
    loop, task, stop = asyncio.get_running_loop(), asyncio.current_task(), Stop()
    assert task is not None

    def on_signal(received: signal.Signals) -> None:
        stop.signal = stop.signal or received
        task.cancel()

    handled: list[signal.Signals] = []
    for one in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows; there asyncio itself cancels on Ctrl-C
            loop.add_signal_handler(one, on_signal, one)
            handled.append(one)
    try:
        yield stop
    except asyncio.CancelledError:
        if not stop and handled:
            raise
        stop.signal = stop.signal or signal.SIGINT
        task.uncancel()
    finally:
        for one in handled:
            loop.remove_signal_handler(one)

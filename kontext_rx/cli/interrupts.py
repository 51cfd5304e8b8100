"""
Ctrl-C that is heard.

Python drops a `KeyboardInterrupt` that comes up where nobody can catch it: in the callback that frees an import's lock,
in a destructor, in a generator that is closed ("Exception ignored in ..."). C code may drop one in silence, as msgspec
does when it hashes a type, and `__set_name__` makes a `RuntimeError` of it. Source: seen with CPython 3.11.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["INTERRUPTED", "held_back", "interruptible"]

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code after Ctrl-C. Source: shells."""

AGAIN_S: Final = 0.2
"""Seconds after which an interruption that was dropped is raised again. Source: ours; a person does not notice."""

REPEATS: Final = hasattr(signal, "setitimer")
"""Whether the system has a timer that interrupts."""


@contextlib.contextmanager
def held_back() -> Generator[None]:
    """Import modules inside: Ctrl-C waits until they are whole, and is raised at the end of the block."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored in the background, or held already
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if received:
        raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible(on_signal: Callable[[], object]) -> Generator[list[int]]:
    """
    Ctrl-C and SIGTERM end the block, with a `KeyboardInterrupt` that does not leave it; the list has which they were.

    It is raised again until somebody answers it, whose clean-up then has all the time it needs. *on_signal* is called
    each time, before. Windows has no such timer: there one presses again.
    """
    received: list[int] = []

    def on_first(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if REPEATS:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S, AGAIN_S)
        on_signal()
        raise KeyboardInterrupt

    def on_again(number: int, frame: FrameType | None) -> None:
        if not _is_answered():
            on_signal()
            raise KeyboardInterrupt

    handlers = {signal.SIGINT: on_first, signal.SIGTERM: on_first}
    if REPEATS:
        handlers[signal.SIGALRM] = on_again
    hook = sys.unraisablehook

    def on_dropped(dropped: UnraisableHookArgs, /) -> None:
        if not (REPEATS and issubclass(dropped.exc_type, KeyboardInterrupt)):  # it comes again: no need to print it
            hook(dropped)

    before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    sys.unraisablehook = on_dropped
    try:
        yield received
    except (KeyboardInterrupt, Exception):  # whatever comes out after a signal, such as a pool's broken, is its doing
        if not received:
            raise
    finally:
        if REPEATS:
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        for one, handler in before.items():
            signal.signal(one, handler)


def _is_answered() -> bool:
    """Whether whoever was interrupted is at an `except` or `finally` for it."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False

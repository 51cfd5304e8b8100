"""Ctrl-C is heard, wherever it falls."""

from __future__ import annotations

import os
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kontext_rx.cli import interrupts
from kontext_rx.cli.interrupts import held_back, interruptible

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there one presses again")


def press(by: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), by)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever happens inside, the signals are as they were before."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(one) for one in signals]
    yield
    assert [signal.getsignal(one) for one in signals] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python prints as "Exception ignored in", and forgets."""
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: printed.append(dropped.exc_type))
    return printed


class Thing:
    """Something that is freed."""


def work() -> None:
    """For as long as nobody interrupts it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.01)
    raise AssertionError("nobody has interrupted it")


def test_an_interruption_waits_until_what_is_imported_is_whole() -> None:
    imported: list[str] = []

    def start() -> None:
        with held_back():
            press()
            imported.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert imported == ["the rest"]


def test_an_interruption_that_is_ignored_stays_ignored() -> None:
    """As a shell has it for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_back():
            press()
        press()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_a_signal_ends_the_block_and_is_named(by: signal.Signals) -> None:
    calls: list[str] = []
    with interruptible(lambda: calls.append("on_signal")) as stop:
        press(by)
        work()
    assert (stop, calls) == ([by], ["on_signal"])


def test_one_that_python_drops_is_raised_again(printed: list[Any]) -> None:
    """In the callback of a weak reference, as importlib has one for each module's lock. Nobody need read of it."""
    thing, went_on = Thing(), False
    reference = weakref.ref(thing, lambda _: press())
    with interruptible(lambda: None) as stop:
        del thing
        went_on = True
        work()
    assert reference() is None
    assert (stop, went_on, printed) == ([signal.SIGINT], True, [])


def test_any_other_error_that_python_drops_is_printed_as_ever(printed: list[Any]) -> None:
    thing = Thing()
    reference = weakref.ref(thing, lambda _: 1 / 0)
    with interruptible(lambda: None):
        del thing
    assert reference() is None
    assert printed == [ZeroDivisionError]


def test_whoever_answers_it_has_time_to_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error on the way does not make it forgotten that it is being answered."""
    monkeypatch.setattr(interrupts, "AGAIN_S", 0.01)
    cleaned: list[str] = []

    def clean_up() -> None:
        try:
            raise OSError("a file is gone")
        except OSError:
            time.sleep(0.1)  # ten of those moments
            cleaned.append("up")

    with interruptible(lambda: None) as stop:
        try:
            press()
            work()
        finally:
            clean_up()
    assert (stop, cleaned) == ([signal.SIGINT], ["up"])


def test_an_error_that_a_signal_has_become_does_not_leave_the_block() -> None:
    with interruptible(lambda: None) as stop:
        try:
            press()
            work()
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error
    assert stop == [signal.SIGINT]


def test_any_other_error_does() -> None:
    with pytest.raises(RuntimeError, match="a defect"), interruptible(lambda: None):
        raise RuntimeError("a defect")

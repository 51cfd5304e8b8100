"""One request and its answer: a timeout for each attempt, pauses between attempts, all on a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import CompositeDisposable, SerialDisposable

from .source import Source
from .typing import HttpRequest, HttpResponse, Transport
from .wire import retry_after_s

__all__ = ["RETRIES", "Lost", "Retry", "exchange"]

RETRIES: Final = 3
"""Attempts after the first. Source: the official SDKs."""

PAUSE_S: Final = 1.0
"""Seconds before the first retry; each pause is twice the one before. Source: the official SDKs."""

LONGEST_PAUSE_S: Final = 30.0
"""A `Retry-After` that asks for more ends the attempts. Source: ours, the official SDKs do not read it."""

TOO_MANY_REQUESTS: Final = 429


class Lost(msgspec.Struct, frozen=True):
    """No usable answer, after every attempt there was."""

    why: str
    error: Exception | None = None
    again: bool = True
    """Whether another attempt could help."""


class Retry(msgspec.Struct, frozen=True):
    """Attempt number *attempt* follows in *delay_s* seconds, because of *why*."""

    attempt: int
    delay_s: float
    why: str


def exchange(
    send: Transport,
    request: HttpRequest,
    *,
    timeout_s: float,
    scheduler: SchedulerBase,
    retries: int = RETRIES,
    on_retry: Callable[[Retry], None] | None = None,
) -> Observable[HttpResponse | Lost]:
    """
    The answer to *request*, or `Lost`; then it completes. It never errors.

    Each attempt has *timeout_s* seconds. A network failure, a timeout and a 429 are tried again after 1, 2 and 4
    seconds, a 429 with `Retry-After` not before that; any other status is an answer. Disposing interrupts an attempt
    or a pause at once. With a server that never answers, the default timeout of 16 s makes this 4 * 16 + 7 = 71 s.

        request:  --x          (fails)
                       --429   (a pause of 1 s later)
                              --r|
        exchange: --------------r|
    """

    def subscribe(observer: ObserverBase[HttpResponse | Lost], _: SchedulerBase | None = None) -> DisposableBase:
        under_way = SerialDisposable()  # an attempt, or the pause before the next

        def attempt(number: int) -> None:
            live = CompositeDisposable()
            under_way.disposable = live
            ended = False

            def end(result: HttpResponse | Lost) -> None:
                nonlocal ended
                if ended:
                    return
                ended = True
                delay_s = pause_s(result, number, retries, scheduler)
                if delay_s is None:
                    under_way.dispose()
                    observer.on_next(_final(result))
                    observer.on_completed()
                    return
                under_way.disposable = scheduler.schedule_relative(delay_s, lambda _, __=None: attempt(number + 1))
                if on_retry is not None:
                    on_retry(Retry(number + 1, delay_s, _why(result)))

            def fail(error: Exception) -> None:
                end(Lost(_text(error), error, again=isinstance(error, OSError)))

            live.add(
                scheduler.schedule_relative(
                    timeout_s, lambda _, __=None: end(Lost(f"no answer within {timeout_s:g} s"))
                )
            )
            try:
                answer = send(request)
            except Exception as error:  # a transport of the app's own, which should have made it an error of the stream
                fail(error)
                return
            live.add(
                answer.subscribe(
                    end,
                    fail,
                    lambda: end(Lost("the transport gave no answer", again=False)),
                    scheduler=scheduler,
                )
            )

        attempt(1)
        return under_way

    return Source(subscribe)


def pause_s(result: HttpResponse | Lost, number: int, retries: int, scheduler: SchedulerBase) -> float | None:
    """Seconds to wait after attempt *number*, or None when there is no further attempt."""
    if number > retries:
        return None
    pause = PAUSE_S * 2 ** (number - 1)
    match result:
        case HttpResponse(status=429, headers=headers):
            asked = retry_after_s(headers, scheduler.now)
            longest = max(pause, asked or 0.0)
            return longest if asked is None or asked <= LONGEST_PAUSE_S else None
        case Lost(again=True):
            return pause
        case _:
            return None


def _final(result: HttpResponse | Lost) -> HttpResponse | Lost:
    limited = isinstance(result, HttpResponse) and result.status == TOO_MANY_REQUESTS
    return Lost(_why(result)) if limited else result


def _why(result: HttpResponse | Lost) -> str:
    return result.why if isinstance(result, Lost) else f"HTTP {result.status}"


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__

"""One request and its answer: a timeout for each attempt, pauses between attempts, all on a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .source import Source
from .typing import HttpRequest, HttpResponse, Transport
from .wire import retry_after_s

__all__ = ["RETRIES", "Arrival", "Lost", "Post", "Retry", "exchange"]

RETRIES: Final = 3
"""Attempts after the first. Source: the official SDKs."""

PAUSE_S: Final = 1.0
"""Seconds before the first retry; each pause is twice the one before. Source: the official SDKs."""

LONGEST_PAUSE_S: Final = 30.0
"""A `Retry-After` that asks for more ends the attempts. Source: ours, the official SDKs do not read it."""

TOO_MANY_REQUESTS: Final = 429


Arrival: TypeAlias = HttpResponse | Exception | None
"""What an attempt ends with: a response, an error, or an end without either."""


class Lost(msgspec.Struct, frozen=True):
    """No usable answer, after every attempt there was."""

    why: str
    error: Exception | None = None
    again: bool = True
    """Whether another attempt could help."""


class Retry(msgspec.Struct, frozen=True, gc=False):
    """Attempt number *attempt* follows in *delay_s* seconds, because of *why*."""

    attempt: int
    delay_s: float
    why: str


class Post(Protocol):
    """Counts what is sent, and lets in what comes back."""

    def posted(self) -> int:
        """An attempt goes out; gives its number."""
        ...

    def let_in(self, number: int, answer: Arrival, deliver: Callable[[Arrival], None], /) -> None:
        """Attempt *number* has ended with *answer*: pass it to *deliver*, and to whom else it may concern."""
        ...


def exchange(
    send: Transport,
    request: HttpRequest,
    *,
    timeout_s: float,
    scheduler: SchedulerBase,
    retries: int = RETRIES,
    on_retry: Callable[[Retry], None] | None = None,
    post: Post | None = None,
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
        attempts = _Attempts(send, request, timeout_s, scheduler, retries, on_retry, post, observer)
        attempts.next()
        return attempts

    return Source(subscribe)


class _Attempts(DisposableBase):
    """One subscription: attempts and the pauses between them, one at a time."""

    __slots__ = (
        "_number",
        "_observer",
        "_on_retry",
        "_request",
        "_retries",
        "_send",
        "_under_way",
        "post",
        "scheduler",
        "timeout_s",
    )

    def __init__(
        self,
        send: Transport,
        request: HttpRequest,
        timeout_s: float,
        scheduler: SchedulerBase,
        retries: int,
        on_retry: Callable[[Retry], None] | None,
        post: Post | None,
        observer: ObserverBase[HttpResponse | Lost],
    ) -> None:
        self._send, self._request, self._retries, self._on_retry = send, request, retries, on_retry
        self.timeout_s, self.scheduler, self.post = timeout_s, scheduler, post
        self._observer: ObserverBase[HttpResponse | Lost] | None = observer
        self._number = 0
        self._under_way: DisposableBase | None = None  # an attempt, or the pause before the next

    def next(self, *_: object) -> None:
        """Make an attempt."""
        self._number += 1
        attempt = self._under_way = _Attempt(self)
        attempt.start(self._send, self._request)

    def ended(self, result: HttpResponse | Lost) -> None:
        """Pause for another attempt, or give *result*."""
        observer = self._observer
        if observer is None:
            return
        delay_s = pause_s(result, self._number, self._retries, self.scheduler)
        if delay_s is None:
            self.dispose()
            observer.on_next(_final(result))
            observer.on_completed()
            return
        self._under_way = self.scheduler.schedule_relative(delay_s, self.next)
        if self._on_retry is not None:
            self._on_retry(Retry(self._number + 1, delay_s, _why(result)))

    def dispose(self) -> None:
        self._observer = None
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.dispose()


class _Attempt(ObserverBase[HttpResponse], DisposableBase):
    """A request under way, and its timeout; the first of an answer, an error, an end and the timeout counts."""

    __slots__ = ("_attempts", "_number", "_sending", "_timer")

    def __init__(self, attempts: _Attempts) -> None:
        self._attempts: _Attempts | None = attempts
        self._number = -1 if attempts.post is None else attempts.post.posted()
        self._sending: DisposableBase | None = None
        self._timer = attempts.scheduler.schedule_relative(attempts.timeout_s, self._too_late)

    def start(self, send: Transport, request: HttpRequest) -> None:
        """Send it."""
        attempts = self._attempts
        if attempts is None:
            return
        try:
            sending = send(request).subscribe(self, scheduler=attempts.scheduler)
        except Exception as error:  # a transport of the app's own, which should have made it an error of the stream
            self.on_error(error)
            return
        if self._attempts is None:  # it was answered, or let go, before it was sent
            sending.dispose()
        else:
            self._sending = sending

    def on_next(self, value: HttpResponse) -> None:
        self._arrived(value)

    def on_error(self, error: Exception) -> None:
        self._arrived(error)

    def on_completed(self) -> None:
        self._arrived(None)

    def dispose(self) -> None:
        self._attempts = None
        self._timer.dispose()
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.dispose()

    def _arrived(self, answer: Arrival) -> None:
        if self._attempts is None:
            return
        if self._attempts.post is None:
            self._judge(answer)
        else:
            self._attempts.post.let_in(self._number, answer, self._judge)

    def _judge(self, answer: Arrival) -> None:
        match answer:
            case HttpResponse():
                self._end(answer)
            case Exception():
                self._end(Lost(_text(answer), answer, again=isinstance(answer, OSError)))
            case None:
                self._end(Lost("the transport gave no answer", again=False))

    def _too_late(self, *_: object) -> None:
        if self._attempts is not None:
            self._end(Lost(f"no answer within {self._attempts.timeout_s:g} s"))

    def _end(self, result: HttpResponse | Lost) -> None:
        attempts = self._attempts
        if attempts is not None:
            self.dispose()
            attempts.ended(result)


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

"""One request and its answer: a timeout for each attempt, pauses between attempts, all on a scheduler."""

from __future__ import annotations

from typing import Final, Protocol, TypeAlias

import msgspec
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .gate import Gate
from .typing import HttpRequest, HttpResponse, Transport
from .wire import retry_after_s

__all__ = ["RETRIES", "Arrival", "CrowdedOutError", "Exchange", "Lost", "Post", "Retry"]

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


class CrowdedOutError(Exception):
    """So many requests were under way for so long that this one was never sent."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(waited_s)
        self.waited_s = waited_s

    def __str__(self) -> str:
        return f"not sent within {self.waited_s:g} s: too many preloads are under way"


class Post(Protocol):
    """Counts what is sent, and lets in what comes back."""

    def posted(self) -> int:
        """An attempt goes out; gives its number."""
        ...

    def let_in(self, exchange: Exchange, arrival: Arrival, /) -> None:
        """An attempt of *exchange*, its *number*, has ended: let it take what has arrived."""
        ...


class Exchange(ObserverBase[HttpResponse], DisposableBase):
    """
    One request and its answer: attempts, and the pauses between them, one at a time.

    Each attempt has *timeout_s* seconds; the first of an answer, an error, an end and the timeout counts. A network
    failure, a timeout and a 429 are tried again after 1, 2 and 4 seconds, a 429 with `Retry-After` not before that; any
    other status is an answer. Disposing interrupts an attempt or a pause at once. With a server that never answers, the
    default timeout of 16 s makes this 4 * 16 + 7 = 71 s.

    At a *gate* that lets nobody through an attempt waits, at most as long as its timeout; then it is lost, and there is
    no other: more attempts are the last thing that a crowd needs.

    It is the observer of what the transport gives, and its own subscription: a turn has one of it, and nothing else.

        request:  --x          (fails)
                       --429   (a pause of 1 s later)
                              --r|
        ended:    --------------r
    """

    __slots__ = (
        "_attempt",
        "_gate",
        "_is_out",
        "_post",
        "_request",
        "_retries",
        "_scheduler",
        "_send",
        "_sending",
        "_timeout_s",
        "_timer",
        "number",
    )

    def __init__(
        self,
        send: Transport,
        request: HttpRequest,
        *,
        timeout_s: float,
        scheduler: SchedulerBase,
        retries: int = RETRIES,
        post: Post | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._send, self._request, self._retries, self._post, self._gate = send, request, retries, post, gate
        self._timeout_s, self._scheduler = timeout_s, scheduler
        self._attempt = 0
        self.number = -1
        """Of the attempt that is out, or was, as `post` counts."""
        self._is_out = False
        self._timer: DisposableBase | None = None  # the timeout of an attempt, or the pause before the next
        self._sending: DisposableBase | None = None

    def ended(self, result: HttpResponse | Lost) -> None:
        """Take the answer, or `Lost`. Called once, and last."""
        raise NotImplementedError

    def retrying(self, retry: Retry) -> None:
        """An attempt has failed, and another follows."""

    @property
    def patience(self) -> SchedulerBase:
        """What the wait at a gate goes by."""
        return self._scheduler

    def attempt(self) -> None:
        """Make an attempt."""
        self._attempt += 1
        self._is_out = True
        if self._post is not None:
            self.number = self._post.posted()
        if self._gate is None or self._gate.enter(self):
            self._go()
        else:
            self._timer = self.patience.schedule_relative(self._timeout_s, _crowded_out, self)

    def admit(self) -> None:
        """The gate lets it through."""
        waited, self._timer = self._timer, None
        if waited is not None:
            waited.dispose()
        self._go()

    def _go(self) -> None:
        self._timer = self._scheduler.schedule_relative(self._timeout_s, _too_late, self)
        attempt = self._attempt
        try:
            sending = self._send(self._request).subscribe(self, scheduler=self._scheduler)
        except Exception as error:  # a transport of the app's own, which should have made it an error of the stream
            self.on_error(error)
            return
        if self._is_out and self._attempt == attempt:
            self._sending = sending
        else:  # it was answered, or let go, before it was sent
            sending.dispose()

    def on_next(self, value: HttpResponse) -> None:
        """The transport gives an answer."""
        if self._is_out:
            self._arrived(value)

    def on_error(self, error: Exception) -> None:
        """The transport has failed."""
        if self._is_out:
            self._arrived(error)

    def on_completed(self) -> None:
        """The transport has ended: without an answer, unless there was one."""
        if self._is_out:
            self._arrived(None)

    def dispose(self) -> None:
        """Let go of the attempt, or of the pause."""
        was_out, self._is_out = self._is_out, False
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.dispose()
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.dispose()
        if was_out and self._gate is not None:
            self._gate.leave(self)

    def take(self, arrival: Arrival | Lost) -> None:
        """An attempt has ended: with an answer, or for a reason that may be worth another."""
        result = arrival if isinstance(arrival, HttpResponse) else _lost(arrival)
        Exchange.dispose(self)
        if isinstance(result, HttpResponse) and result.status != TOO_MANY_REQUESTS:
            self.ended(result)
            return
        delay_s = pause_s(result, self._attempt, self._retries, self._scheduler)
        if delay_s is None:
            self.ended(_final(result))
        else:
            self._timer = self._scheduler.schedule_relative(delay_s, _again, self)
            self.retrying(Retry(self._attempt + 1, delay_s, _why(result)))

    def _arrived(self, arrival: Arrival) -> None:
        if self._post is None:
            self.take(arrival)
        else:
            self._post.let_in(self, arrival)

    def late(self) -> None:
        """The time of an attempt is up."""
        if self._is_out:
            self.take(Lost(f"no answer within {self._timeout_s:g} s"))

    def crowded_out(self) -> None:
        """The time in front of the gate is up."""
        # By the same way as an answer, since no other session's traffic is in this one's recording.
        if self._is_out:
            self._arrived(CrowdedOutError(self._timeout_s))


def _too_late(_: SchedulerBase, exchange: Exchange | None) -> None:
    if exchange is not None:
        exchange.late()


def _crowded_out(_: SchedulerBase, exchange: Exchange | None) -> None:
    if exchange is not None:
        exchange.crowded_out()


def _again(_: SchedulerBase, exchange: Exchange | None) -> None:
    if exchange is not None:
        exchange.attempt()


def _lost(arrival: Exception | Lost | None) -> Lost:
    match arrival:
        case Lost():
            return arrival
        case None:
            return Lost("the transport gave no answer", again=False)
        case _:
            return Lost(_text(arrival), arrival, again=isinstance(arrival, OSError))


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

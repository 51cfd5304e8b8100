"""
For tests of apps, and for notebooks: the real session in virtual time, against an ad server that is a few lines.

    clock = VirtualClock("2026-03-02T08:15:00Z")
    server = VirtualAdServer(clock)
    session = virtual_session(server)
    session.events.subscribe(print)
    session.add_message(Message.user("m1", "Any tent for two?"))
    clock.advance(1)

Nothing here sleeps, opens a socket or needs an event loop.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable
from reactivex.notification import Notification, OnCompleted, OnError, OnNext
from reactivex.scheduler import VirtualTimeScheduler
from reactivex.testing import Recorded, TestScheduler
from reactivex.testing.coldobservable import ColdObservable
from reactivex.testing.hotobservable import HotObservable
from reactivex.testing.subscription import Subscription

from .client import Client
from .create import create_session
from .session import Session
from .typing import HttpRequest, HttpResponse

__all__ = [
    "Answer",
    "Marbles",
    "ReceivedRequest",
    "VirtualAdServer",
    "VirtualClock",
    "failure",
    "fill",
    "network_error",
    "no_fill",
    "silence",
    "status",
    "virtual_session",
]

T = TypeVar("T")

START: Final = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)


class VirtualClock(VirtualTimeScheduler):
    """
    A scheduler whose time stands still until it is moved; it starts at *start*, a moment with a time zone.

    Raises `ValueError` when *start* has none.
    """

    def __init__(self, start: dt.datetime | str = START) -> None:
        moment = dt.datetime.fromisoformat(start) if isinstance(start, str) else start
        if moment.utcoffset() is None:
            raise ValueError(f"start={start!r} cannot be used: give a moment with a time zone, such as '...T08:15:00Z'")
        super().__init__(moment.astimezone(dt.UTC))

    @property
    def at(self) -> float:
        """Now, in epoch seconds."""
        return self.to_seconds(self.now)

    def advance(self, seconds: float) -> None:
        """
        Let *seconds* pass, and everything happen that is due until then, the end included.

        With 0 what is due now happens. What an action raises comes out of here, and the clock can go on.
        Raises `RuntimeError` when it is called from inside something that it makes happen.
        """
        if self._is_enabled:
            raise RuntimeError("advance() is already under way: schedule what is to happen later")
        try:
            if seconds:
                self.advance_by(seconds)
            else:
                self._run_due()
        finally:
            self.stop()

    def _run_due(self) -> None:
        """What `advance_to` does not do when it is told to stay where it is."""
        self._is_enabled = True
        while self._queue and self._queue.peek().duetime <= self.now:
            item = self._queue.dequeue()
            if not item.is_cancelled():
                item.invoke()


class Answer(msgspec.Struct, frozen=True):
    """What the server does with a request: an answer after some seconds, an error, or nothing at all."""

    response: HttpResponse | Exception | None
    after: float | None = None
    """Seconds; the server's latency when None."""

    def in_(self, seconds: float) -> Answer:
        """The same, *seconds* after the request."""
        return Answer(self.response, seconds)


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with *body* as JSON."""
    return Answer(HttpResponse(status, msgspec.json.encode(body), headers or {}))


SESSION_ID: Final = "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"


def fill(*codes: str, revenue: float | None = None, bid_id: str | None = None, session_id: str = SESSION_ID) -> Answer:
    """A bid for each of *codes* (`inlineAd` when none is given)."""
    bids = [
        {"bidId": bid_id or str(uuid.uuid4()), "code": code, **({} if revenue is None else {"revenue": revenue})}
        for code in codes or ("inlineAd",)
    ]
    return json_answer({"sessionId": session_id, "bids": bids})


def no_fill(skip_code: str = "unfilled_bid", session_id: str = SESSION_ID) -> Answer:
    """A deliberate skip."""
    return json_answer({"sessionId": session_id, "skip": True, "skipCode": skip_code})


def failure(err_code: str, *, permanent: bool = False) -> Answer:
    """An error of the server's; *permanent* disables the session."""
    return json_answer({"errCode": err_code, "permanent": permanent})


def status(code: int, headers: Mapping[str, str] | None = None) -> Answer:
    """A bare status, such as 204, 429 or 503; header names in lower case."""
    return Answer(HttpResponse(code, b"", headers or {}))


def network_error(text: str = "connection reset") -> Answer:
    """The network fails."""
    return Answer(ConnectionError(text))


def silence() -> Answer:
    """The server never answers."""
    return Answer(None)


class ReceivedRequest:
    """One request as the server saw it. Times are epoch seconds; `ended_at` is None while it is open."""

    def __init__(self, request: HttpRequest, at: float) -> None:
        self.path = request.url[request.url.rindex("/") :]
        self.url = request.url
        self.headers = dict(request.headers)
        self.body: dict[str, Any] = json.loads(request.body)  # as lenient as the servers it stands for
        self.at = at
        self.ended_at: float | None = None
        self.aborted = False

    def __repr__(self) -> str:
        return f"<{self.path} at {self.at:.3f}{' aborted' if self.aborted else ''}>"

    @property
    def message_ids(self) -> list[str]:
        """The ids of the messages it carries."""
        return [message["id"] for message in self.body.get("messages", [])]


class VirtualAdServer:
    """
    A transport that answers in virtual time: pass it as `Client(transport=server)`, or use `virtual_session`.

    Every preload fills after *latency* seconds, until `answers["/preload"]` has other plans; `/init` answers `{}`.
    """

    def __init__(self, clock: VirtualTimeScheduler, *, latency: float = 0.05) -> None:
        self.clock = clock
        self.latency = latency
        self.requests: list[ReceivedRequest] = []
        self.answers: dict[str, deque[Answer]] = {}
        self.default: dict[str, Callable[[ReceivedRequest], Answer]] = {
            "/init": lambda _: json_answer({}),
            "/preload": lambda request: fill(request.body["enabledPlacementCodes"][0]),
        }

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        """The request as a cold observable in virtual time."""

        def subscribe(observer: ObserverBase[HttpResponse], _: SchedulerBase | None = None) -> DisposableBase:
            received = ReceivedRequest(request, self._now())
            self.requests.append(received)
            planned = self.answers.get(received.path)
            default = self.default.get(received.path, lambda _: status(204))
            answer = planned.popleft() if planned else default(received)

            def end(_: SchedulerBase, __: object = None) -> None:
                received.ended_at = self._now()
                if isinstance(answer.response, Exception):
                    observer.on_error(answer.response)
                elif answer.response is not None:
                    observer.on_next(answer.response)
                    observer.on_completed()

            def let_go() -> None:
                if received.ended_at is None:
                    received.ended_at, received.aborted = self._now(), True
                timer.dispose()

            after = self.latency if answer.after is None else answer.after
            timer = Disposable() if answer.response is None else self.clock.schedule_relative(after, end)
            return Disposable(let_go)

        return Observable(subscribe)

    def plan(self, path: str, *answers: Answer) -> None:
        """Answer the next requests to *path* so, one each."""
        self.answers.setdefault(path, deque()).extend(answers)

    def received(self, path: str) -> list[ReceivedRequest]:
        """The requests to *path*, in order, retries included."""
        return [request for request in self.requests if request.path == path]

    @property
    def preloads(self) -> list[ReceivedRequest]:
        """The requests to `/preload`."""
        return self.received("/preload")

    def _now(self) -> float:
        return self.clock.to_seconds(self.clock.now)


def virtual_session(server: VirtualAdServer, **options: Any) -> Session:
    """A real session on *server*'s clock; *options* are those of `create_session`, with ids made up where missing."""
    made_up: dict[str, Any] = {
        "publisher_token": "test-token",
        "user_id": "user-1",
        "conversation_id": "conversation-1",
        "install_id": "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31",
        "ad_server_url": "https://ads.test",
        "client": Client(transport=server),
        "scheduler": server.clock,
    }
    return create_session(**{**made_up, **options})


class Marbles:
    """
    Streams as diagrams: one character is *frame* seconds, spaces only align.

    `-` is a time in which nothing happens, a letter a value, `(ab)` values of one instant (together one character's
    time), `|` the end, `#` an error. In the life of a subscription, `^` is where it begins and `!` where it ends.
    """

    def __init__(self, frame: float = 1.0) -> None:
        self.frame = frame
        self.scheduler = TestScheduler()

    def hot(self, diagram: str, **values: Any) -> HotObservable[Any]:
        """A stream that goes on whether or not somebody listens."""
        return HotObservable(self.scheduler, self._recorded(diagram, values))

    def cold(self, diagram: str, **values: Any) -> ColdObservable[Any]:
        """A stream that starts when it is subscribed."""
        return _Cold(self.scheduler, self._recorded(diagram, values))

    def check(self, stream: Observable[Any], expected: str, **values: Any) -> None:
        """Subscribe now, let time pass, and compare what came with *expected*."""
        seen: list[Mark] = []
        began = self.scheduler.clock

        def note(kind: str, value: object = None) -> None:
            seen.append((self._frames(self.scheduler.clock - began), kind, value))

        stream.subscribe(
            lambda value: note("value", value),
            lambda error: note("error", str(error)),
            lambda: note("end"),
            scheduler=self.scheduler,
        )
        self.scheduler.advance_by((len(expected) + 1000) * self.frame)
        wanted = _marks(expected, values)
        assert seen == wanted, f"\n  came:     {seen}\n  expected: {wanted}"

    def check_subscribed(self, stream: HotObservable[Any] | ColdObservable[Any], *lives: str) -> None:
        """Compare when *stream* was subscribed and let go with one diagram a subscription."""
        seen = [
            (self._frames(life.subscribe), None if life.unsubscribe == sys.maxsize else self._frames(life.unsubscribe))
            for life in stream.subscriptions
        ]
        assert seen == [_life(life) for life in lives], f"{seen} instead of {list(lives)}"

    def _frames(self, seconds: float) -> float:
        return round(seconds / self.frame, 3)

    def _recorded(self, diagram: str, values: Mapping[str, Any]) -> list[Recorded[Any]]:
        kinds: dict[str, Callable[[Any], Notification[Any]]] = {
            "value": OnNext,
            "error": lambda text: OnError(ValueError(text)),
            "end": lambda _: OnCompleted(),
        }
        marks = _marks(diagram, values)
        return [Recorded(cast(int, frames * self.frame), kinds[kind](value)) for frames, kind, value in marks]


class _Cold(ColdObservable[T]):
    """RxPY's own cuts the time at which it is let go to whole seconds."""

    def _subscribe_core(
        self, observer: ObserverBase[T] | None = None, scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        index, began = len(self.subscriptions), self.scheduler.clock
        subscription = super()._subscribe_core(observer, scheduler)

        def let_go() -> None:
            subscription.dispose()
            self.subscriptions[index] = Subscription(began, self.scheduler.clock)

        return Disposable(let_go)


Mark = tuple[float, str, object]
"""A time in characters, `value`, `error` or `end`, and the value or the error's text."""


def _marks(diagram: str, values: Mapping[str, Any]) -> list[Mark]:
    marks: list[Mark] = []
    time, grouped = 0.0, False
    for mark in diagram.replace(" ", ""):
        match mark:
            case "(":
                grouped = True
                continue
            case ")":
                grouped = False
            case "-":
                pass
            case "|":
                marks.append((time, "end", None))
            case "#":
                marks.append((time, "error", "#"))
            case _:
                marks.append((time, "value", values.get(mark, mark)))
        time += not grouped
    return marks


def _life(diagram: str) -> tuple[float, float | None]:
    marks = diagram.replace(" ", "")
    return float(marks.index("^")), float(marks.index("!")) if "!" in marks else None

"""What entered a session, run again: the real session, on a clock and a server that follow the recording."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar, cast

import msgspec
import reactivex as rx
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, ScheduledAction, SchedulerBase
from reactivex.disposable import Disposable
from reactivex.scheduler import ImmediateScheduler
from reactivex.scheduler.periodicscheduler import PeriodicScheduler
from reactivex.typing import AbsoluteTime, RelativeTime

from ..ad import Ad
from ..client import Client
from ..create import create_session
from ..errors import InvalidOptionError, KontextError
from ..hosts.recording import RecordingHost
from ..message import Message, Turn
from ..pacing import AnyRule, Decision, Go, Hold, Rule
from ..pacing.reading import Kept
from ..session import Session
from ..source import Source
from ..trace import PreloadStep
from ..typing import HttpRequest, HttpResponse
from .entries import Answered, Called, Framed, Init, Input, MessageAdded, Rang, RecordingError
from .recorder import record
from .recording import Recording

__all__ = ["replay"]

T = TypeVar("T")

INSTALL_ID: Final = "00000000-0000-7000-8000-000000000000"


def replay(recording: Recording, rules: AnyRule | None) -> Recording:
    """The recording of what *recording*'s inputs make the session do; see `Recording.replay`."""
    if rules is not None and not isinstance(rules, Rule):
        raise InvalidOptionError("rules", rules, "give a rule of kontext_rx.pacing")
    header = recording.header
    clock, server = _Clock(header.at), _Server()
    unread = _Unread()
    pacing = _as_recorded(recording) if rules is None else rules if header.texts else unread.guard(rules)
    session = create_session(
        publisher_token="recorded",
        user_id=header.user,
        conversation_id=header.conversation_id,
        enabled_placement_codes=header.enabled_placement_codes,
        ad_server_url=header.ad_server_url,
        ad_ttl=header.ad_ttl,
        install_id=INSTALL_ID,
        context=None if header.timezone is None else {"timezone": header.timezone},
        enabled=header.enabled,
        client=Client(transport=server) if header.enabled else None,
        scheduler=clock,
        pacing=pacing,
    )
    if header.init is not None and header.enabled:
        server.deliver(0, _init_answer(header.init))
    replayed = record(session, texts=header.texts)
    replayed.header = msgspec.structs.replace(header, rule=replayed.header.rule)
    server.sent = header.requests
    stage = _Stage(session, clock, server)
    for given in recording.inputs:
        try:
            stage.play(given)
        except KontextError:  # the app's call raised then, too
            continue
    if unread.was_read:
        raise RecordingError("the rules read the text of messages, and this recording has none: record with texts=True")
    clock_tap = session._internals().clock  # pyright: ignore[reportPrivateUsage]  # ours: the recorder's other side
    clock_tap.tap = None  # what ends it now is not part of it
    session.destroy()
    return replayed


def _as_recorded(recording: Recording) -> AnyRule | None:
    """A rule that decides as was decided."""
    if recording.header.rule is None:
        return None
    decisions: dict[str, Decision] = {}
    for step in recording.traces:
        if isinstance(step, PreloadStep) and step.name == "sent" and step.reason is not None:
            decisions[step.user_message_id] = (Hold if step.track_only else Go)(step.reason)

    def decide(state: None, turn: Turn) -> tuple[None, Decision]:
        # A turn that was decided and not sent, by a session that was disabled, has no decision on record.
        return state, decisions.get(turn.message.id, Go("not recorded"))

    return Rule(decide, start=None)


def _init_answer(init: Init) -> HttpResponse:
    body: dict[str, Any] = {
        "enabled": init.enabled,
        "reportErrors": init.report_errors,
        "reportDebug": init.report_debug,
    }
    if init.preload_timeout_ms is not None:
        body["preloadTimeout"] = init.preload_timeout_ms
    return HttpResponse(200, msgspec.json.encode(body), {"content-type": "application/json"})


class _Stage:
    """Makes each input happen again."""

    def __init__(self, session: Session, clock: _Clock, server: _Server) -> None:
        self._session, self._clock, self._server = session, clock, server
        self._ads: dict[tuple[str, str], Ad] = {}
        self._hosts: dict[tuple[str, str], RecordingHost] = {}

    def play(self, given: Input) -> None:
        self._clock.at = given.at
        match given:
            case MessageAdded():
                message = Message(given.id, given.role, given.content, given.created_at)
                self._session.add_message(message, track_only=given.track_only)
            case Rang(due=due):
                self._clock.ring(due)
            case Answered():
                self._server.deliver(given.number, _answer(given))
            case Framed(message_id=message_id, code=code, data=data, source=source):
                if (host := self._hosts.get((message_id, code))) is not None:
                    host.hear(data, source)
            case Called():
                self._call(given)

    def _call(self, called: Called) -> None:
        key = (called.message_id or "", called.code or "")
        match called.name:
            case "create_ad":
                self._ads[key] = self._session.create_ad(*key, called.theme)
            case "mount" if key in self._ads:
                host = self._hosts[key] = RecordingHost()
                self._ads[key].mount(host)
            case "destroy_ad" if key in self._ads:
                self._ads[key].destroy()
            case "destroy":
                self._session.destroy()
            case "update_options":
                self._session.update_options()
            case _:
                pass


class _Clock(PeriodicScheduler):
    """A clock that stands where it is put, and timers that ring when they are told to."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    @property
    def now(self) -> dt.datetime:
        return self.to_datetime(self.at)

    def schedule(self, action: ScheduledAction[T], state: T | None = None) -> DisposableBase:
        return self._at(self.at, action, state)

    def schedule_relative(
        self, duetime: RelativeTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        return self._at(self.at + self.to_seconds(duetime), action, state)

    def schedule_absolute(
        self, duetime: AbsoluteTime, action: ScheduledAction[T], state: T | None = None
    ) -> DisposableBase:
        return self._at(self.to_seconds(duetime), action, state)

    def ring(self, due: float) -> None:
        """
        Let the timer ring that was due at *due*, or the next one that is due by now.

        The second is for a session that keeps other timers than the recorded one did.
        """
        if not self._timers:
            return
        timer = min((timer for timer in self._timers if timer[0] == due), default=self._timers[0])
        if timer[0] <= max(due, self.at):
            self._remove(timer)
            timer[2]()

    def _at(self, due: float, action: ScheduledAction[T], state: T | None) -> DisposableBase:
        timer = (due, next(self._count), lambda: cast(None, action(self, state)))
        heapq.heappush(self._timers, timer)
        return Disposable(lambda: self._remove(timer))

    def _remove(self, timer: tuple[float, int, Callable[[], None]]) -> None:
        if timer in self._timers:
            self._timers.remove(timer)
            heapq.heapify(self._timers)


class _Server:
    """A transport that answers when the recording says so."""

    def __init__(self) -> None:
        self.sent = 0
        self._waiting: dict[int, ObserverBase[HttpResponse]] = {}

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        if not request.url.endswith(("/init", "/preload")):  # a report, whose answer nobody reads
            return rx.just(HttpResponse(204), scheduler=ImmediateScheduler.singleton())

        def subscribe(observer: ObserverBase[HttpResponse], _: SchedulerBase | None = None) -> DisposableBase:
            number, self.sent = self.sent, self.sent + 1
            self._waiting[number] = observer
            return Disposable(lambda: self._forget(number))

        return Source(subscribe)

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    def deliver(self, number: int, answer: HttpResponse | Exception | None) -> None:
        """Answer request *number*, if it still waits."""
        observer = self._waiting.pop(number, None)
        if observer is None:
            return
        if isinstance(answer, Exception):
            observer.on_error(answer)
            return
        if answer is not None:
            observer.on_next(answer)
        observer.on_completed()


def _answer(answered: Answered) -> HttpResponse | Exception | None:
    if answered.error is not None:
        return (ConnectionError if answered.is_network else RuntimeError)(answered.error)
    if answered.status is None:
        return None
    body = answered.body if answered.text is None else answered.text.encode()
    return HttpResponse(answered.status, body or b"", answered.headers)


class _Unread:
    """Lets rules see everything of a turn but the text, which the recording does not have."""

    def __init__(self) -> None:
        self.was_read = False

    def guard(self, rules: AnyRule) -> AnyRule:
        """The same rules over turns without text."""

        def step(state: Any, turn: Turn) -> tuple[Any, Decision]:
            blind = msgspec.structs.replace(
                turn,
                message=self._hide(turn.message),
                conversation=tuple(map(self._hide, turn.conversation)),
            )
            return rules.step(state, blind)

        return _Blind(rules, step)

    def _hide(self, message: Message) -> Message:
        return cast(Message, _Textless(message, self))


class _Blind(Rule[Any]):
    """*rules* with another step; what they read and keep stays theirs."""

    __slots__ = ("_rules",)

    def __init__(self, rules: AnyRule, step: Callable[[Any, Turn], tuple[Any, Decision]]) -> None:
        super().__init__(step, rules.start, text=rules.text, reads=rules.reads)
        self._rules = rules

    def kept(self, state: Any) -> Iterator[tuple[Kept, str, Any]]:
        return self._rules.kept(state)


class _Textless:
    """A message to a rule that must not ask for its text."""

    __slots__ = ("_unread", "created_at", "id", "role")

    def __init__(self, message: Message, unread: _Unread) -> None:
        self.id, self.role, self.created_at = message.id, message.role, message.created_at
        self._unread = unread

    @property
    def content(self) -> str:
        self._unread.was_read = True  # not raised here: a rule that raises is the session's to report
        return ""

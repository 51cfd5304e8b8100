"""What was told about each message, for those who ask late, early, or only for the outcome."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from reactivex.abc import DisposableBase, SchedulerBase

from .clock import Clock
from .door import Callback, Relay
from .event import AdError, AdEvent, Filled, NoFill, Outcome
from .history import History
from .pairing import Tell
from .source import Undo
from .stream import Stream

__all__ = ["EVENTS_KEPT", "Journal"]

EVENTS_KEPT: Final = 256
"""Events kept for one message; beyond that the oldest after its outcome go. Source: ours, against endless resizes."""

OUTCOMES: Final = (Filled, NoFill, AdError)


_NOBODY: Final = frozenset[str]()


class _Audience:
    """Who listens for one message."""

    __slots__ = ("events", "outcome")

    def __init__(self) -> None:
        self.events: Relay[AdEvent] | None = None
        self.outcome: Relay[Outcome] | None = None


class Journal:
    """
    The events of each message that is still kept, and the one outcome that settles it.

    Keyed by message id, so an event costs the same with one subscriber to one message as with thousands. What nobody
    listens for is a tuple of events in a dict, which the garbage collector does not walk.
    """

    __slots__ = ("_audiences", "_awaited", "_clock", "_closed", "_history", "_settled", "_told")

    def __init__(self, history: History, clock: Clock) -> None:
        self._history, self._clock = history, clock
        self._told: dict[str, tuple[AdEvent, ...]] = {}
        self._settled: dict[str, NoFill] = {}  # the local words
        self._audiences: dict[str, _Audience] = {}
        self._awaited: frozenset[str] = _NOBODY
        self._closed = False

    def record(self, event: AdEvent, message_id: str | None, user_message_id: str | None = None) -> None:
        """*event* was told, and it is about these messages."""
        if message_id is not None:
            self._record(event, message_id)
        if user_message_id is not None and user_message_id != message_id:
            self._record(event, user_message_id)

    def _record(self, event: AdEvent, message_id: str) -> None:
        audience = self._audiences.get(message_id)
        if audience is None and message_id not in self._history and message_id not in self._awaited:
            return
        told = self._told.get(message_id, ())
        if len(told) >= EVENTS_KEPT:
            told = (told[0], *told[2:]) if isinstance(told[0], OUTCOMES) else told[1:]
        self._told[message_id] = (*told, event)
        if audience is not None:
            if audience.events is not None:
                audience.events.send(event)
            if isinstance(event, OUTCOMES):
                self._settle(audience, event)
        if message_id in self._awaited and isinstance(event, OUTCOMES):
            self._awaited -= {message_id}
            del self._told[message_id]

    def retell(self, told: Tell) -> None:
        """A reply is there after its preload's word: it gets a copy, and the question's past the link."""
        self._record(told.event, told.message_id)
        self.link(told.event)

    def link(self, copy: Outcome) -> None:
        """*copy* is what was told before its reply was there, with the link: the question's past has it from now on."""
        asked = copy.user_message_id or ""
        if (events := self._told.get(asked)) is not None:
            told = msgspec.structs.replace(copy, message_id=None)
            self._told[asked] = (
                (copy,) if events == (told,) else tuple([copy if one == told else one for one in events])
            )

    def settle(self, message_id: str, outcome: NoFill) -> None:
        """Nothing more can come for a message: a word for those who wait, and for them alone."""
        audience = self._audiences.get(message_id)
        is_kept = message_id in self._history or message_id in self._awaited
        if (audience is not None or is_kept) and self._outcome(message_id) is None:
            self._settled[message_id] = outcome
            if audience is not None:
                self._settle(audience, outcome)

    def await_outcome(self, message_id: str) -> None:
        """The message was trimmed while its preload is out: its streams end, and its outcome is still to come."""
        self._told.pop(message_id, None)
        self._awaited |= {message_id}
        if (audience := self._audiences.get(message_id)) is not None and audience.events is not None:
            audience.events.complete()

    def forget(self, message_id: str) -> None:
        """The message was trimmed: its streams end, and an outcome still open is settled as `unlinked`."""
        if (audience := self._audiences.pop(message_id, None)) is not None:
            self._end(message_id, audience, "unlinked")
        self._told.pop(message_id, None)
        self._settled.pop(message_id, None)

    def close(self) -> None:
        """The session was destroyed: everything open settles and ends."""
        self._closed = True
        audiences, self._audiences = self._audiences, {}
        for message_id, audience in audiences.items():
            self._end(message_id, audience, "session_destroyed")
        self._told.clear()
        self._settled.clear()
        self._awaited = _NOBODY

    def events(self, message_id: str, scheduler: SchedulerBase) -> Stream[AdEvent]:
        """Everything told about a message, past and to come."""

        def listen(callback: Callback[AdEvent], _: SchedulerBase) -> DisposableBase:
            if self._is_over(message_id):
                callback.on_completed()
                return Undo()
            audience = self._audience(message_id)
            relay = audience.events
            if relay is None:
                relay = audience.events = Relay("for_message")
            with self._clock:  # what is told during the replay comes after it, and to this callback too
                for event in self._told.get(message_id, ()):
                    callback.on_next(event)
                relay.add(callback)
            return Undo(lambda: self._leave(message_id, relay, callback))

        return Stream(listen, door=self._clock, scheduler=scheduler, name="for_message")

    def outcome(self, message_id: str, scheduler: SchedulerBase) -> Stream[Outcome]:
        """The one word that settles a message; it comes when there is one, and then the stream completes."""

        def listen(callback: Callback[Outcome], _: SchedulerBase) -> DisposableBase:
            settled = self._outcome(message_id)
            if settled is None and self._is_over(message_id) and message_id not in self._awaited:
                settled = self._gone(message_id)
            if settled is not None:
                callback.on_next(settled)
                callback.on_completed()
                return Undo()
            audience = self._audience(message_id)
            relay = audience.outcome
            if relay is None:
                relay = audience.outcome = Relay("outcome")
            relay.add(callback)
            return Undo(lambda: self._leave(message_id, relay, callback))

        return Stream(listen, door=self._clock, scheduler=scheduler, name="outcome")

    def _outcome(self, message_id: str) -> Outcome | None:
        """What settled a message."""
        if (local := self._settled.get(message_id)) is not None:
            return local
        return next((event for event in self._told.get(message_id, ()) if isinstance(event, OUTCOMES)), None)

    def _is_over(self, message_id: str) -> bool:
        """Whether nothing more is told about a message: it is gone, and not one that is yet to come."""
        is_gone = message_id not in self._history and self._history.knew(message_id)
        return self._closed or (is_gone and message_id not in self._told and message_id not in self._settled)

    def _audience(self, message_id: str) -> _Audience:
        return self._audiences.setdefault(message_id, _Audience())

    def _leave(self, message_id: str, relay: Relay[Any], callback: Callback[Any]) -> None:
        """Let *callback* go, and with the last one what was kept for them alone."""
        relay.leave(callback)
        audience = self._audiences.get(message_id)
        if audience is not None and not any(
            one is not None and one.is_heard for one in (audience.events, audience.outcome)
        ):
            del self._audiences[message_id]
            if message_id not in self._history and message_id not in self._awaited:
                self._told.pop(message_id, None)
                self._settled.pop(message_id, None)

    def _settle(self, audience: _Audience, outcome: Outcome) -> None:
        if (relay := audience.outcome) is not None:
            audience.outcome = None
            relay.send(outcome)
            relay.complete()

    def _end(self, message_id: str, audience: _Audience, skip_code: str) -> None:
        if audience.outcome is not None:
            self._settle(audience, self._gone(message_id, skip_code))
        if audience.events is not None:
            audience.events.complete()

    def _gone(self, message_id: str, skip_code: str | None = None) -> NoFill:
        code = skip_code or ("session_destroyed" if self._closed else "unlinked")
        asked = self._history.was_user(message_id)
        ids = {"user_message_id": message_id} if asked else {"message_id": message_id}
        return NoFill(**ids, at=self._clock.at, skip_code=code)

"""What was told about each message, for those who ask late, early, or only for the outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .door import Door, Relay
from .event import AdError, AdEvent, Filled, NoFill, Outcome
from .history import History
from .source import Undo
from .stream import Stream

__all__ = ["EVENTS_KEPT", "Journal"]

EVENTS_KEPT: Final = 256
"""Events kept for one message; beyond that the oldest after its outcome go. Source: ours, against endless resizes."""


class _Entry:
    __slots__ = ("events", "outcome", "outcomes", "relay")

    def __init__(self) -> None:
        self.events: list[AdEvent] = []
        self.outcome: Outcome | None = None
        self.relay: Relay[AdEvent] | None = None
        self.outcomes: Relay[Outcome] | None = None


class Journal:
    """
    The events of each message that is still kept, and the one outcome that settles it.

    Keyed by message id, so an event costs the same with one subscriber to one message as with thousands.
    """

    __slots__ = (
        "_closed",
        "_door",
        "_entries",
        "_history",
        "_now",
    )

    def __init__(self, history: History[Any], door: Door, now: Callable[[], float]) -> None:
        self._history, self._door, self._now = history, door, now
        self._entries: dict[str, _Entry] = {}
        self._closed = False

    def record(self, event: AdEvent, *message_ids: str | None) -> None:
        """*event* was told, and it is about these messages."""
        for message_id in dict.fromkeys(message_ids):
            entry = None if message_id is None else self._entry(message_id)
            if entry is None:
                continue
            if len(entry.events) >= EVENTS_KEPT:
                del entry.events[1]  # the first is the outcome, or as old as one
            entry.events.append(event)
            if entry.relay is not None:
                entry.relay.send(event)
            if isinstance(event, Filled | NoFill | AdError):
                self._settle(entry, event)

    def link(self, copy: Outcome) -> None:
        """*copy* is what was told before its reply was there, with the link: the question's past has it from now on."""
        entry = self._entries.get(copy.user_message_id or "")
        if entry is None:
            return
        told = msgspec.structs.replace(copy, message_id=None)
        entry.events = [copy if event == told else event for event in entry.events]
        entry.outcome = copy if entry.outcome == told else entry.outcome

    def settle(self, message_id: str, outcome: NoFill) -> None:
        """Nothing more can come for a message: a word for those who wait, and for them alone."""
        if (entry := self._entry(message_id)) is not None:
            self._settle(entry, outcome)

    def await_outcome(self, message_id: str) -> None:
        """The message was trimmed while its preload is out: its streams end, and its outcome is still to come."""
        entry = self._entries.setdefault(message_id, _Entry())
        entry.events.clear()
        if entry.relay is not None:
            entry.relay.complete()

    def forget(self, message_id: str) -> None:
        """The message was trimmed: its streams end, and an outcome still open is settled as `unlinked`."""
        if (entry := self._entries.pop(message_id, None)) is not None:
            self._end(message_id, entry, "unlinked")

    def close(self) -> None:
        """The session was destroyed: everything open settles and ends."""
        self._closed = True
        entries, self._entries = self._entries, {}
        for message_id, entry in entries.items():
            self._end(message_id, entry, "session_destroyed")

    def events(self, message_id: str, scheduler: SchedulerBase) -> Stream[AdEvent]:
        """Everything told about a message, past and to come."""

        def subscribe(observer: ObserverBase[AdEvent], _: SchedulerBase | None) -> DisposableBase:
            entry = self._wanted(message_id)
            if entry is None:
                observer.on_completed()
                return Undo()
            if entry.relay is None:
                entry.relay = Relay(self._door, "for_message")
            with self._door:  # what is told during the replay comes after it, and to this observer too
                for event in tuple(entry.events):
                    self._door.call(observer.on_next, event, where="for_message")
                return self._leaving(message_id, entry.relay.add(observer))

        return Stream(subscribe, door=self._door, scheduler=scheduler, name="for_message")

    def outcome(self, message_id: str, scheduler: SchedulerBase) -> Stream[Outcome]:
        """The one word that settles a message; it comes when there is one, and then the stream completes."""

        def subscribe(observer: ObserverBase[Outcome], _: SchedulerBase | None) -> DisposableBase:
            entry = self._wanted(message_id)
            settled = self._gone(message_id) if entry is None else entry.outcome
            if settled is not None:
                self._door.call(observer.on_next, settled, where="outcome")
                observer.on_completed()
                return Undo()
            assert entry is not None
            if entry.outcomes is None:
                entry.outcomes = Relay(self._door, "outcome")
            return self._leaving(message_id, entry.outcomes.add(observer))

        return Stream(subscribe, door=self._door, scheduler=scheduler, name="outcome")

    def _entry(self, message_id: str) -> _Entry | None:
        """Where to write: a message that is kept, or one that somebody waits for."""
        entry = self._entries.get(message_id)
        if entry is None and message_id in self._history:
            entry = self._entries[message_id] = _Entry()
        return entry

    def _wanted(self, message_id: str) -> _Entry | None:
        """Where to listen: also a message that is yet to come; None for one that is gone."""
        if self._closed or (message_id not in self._history and self._history.knew(message_id)):
            return self._entries.get(message_id)
        return self._entries.setdefault(message_id, _Entry())

    def _leaving(self, message_id: str, subscription: DisposableBase) -> DisposableBase:
        """*subscription*, which takes with it an entry that nobody else needs."""

        def leave() -> None:
            subscription.dispose()
            entry = self._entries.get(message_id)
            if entry is not None and not (entry.relay or entry.outcomes) and message_id not in self._history:
                del self._entries[message_id]

        return Undo(leave)

    def _settle(self, entry: _Entry, outcome: Outcome) -> None:
        if entry.outcome is not None:
            return
        entry.outcome = outcome
        if (relay := entry.outcomes) is not None:
            entry.outcomes = None
            relay.send(outcome)
            relay.complete()

    def _end(self, message_id: str, entry: _Entry, skip_code: str) -> None:
        if entry.outcome is None:
            self._settle(entry, self._gone(message_id, skip_code))
        if entry.relay is not None:
            entry.relay.complete()

    def _gone(self, message_id: str, skip_code: str | None = None) -> NoFill:
        code = skip_code or ("session_destroyed" if self._closed else "unlinked")
        asked = self._history.was_user(message_id)
        ids = {"user_message_id": message_id} if asked else {"message_id": message_id}
        return NoFill(**ids, at=self._now(), skip_code=code)

"""What a session tells: ad events, preload steps and debug events, through one door, to callbacks and streams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex.abc import SchedulerBase

from .clock import Clock
from .door import Callback, Door, Relay
from .event import AdEvent, Filled
from .history import History
from .journal import Journal
from .ledger import LONGEST_TURN, PAGE, Funnel, Ledger
from .log import STDLIB, logger
from .pairing import Settle, Tell
from .stream import Stream
from .trace import Added, DebugEvent, PreloadStep, Retold, Settled, Trace

__all__ = ["DebugCallback", "EventCallback", "Outlet"]

T = TypeVar("T")

EventCallback = Callable[[AdEvent], object]
DebugCallback = Callable[[str, dict[str, Any] | None], object]


class Outlet:
    """
    The way out of a session. Whoever is told hears of everything in one order: the callback first, then the streams.

    What nobody listens to is not even made.
    """

    __slots__ = (
        "_conversation_id",
        "_counted",
        "_debugs",
        "_ended",
        "_events",
        "_forward",
        "_funnel",
        "_funnels",
        "_history",
        "_journal",
        "_ledger",
        "_noted",
        "_on_debug",
        "_on_event",
        "_steps",
        "door",
        "is_debugged",
    )

    def __init__(
        self,
        conversation_id: str,
        scheduler: SchedulerBase,
        history: History,
        on_event: EventCallback | None,
        on_debug_event: DebugCallback | None,
    ) -> None:
        self.door = Clock(scheduler, self)
        """What enters the session opens it; it has the time."""
        self._forward: Callable[[DebugEvent], None] | None = None
        self._conversation_id, self._history = conversation_id, history
        self._journal: Journal | None = None
        self._ledger: Ledger | None = None
        self._noted: dict[int, Trace] | None = None
        """The ledger's last page."""
        self._on_event = None if on_event is None else Callback(self.door, on_event, "on_event")
        self._on_debug = None if on_debug_event is None else _debug_callback(self.door, on_debug_event)
        self._events: Relay[AdEvent] | None = None
        self._steps: Relay[PreloadStep] | None = None
        self._debugs: Relay[DebugEvent] | None = None
        self._funnels: Relay[Funnel] | None = None
        self._counted: Funnel | None = None
        self._funnel: Funnel | None = None  # what was told last
        self._ended = False
        self.is_debugged = False
        """Whether anybody listens to debug events, as of `look`; else the hot path does not even gather their data."""

    @property
    def journal(self) -> Journal:
        """What was told about each message."""
        if self._journal is None:
            self._journal = Journal(self._history, self.door)
            if self._ended:
                self._journal.close()
        return self._journal

    @property
    def ledger(self) -> Ledger:
        """What happened to each message, and how far the turns came."""
        if self._ledger is None:
            self._ledger = Ledger()
            self._noted = self._ledger.page
        return self._ledger

    def now(self) -> float:
        """Epoch seconds by the session's scheduler."""
        return self.door.at

    # --- telling ---

    def trace(self, trace: Trace) -> None:
        """Note what the session did, for those who ask why."""
        noted = self._noted
        if noted is None:
            noted = self.ledger.page
        noted[len(noted)] = trace
        if len(noted) > LONGEST_TURN:
            self.ledger.thin()
        if self._funnels is not None:  # a funnel that nobody watches is not even made
            self._count()
        if self.door.tap is not None:
            self.door.tap.traced(trace)

    def reach(self, trace: Trace) -> None:
        """The same, of what may bring a turn further: it counts in the funnel."""
        (self._ledger or self.ledger).count(trace)
        self.trace(trace)

    def ask(self, added: Added) -> None:
        """The same, of a question: it begins a turn, and maybe a page."""
        if self._noted is not None and len(self._noted) >= PAGE:
            self.ledger.close()
        self.reach(added)

    def _count(self) -> None:
        now = self.ledger.funnel
        if now != self._counted:
            self._counted = now
            self.door.publish(self._deliver_funnel, now)

    def _deliver_funnel(self, funnel: Funnel) -> None:
        self._funnel = funnel
        if self._funnels is not None:
            self._funnels.send(funnel)

    def emit(self, event: AdEvent) -> None:
        """Tell everyone of an ad event."""
        if type(event) is Filled:  # the most of them
            self.trace(event)
        else:
            self.reach(event)
        self.door.publish(self._deliver, event)

    def _deliver(self, event: AdEvent) -> None:
        if self._on_event is not None:
            self._on_event.on_next(event)
        if self._events is not None:
            self._events.send(event)
        (self._journal or self.journal).record(event, event.message_id, event.user_message_id)

    def tell(self, told: Tell) -> None:
        """Tell those who asked for a reply, and nobody else, what everyone was told before it was there."""
        self.trace(Retold(message_id=told.message_id, at=self.door.instant, event=told.event))
        self.door.publish((self._journal or self.journal).retell, told)

    def settle(self, settled: Settle) -> None:
        """Tell those who asked for one message, and nobody else, that nothing more can come for it."""
        self.trace(Settled(message_id=settled.message_id, at=self.door.instant, outcome=settled.event))
        self.door.publish(self._settle, settled)

    def _settle(self, settled: Settle) -> None:
        self.journal.settle(settled.message_id, settled.event)

    def step(self, step: PreloadStep) -> None:
        """Tell of a step in a preload's life."""
        (self._ledger or self.ledger).count(step)
        self.trace(step)
        if self._steps is not None:
            self.door.publish(self._steps.send, step)

    def look(self) -> None:
        """See who listens to debug events: the log's level changes without a word."""
        self.is_debugged = (
            STDLIB.isEnabledFor(logging.DEBUG)
            or self._on_debug is not None
            or self._debugs is not None
            or self._forward is not None
        )

    def forward(self, to: Callable[[DebugEvent], None] | None) -> None:
        """Where debug events go besides, when the server has asked for them."""
        self._forward = to
        self.look()

    def debug(self, name: str, **data: Any) -> None:
        """Tell of something internal. *data* is ids, counts and roles: never text or identity."""
        self.look()
        if self.is_debugged:
            # Who it is forwarded to is decided now: what happened before the server asked is never sent.
            self.door.publish(self._deliver_debug, (DebugEvent(name, data or None, self.now()), self._forward))

    def _deliver_debug(self, told: tuple[DebugEvent, Callable[[DebugEvent], None] | None]) -> None:
        event, forward = told
        if self._on_debug is not None:
            self._on_debug.on_next(event)
        if self._debugs is not None:
            self._debugs.send(event)
        logger().debug(event.name, conversation_id=self._conversation_id, data=event.data)
        if forward is not None:
            forward(event)

    def report(self, error: BaseException, where: str) -> None:
        """Tell that the app's code raised: a subscriber, a callback, a rule, a provider."""
        logger().error("the app's code raised", where=where, exc_info=error)
        if where not in ("debug_events", "on_debug_event"):  # telling them of their own error would not end
            self.debug("Session: callback-error", where=where, error=type(error).__name__)

    # --- listening ---

    @property
    def events(self) -> Stream[AdEvent]:
        """Ad events, hot."""
        if self._events is None:
            self._events = self._relay("events")
        return self._stream(self._events)

    @property
    def steps(self) -> Stream[PreloadStep]:
        """Preload steps, hot."""
        if self._steps is None:
            self._steps = self._relay("preloads")
        return self._stream(self._steps)

    @property
    def debugs(self) -> Stream[DebugEvent]:
        """Debug events, hot."""
        if self._debugs is None:
            self._debugs = self._relay("debug_events")
        self.look()
        return self._stream(self._debugs)

    @property
    def funnel(self) -> Stream[Funnel]:
        """How far the turns came, from the present on."""

        def listen(callback: Callback[Funnel], _: SchedulerBase) -> Relay[Funnel]:
            if self._funnels is None:
                self._funnels = self._relay("funnel")
                self._funnel = self._counted = self.ledger.funnel
            with self.door:
                # What was told last, and not the ledger's: inside an event, what is on its way comes after it.
                callback.on_next(self.ledger.funnel if self._funnel is None else self._funnel)
                return self._funnels.add(callback)

        return Stream(listen, door=self.door, scheduler=self.door.scheduler, name="funnel")

    def end(self) -> None:
        """Settle and complete everything, and let go of the callbacks."""
        self._ended = True
        if self._journal is not None:
            self._journal.close()
        for relay in (self._events, self._steps, self._debugs, self._funnels):
            if relay is not None:
                relay.complete()
        self._on_event = self._on_debug = self._forward = None
        self.door.tap = None
        self.door.close()

    def _relay(self, name: str) -> Relay[Any]:
        relay: Relay[Any] = Relay(name)
        relay.is_completed = self._ended
        return relay

    def _stream(self, relay: Relay[T]) -> Stream[T]:
        return Stream(relay, door=self.door, scheduler=self.door.scheduler, name=relay.name)


def _debug_callback(door: Door, function: DebugCallback) -> Callback[DebugEvent]:
    return Callback(door, lambda event: function(event.name, event.data), "on_debug_event")

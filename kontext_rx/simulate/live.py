"""The session engine: the real session in virtual time, an ad server with the same dice, and ads on a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

import msgspec
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from ..ad import Ad
from ..client import Client
from ..create import create_session
from ..event import AdError, AdEvent, Clicked, Filled, NoFill, Viewed
from ..hosts.commands import CommandHost
from ..message import Message
from ..pacing import AnyRule
from ..source import Source
from ..typing import HttpRequest, HttpResponse
from .clock import SimulatedClock
from .columns import Columns, Row, columns_of
from .fate import Fate
from .house import Failures, Housed, keeps, of_users
from .models import Models
from .talk import Line, Talk
from .timeline import NEVER, leaves_below
from .together import ANSWER, FRAME, MESSAGE, Moment, together
from .world import World

__all__ = ["perform"]

INSTALL_ID: Final = "00000000-0000-7000-8000-000000000000"
SESSION_ID: Final = "00000000-0000-4000-8000-000000000000"
CODE: Final = "inlineAd"


def perform(talks: Sequence[Talk], rule: AnyRule, models: Models, seed: int, failures: Failures) -> Columns:
    """What becomes of each turn of *talks* under *rule*."""
    world = World(talks, models, seed)
    turns: list[list[_Turn]] = [[] for _ in talks]
    for indices in of_users(talks) if keeps(rule) else ([index] for index in range(len(talks))):
        housed = Housed(rule, failures)
        together(_Stage(talks[index], housed, world, index, turns[index]).play() for index in indices)
    return columns_of([turn.row(index) for index, one in enumerate(turns) for turn in one])


class _Turn:
    """A turn, its place in the world, and what has become of it so far."""

    __slots__ = ("abandoned", "at", "clicked", "ending", "held", "number", "place", "replied", "revenue", "sent",
                 "shown", "track_only", "viewed", "wait")  # fmt: skip

    def __init__(self, number: int, place: int, at: int, *, track_only: bool) -> None:
        self.number, self.place, self.at, self.track_only = number, place, at, track_only
        self.sent = self.held = self.abandoned = False
        self.shown = self.viewed = self.clicked = False
        self.ending = Fate.CANCELLED
        self.replied = at
        self.wait, self.revenue = 0, 0.0

    @property
    def fate(self) -> Fate:
        """What became of it."""
        if not self.sent:
            return Fate.COALESCED
        if self.track_only:
            return Fate.TRACK_ONLY
        return Fate.PACED_OUT if self.held else self.ending

    def row(self, conversation: int) -> Row:
        """As a row of `Columns`."""
        return (
            conversation, self.number, self.at, self.fate, self.shown, self.wait, self.revenue, self.viewed,
            self.clicked, self.abandoned,
        )  # fmt: skip


class _Stage:
    """One conversation: its session, and everyone around it."""

    def __init__(self, talk: Talk, rule: AnyRule, world: World, conversation: int, turns: list[_Turn]) -> None:
        self._world, self._turns, self._first = world, turns, world.first[conversation]
        lines = list(zip(world.said(conversation), talk.messages, strict=True))
        self._messages = lines[::-1]
        self._by_id: dict[str, _Turn] = {}
        self._frames: list[tuple[int, int, str, _Slot]] = []  # no two have the same first two
        self._slots: list[_Slot] = []
        self.clock = SimulatedClock(lines[0][0] if lines else 0)
        self.session = create_session(
            publisher_token="simulated",
            user_id=talk.owner,
            conversation_id=talk.id,
            install_id=INSTALL_ID,
            ad_server_url="https://ads.invalid",
            client=Client(transport=_Server(self.clock, world, turns)),
            scheduler=self.clock,
            pacing=rule,
            on_event=self._on_event,
        )

    def play(self) -> Iterator[Moment]:
        """Let it all happen, one thing at a time; before each it says when."""
        clock, messages, frames = self.clock, self._messages, self._frames
        while True:
            at, what = clock.due, ANSWER
            if frames and frames[0][0] < at:
                at, what = frames[0][0], FRAME
            if messages and messages[-1][0] < at:
                at, what = messages[-1][0], MESSAGE
            if at == NEVER:
                break
            yield at, what
            if what == ANSWER:
                clock.ring()
            elif what == FRAME:
                clock.us, _, name, slot = heappop(frames)
                slot.tell(name)
            else:
                clock.us, line = messages.pop()
                self._say(line)
        self.session.destroy()

    def _say(self, line: Line) -> None:
        if line.role == "user":
            if self._turns and self._leaves(self._turns[-1]):
                self._turns[-1].abandoned = True
                self._messages.clear()
                return
            self._clear_away()
            before = len(self._turns)
            turn = _Turn(before + 1, self._first + before, self.clock.us, track_only=line.track_only)
            self._turns.append(turn)
            self._by_id[line.id] = turn
        message = Message(line.id, line.role, line.content, self.clock.now)
        self.session.add_message(message, track_only=line.track_only)
        if line.role == "assistant" and self._turns:
            turn = self._turns[-1]
            turn.replied = self.clock.us
            if turn.ending is Fate.FILLED and not turn.shown:
                self._render(turn, line.id)

    def _render(self, turn: _Turn, message_id: str) -> None:
        slot = _Slot(self, turn)
        slot.ad = self.session.render(message_id=message_id, element=slot)
        self._slots.append(slot)

    def _leaves(self, turn: _Turn) -> bool:
        if not turn.sent:  # it is still in its debounce: who sends two messages at once does not leave between them
            return False
        world = self._world
        below = leaves_below(world.models, turn.wait) if turn.shown else world.leave
        return world.leaving[turn.place] < below

    def _clear_away(self) -> None:
        """Destroy the ads that nothing more will come of, as a page does with what has scrolled away."""
        if not self._slots:
            return
        waiting = {slot for _, _, _, slot in self._frames}
        for slot in self._slots:
            if slot not in waiting and slot.ad is not None:
                slot.ad.destroy()
        self._slots = [slot for slot in self._slots if slot in waiting]

    def show(self, slot: _Slot, turn: _Turn) -> None:
        """An ad is under its reply: whoever looks at it does so from now on."""
        world, place = self._world, turn.place
        turn.shown = True
        turn.wait = self.clock.us - turn.replied
        if world.viewing[place] >= world.view:
            return
        viewed = self.clock.us + world.view_after[place]
        heappush(self._frames, (viewed, 2 * place, "ad.viewed", slot))
        if world.clicking[place] < world.click:
            heappush(self._frames, (viewed + world.click_after[place], 2 * place + 1, "ad.clicked", slot))

    def _on_event(self, event: AdEvent) -> None:
        if event.user_message_id is None:
            return
        turn = self._by_id[event.user_message_id]
        match event:
            case NoFill():
                turn.ending = Fate.NO_FILL
            case Filled():
                turn.ending = Fate.FILLED
                if event.message_id is not None:
                    self._render(turn, event.message_id)
            case Viewed():
                turn.viewed, turn.revenue = True, event.revenue or 0.0
            case Clicked():
                turn.clicked = True
            case AdError():
                turn.ending = Fate.ERROR
            case _:
                pass


class _Server:
    """An ad server that throws the dice: how long it takes, and whether there is an ad."""

    def __init__(self, clock: SimulatedClock, world: World, turns: list[_Turn]) -> None:
        self._clock, self._world, self._turns = clock, world, turns
        self._ads = 0
        self._attempt = 0

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        """The request as a cold observable in virtual time."""
        return Source(partial(self._take, request))

    def _take(
        self, request: HttpRequest, observer: ObserverBase[HttpResponse], _: SchedulerBase | None = None
    ) -> DisposableBase:
        if not request.url.endswith("/preload"):  # /init leaves the defaults as they are; a report is not read
            return self._clock.start(0, partial(_answer, observer, _NOTHING))
        turn = self._turns[-1]
        self._attempt = self._attempt + 1 if turn.sent else 0
        turn.sent, turn.held = True, request.headers["Kontextso-Is-Disabled"] == "1"
        after = self._world.latency(turn.place, turn.number, self._attempt)
        return self._clock.start(after, partial(self._judge, observer, turn))

    def _judge(self, observer: ObserverBase[HttpResponse], turn: _Turn, *_: object) -> None:
        _answer(observer, _SKIPPED if turn.held else self._decide(turn))

    def _decide(self, turn: _Turn) -> HttpResponse:
        fills, worth = self._world.fills, self._world.models.revenue
        if self._world.filling[turn.place] >= fills[min(self._ads, len(fills) - 1)]:
            return _SKIPPED
        revenue = worth[min(self._ads, len(worth) - 1)]
        self._ads += 1
        bid = {"bidId": f"{turn.number:08x}-0000-4000-8000-000000000000", "code": CODE, "revenue": revenue}
        return HttpResponse(200, msgspec.json.encode({"sessionId": SESSION_ID, "bids": [bid]}))


_NOTHING: Final = HttpResponse(204)
_SKIPPED: Final = HttpResponse(
    200, msgspec.json.encode({"sessionId": SESSION_ID, "skip": True, "skipCode": "unfilled_bid"})
)


def _answer(observer: ObserverBase[HttpResponse], response: HttpResponse, *_: object) -> None:
    observer.on_next(response)
    observer.on_completed()


class _Slot(CommandHost):
    """Where an ad is shown under a reply."""

    def __init__(self, stage: _Stage, turn: _Turn) -> None:
        super().__init__()
        self._stage, self._turn = stage, turn
        self.ad: Ad | None = None

    def command(self, call: str, *arguments: Any) -> None:
        """What the ad asks for."""
        if call == "load":
            self._stage.show(self, self._turn)

    def tell(self, name: str) -> None:
        """Be the frame: report a view or a click."""
        payload = {"content": "simulated", "format": "simulated", "url": "https://ads.invalid", "area": "simulated"}
        self.hear({"type": "event-iframe", "data": {"name": name, "code": CODE, "payload": payload}})

"""Pairing is a `scan`: merged inputs through RxPY's operator, and done to a real session, come to the same."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
import reactivex as rx
import reactivex.operators as rxops
from hypothesis import given, settings
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable
from reactivex.scheduler import ImmediateScheduler

import kontext_rx as kx
from kontext_rx import AdError, Filled, Message, NoFill
from kontext_rx.history import HISTORY_LIMIT
from kontext_rx.pairing import (
    Answered,
    Asked,
    Drop,
    Emit,
    Ending,
    Held,
    Input,
    Link,
    Output,
    Released,
    Replied,
    Settle,
    Silent,
    State,
    Tell,
    Tick,
    Trimmed,
    step,
)
from kontext_rx.testing import SESSION_ID, Marbles, VirtualAdServer, VirtualClock, json_answer, virtual_session
from kontext_rx.trace import Dropped, Linked, Retold, Settled, Trace
from kontext_rx.typing import HttpRequest, HttpResponse
from kontext_rx.wire import Bid, Failed, Fill, Skip

CODES = ("inlineAd", "sidebar")
TOLD = (Linked, Filled, NoFill, AdError, Retold, Settled, Dropped)
"""What a session notes of what follows from its inputs."""

Pairing = Callable[[Observable[Input]], Observable[Trace]]


def flattened(traces: list[Trace]) -> Observable[Trace]:
    return rx.from_iterable(traces, scheduler=ImmediateScheduler())


# --- the textbook -------------------------------------------------------------------------------------------------


class Folded(NamedTuple):
    state: State
    follows: list[Trace]


def by_scan(ad_ttl: float | None) -> Pairing:
    """The step in RxPY's own operators: each state from the one before, and what each gives, one after the other."""

    def fold(before: Folded, given: Input) -> Folded:
        state, outputs = step(before.state, given)
        return Folded(state, [noted(output, given.at) for output in outputs])

    def by_scan_(inputs: Observable[Input]) -> Observable[Trace]:
        return inputs.pipe(
            rxops.scan(fold, Folded(State(ad_ttl=ad_ttl), [])),
            rxops.concat_map(lambda folded: flattened(folded.follows)),
        )

    return by_scan_


def noted(output: Output, at: float) -> Trace:
    """An output as a session notes it."""
    match output:
        case Link(message_id=message_id, user_message_id=user, fill=fill):
            bids = {bid.code: bid.bid_id for bid in fill.bids}
            return Linked(message_id=message_id, user_message_id=user, at=at, bids=bids)
        case Emit(event=event):
            return event
        case Tell(message_id=message_id, event=event):
            return Retold(message_id=message_id, at=at, event=event)
        case Settle(message_id=message_id, event=event):
            return Settled(message_id=message_id, at=at, outcome=event)
        case Drop(message_id=message_id, bids=bids, reason=reason):
            return Dropped(message_id=message_id, at=at, codes=tuple(bid.code for bid in bids), reason=reason)


# --- a real session -----------------------------------------------------------------------------------------------


def by_session(ad_ttl: float | None) -> Pairing:
    """The same by a session: an app, its users, a server and a clock do what the inputs say has happened."""

    def by_session_(inputs: Observable[Input]) -> Observable[Trace]:
        def started(_: SchedulerBase) -> Observable[Trace]:
            return inputs.pipe(rxops.map(Stage(ad_ttl).perform), rxops.concat_map(flattened))

        return rx.defer(started)

    return by_session_


class Stage:
    """A session, and everyone around it. Its time is that of the inputs: it begins at 0."""

    def __init__(self, ad_ttl: float | None) -> None:
        self.clock = VirtualClock("1970-01-01T00:00:00Z")
        self.server = AnsweringServer(self.clock)
        self.session = virtual_session(self.server, ad_ttl=ad_ttl, enabled_placement_codes=list(CODES))
        self.recording = kx.record(self.session)

    def perform(self, given: Input) -> list[Trace]:
        """Have it happen; gives what follows."""
        self.clock.advance(given.at - self.clock.at)
        before = len(self.recording.entries)
        self._do(given)
        return [entry for entry in self.recording.entries[before:] if isinstance(entry, TOLD)]

    def _do(self, given: Input) -> None:
        session = self.session
        match given:
            case Asked(message_id=message_id):
                self.server.newest = message_id
                session.add_message(Message.user(message_id, "?"), track_only=is_tracked(message_id))
            case Replied(message_id=message_id):
                session.add_message(Message.assistant(message_id, "!"))
            case Answered(user_message_id=message_id, ending=ending):
                self.server.answer(message_id, ending)
                self._look()  # a late answer reaches no session: all it can tell is the time
            case Trimmed(message_id=message_id):
                assert message_id not in {message.id for message in session.messages}, "it trims by itself"
            case Held(message_id=message_id, code=code):
                session.create_ad(message_id, code)
            case Released(message_id=message_id, code=code):
                session.create_ad(message_id, code).destroy()
            case Tick():
                self._look()

    def _look(self) -> None:
        """Nothing but time has passed, and the session is made to notice."""
        self.session.create_ad("elsewhere").destroy()


class AnsweringServer(VirtualAdServer):
    """Answers a preload when it is told to, be it too late; nothing times out within an hour."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, latency=0)  # /init: what it says is known before the first preload is sent
        self.plan("/init", json_answer({"preloadTimeout": 3_600_000}))
        self.newest: str | None = None
        """The user message whose preload is the next."""
        self._asking: dict[str, ObserverBase[HttpResponse]] = {}

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        if not request.url.endswith("/preload"):
            return super().__call__(request)

        def subscribe(observer: ObserverBase[HttpResponse], _: SchedulerBase | None = None) -> DisposableBase:
            assert self.newest is not None
            self._asking[self.newest] = observer
            return Disposable()

        return Observable(subscribe)

    def answer(self, message_id: str, ending: Ending) -> None:
        """End the preload of a user message so; one that was never sent has no answer."""
        if (observer := self._asking.get(message_id)) is not None:
            observer.on_next(HttpResponse(200, json.dumps(body_of(ending)).encode()))
            observer.on_completed()


def body_of(ending: Ending) -> dict[str, Any]:
    """What the server says for the preload to end so."""
    match ending:
        case Fill(bids=bids):
            return {"sessionId": SESSION_ID, "bids": [{"bidId": bid.bid_id, "code": bid.code} for bid in bids]}
        case Silent():  # bids that nobody asked for
            return body_of(FILLED)
        case Skip(skip_code=skip_code):
            return {"sessionId": SESSION_ID, "skip": True, "skipCode": skip_code}
        case Failed(err_code=err_code):
            return {"errCode": err_code}


def is_tracked(message_id: str) -> bool:
    """Users' messages whose id begins with a t are fed with track_only=True."""
    return message_id.startswith("t")


def bid(number: int, code: str) -> Bid:
    return Bid(bid_id=f"00000000-0000-0000-0000-{number:012d}", code=code)


FILLED = Fill((bid(1, "inlineAd"),), SESSION_ID)
FILLED_BOTH = Fill((bid(2, "sidebar"), bid(3, "inlineAd")), SESSION_ID)
SKIPPED = Skip("unfilled_bid", SESSION_ID)
FAILED = Failed("Ad generation skipped", "quota")
TRACKED = Silent("track_only")


# --- both are held to the same marbles ----------------------------------------------------------------------------


@pytest.fixture(params=[by_scan, by_session], ids=["scan", "session"])
def pairing(request: pytest.FixtureRequest) -> Callable[[float | None], Pairing]:
    return request.param


Check = Callable[..., None]


@pytest.fixture
def check(marbles: Marbles, pairing: Callable[[float | None], Pairing]) -> Check:
    """
    Draw one stream for each kind of input, and what is expected: a letter is the message that it is about.

    An answer is a bid for `inlineAd`, the placement that is held and released. In what is expected, *words* say what a
    letter stands for: who is linked (`u -> a`), told (`u filled`, `a filled`), settled or dropped (`a unlinked`).
    """

    def check_(expected: str, *, ad_ttl: float | None = None, words: dict[str, str], **inputs: str) -> None:
        makes: dict[str, Callable[[str, float], Input]] = {
            "asked": Asked,
            "replied": Replied,
            "answered": lambda message_id, at: Answered(message_id, FILLED, at),
            "held": lambda message_id, at: Held(message_id, "inlineAd", at),
            "released": lambda message_id, at: Released(message_id, "inlineAd", at),
            "ticks": lambda _, at: Tick(at),
        }

        def stream(kind: str, diagram: str) -> Observable[Input]:
            letters = marbles.hot(diagram)
            return letters.pipe(rxops.map(lambda letter: makes[kind](letter, marbles.scheduler.clock)))

        merged = rx.merge(*(stream(kind, diagram) for kind, diagram in inputs.items()))
        marbles.check(merged.pipe(pairing(ad_ttl), rxops.map(in_words)), expected, **words)

    return check_


def in_words(trace: Trace) -> str:
    match trace:
        case Linked(message_id=message_id, user_message_id=user):
            return f"{user} -> {message_id}"
        case Filled(user_message_id=user):
            return f"{user} filled"
        case Retold(message_id=message_id, event=event):
            return f"{message_id} {event.name.removeprefix('ad.')}"
        case Settled(message_id=message_id, outcome=outcome):
            return f"{message_id} {outcome.skip_code}"
        case Dropped(message_id=message_id, reason=reason):
            return f"{message_id} {reason}"
        case _:
            raise AssertionError(trace)


def test_an_answer_before_the_reply_waits_for_it(check: Check) -> None:
    check(
        asked="    -u---------",
        answered=" ---u-------",
        replied="  ------a----",
        expected=" ---F--(LR)-",
        words={"F": "u filled", "L": "u -> a", "R": "a filled"},
    )


def test_a_reply_before_the_answer_is_linked_when_it_comes(check: Check) -> None:
    check(
        asked="    -u---------",
        replied="  ---a-------",
        answered=" ------u----",
        expected=" ------(LF)-",
        words={"L": "u -> a", "F": "u filled"},
    )


def test_a_newer_question_ends_what_was_pending(check: Check) -> None:
    """Its late answer changes nothing."""
    check(
        asked="    -u----v   --------",
        replied="  ---a---   -----b--",
        answered=" -------   -u-v----",
        expected=" ------(XY)---F-(LR)",
        words={"X": "u superseded", "Y": "a superseded", "F": "v filled", "L": "v -> b", "R": "b filled"},
    )


def test_an_answer_after_two_replies_is_the_last_ones(check: Check) -> None:
    check(
        asked="    -u----------",
        replied="  ---a-b------",
        answered=" --------u---",
        expected=" -----X--(LF)",
        words={"X": "a unlinked", "L": "u -> b", "F": "u filled"},
    )


def test_an_ad_expires_unless_it_is_held(check: Check) -> None:
    """Ten seconds after its answer; whoever holds it has it until the release."""
    check(
        ad_ttl=10,
        asked="    -u---   v--   -------------",
        answered=" ---u-   --v   -------------",
        replied="  ----a   ---b  -------------",
        held="     -----   ----  b------------",
        ticks="    -----   ----  -----t-------",
        released=" -----   ----  -----------b-",
        expected=" ---F(LR)--G(MS)-----X-----Y-",
        words={
            "F": "u filled",
            "L": "u -> a",
            "R": "a filled",
            "G": "v filled",
            "M": "v -> b",
            "S": "b filled",
            "X": "a expired",
            "Y": "b expired",
        },
    )


# --- and to the same random conversations -------------------------------------------------------------------------


@st.composite
def conversations(draw: st.DrawFn) -> list[Input]:
    """
    Anything that can happen, in any order; times are multiples of a quarter of a second.

    Only what cannot happen is left out: an answer in the very instant of its question, before the request is sent.
    """
    inputs: list[Input] = []
    users: list[str] = []
    replies: list[str] = []
    kept: list[str] = []
    held: set[tuple[str, str]] = set()
    at = 0.0

    def say(said: Asked | Replied) -> None:
        inputs.append(said)
        kept.append(said.message_id)
        if len(kept) > HISTORY_LIMIT:
            inputs.append(Trimmed(kept.pop(0), at))

    def reply() -> None:
        replies.append(f"a{len(replies)}")
        say(Replied(replies[-1], at))

    for _ in range(draw(st.integers(1, 30))):
        at += draw(st.sampled_from([0, 0, 0.25, 1, 3, 10]))
        what = draw(st.sampled_from(["ask", "reply", "answer", "answer", "hold", "release", "tick", "chatter"]))
        if what == "ask":
            users.append(f"{draw(st.sampled_from('uut'))}{len(users)}")
            say(Asked(users[-1], at))
        elif what == "reply":
            reply()
        elif what == "chatter":  # until much of the history is gone
            for _ in range(draw(st.integers(1, HISTORY_LIMIT))):
                reply()
        elif what == "answer" and users:
            at += 0.25
            asked = users[-draw(st.integers(1, min(3, len(users))))]
            bids = TRACKED if is_tracked(asked) else draw(st.sampled_from([FILLED, FILLED_BOTH]))
            inputs.append(Answered(asked, draw(st.sampled_from([bids, bids, SKIPPED, FAILED])), at))
        elif what == "hold" and replies:
            holder = draw(st.sampled_from(replies[-5:])), draw(st.sampled_from(CODES))
            if holder not in held:
                held.add(holder)
                inputs.append(Held(*holder, at))
        elif what == "release" and held:
            holder = draw(st.sampled_from(sorted(held)))
            held.remove(holder)
            inputs.append(Released(*holder, at))
        elif what == "tick":
            inputs.append(Tick(at))
    return inputs


@given(conversations(), st.sampled_from([None, 2.0, 10.0]))
@settings(max_examples=300, deadline=None)
def test_a_session_does_what_the_scan_says(conversation: list[Input], ad_ttl: float | None) -> None:
    """Whatever happens, and in whatever order: the same links, events, copies, words and drops, to the instant."""
    assert played(by_session(ad_ttl), conversation) == played(by_scan(ad_ttl), conversation)


def played(pairing: Pairing, conversation: list[Input]) -> list[Trace]:
    follows: list[Trace] = []
    inputs = rx.from_iterable(conversation, scheduler=ImmediateScheduler())
    inputs.pipe(pairing).subscribe(follows.append)
    return follows

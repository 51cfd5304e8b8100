"""
Preloads meet replies: which ad belongs under which assistant message.

One pure step, folded over what happens in a conversation: `(state, input) -> (state, outputs)`. It holds the rules

* one preload to one message, one message to one preload; only the newest user message's preload can pair;
* an answer goes to the latest message, if that is a reply; else to the next reply, unless a user message comes first;
* what was superseded is never told and never linked;
* a cached ad stays until its message is trimmed or its time is up, or as long as a live `Ad` holds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from .event import AdError, Filled, NoFill, Outcome
from .wire import Bid, Failed, Fill, Skip

__all__ = [
    "Answered",
    "Asked",
    "Cached",
    "Drop",
    "Emit",
    "Ending",
    "Held",
    "Input",
    "Link",
    "Output",
    "Released",
    "Replied",
    "Settle",
    "Silent",
    "State",
    "Tell",
    "Tick",
    "Trimmed",
    "find",
    "step",
]


class Silent(msgspec.Struct, frozen=True, gc=False):
    """An ending that is not told as an event, only to those who ask for the message's outcome."""

    skip_code: str


Ending: TypeAlias = Fill | Skip | Failed | Silent

# --- inputs: what happens; every time is epoch seconds ------------------------------------------------------------


class Asked(msgspec.Struct, frozen=True, gc=False):
    """The user said something: a preload of its own, and the end of the one before."""

    message_id: str
    at: float


class Replied(msgspec.Struct, frozen=True, gc=False):
    """The assistant said something."""

    message_id: str
    at: float


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A user message's preload has ended."""

    user_message_id: str
    ending: Ending
    at: float


class Trimmed(msgspec.Struct, frozen=True, gc=False):
    """A message has fallen out of the history."""

    message_id: str
    at: float


class Held(msgspec.Struct, frozen=True, gc=False):
    """An `Ad` lives for a message and a placement."""

    message_id: str
    code: str
    at: float


class Released(msgspec.Struct, frozen=True, gc=False):
    """That `Ad` was destroyed."""

    message_id: str
    code: str
    at: float


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Time has passed, and somebody looks."""

    at: float


Input: TypeAlias = Asked | Replied | Answered | Trimmed | Held | Released | Tick

# --- outputs: what follows ----------------------------------------------------------------------------------------


class Link(msgspec.Struct, frozen=True, gc=False):
    """These bids belong under this message from now on."""

    message_id: str
    user_message_id: str
    fill: Fill


class Emit(msgspec.Struct, frozen=True, gc=False):
    """Tell everyone."""

    event: Outcome


class Tell(msgspec.Struct, frozen=True, gc=False):
    """Tell those who asked for this message: a copy of what everyone was told before the message was there."""

    message_id: str
    event: Outcome


class Settle(msgspec.Struct, frozen=True, gc=False):
    """Nothing more can come for this message: its outcome is a local word."""

    message_id: str
    event: NoFill


class Drop(msgspec.Struct, frozen=True, gc=False):
    """These cached bids are gone."""

    message_id: str
    bids: tuple[Bid, ...]
    reason: Literal["expired", "trimmed"]


Output: TypeAlias = Link | Emit | Tell | Settle | Drop

# --- state --------------------------------------------------------------------------------------------------------


class Live(msgspec.Struct, frozen=True, gc=False):
    """The newest user message's preload."""

    user_message_id: str
    ending: Ending | None = None
    ended_at: float = 0.0
    paired: bool = False


class Cached(msgspec.Struct, frozen=True, gc=False):
    """An ad under its message, until `expires_at` unless it is held."""

    user_message_id: str
    fill: Fill
    expires_at: float
    trimmed: bool = False

    @property
    def bids(self) -> tuple[Bid, ...]:
        """One for each placement."""
        return self.fill.bids


NOBODY: Final = frozenset[tuple[str, str]]()
NOTHING: Final[dict[str, Cached]] = {}  # of all sessions that have no ad: each would have an empty dict of its own


class State(msgspec.Struct, frozen=True, gc=False):
    """
    Everything the step needs to know. The dict is never changed in place.

    The steps of every turn make a new one outright: `replace` would take three times as long.
    """

    ad_ttl: float | None = None
    """Seconds that a cached ad which nobody holds is kept, from its answer; None keeps it."""
    live: Live | None = None
    reply: str | None = None
    """The latest message, if it is a reply that waits for the live preload's answer."""
    cache: dict[str, Cached] = msgspec.field(default_factory=lambda: NOTHING)
    held: frozenset[tuple[str, str]] = msgspec.field(default_factory=lambda: NOBODY)
    expiry: float = math.inf
    """No cached ad that is not held expires before this."""


def find(state: State, message_id: str, code: str) -> tuple[Bid, Cached] | None:
    """The bid to show for a message and a placement, and where it comes from."""
    cached = state.cache.get(message_id)
    return next(((bid, cached) for bid in cached.bids if bid.code == code), None) if cached else None


def step(state: State, given: Input) -> tuple[State, tuple[Output, ...]]:
    """What one input changes, and what follows from it. An answer that is not the live preload's changes nothing."""
    if given.at < state.expiry:
        return _STEPS[type(given)](state, given)
    state, drops = _expire(state, given.at)
    state, outputs = _STEPS[type(given)](state, given)
    return state, drops + outputs


def _ask(state: State, asked: Asked) -> tuple[State, tuple[Output, ...]]:
    outputs: tuple[Output, ...] = ()
    if state.live is not None and state.live.ending is None:
        old = state.live.user_message_id
        outputs = (Settle(old, _local("superseded", asked.at, old)),)
        if state.reply is not None:
            outputs = (*outputs, Settle(state.reply, _local("superseded", asked.at, old, state.reply)))
    live = Live(asked.message_id)
    return State(state.ad_ttl, live, None, state.cache, state.held, state.expiry), outputs


def _reply(state: State, replied: Replied) -> tuple[State, tuple[Output, ...]]:
    live, message_id = state.live, replied.message_id
    if live is None or live.paired:
        return state, (Settle(message_id, _local("unlinked", replied.at, None, message_id)),)
    ending = live.ending
    if ending is None:
        taken = (
            ()
            if state.reply is None  # an earlier reply that was waiting: this later one takes the answer
            else (Settle(state.reply, _local("unlinked", replied.at, None, state.reply)),)
        )
        return State(state.ad_ttl, live, message_id, state.cache, state.held, state.expiry), taken
    state, links = _pair(state, live, message_id, replied.at)
    if isinstance(ending, Fill) and message_id not in state.cache:  # it waited too long: nothing is left to show
        return state, (*links, Settle(message_id, _local("unlinked", replied.at, live.user_message_id, message_id)))
    if isinstance(ending, Silent):
        return state, (Settle(message_id, _local(ending.skip_code, replied.at, live.user_message_id, message_id)),)
    copies = _events(ending, live.user_message_id, message_id, live.ended_at)
    return state, (*links, *[Tell(message_id, event) for event in copies])


def _answer(state: State, answered: Answered) -> tuple[State, tuple[Output, ...]]:
    live, user, ending = state.live, answered.user_message_id, answered.ending
    if live is None or live.user_message_id != user or live.ending is not None:
        return state, ()
    message_id, links = state.reply, ()
    if message_id is None:
        live = Live(user, ending, answered.at)
        state = State(state.ad_ttl, live, None, state.cache, state.held, state.expiry)
    else:
        state, links = _pair(state, Live(user, ending, answered.at), message_id, answered.at)
    if isinstance(ending, Silent):
        event = _local(ending.skip_code, answered.at, user, message_id)
        return state, tuple(Settle(one, event) for one in (user, message_id) if one is not None)
    return state, (*links, *[Emit(event) for event in _events(ending, user, message_id, answered.at)])


def _pair(state: State, live: Live, message_id: str, at: float) -> tuple[State, tuple[Output, ...]]:
    """Give the live preload to a reply; its bids, if they are still fresh, to the cache."""
    user, ending = live.user_message_id, live.ending
    live = Live(user, ending, live.ended_at, True)
    cache, expiry, outputs = state.cache, state.expiry, ()
    if isinstance(ending, Fill):
        expires_at = math.inf if state.ad_ttl is None else live.ended_at + state.ad_ttl
        if at >= expires_at:
            outputs = (Drop(message_id, ending.bids, "expired"),)
        else:
            cache = {**cache, message_id: Cached(user, ending, expires_at)}
            expiry = min(expiry, expires_at)
            outputs = (Link(message_id, user, ending),)
    return State(state.ad_ttl, live, None, cache, state.held, expiry), outputs


def _trim(state: State, trimmed: Trimmed | Released) -> tuple[State, tuple[Output, ...]]:
    message_id = trimmed.message_id
    cached = state.cache.get(message_id)
    if cached is None:
        return state, ()
    if state.held and any(holder == message_id for holder, _ in state.held):
        kept = _with(cached, trimmed=True)
        return _with(state, cache={**state.cache, message_id: kept}), ()
    cache = _without(state.cache, message_id)
    return State(state.ad_ttl, state.live, state.reply, cache, state.held, state.expiry), (
        Drop(message_id, cached.bids, "trimmed"),
    )


def _hold(state: State, held: Held) -> tuple[State, tuple[Output, ...]]:
    return _with(state, held=state.held | {(held.message_id, held.code)}), ()


def _tick(state: State, tick: Tick) -> tuple[State, tuple[Output, ...]]:
    return state, ()


def _release(state: State, released: Released) -> tuple[State, tuple[Output, ...]]:
    state = _with(state, held=state.held - {(released.message_id, released.code)})
    state, drops = _expire(state, released.at)
    cached = state.cache.get(released.message_id)
    if cached is not None and cached.trimmed:
        state, trims = _trim(state, released)
        drops += trims
    return state, drops


def _expire(state: State, at: float) -> tuple[State, tuple[Output, ...]]:
    """Drop what is over its time and not held, and find out when to look again."""
    cache: dict[str, Cached] = {}
    drops: list[Output] = []
    expiry = math.inf
    for message_id, cached in state.cache.items():
        loose = tuple(bid for bid in cached.bids if (message_id, bid.code) not in state.held)
        if not loose or at < cached.expires_at:
            cache[message_id] = cached
            expiry = min(expiry, cached.expires_at) if loose else expiry
            continue
        drops.append(Drop(message_id, loose, "expired"))
        if kept := tuple(bid for bid in cached.bids if bid not in loose):
            cache[message_id] = _with(cached, fill=_with(cached.fill, bids=kept))
    return _with(state, cache=cache, expiry=expiry), tuple(drops)


def _events(ending: Fill | Skip | Failed, user: str, message_id: str | None, at: float) -> Sequence[Outcome]:
    match ending:
        case Fill(bids=bids):
            return [
                Filled(
                    code=bid.code,
                    message_id=message_id,
                    user_message_id=user,
                    at=at,
                    bid_id=bid.bid_id,
                    revenue=bid.revenue,
                )
                for bid in bids
            ]
        case Skip(skip_code=skip_code):
            return [NoFill(message_id=message_id, user_message_id=user, at=at, skip_code=skip_code)]
        case Failed(message=message, err_code=err_code):
            return [AdError(message_id=message_id, user_message_id=user, at=at, message=message, err_code=err_code)]


def _local(skip_code: str, at: float, user: str | None, message_id: str | None = None) -> NoFill:
    return NoFill(message_id=message_id, user_message_id=user, at=at, skip_code=skip_code)


def _without(cache: dict[str, Cached], message_id: str) -> dict[str, Cached]:
    rest = cache.copy()
    del rest[message_id]
    return rest


_with: Final = msgspec.structs.replace

_STEPS: Final[dict[type[Input], Callable[[State, Any], tuple[State, tuple[Output, ...]]]]] = {
    Asked: _ask,
    Replied: _reply,
    Answered: _answer,
    Trimmed: _trim,
    Held: _hold,
    Released: _release,
    Tick: _tick,
}

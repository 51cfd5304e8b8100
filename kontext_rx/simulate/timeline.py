"""
What is certain before any rule is asked: when everything is said, answered, seen and clicked, should it come to that.

A rule decides whether there is an ad, and so who leaves; it moves no message. So the times of many conversations are
drawn at once, for all rules together.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import numpy as np

from ..exchange import PAUSE_S, RETRIES
from ..link import DEFAULT_TIMEOUT_MS
from ..options import DEFAULT_TTL_S
from ..preload import DEBOUNCE_S
from .delays import Quantiles, seconds_us
from .dice import Dice, Purpose, key_of, seeded_all, shares, threshold, throw
from .models import Models, times_of
from .talk import Talk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Flags: TypeAlias = NDArray[np.bool_]

__all__ = [
    "DEBOUNCE_US", "MICROS", "NEVER", "SECOND_US", "TIMEOUT_US", "Script", "Timeline", "leaves_below", "micros",
    "script", "timeline",
]  # fmt: skip

SECOND_US: Final = 1_000_000
MICROS: Final = 1e6
DEBOUNCE_US: Final = seconds_us(DEBOUNCE_S)
TIMEOUT_US: Final = DEFAULT_TIMEOUT_MS * 1000
NEVER: Final = 2**62
"""Later than every time."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICRO: Final = dt.timedelta(microseconds=1)
_UNKNOWN: Final = -(2**62)


class Timeline(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    The turns of many conversations under one seed, one entry a turn; times are epoch microseconds.

    What would happen if the turn were let through and filled: whether it does, a rule and `fill_draw` say.
    """

    first: Ints
    """Of each conversation, where its turns begin; and where the last one's end."""
    said: Ints
    """When each message, of both roles, is said."""
    place: Ints
    """Which message of the chunk the turn's is."""
    at: Ints
    coalesced: Flags
    track_only: Flags
    answered: Ints
    """When the request ends, if it is not let go."""
    failed: Flags
    """Whether it ends without an answer."""
    cancelled: Flags
    """Whether the next user message comes first, if it comes."""
    shown: Ints
    """When a fill is under its reply; `NEVER` without one."""
    wait: Ints
    """How much later than its reply a fill comes."""
    viewed: Ints
    clicked: Ints
    fill_draw: Ints
    """To be compared with the threshold of the ad's position."""
    leaves: Flags
    """Whether the user leaves after the turn if there is no ad in it."""
    leaves_ad: Flags
    """The same if there is."""


def micros(moment: dt.datetime) -> int:
    """Epoch microseconds."""
    return (moment - _EPOCH) // _MICRO


def leaves_below(models: Models, wait_us: int | None) -> int:
    """The threshold under which the user leaves: after an ad that came *wait_us* after its reply, or after none."""
    hazard = models.leave
    if wait_us is not None:
        hazard += models.leave_after_ad + models.leave_per_second * (wait_us / MICROS)
    return threshold(hazard)


class Script(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """When the messages of many conversations are said, one after the other, and the dice of their turns."""

    said: Ints
    """Of each message: epoch microseconds."""
    owner: Ints
    """Which conversation each message is of."""
    users: Ints
    """Of each turn, which message is the user's."""
    first: Ints
    """Of each conversation, where its turns begin; and where the last one's end."""
    number: Ints
    """Of each turn: from 1 in its conversation."""
    keys: NDArray[np.uint64]
    """Of each turn, the key of its conversation's dice."""

    def draws(self, purpose: int) -> NDArray[np.uint64]:
        """What each turn draws for *purpose*."""
        return throw(self.keys, self.number.astype(np.uint64), purpose)


def script(talks: Sequence[Talk], models: Models, seed: int) -> Script:
    """Throw the dice for when all of *talks* are said."""
    lines = [line for talk in talks for line in talk.messages]
    lengths = np.array([len(talk.messages) for talk in talks], np.int64)
    ends = np.cumsum(lengths)
    keys = seeded_all(np.array([key_of(talk.id) for talk in talks], np.uint64), seed)
    owner = np.repeat(np.arange(len(talks)), lengths)
    place = np.arange(len(lines)) - np.repeat(ends - lengths, lengths)
    is_user = np.array([line.role == "user" for line in lines], np.bool_)

    users = np.flatnonzero(is_user)
    whose = owner[users]
    turns = np.bincount(whose, minlength=len(talks))
    first = np.cumsum(np.append([0], turns))
    return Script(
        said=_said(talks, models, keys, owner, place, is_user),
        owner=owner,
        users=users,
        first=first,
        number=np.arange(len(users)) - np.repeat(first[:-1], turns) + 1,
        keys=keys[whose],
    )


def timeline(talks: Sequence[Talk], models: Models, seed: int) -> Timeline:
    """Throw the dice of all of *talks*, whatever the rules."""
    told = script(talks, models, seed)
    said, owner, users, draws = told.said, told.owner, told.users, told.draws
    times, whose = times_of(models), told.owner[told.users]

    at = said[users]
    follows = np.append(whose[1:] == whose[:-1], [False])[: len(users)]
    newer = np.where(follows, np.append(at[1:], [NEVER])[: len(users)], NEVER)
    coalesced = newer < at + DEBOUNCE_US

    took, failed = _answers(times.latency, draws(Purpose.LATENCY), told.keys, told.number)
    answered = at + DEBOUNCE_US + took
    reply = _replies(said, owner, users, answered)
    shown = np.where(reply == NEVER, NEVER, np.maximum(reply, answered))
    # In float seconds, as the session reckons, so that both round alike.
    shown[(shown != NEVER) & (shown / MICROS >= answered / MICROS + DEFAULT_TTL_S)] = NEVER
    wait = np.where(shown == NEVER, 0, np.maximum(answered - reply, 0))

    sees = (shown != NEVER) & (shares(draws(Purpose.VIEW)) < np.uint64(threshold(models.view)))
    clicks = sees & (shares(draws(Purpose.CLICK)) < np.uint64(threshold(models.click)))
    viewed = np.where(sees, shown + times.view_after.all_us(draws(Purpose.VIEW_DELAY)), NEVER)
    clicked = np.where(clicks, viewed + times.click_after.all_us(draws(Purpose.CLICK_DELAY)), NEVER)

    leave = shares(draws(Purpose.LEAVE)).astype(np.int64)
    may = follows & ~coalesced  # who sends two messages at once does not leave between them
    leaves = may & (leave < leaves_below(models, None))
    hazard = models.leave + (models.leave_after_ad + models.leave_per_second * (wait / MICROS))
    below = (np.clip(hazard, 0.0, 1.0) * float(threshold(1.0))).astype(np.int64)
    return Timeline(
        first=told.first,
        said=said,
        place=users,
        at=at,
        coalesced=coalesced,
        track_only=np.array([line.track_only for talk in talks for line in talk.messages], np.bool_)[users],
        answered=answered,
        failed=failed,
        cancelled=newer < answered,
        shown=shown,
        wait=wait,
        viewed=viewed,
        clicked=clicked,
        fill_draw=shares(draws(Purpose.FILL)).astype(np.int64),
        leaves=leaves,
        leaves_ad=np.where(shown == NEVER, leaves, may & (leave < below)),
    )


def _said(
    talks: Sequence[Talk], models: Models, keys: NDArray[np.uint64], owner: Ints, place: Ints, is_user: Flags
) -> Ints:
    """When each message is said: a pause that is on record is kept, another is drawn."""
    recorded = np.array(
        [_UNKNOWN if line.at is None else micros(line.at) for talk in talks for line in talk.messages], np.int64
    )
    if models.times == "drawn":
        recorded[place > 0] = _UNKNOWN
    times = times_of(models)
    line_keys, places = keys[owner], place.astype(np.uint64)
    pause = np.where(
        is_user,
        times.typing.all_us(throw(line_keys, places, Purpose.TYPING)),
        times.reply.all_us(throw(line_keys, places, Purpose.REPLY)),
    )
    before = np.append([_UNKNOWN], recorded[:-1])[: len(recorded)]
    known = (recorded != _UNKNOWN) & (before != _UNKNOWN)
    pause[known] = np.maximum(recorded[known] - before[known], 0)
    firsts = np.flatnonzero(place == 0)
    drawn = throw(keys[owner[firsts]], np.zeros(len(firsts), np.uint64), Purpose.START)
    start = micros(models.start) + (drawn % np.uint64(seconds_us(models.span) or 1)).astype(np.int64)
    pause[firsts] = np.where(recorded[firsts] == _UNKNOWN, start, recorded[firsts])
    total = np.cumsum(pause)
    base = total[firsts] - pause[firsts]
    return total - np.repeat(base, np.bincount(owner, minlength=len(keys))[owner[firsts]])


def _answers(
    latency: Quantiles, drawn: NDArray[np.uint64], keys: NDArray[np.uint64], number: Ints
) -> tuple[Ints, Flags]:
    """How long each request takes, retries and their pauses included, and whether it fails in the end."""
    took = latency.all_us(drawn)
    failed = np.zeros(len(took), np.bool_)
    slow: list[int] = np.flatnonzero(took >= TIMEOUT_US).tolist()
    for index in slow:
        dice, total = Dice(int(keys[index])), 0
        for attempt in range(RETRIES + 1):
            one = latency.us(dice.throw(int(number[index]), Purpose.LATENCY + attempt))
            if one < TIMEOUT_US:
                total += one
                break
            total += TIMEOUT_US + (seconds_us(PAUSE_S * (1 << attempt)) if attempt < RETRIES else 0)
        else:
            failed[index] = True
        took[index] = total
    return took, failed


def _replies(said: Ints, owner: Ints, users: Ints, answered: Ints) -> Ints:
    """
    When the reply is there that the answer to each turn goes to; `NEVER` without one.

    The latest that was there before the answer, or else the first that comes after it. Of what happens at one instant,
    the answer comes first.
    """
    until = np.append(users[1:], [len(said)])[: len(users)]
    last = np.searchsorted(owner, owner[users], side="right")
    until = np.minimum(until, last)
    count = until - users - 1
    reply = np.where(count > 0, np.append(said[1:], [NEVER])[users], NEVER)
    several: list[int] = np.flatnonzero(count > 1).tolist()
    for turn in several:
        replies: list[int] = said[int(users[turn]) + 1 : int(until[turn])].tolist()
        before = bisect_left(replies, int(answered[turn]))
        reply[turn] = replies[max(before - 1, 0)]
    return reply

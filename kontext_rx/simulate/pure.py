"""The pure engine: a rule's fold over turns whose times are known, and arithmetic for what follows."""

from __future__ import annotations

import datetime as dt
import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from ..history import HISTORY_LIMIT
from ..message import Message, Seen, Turn
from ..pacing import AnyRule, Go, Pace
from ..pacing.fold import again
from ..pacing.pace import Remembered
from .columns import Columns
from .dice import threshold
from .fate import Fate
from .house import Failures, Housed, keeps, of_users
from .models import Models
from .talk import Talk
from .timeline import DEBOUNCE_US, MICROS, NEVER, Timeline
from .together import ANSWER, FRAME, Moment, together

__all__ = ["play"]

Quick: TypeAlias = Callable[[Any, Any], tuple[Any, bool]]

NOT_SAID: Final = 255
"""The fate of a turn that its user has left before."""


def play(talks: Sequence[Talk], rule: AnyRule, models: Models, script: Timeline, failures: Failures) -> Columns:
    """What becomes of each turn of *talks* under *rule*."""
    shard = _Shard(talks, models, script)
    quick: Quick | None = getattr(rule, "quick", None)
    if quick is not None:
        for index, talk in enumerate(talks):
            _exhaust(shard.play(index, _Quick(quick, rule.start, talk, shard), tells=False))
    elif not keeps(rule):
        housed = Housed(rule, failures)
        for index, talk in enumerate(talks):
            _exhaust(shard.play(index, _Paced(Pace(housed), talk, shard, index), tells=False))
    else:
        for indices in of_users(talks):
            housed = Housed(rule, failures)
            together(
                shard.play(index, _Paced(Pace(housed), talks[index], shard, index), tells=True) for index in indices
            )
    return shard.columns()


class _Ask(Protocol):
    """A rule at work on one conversation."""

    def decide(self, turn: int, number: int) -> bool:
        """Whether the turn may have an ad."""
        ...

    def notice(self, what: Remembered, at_us: int, number: int) -> None:
        """It has happened once more."""
        ...


class _Shard:
    """The turns of many conversations, as lists, which a loop reads faster than arrays."""

    def __init__(self, talks: Sequence[Talk], models: Models, script: Timeline) -> None:
        self.script, self.models, self.talks = script, models, talks
        self.first: list[int] = script.first.tolist()
        self.at: list[int] = script.at.tolist()
        self.at_s: list[float] = (script.at / MICROS).tolist()
        self.said = script.said
        self.place: list[int] = script.place.tolist()
        self._fill_draw = script.fill_draw.tolist()
        self._answered = script.answered.tolist()
        self._viewed, self._clicked = script.viewed.tolist(), script.clicked.tolist()
        self._early = _early(script)
        self._leaves, self._leaves_ad = script.leaves.tolist(), script.leaves_ad.tolist()
        self._cancelled = script.cancelled.tolist()
        self._fills = [threshold(probability) for probability in models.fill]
        turns = len(self.at)
        self.fate = bytearray([NOT_SAID]) * turns
        self.position = [0] * turns
        self.left = bytearray(turns)
        self.lines: list[int] = np.cumsum([0, *(len(talk.messages) for talk in talks)]).tolist()

    def play(self, index: int, ask: _Ask, *, tells: bool) -> Iterator[Moment]:
        """
        Play one conversation to its end.

        When it *tells*, it stops before each thing that another conversation of the user may know of, and says when
        that happens: whoever plays several lets the earliest go on.
        """
        begin, end = self.first[index], self.first[index + 1]
        fate, early, fills, last = self.fate, self._early, self._fills, len(self._fills) - 1
        cancelled, leaves, leaves_ad = self._cancelled, self._leaves, self._leaves_ad
        draws, position, decide = self._fill_draw, self.position, ask.decide
        to_come: list[tuple[int, int, Remembered]] = []
        ads, turn = 0, begin - 1
        for turn in range(begin, end):
            known = early[turn]
            if known == Fate.COALESCED:
                fate[turn] = known
                continue
            left = leaves[turn]
            if known == Fate.TRACK_ONLY:
                fate[turn] = known
            else:
                if to_come and to_come[0][0] < self.at[turn] + DEBOUNCE_US:
                    yield from self._happen(to_come, self.at[turn] + DEBOUNCE_US, begin, turn + 1, ask, tells)
                if tells:
                    yield self.at[turn] + DEBOUNCE_US, ANSWER
                if not decide(turn, turn - begin + 1):
                    fate[turn] = Fate.PACED_OUT
                elif cancelled[turn] and not left:
                    fate[turn] = Fate.CANCELLED
                elif known == Fate.ERROR:
                    fate[turn] = known
                elif draws[turn] < fills[ads if ads < last else last]:
                    fate[turn] = Fate.FILLED
                    position[turn] = ads
                    ads += 1
                    answered = self._answered[turn]
                    if tells:
                        yield from self._happen(to_come, answered, begin, turn + 1, ask, tells)
                        yield answered, ANSWER
                    ask.notice("filled", answered, turn - begin + 1)
                    if self._viewed[turn] != NEVER:
                        heapq.heappush(to_come, (self._viewed[turn], turn, "viewed"))
                        if self._clicked[turn] != NEVER:
                            heapq.heappush(to_come, (self._clicked[turn], turn, "clicked"))
                    if not cancelled[turn]:
                        left = leaves_ad[turn]
                else:
                    fate[turn] = Fate.NO_FILL
            if left:
                self.left[turn] = True
                break
        if tells:
            yield from self._happen(to_come, NEVER, begin, turn + 1, ask, tells)

    def _happen(
        self, to_come: list[tuple[int, int, Remembered]], until: int, begin: int, end: int, ask: _Ask, tells: bool
    ) -> Iterator[Moment]:
        """The views and clicks before *until*, during the turns up to *end*."""
        while to_come and to_come[0][0] < until:
            at, _, what = to_come[0]
            if tells:
                yield at, FRAME
            heapq.heappop(to_come)
            ask.notice(what, at, bisect_left(self.at, at, begin, end) - begin)

    def columns(self) -> Columns:
        """What follows from the fates."""
        script, models = self.script, self.models
        fate = np.frombuffer(self.fate, np.uint8)
        counts = np.diff(script.first)
        conversation = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(fate)) - np.repeat(script.first[:-1], counts) + 1
        filled = fate == Fate.FILLED
        shown = filled & (script.shown != NEVER)
        viewed = filled & (script.viewed != NEVER)
        worth = np.array(models.revenue, np.float64)[
            np.minimum(np.array(self.position, np.int64), len(models.revenue) - 1)
        ]
        said = fate != NOT_SAID
        return Columns(
            conversation=conversation[said],
            turn=number[said],
            at=script.at[said],
            fate=fate[said],
            shown=shown[said],
            wait=np.where(shown, script.wait, 0)[said],
            revenue=np.where(viewed, worth, 0.0)[said],
            viewed=viewed[said],
            clicked=(filled & (script.clicked != NEVER))[said],
            abandoned=np.frombuffer(self.left, np.bool_)[said],
        )


def _early(script: Timeline) -> list[int]:
    """The fate of each turn as far as it is certain; `FILLED` for what is to be seen."""
    early = np.full(len(script.at), Fate.FILLED, np.uint8)
    early[script.failed] = Fate.ERROR
    early[script.track_only] = Fate.TRACK_ONLY
    early[script.coalesced] = Fate.COALESCED
    return early.tolist()


def _exhaust(moments: Iterator[Moment]) -> None:
    for _ in moments:
        pass


class _Glance:
    """A turn as far as a quick rule looks at it; one for a whole conversation."""

    __slots__ = ("at", "clicked", "conversation_id", "filled", "number", "passed", "viewed")

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        self.number, self.at = 0, 0.0
        self.passed: Seen | None = None
        self.filled: Seen | None = None
        self.viewed: Seen | None = None
        self.clicked: Seen | None = None


class _Quick:
    """A rule in its quick form, which gives no reasons."""

    __slots__ = ("_at_s", "_glance", "_quick", "_state")

    def __init__(self, quick: Quick, start: Any, talk: Talk, shard: _Shard) -> None:
        self._quick, self._state, self._at_s = quick, start, shard.at_s
        self._glance = _Glance(talk.id)

    def decide(self, turn: int, number: int) -> bool:
        """Whether the turn may have an ad."""
        glance = self._glance
        glance.number = number
        glance.at = at = self._at_s[turn]
        self._state, passes = self._quick(self._state, glance)
        if passes:
            passed = glance.passed
            glance.passed = Seen(1 if passed is None else passed.count + 1, at, number)
        return passes

    def notice(self, what: Remembered, at_us: int, number: int) -> None:
        """It has happened once more."""
        setattr(self._glance, what, again(getattr(self._glance, what), at_us / MICROS, number))


class _Paced:
    """Any rule, as a session has it: whole turns, and the records of users."""

    def __init__(self, pace: Pace, talk: Talk, shard: _Shard, index: int) -> None:
        self._pace, self._talk, self._shard = pace, talk, shard
        self._line = shard.lines[index]
        self._said = shard.said[self._line : shard.lines[index + 1]]
        self._messages: list[Message] = []
        self._seen: dict[Remembered, Seen] = {}

    def decide(self, turn: int, number: int) -> bool:
        """Whether the turn may have an ad."""
        place = self._shard.place[turn] - self._line
        settled = self._shard.at[turn] + DEBOUNCE_US
        end = place + 1
        while end < len(self._said) and self._said[end] < settled:  # a reply within the debounce is in the request
            end += 1
        self._know(end)
        asked = Turn(
            message=self._messages[place],
            number=number,
            at=self._shard.at_s[turn],
            conversation=tuple(self._messages[max(0, end - HISTORY_LIMIT) : end]),
            conversation_id=self._talk.id,
            user_id=self._talk.owner,
            filled=self._seen.get("filled"),
            viewed=self._seen.get("viewed"),
            clicked=self._seen.get("clicked"),
        )
        return isinstance(self._pace.decide(asked).decision, Go)

    def notice(self, what: Remembered, at_us: int, number: int) -> None:
        """It has happened once more."""
        self._seen[what] = again(self._seen.get(what), at_us / MICROS, number)
        self._pace.notice(self._talk.owner, what, at_us / MICROS)

    def _know(self, end: int) -> None:
        for index in range(len(self._messages), end):
            line = self._talk.messages[index]
            self._messages.append(Message(line.id, line.role, line.content, moment(int(self._said[index]))))


_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def moment(at_us: int) -> dt.datetime:
    """Epoch microseconds as a datetime in UTC."""
    return _EPOCH + dt.timedelta(microseconds=at_us)

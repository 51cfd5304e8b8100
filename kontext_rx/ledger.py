"""What is remembered of each message, for those who ask why; and the funnel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, Literal, TypeAlias

import msgspec

from .event import AdError, AdEvent, Clicked, Filled, NoFill, RenderStarted, RewardGranted, VideoCompleted, Viewed
from .trace import Added, Dropped, Ended, Linked, Mounted, PreloadStep, Retold, Settled, Trace, Unmounted

__all__ = ["Funnel", "Ledger"]

STORIES: Final = 60
"""Messages whose story is kept: the thirty of the history, and thirty that have left it. Source: ours."""

LONGEST_STORY: Final = 64
"""
Entries of one message's story; from then on the latest of a kind replaces the one before it, and the first stays. The
steps of a preload are always kept.

Source: ours, against a frame that repeats itself.
"""

LONGEST_TURN: Final = 512
"""Things that are noted of one turn before it is thinned, at the least. Source: ours."""

TOLD: Final = (Filled, NoFill, AdError, RenderStarted, Viewed, Clicked, VideoCompleted, RewardGranted)
"""The events that belong in a story; heights come by the hundred."""


class Funnel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    How far a session's turns came. Each turn counts once at each stage, however many placements it has.

    Source: ours; the stages are those of the product's events.
    """

    turns: int = 0
    """User messages."""
    sent: int = 0
    """Preloads that asked for an ad. Those sent as `track_only`, by the app or by pacing, do not count."""
    filled: int = 0
    """Preloads that brought at least one bid."""
    linked: int = 0
    """Replies that got an ad."""
    mounted: int = 0
    """Replies whose ad was put on a page."""
    rendered: int = 0
    """Replies whose creative began to show."""
    viewed: int = 0
    clicked: int = 0
    revenue: float = 0.0
    """The sum of what `Viewed` events carried."""


class Ledger:
    """
    What happened in the last turns, and the session's funnel.

    Noting is an append. The stories of messages, and all but the counts of turns that are over, are made when somebody
    asks.
    """

    __slots__ = (
        "_counted",
        "_counts",
        "_funnel",
        "_kept",
        "_longest",
        "_most",
        "_reached",
        "_stories",
        "_turn",
        "_turns",
    )

    def __init__(self, stories: int | None = STORIES) -> None:
        self._most = stories
        self._turn: list[Trace] = []
        """Since the last question."""
        self._turns: tuple[tuple[Trace, ...], ...] = ()
        """Before it, from question to question; tuples of values are nothing to the garbage collector."""
        self._kept = 0  # messages in them
        self._longest = LONGEST_TURN  # what this turn may grow to
        self._stories: dict[str, _Story] | None = None
        self._counted = 0  # of this turn's
        self._counts: dict[str, float] = {}
        self._reached: dict[str, _Reached] = {}
        self._funnel: Funnel | None = Funnel()

    def note(self, trace: Trace) -> None:
        """Remember one thing that happened."""
        if type(trace) is Added and trace.role == "user" and self._turn:
            self._close()
        self._stories = None
        turn = self._turn
        turn.append(trace)
        if len(turn) > self._longest:
            self._thin()

    @property
    def funnel(self) -> Funnel:
        """How far the turns came; the same object until that changes."""
        self._count_up()
        if self._funnel is None:
            self._funnel = msgspec.convert(self._counts, Funnel)
        return self._funnel

    def story(self, *message_ids: str) -> Sequence[Trace]:
        """What happened to these messages, oldest first; empty when they are not known, or not any more."""
        if self._stories is None:
            self._stories = _stories_of((*chain.from_iterable(self._turns), *self._turn), self._most)
        stories = [story for one in message_ids if (story := self._stories.get(one)) is not None]
        told = {number: trace for story in stories for number, trace in story.items()}
        return [told[number] for number in sorted(told)]

    def stage(self, message_id: str) -> Literal["linked", "mounted", "viewed"] | None:
        """How far a reply's ad has come, if there is something to show; also where the story is not kept any more."""
        self._count_up()
        reached = self._reached.get(message_id)
        if reached is None:
            return None
        return "viewed" if "viewed" in reached.stages else "mounted" if "mounted" in reached.stages else "linked"

    @property
    def traces(self) -> Sequence[Trace]:
        """All that is remembered, oldest first."""
        self.story()
        return self.story(*(self._stories or ()))

    def _close(self) -> None:
        """A turn is over; the oldest go when there are enough messages without them."""
        self._count_up()
        self._kept += _messages_in(self._turn)
        turns = (*self._turns, tuple(self._turn))
        self._turn.clear()
        self._counted, self._longest = 0, LONGEST_TURN
        while self._most is not None and self._kept - (oldest := _messages_in(turns[0])) >= self._most:
            self._kept -= oldest
            turns = turns[1:]
        self._turns = turns

    def _thin(self) -> None:
        """A turn that goes on and on keeps what its stories keep, and its last replies."""
        self._count_up()
        kept = _stories_of(self._turn, None, are_known=True)
        if self._most is not None:
            replies = [trace.message_id for trace in self._turn if type(trace) is Added and trace.role == "assistant"]
            for message_id in replies[: -self._most]:
                kept.pop(message_id, None)
        numbers = {number for story in kept.values() for number in story}
        self._turn = [trace for number, trace in enumerate(self._turn) if number in numbers or isinstance(trace, Ended)]
        self._counted = len(self._turn)
        # Not before it is twice as long: what many stories keep may be more than the least, and each look is at all.
        self._longest = max(LONGEST_TURN, 2 * self._counted)

    def _count_up(self) -> None:
        """Count what has happened since this was called last."""
        counted, self._counted = self._counted, len(self._turn)
        turns = sent = filled = 0
        for trace in self._turn[counted:] if counted else self._turn:
            if type(trace) is PreloadStep:
                sent += trace.name == "sent" and not trace.track_only
                filled += trace.outcome == "filled"
            elif type(trace) is Added:
                turns += trace.role == "user"
            elif type(trace) is Linked:
                self._reached[trace.message_id] = _Reached(tuple(trace.bids))
                self._count("linked")
            elif type(trace) is Dropped:
                self._drop(trace.message_id, trace.codes)
            elif isinstance(trace, Mounted | RenderStarted | Viewed | Clicked):
                self._reach(trace.message_id or "", _STAGES[type(trace)])
                if isinstance(trace, Viewed) and trace.revenue:
                    self._count("revenue", trace.revenue)
        for stage, times in (("turns", turns), ("sent", sent), ("filled", filled)):
            if times:
                self._count(stage, times)

    def _reach(self, message_id: str, stage: str) -> None:
        """A reply's ad has come to *stage*: it counts the first time."""
        reached = self._reached.get(message_id)
        if reached is not None and stage not in reached.stages:
            reached.stages += (stage,)
            self._count(stage)

    def _drop(self, message_id: str, codes: tuple[str, ...]) -> None:
        reached = self._reached.get(message_id)
        if reached is not None:
            reached.codes = tuple([code for code in reached.codes if code not in codes])
            if not reached.codes:  # nothing is left that could come further
                del self._reached[message_id]

    def _count(self, stage: str, by: float = 1) -> None:
        self._counts[stage] = self._counts.get(stage, 0) + by
        self._funnel = None


_Story: TypeAlias = dict[int, Trace]
"""What happened, by the how-manieth thing it was: the order of things that happened at one instant."""


class _Reached(msgspec.Struct, gc=False):
    """How far a reply's ad has come, kept for as long as there is something to show."""

    codes: tuple[str, ...]
    stages: tuple[str, ...] = ()


_STAGES: Final[dict[type, str]] = {Mounted: "mounted", RenderStarted: "rendered", Viewed: "viewed", Clicked: "clicked"}


# --- stories ------------------------------------------------------------------------------------------------------


def _messages_in(traces: Iterable[Trace]) -> int:
    return sum([type(trace) is Added for trace in traces])


def _stories_of(traces: Iterable[Trace], most: int | None, *, are_known: bool = False) -> dict[str, _Story]:
    """
    What happened to each message, in the order in which they were added; to the last *most* of them.

    *are_known* takes each message that is spoken of for one that was added.
    """
    stories: dict[str, _Story] = defaultdict(dict) if are_known else {}
    replies: dict[str, int] = {}  # of a question, those whose stories are kept
    for number, trace in enumerate(traces):
        if isinstance(trace, Added):
            stories.setdefault(trace.message_id, {})
            if trace.role == "assistant" and trace.after is not None:
                replies[trace.after] = replies.get(trace.after, 0) + 1
        for message_id in stories if isinstance(trace, Ended) else _about(trace):
            if message_id is not None and (are_known or message_id in stories):
                _tell(stories[message_id], number, trace)
        if most is not None and len(stories) > most:
            _forget(stories, replies)
    return stories


def _about(trace: Trace) -> tuple[str | None, ...]:
    """The messages whose stories it belongs to: a message's begins, and goes on that of the question before it."""
    match trace:
        case PreloadStep(user_message_id=user):
            return (user,)
        case Added(message_id=message_id, after=after):
            return (message_id, after)
        case Linked(message_id=message_id, user_message_id=user):
            return (message_id, user)
        case Retold(message_id=message_id, event=event):
            return (message_id, event.user_message_id)
        case Settled(message_id=message_id, outcome=outcome):
            return (message_id, outcome.user_message_id)
        case Dropped(message_id=message_id) | Mounted(message_id=message_id) | Unmounted(message_id=message_id):
            return (message_id,)
        case AdEvent(message_id=message_id, user_message_id=user) if isinstance(trace, TOLD):
            return (message_id, user)
        case _:
            return ()


def _tell(story: _Story, number: int, trace: Trace) -> None:
    # A preload has a handful of steps, and each of them counts.
    if len(story) >= LONGEST_STORY and not isinstance(trace, PreloadStep):
        alike = [told for told, other in story.items() if type(other) is type(trace)]
        if len(alike) > 1:
            del story[alike[-1]]
    story[number] = trace


def _forget(stories: dict[str, _Story], replies: dict[str, int]) -> None:
    """Let go of the oldest message, but not of a question whose replies are kept: their story begins with it."""
    oldest = next(message_id for message_id in stories if not replies.get(message_id))
    added = next(iter(stories.pop(oldest).values()))
    replies.pop(oldest, None)
    if isinstance(added, Added) and added.role == "assistant" and added.after in replies:
        replies[added.after] -= 1

"""What is remembered of each message, for those who ask why; and the funnel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, Literal, TypeAlias

import msgspec

from .event import (
    AdError,
    AdEvent,
    AdHeight,
    Clicked,
    Filled,
    NoFill,
    RenderStarted,
    RewardGranted,
    VideoCompleted,
    Viewed,
)
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

PAGE: Final = 64
"""Things that are noted until the next question begins a new page: some eight turns. Source: ours."""

LONGEST_TURN: Final = 512
"""Things that are noted without a question in between, until those in no story go. Source: ours."""

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

    Noting is an append to a page. Stories and counts are made when somebody asks, or when a page is old and goes.
    """

    __slots__ = (
        "_closed",
        "_counts",
        "_funnel",
        "_kept",
        "_long",
        "_most",
        "_page_counted",
        "_pages",
        "_pages_counted",
        "_reached",
        "_stories",
        "page",
    )

    def __init__(self, stories: int | None = STORIES) -> None:
        self._most = stories
        self.page: list[Trace] = []
        """The last one. Who appends here calls `close` before a question when it is full, `thin` when it is long."""
        self._pages: tuple[tuple[int, tuple[Trace, ...]], ...] = ()
        """Before it, each with its number of messages; tuples of values are nothing to the garbage collector."""
        self._kept = 0  # messages in them
        self._closed = 0  # how many there were
        self._stories: tuple[tuple[int, int], dict[str, _Story]] | None = None
        self._pages_counted = 0  # of those kept
        self._page_counted = 0  # of the last one's
        self._long = LONGEST_TURN  # how long that may get until it is looked at
        self._counts: dict[str, float] = {}
        self._reached: dict[str, _Reached] = {}
        self._funnel: Funnel | None = Funnel()

    def note(self, trace: Trace) -> None:
        """Remember one thing that happened."""
        if type(trace) is Added and trace.role == "user" and len(self.page) >= PAGE:
            self.close()
        self.page.append(trace)
        self.thin()

    @property
    def funnel(self) -> Funnel:
        """How far the turns came; the same object until that changes."""
        self._count_up()
        if self._funnel is None:
            self._funnel = msgspec.convert(self._counts, Funnel)
        return self._funnel

    def story(self, *message_ids: str) -> Sequence[Trace]:
        """What happened to these messages, oldest first; empty when they are not known, or not any more."""
        known = self._known()
        stories = [story for one in message_ids if (story := known.get(one)) is not None]
        told = {number: trace for story in stories for number, trace in story.items()}
        return [told[number] for number in sorted(told)]

    def _known(self) -> dict[str, _Story]:
        state = self._closed, len(self.page)
        if self._stories is None or self._stories[0] != state:
            traces = chain(*(traces for _, traces in self._pages), self.page)
            self._stories = state, _stories_of(traces, self._most)
        return self._stories[1]

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
        return self.story(*self._known())

    def close(self) -> None:
        """The page is full, and begins anew; the oldest go when there are enough messages without them."""
        if not self.page:
            return
        size = [*map(type, self.page)].count(Added)
        self._kept += size
        self._closed += 1
        pages = (*self._pages, (size, tuple(self.page)))
        if self._page_counted:  # somebody has asked meanwhile
            self._count_up()
            self._pages_counted = len(pages)
        self.page.clear()
        self._page_counted, self._long = 0, LONGEST_TURN
        while self._most is not None and self._kept - pages[0][0] >= self._most:
            size, traces = pages[0]
            self._kept -= size
            if self._pages_counted:
                self._pages_counted -= 1
            else:
                self._count_all(traces)
            pages = pages[1:]
        self._pages = pages

    def thin(self) -> None:
        """A turn that goes on and on: only what is in a story is kept, of all pages, from time to time."""
        if len(self.page) < self._long:
            return
        self._count_up()
        self.page[:] = self.traces
        self._pages, self._kept, self._pages_counted = (), 0, 0
        self._page_counted = len(self.page)
        self._long = max(LONGEST_TURN, 2 * self._page_counted)  # each look is at all of it
        self._stories = None

    def _count_up(self) -> None:
        """Count what has happened since this was called last."""
        for _, traces in self._pages[self._pages_counted :]:
            self._count_all(traces)
        self._pages_counted = len(self._pages)
        counted, self._page_counted = self._page_counted, len(self.page)
        self._count_all(self.page[counted:])

    def _count_all(self, traces: Iterable[Trace]) -> None:
        turns = sent = filled = linked = 0
        reached = self._reached
        for trace in traces:
            if type(trace) is PreloadStep:
                if trace.name == "sent":
                    sent += not trace.track_only
                elif trace.name == "resolved":
                    filled += trace.outcome == "filled"
            elif type(trace) is Added:
                turns += trace.role == "user"
            elif type(trace) in _UNCOUNTED:
                pass
            elif type(trace) is Linked:
                linked += 1
                reached[trace.message_id] = _Reached(tuple(trace.bids))
            elif type(trace) is Dropped:
                self._drop(trace.message_id, trace.codes)
            elif isinstance(trace, Mounted | RenderStarted | Viewed | Clicked):
                self._reach(trace.message_id or "", _STAGES[type(trace)])
                if isinstance(trace, Viewed) and trace.revenue:
                    self._count("revenue", trace.revenue)
        for stage, times in (("turns", turns), ("sent", sent), ("filled", filled), ("linked", linked)):
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
        if reached is None:
            return
        if reached.codes != codes:
            reached.codes = tuple([code for code in reached.codes if code not in codes])
        if reached.codes == codes or not reached.codes:  # nothing is left that could come further
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


_UNCOUNTED: Final = frozenset[type]((Retold, Settled, Filled, NoFill, AdError, AdHeight))
"""Most of what happens to a turn: none of it is a stage of its own."""

_STAGES: Final[dict[type, str]] = {Mounted: "mounted", RenderStarted: "rendered", Viewed: "viewed", Clicked: "clicked"}


# --- stories ------------------------------------------------------------------------------------------------------


def _stories_of(traces: Iterable[Trace], most: int | None) -> dict[str, _Story]:
    """What happened to each message, in the order in which they were added; to the last *most* of them."""
    stories: dict[str, _Story] = {}
    replies: dict[str, int] = {}  # of a question, those whose stories are kept
    for number, trace in enumerate(traces):
        if isinstance(trace, Added):
            stories.setdefault(trace.message_id, {})
            if trace.role == "assistant" and trace.after is not None:
                replies[trace.after] = replies.get(trace.after, 0) + 1
        for message_id in stories if isinstance(trace, Ended) else _about(trace):
            if message_id is not None and message_id in stories:
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

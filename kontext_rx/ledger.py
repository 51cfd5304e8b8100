"""What is remembered of each message, for those who ask why; and the funnel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, Literal, TypeAlias

import msgspec

from .event import (
    AdError,
    AdEvent,
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

PAGE: Final = 32
"""Things that are noted until the next question begins a new page: some four turns. Source: ours."""

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


REACHED: Final = 64
"""Replies whose stages are remembered. Source: ours; one that is shown again after so many others counts again."""


class Ledger:
    """
    What happened in the last turns, and the session's funnel.

    Noting is an append to a page. Stories are made when somebody asks; what a turn reaches is counted as it happens.
    """

    __slots__ = (
        "_closed",
        "_filled",
        "_kept",
        "_linked",
        "_long",
        "_most",
        "_pages",
        "_reached",
        "_revenue",
        "_sent",
        "_stages",
        "_stories",
        "_turns",
        "page",
    )

    def __init__(self, stories: int | None = STORIES) -> None:
        self._most = stories
        # No lists: a dict or a tuple that holds only values is nothing to the garbage collector.
        self.page: dict[int, Trace] = {}
        """The last one. Who adds here calls `count`, `close` before a question when it is full, `thin` when long."""
        self._pages: tuple[tuple[int, tuple[Trace, ...]], ...] = ()
        """Before it, each with its number of messages."""
        self._kept = 0  # messages in them
        self._closed = 0  # how many there were
        self._stories: tuple[tuple[int, int], dict[str, _Story]] | None = None
        self._long = LONGEST_TURN  # how long the last page may get until it is looked at
        self._turns = self._sent = self._filled = self._linked = 0
        self._stages: dict[str, int] = {}
        self._revenue = 0.0
        self._reached: dict[str, tuple[str, ...]] = {}

    def note(self, trace: Trace) -> None:
        """Remember one thing that happened, and count it."""
        self.count(trace)
        if type(trace) is Added and trace.role == "user" and len(self.page) >= PAGE:
            self.close()
        self.page[len(self.page)] = trace
        self.thin()

    def count(self, trace: Trace) -> None:
        """Count what has brought a turn further."""
        if type(trace) is PreloadStep:
            if trace.name == "sent":
                self._sent += not trace.track_only
            elif trace.name == "resolved":
                self._filled += trace.outcome == "filled"
        elif type(trace) is Added:
            self._turns += trace.role == "user"
        elif type(trace) is Linked:
            self._linked += 1
        elif isinstance(trace, Mounted | RenderStarted | Viewed | Clicked):
            self._reach(trace.message_id or "", _STAGES[type(trace)])
            if isinstance(trace, Viewed):
                self._revenue += trace.revenue or 0.0

    def _reach(self, message_id: str, stage: str) -> None:
        """A reply's ad has come to *stage*: it counts the first time."""
        reached = self._reached.get(message_id, ())
        if stage not in reached:
            self._reached[message_id] = (*reached, stage)
            self._stages[stage] = self._stages.get(stage, 0) + 1
            if len(self._reached) > REACHED:
                del self._reached[next(iter(self._reached))]

    @property
    def funnel(self) -> Funnel:
        """How far the turns came."""
        return Funnel(
            turns=self._turns,
            sent=self._sent,
            filled=self._filled,
            linked=self._linked,
            revenue=self._revenue,
            **self._stages,
        )

    def story(self, *message_ids: str) -> Sequence[Trace]:
        """What happened to these messages, oldest first; empty when they are not known, or not any more."""
        known = self._known()
        stories = [story for one in message_ids if (story := known.get(one)) is not None]
        told = {number: trace for story in stories for number, trace in story.items()}
        return [told[number] for number in sorted(told)]

    def _known(self) -> dict[str, _Story]:
        state = self._closed, len(self.page)
        if self._stories is None or self._stories[0] != state:
            traces = chain(*(traces for _, traces in self._pages), self.page.values())
            self._stories = state, _stories_of(traces, self._most)
        return self._stories[1]

    def stage(self, message_id: str) -> Literal["mounted", "viewed"] | None:
        """How far a reply's ad has come on a page, also where the story is not kept any more."""
        reached = self._reached.get(message_id, ())
        return "viewed" if "viewed" in reached else "mounted" if "mounted" in reached else None

    @property
    def traces(self) -> Sequence[Trace]:
        """All that is remembered, oldest first."""
        return self.story(*self._known())

    def close(self) -> None:
        """The page is full, and begins anew; the oldest go when there are enough messages without them."""
        if not self.page:
            return
        self._closed += 1
        size = [*map(type, self.page.values())].count(Added)
        kept, pages = self._kept + size, (*self._pages, (size, tuple(self.page.values())))
        while self._most is not None and kept - pages[0][0] >= self._most:
            kept -= pages[0][0]
            pages = pages[1:]
        self._kept, self._pages, self._long = kept, pages, LONGEST_TURN
        self.page.clear()

    def thin(self) -> None:
        """A turn that goes on and on: only what is in a story is kept, of all pages, from time to time."""
        if len(self.page) < self._long:
            return
        traces = self.traces
        self.page.clear()
        self.page.update(enumerate(traces))
        self._pages, self._kept, self._stories = (), 0, None
        self._long = max(LONGEST_TURN, 2 * len(self.page))  # each look is at all of it


_Story: TypeAlias = dict[int, Trace]
"""What happened, by the how-manieth thing it was: the order of things that happened at one instant."""


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

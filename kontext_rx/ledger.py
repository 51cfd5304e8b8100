"""What is remembered of each message, for those who ask why; and the funnel."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The stories of the last messages, each of them what happened to it, and the session's funnel."""

    __slots__ = ("_counts", "_funnel", "_most", "_noted", "_reached", "_replies", "_stories")

    def __init__(self, stories: int | None = STORIES) -> None:
        self._stories: dict[str, _Story] = {}
        self._most = stories
        self._noted = 0
        self._reached: dict[str, _Reached] = {}
        self._replies: dict[str, int] = {}  # of a question, those whose stories are kept
        self._counts: dict[str, float] = {}
        self._funnel: Funnel | None = Funnel()

    @property
    def funnel(self) -> Funnel:
        """How far the turns came; the same object until that changes."""
        if self._funnel is None:
            self._funnel = msgspec.convert(self._counts, Funnel)
        return self._funnel

    def note(self, trace: Trace) -> None:
        """Remember one thing that happened, in the stories that it belongs to."""
        self._noted += 1
        match trace:
            case PreloadStep(user_message_id=user):
                self._tell(trace, user)
                if trace.name == "sent" and not trace.track_only:
                    self._count("sent")
                elif trace.outcome == "filled":
                    self._count("filled")
            case Added():
                self._open(trace)
            case Linked(message_id=message_id, user_message_id=user, bids=bids):
                self._tell(trace, message_id, user)
                self._reached[message_id] = _Reached(tuple(bids))
                self._count("linked")
            case Retold(message_id=message_id, event=event):
                self._tell(trace, message_id, event.user_message_id)
            case Settled(message_id=message_id, outcome=outcome):
                self._tell(trace, message_id, outcome.user_message_id)
            case Dropped(message_id=message_id, codes=codes):
                self._tell(trace, message_id)
                self._drop(message_id, codes)
            case Mounted(message_id=message_id):
                self._tell(trace, message_id)
                self._reach(message_id, "mounted")
            case Unmounted(message_id=message_id):
                self._tell(trace, message_id)
            case Ended():
                self._tell(trace, *self._stories)
            case AdEvent(message_id=message_id, user_message_id=user):
                if isinstance(trace, TOLD):
                    self._tell(trace, message_id, user)
                if (stage := _STAGES.get(type(trace))) is not None:
                    self._reach(message_id or "", stage)
                if isinstance(trace, Viewed) and trace.revenue:
                    self._count("revenue", trace.revenue)

    def story(self, *message_ids: str) -> Sequence[Trace]:
        """What happened to these messages, oldest first; empty when they are not known, or not any more."""
        stories = [story for one in message_ids if (story := self._stories.get(one)) is not None]
        if len(stories) == 1:
            return list(stories[0].values())
        told = {number: trace for story in stories for number, trace in story.items()}
        return [told[number] for number in sorted(told)]

    def stage(self, message_id: str) -> Literal["linked", "mounted", "viewed"] | None:
        """How far a reply's ad has come, if there is something to show; also where the story is not kept any more."""
        reached = self._reached.get(message_id)
        if reached is None:
            return None
        return "viewed" if "viewed" in reached.stages else "mounted" if "mounted" in reached.stages else "linked"

    @property
    def traces(self) -> Sequence[Trace]:
        """All that is remembered, oldest first."""
        return self.story(*self._stories)

    def _open(self, added: Added) -> None:
        """A message's story begins, and goes on that of the question before it."""
        self._stories[added.message_id] = {}
        self._tell(added, added.message_id, added.after)
        if added.role == "user":
            self._count("turns")
        elif added.after is not None:
            self._replies[added.after] = self._replies.get(added.after, 0) + 1
        if self._most is not None and len(self._stories) > self._most:
            self._forget()

    def _tell(self, trace: Trace, *message_ids: str | None) -> None:
        for message_id in message_ids:
            story = self._stories.get(message_id or "")
            if story is None:
                continue
            # A preload has a handful of steps, and each of them counts.
            if len(story) >= LONGEST_STORY and not isinstance(trace, PreloadStep):
                alike = [number for number, other in story.items() if type(other) is type(trace)]
                if len(alike) > 1:
                    del story[alike[-1]]
            story[self._noted] = trace

    def _forget(self) -> None:
        """Let go of the oldest message, but not of a question whose replies are kept: their story begins with it."""
        oldest = next(message_id for message_id in self._stories if not self._replies.get(message_id))
        added = next(iter(self._stories.pop(oldest).values()))
        self._replies.pop(oldest, None)
        if isinstance(added, Added) and added.role == "assistant" and added.after in self._replies:
            self._replies[added.after] -= 1

    def _reach(self, message_id: str, stage: str) -> None:
        """A reply's ad has come to *stage*: it counts the first time."""
        reached = self._reached.get(message_id)
        if reached is not None and stage not in reached.stages:
            reached.stages += (stage,)
            self._count(stage)

    def _drop(self, message_id: str, codes: tuple[str, ...]) -> None:
        reached = self._reached.get(message_id)
        if reached is not None:
            reached.codes = tuple(code for code in reached.codes if code not in codes)
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


_STAGES: Final[dict[type, str]] = {RenderStarted: "rendered", Viewed: "viewed", Clicked: "clicked"}

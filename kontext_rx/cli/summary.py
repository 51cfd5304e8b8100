"""What came of a replay: counts, folded from what happened."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from kontext_rx import AdError

from .player import Closed, Happening, Linked, Opened, Said, Stepped, Told

__all__ = ["Summary", "Tally", "percentile"]

REASONS_KEPT: Final = 20
"""Different error messages that are kept apart; the rest are "other errors". Source: ours."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """
    The counts of a replay.

    Once it has ended, `preloads + coalesced == user_messages` (unless the server switched sessions off),
    `filled + no_fill + errors == preloads - cancelled` and `linked + unlinked == filled`.
    """

    conversations: int
    messages: int
    """Messages that were fed, the user's and the replies."""
    user_messages: int
    preloads: int
    """Requests that were sent; a retry is no other request."""
    filled: int
    no_fill: int
    errors: int
    cancelled: int
    """Preloads that were let go, for a newer message or because the replay was interrupted."""
    coalesced: int
    """User messages that were followed by another before they were sent."""
    linked: int
    """Fills that got a reply."""
    unlinked: int
    """Fills that got none: the conversation went on, or ended, without."""
    duration_s: float
    p50_ms: float | None
    """Milliseconds in which half of the fills came; None without a fill."""
    p99_ms: float | None


class Tally:
    """Counts what happens. One replay's memory: eight bytes a fill, and what is in flight."""

    def __init__(self) -> None:
        self.conversations = self.closed = 0
        self.messages = self.user_messages = 0
        self.preloads = self.filled = self.no_fill = self.errors = 0
        self.cancelled = self.coalesced = self.linked = self.retried = 0
        self.skipped: Counter[str] = Counter()
        """Messages that could not be fed, by reason."""
        self.undated = 0
        """Messages whose time could not be read."""
        self.reasons: Counter[str] = Counter()
        """Why there was no ad, as "no fill: unfilled_bid": skip codes, what errors say, what cancelled."""
        self.in_flight: set[tuple[int, str]] = set()
        """The preloads that have not ended, by conversation and user message."""
        self._latencies = array("d")

    def __call__(self, happening: Happening) -> None:
        """Take note."""
        match happening:
            case Opened(conversation=conversation):
                self.conversations += 1
                self.skipped.update(conversation.skipped)
                self.undated += conversation.undated
            case Said(message=message):
                self.messages += 1
                self.user_messages += message.role == "user"
            case Stepped():
                self._step(happening)
            case Told(conversation=conversation, event=AdError() as error):
                self._error(conversation.number, error)
            case Told():
                pass
            case Linked():
                self.linked += 1
            case Closed():
                self.closed += 1

    def _step(self, stepped: Stepped) -> None:
        step = stepped.step
        preload = stepped.conversation.number, step.user_message_id
        match step.name:
            case "sent":
                self.preloads += 1
                self.in_flight.add(preload)
            case "coalesced":
                self.coalesced += 1
            case "retried":
                self.retried += 1
            case "cancelled" if preload in self.in_flight:  # else it was never sent
                self.in_flight.discard(preload)
                self.cancelled += 1
                self.reasons[f"cancelled: {'by the end' if step.by is None else 'for a newer message'}"] += 1
            case "resolved" if preload in self.in_flight:
                self.in_flight.discard(preload)
                self._resolve(step.outcome, step.reason, step.duration_s)
            case _:
                pass

    def _resolve(self, outcome: str | None, reason: str | None, duration_s: float | None) -> None:
        match outcome:
            case "filled":
                self.filled += 1
                self._latencies.append((duration_s or 0.0) * 1000)
            case "error":
                self.errors += 1
            case _:
                self.no_fill += 1
                self.reasons[f"no fill: {reason or outcome}"] += 1

    def _error(self, number: int, error: AdError) -> None:
        preload = number, error.user_message_id or ""
        if preload in self.in_flight:  # it ended without a last step
            self.in_flight.discard(preload)
            self.errors += 1
        reason = f"error: {error.message}"
        self.reasons[reason if reason in self.reasons or len(self.reasons) < REASONS_KEPT else "other errors"] += 1

    @property
    def unsent(self) -> int:
        """User messages that were neither sent nor coalesced, nor wait to be."""
        return self.user_messages - self.preloads - self.coalesced

    def summary(self, duration_s: float) -> Summary:
        """The counts so far, after *duration_s* seconds."""
        latencies = sorted(self._latencies)
        return Summary(
            conversations=self.conversations,
            messages=self.messages,
            user_messages=self.user_messages,
            preloads=self.preloads,
            filled=self.filled,
            no_fill=self.no_fill,
            errors=self.errors,
            cancelled=self.cancelled,
            coalesced=self.coalesced,
            linked=self.linked,
            unlinked=self.filled - self.linked,
            duration_s=round(duration_s, 3),
            p50_ms=percentile(latencies, 0.50),
            p99_ms=percentile(latencies, 0.99),
        )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The least value, of those in ascending order, that *share* of them do not exceed; None where there are none."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else None

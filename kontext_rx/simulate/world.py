"""What the session engine draws: all that chance decides for many conversations, at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from .dice import Dice, Purpose, shares, threshold
from .models import Models, times_of
from .talk import Talk
from .timeline import leaves_below, script

__all__ = ["World"]


class World:
    """
    The models, and what conversations and their turns have drawn from them under a seed.

    A turn has a place among all turns of all conversations; delays are microseconds, and what is drawn against a
    probability is a share, to be compared with a threshold.
    """

    def __init__(self, talks: Sequence[Talk], models: Models, seed: int) -> None:
        self.models = models
        times = times_of(models)
        self.view, self.click = threshold(models.view), threshold(models.click)
        self.fills = [threshold(probability) for probability in models.fill]
        self.leave = leaves_below(models, None)
        """The threshold under which a user leaves who was shown no ad."""
        told = script(talks, models, seed)
        self.first: list[int] = told.first.tolist()
        """Of each conversation, the place of its first turn."""
        self.filling: list[int] = shares(told.draws(Purpose.FILL)).tolist()
        self.viewing: list[int] = shares(told.draws(Purpose.VIEW)).tolist()
        self.clicking: list[int] = shares(told.draws(Purpose.CLICK)).tolist()
        self.leaving: list[int] = shares(told.draws(Purpose.LEAVE)).tolist()
        self.view_after: list[int] = times.view_after.all_us(told.draws(Purpose.VIEW_DELAY)).tolist()
        self.click_after: list[int] = times.click_after.all_us(told.draws(Purpose.CLICK_DELAY)).tolist()
        self._latency: list[int] = times.latency.all_us(told.draws(Purpose.LATENCY)).tolist()
        self._keys: list[int] = told.keys.tolist()
        self._latencies = times.latency
        self._said: list[int] = told.said.tolist()
        self._ends = [0, *accumulate(len(talk.messages) for talk in talks)]

    def said(self, conversation: int) -> list[int]:
        """When each message of a conversation is said: epoch microseconds."""
        return self._said[self._ends[conversation] : self._ends[conversation + 1]]

    def latency(self, place: int, number: int, attempt: int) -> int:
        """How long the ad server takes for an attempt at a turn's preload, counted from 0."""
        if not attempt:
            return self._latency[place]
        return self._latencies.us(Dice(self._keys[place]).throw(number, Purpose.LATENCY + attempt))

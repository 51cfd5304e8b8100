"""What is assumed about people and servers: `Models`, every default with its source."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from ..errors import InvalidOptionError
from ..recording import Recording
from ..recording.entries import MessageAdded
from ..trace import PreloadStep
from .delays import LONGEST_S, Delay, Empirical, Lognormal, Quantiles, need_delay, quantiles

__all__ = ["Models", "Times", "times_of"]

YEAR_S: Final = 366 * 86_400.0


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """
    The world around the session: how people type, read, look and leave, and what the ad server answers.

    Times are seconds, probabilities are shares from 0 to 1. Raises `InvalidOptionError` for what cannot be used.
    """

    typing: Delay = Lognormal(20.0, 0.8)
    """
    Before a user message, since the message before it. Source: ours; ten words take 17 s at the 36 words a minute of a
    telephone (Palin et al., "How do people type on mobile devices?", 2019), and the reply wants to be read.
    """
    reply: Delay = Lognormal(4.0, 0.6)
    """From a user message to the end of its reply. Source: ours, 150 tokens at some 40 a second."""
    latency: Delay = Lognormal(0.3, 0.6)
    """From a request to the ad server's answer; over 16 s it is a timeout. Source: ours."""
    times: Literal["recorded", "drawn"] = "recorded"
    """Whether the pauses that a conversation has on record are kept; those that it lacks are drawn either way."""
    start: dt.datetime = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    """The earliest beginning of a conversation without times. Source: ours."""
    span: float = 30 * 86_400.0
    """Seconds after `start` over which such conversations begin, evenly. Source: ours, a month."""

    fill: tuple[float, ...] = (0.85, 0.8, 0.75, 0.7)
    """The probability that a request is filled: of the 1st, 2nd, ... ad of a conversation, the last from there on.
    Source: ours."""
    revenue: tuple[float, ...] = (0.02, 0.016, 0.013, 0.011)
    """What a view of the 1st, 2nd, ... ad brings, in the unit of `Viewed.revenue`. Source: ours."""

    view: float = 0.7
    """The probability that an ad under a reply is seen. Source: ours; reports of viewability say 0.6 to 0.8."""
    view_after: Delay = Lognormal(2.0, 0.5)
    """From the ad under its reply to the view. Source: ours; a view takes 1 s on screen at least (MRC guidelines)."""
    click: float = 0.01
    """The probability that a view becomes a click. Source: ours."""
    click_after: Delay = Lognormal(4.0, 0.8)
    """From the view to the click. Source: ours."""

    leave: float = 0.0
    """
    The probability that the user leaves in place of their next message, whatever happened. Source: ours, none: a
    conversation on record ends where its user left.
    """
    leave_after_ad: float = 0.01
    """Added to it when there was an ad in the turn. Source: ours."""
    leave_per_second: float = 0.005
    """Added to it for each second that this ad came later than its reply. Source: ours."""

    def __post_init__(self) -> None:
        for name in ("typing", "reply", "latency", "view_after", "click_after"):
            need_delay(f"Models.{name}", getattr(self, name))
        for name in ("view", "click", "leave", "leave_after_ad"):
            _need(name, getattr(self, name), "give a probability from 0 to 1", most=1)
        _need("leave_per_second", self.leave_per_second, "give a probability per second, from 0 to 1", most=1)
        _need("span", self.span, "give seconds from 0 to a year", most=YEAR_S)
        self._need_positions("fill", "give a tuple of probabilities, such as (0.9, 0.7)", most=1)
        self._need_positions("revenue", "give a tuple of what each ad brings, such as (0.02, 0.01)", most=1e6)
        if self.times not in ("recorded", "drawn"):
            raise InvalidOptionError("Models.times", self.times, "give 'recorded' or 'drawn'")
        start: object = self.start
        if not isinstance(start, dt.datetime) or start.utcoffset() is None or not 1970 <= start.year <= 9000:
            raise InvalidOptionError("Models.start", start, "give a datetime with a time zone, from 1970 on")

    def _need_positions(self, name: str, wanted: str, *, most: float) -> None:
        given: object = getattr(self, name)
        values = cast("Sequence[object]", given) if isinstance(given, list | tuple) else (given,)
        if not values:
            raise InvalidOptionError(f"Models.{name}", values, wanted)
        for value in values:
            _need(name, value, wanted, most=most)
        msgspec.structs.force_setattr(self, name, tuple(values))

    @classmethod
    def from_recordings(cls, recordings: Iterable[Recording], **others: Any) -> Models:
        """
        Models with the times that were measured: pauses before messages, and how long the ad server took.

        What the recordings do not show keeps its default, as does what *others* leaves out. Raises
        `InvalidOptionError` as the class does.
        """
        typing: list[float] = []
        reply: list[float] = []
        latency: list[float] = []
        for recording in recordings:
            added = [entry for entry in recording.entries if isinstance(entry, MessageAdded)]
            for before, message in itertools.pairwise(added):
                pause_s = max(message.at - before.at, 0.0)
                (typing if message.role == "user" else reply).append(pause_s)
            latency += [
                step.duration_s
                for step in recording.traces
                if isinstance(step, PreloadStep) and step.name == "resolved" and step.duration_s is not None
            ]
        measured: dict[str, Any] = {
            name: Empirical(tuple(min(value, LONGEST_S) for value in values))
            for name, values in (("typing", typing), ("reply", reply), ("latency", latency))
            if values
        }
        return cls(**{**measured, **others})


class Times(NamedTuple):
    """The tables of a world's delays."""

    typing: Quantiles
    reply: Quantiles
    latency: Quantiles
    view_after: Quantiles
    click_after: Quantiles


def times_of(models: Models) -> Times:
    """The tables of *models*."""
    return Times(*(quantiles(getattr(models, name)) for name in Times._fields))


def _need(name: str, given: object, wanted: str, *, most: float) -> None:
    if not (isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= most):
        raise InvalidOptionError(f"Models.{name}", given, wanted)

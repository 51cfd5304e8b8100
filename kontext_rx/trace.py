"""What a session did, for those who look inside: preload steps, the rest of a turn's story, debug events."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from .event import AdEvent, NoFill
from .message import Role

__all__ = [
    "Added",
    "DebugEvent",
    "Dropped",
    "Ended",
    "Linked",
    "Mounted",
    "PreloadStep",
    "Retold",
    "Settled",
    "StepName",
    "Trace",
    "Unmounted",
]

StepName = Literal["scheduled", "coalesced", "sent", "retried", "cancelled", "resolved"]


class PreloadStep(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One step in the life of a preload.

    * `scheduled`: a user message was added and its debounce began.
    * `coalesced`: a newer user message came before it was sent; `by` is that message.
    * `sent`: the request went out; `track_only` says whether an ad was asked for, `reason` what the pacing rule said.
    * `retried`: an attempt failed; number `attempt` follows after `delay_s` seconds.
    * `cancelled`: it was let go before it was answered: by the newer message `by`, or, without one, for `reason`
      (`session_destroyed`, `session_disabled`).
    * `resolved`: it ended in `outcome` (`filled`, `no_fill`, `error`, or `track_only` for bids dropped in silence),
      `duration_s` seconds after it was sent.
    """

    name: StepName
    user_message_id: str
    at: float
    """Epoch seconds by the session's scheduler."""
    by: str | None = None
    track_only: bool | None = None
    attempt: int | None = None
    delay_s: float | None = None
    outcome: Literal["filled", "no_fill", "error", "track_only"] | None = None
    reason: str | None = None
    """Why: the skip code, the error code, the reason of a pacing rule."""
    duration_s: float | None = None


class DebugEvent(msgspec.Struct, frozen=True):
    """
    A diagnostic record: a prefixed name such as `Session: bid-assigned`, and ids, counts and roles.

    Names and data are no API and may change. Never in it: message text, e-mail addresses, tokens, user ids.
    """

    name: str
    data: dict[str, Any] | None = None
    at: float = 0.0
    """Epoch seconds by the session's scheduler."""


# --- the rest of a turn's story; every `at` is epoch seconds by the session's scheduler ---


class Added(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message was accepted."""

    message_id: str
    role: Role
    at: float
    number: int
    """How many user messages there have been, this one included."""
    track_only: bool = False
    after: str | None = None
    """The newest user message before it."""


class Linked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bids of a user message's preload belong under this assistant message from now on, one a placement."""

    message_id: str
    user_message_id: str
    at: float
    bids: dict[str, str]
    """The bid ids by placement code."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """No preload's word can come for a message any more: the local word that settles it."""

    message_id: str
    at: float
    outcome: NoFill


class Retold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A preload ended before its reply was there: who asks for the reply is told again what everyone was told then."""

    message_id: str
    at: float
    event: AdEvent


class Dropped(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Cached bids of an assistant message are gone."""

    message_id: str
    at: float
    codes: tuple[str, ...]
    reason: Literal["expired", "trimmed"]


class Mounted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A host was given the address of an ad's frame."""

    message_id: str
    code: str
    at: float


class Unmounted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A mounted ad was destroyed."""

    message_id: str
    code: str
    at: float


class Ended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The session was destroyed."""

    at: float


Trace: TypeAlias = Added | PreloadStep | Linked | Retold | Settled | Dropped | Mounted | Unmounted | Ended | AdEvent
"""One thing that a session did."""

"""What a session did, for those who look inside: `PreloadStep` and `DebugEvent`."""

from typing import Any, Literal

import msgspec

__all__ = ["DebugEvent", "PreloadStep", "StepName"]

StepName = Literal["scheduled", "coalesced", "sent", "retried", "cancelled", "resolved"]


class PreloadStep(msgspec.Struct, frozen=True, kw_only=True):
    """
    One step in the life of a preload.

    * `scheduled`: a user message was added and its debounce began.
    * `coalesced`: a newer user message came before it was sent; `by` is that message.
    * `sent`: the request went out; `track_only` says whether an ad was asked for.
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

"""How the ad server behaves: every knob, checked once on the way in."""

from __future__ import annotations

from typing import cast

import msgspec

from .checks import is_int, is_number, is_text
from .creatives import KINDS, Kind
from .errors import InvalidSettingError
from .latency import Fixed, Latency, Lognormal, Uniform

__all__ = ["FAULT_RATES", "Settings"]

FAULT_RATES = (
    "reset_rate",
    "hang_rate",
    "half_sent_rate",
    "malformed_rate",
    "error_rate",
    "rate_limit_rate",
    "no_content_rate",
)
"""The settings that break an answer to /preload, in the order in which they share out one draw."""

_RATES = ("fill_rate", *FAULT_RATES)
_SWITCHES = ("enabled", "report_errors", "report_debug", "permanent", "fill_track_only")
_CODES = ("skip_code", "pacing_skip_code")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the server does with each request.

    As it stands every turn fills at once, with no cap and no pacing. The defaults are ours, the names on
    the wire are those of the session API. Raises InvalidSettingError for a value that cannot be used.
    """

    seed: int = 0
    """Any integer: the same seed and the same requests give the same answers, in whatever order they come."""

    fill_rate: float = 1.0
    """Share of turns that are filled, 0 to 1; the others skip with `skip_code`."""
    skip_code: str = "unfilled_bid"
    """The skip code of a turn that `fill_rate` leaves out."""
    every: int = 1
    """Fill each nth user turn of a conversation (3: the 3rd, the 6th, ...), 1 or more; the others skip."""
    pacing_skip_code: str = "ad_skipped"
    """The skip code of a turn that `every` leaves out."""
    frequency_cap: int | None = None
    """Filled answers one user gets at most; over it the skip code is `frequency_cap`. `None`: no cap."""
    fill_track_only: bool = False
    """Whether a turn sent with `Kontextso-Is-Disabled: 1` may fill; if not it skips with `ads_disabled`."""

    kinds: tuple[Kind, ...] | None = None
    """The kinds of creatives to choose from; `None`: all of them."""
    bid_ttl: float = 3600.0
    """Seconds after which a bid that was offered can no longer be shown, zero or more; `math.inf`: never."""

    latency: Latency = Fixed(0.0)
    """How long, in seconds, an answer to /preload is held back."""
    init_latency: Latency = Fixed(0.0)
    """How long, in seconds, an answer to /init is held back."""

    enabled: bool = True
    """`enabled` of /init; when False, /preload skips with `session_disabled`."""
    preload_timeout_ms: int | None = None
    """`preloadTimeout` of /init in milliseconds, 1 or more; `None` leaves it out."""
    report_errors: bool = True
    """`reportErrors` of /init."""
    report_debug: bool = False
    """`reportDebug` of /init."""

    err_code: str | None = None
    """When set, every /preload is answered with this `errCode`."""
    permanent: bool = False
    """Whether every /preload is answered with `permanent: true` (alone, or beside `err_code`)."""

    reset_rate: float = 0.0
    """Share of /preload requests, 0 to 1, whose connection is reset before any byte of an answer."""
    hang_rate: float = 0.0
    """Share of /preload requests, 0 to 1, that are never answered."""
    half_sent_rate: float = 0.0
    """Share of /preload requests, 0 to 1, that get half of the body that was announced."""
    malformed_rate: float = 0.0
    """Share of /preload requests, 0 to 1, whose answer is not JSON."""
    error_rate: float = 0.0
    """Share of /preload requests, 0 to 1, that are answered with `error_status`."""
    error_status: int = 503
    """The HTTP status of `error_rate`, 400 to 599."""
    rate_limit_rate: float = 0.0
    """Share of /preload requests, 0 to 1, that are answered with 429."""
    retry_after: float | None = 1.0
    """`Retry-After` of a 429 in seconds, zero or more; `None` leaves it out."""
    no_content_rate: float = 0.0
    """Share of /preload requests, 0 to 1, that are answered with 204. All these rates together: at most 1."""

    log_size: int = 1_000
    """How many requests the log keeps, 1 or more; the oldest go first."""

    def __post_init__(self) -> None:
        """Check every field; the message names the field, what was given and what to give."""
        for name in _RATES:
            if not (is_number(given := getattr(self, name)) and 0 <= given <= 1):
                raise InvalidSettingError(name, given, "give a share from 0 to 1")
        if (total := sum(getattr(self, name) for name in FAULT_RATES)) > 1 + 1e-9:
            raise InvalidSettingError(
                " + ".join(name for name in FAULT_RATES if getattr(self, name)),
                round(total, 6),
                "the shares of the broken answers must not add up to more than 1",
            )
        for name in _SWITCHES:
            if not isinstance(given := getattr(self, name), bool):
                raise InvalidSettingError(name, given, "give True or False")
        for name in _CODES:
            if not is_text(given := getattr(self, name)):
                raise InvalidSettingError(name, given, "give a code, a text that is not empty")
        if self.err_code is not None and not is_text(self.err_code):
            raise InvalidSettingError("err_code", self.err_code, "give a code, a text that is not empty, or None")
        if not is_int(self.seed):
            raise InvalidSettingError("seed", self.seed, "give an integer")
        _need_int("every", self.every, least=1)
        _need_int("log_size", self.log_size, least=1)
        if self.frequency_cap is not None:
            _need_int("frequency_cap", self.frequency_cap, least=0, otherwise=", or None for no cap")
        if self.preload_timeout_ms is not None:
            _need_int("preload_timeout_ms", self.preload_timeout_ms, least=1, otherwise=" (ms), or None")
        if not (is_int(self.error_status) and 400 <= self.error_status <= 599):
            raise InvalidSettingError("error_status", self.error_status, "give a status from 400 to 599")
        if self.retry_after is not None and not (is_number(self.retry_after) and 0 <= self.retry_after < 1e9):
            raise InvalidSettingError("retry_after", self.retry_after, "give zero or more seconds, or None")
        if not (is_number(self.bid_ttl) and self.bid_ttl >= 0):
            raise InvalidSettingError("bid_ttl", self.bid_ttl, "give zero or more seconds; math.inf is for ever")
        if self.kinds is not None:
            _need_kinds(self.kinds)
        for name in ("latency", "init_latency"):
            if not isinstance(given := getattr(self, name), Fixed | Uniform | Lognormal):
                raise InvalidSettingError(name, given, "give Fixed, Uniform or Lognormal; parse_latency() reads a text")


def _need_kinds(given: object) -> None:
    # A list would do, but settings are values: nobody may change one under the server.
    if (
        not isinstance(given, tuple)
        or not given
        or any(kind not in KINDS for kind in cast("tuple[object, ...]", given))
    ):
        raise InvalidSettingError(
            "kinds", cast("object", given), f"give a tuple of kinds ({', '.join(KINDS)}), or None for all"
        )


def _need_int(name: str, given: object, *, least: int, otherwise: str = "") -> None:
    if not (is_int(given) and given >= least):
        raise InvalidSettingError(name, given, f"give an integer of {least} or more{otherwise}")

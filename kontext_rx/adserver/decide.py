"""
What a request to /preload is answered with: a pure decision over the settings and the turn.

Its chance is drawn from (seed, user, conversation, turn), so neither the order in which requests come nor
what other users do can change an answer. What breaks is drawn anew for each attempt, so a retry may
succeed; whether and with what a turn is filled stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from . import answers
from .answers import Answer
from .checks import is_number, is_text
from .choose import choose
from .creatives import CREATIVES, Creative
from .draw import Part, share, uuid
from .errors import InvalidSettingError
from .latency import held_back
from .memory import Turn
from .read import Preload
from .settings import FAULT_RATES, Settings

__all__ = ["Bid", "Decision", "bids_for", "complete", "decide", "decide_init", "scripted_bids", "session_id"]


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    """A creative offered for a placement."""

    bid_id: str
    """A UUID in lower case."""
    code: str
    creative: Creative

    def to_wire(self) -> dict[str, object]:
        """Give the bid as the session API has it; `value` is what older SDKs read for `revenue`."""
        return {
            "bidId": self.bid_id,
            "code": self.code,
            "revenue": self.creative.revenue,
            "value": self.creative.revenue,
            "impressionTrigger": self.creative.impression_trigger,
            "om": {"creativeType": self.creative.creative_type},
        }


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, complete, with the bids that are in it and the turn that it is for, where there are any."""

    answer: Answer
    bids: tuple[Bid, ...] = ()
    """The bids that the server chose; they count for the frequency cap."""
    scripted: tuple[Bid, ...] = ()
    """The bids that a script wrote into the answer, each with a creative of the server's, so that it can be shown."""
    turn: Turn | None = None


def session_id(settings: Settings, preload: Preload) -> str:
    """Give the conversation's session id: the one it came with, or else one that is always the same."""
    return preload.session_id or uuid(settings.seed, "session", preload.user_id, preload.conversation_id)


def bids_for(settings: Settings, turn: Turn, creatives: Sequence[Creative] = CREATIVES) -> tuple[Bid, ...]:
    """Choose a bid for each enabled code by the conversation's words."""
    codes = turn.preload.codes
    key = _key(turn)
    chosen = choose(
        _allowed(settings, creatives),
        turn.preload.contents,
        codes,
        draw=lambda creative_id: share(settings.seed, "creative", *key, creative_id),
    )
    return tuple(
        Bid(bid_id=uuid(settings.seed, "bid", *key, turn.attempt, code), code=code, creative=creative)
        for code, creative in zip(codes, chosen, strict=True)
    )


def scripted_bids(settings: Settings, answer: Answer, creatives: Sequence[Creative] = CREATIVES) -> tuple[Bid, ...]:
    """Give the bids that *answer* was made with: no words are known for these, so any creative that fits all does."""
    wire: object = answer.fields().get("bids")
    given = cast("list[object]", wire) if isinstance(wire, list) else []
    bids: list[Bid] = []
    for one in given:
        fields = cast("dict[str, object]", one) if isinstance(one, dict) else {}
        bid_id, code, revenue = fields.get("bidId"), fields.get("code"), fields.get("revenue")
        if not is_text(bid_id) or not is_text(code):
            continue  # a script may be wrong on purpose
        (creative,) = choose(
            _allowed(settings, creatives),
            contents=(),
            codes=(code,),
            draw=lambda creative_id, bid_id=bid_id: share(settings.seed, "scripted", bid_id, creative_id),
        )
        if is_number(revenue) and math.isfinite(revenue):
            creative = msgspec.structs.replace(creative, revenue=revenue)
        bids.append(Bid(bid_id=bid_id.lower(), code=code, creative=creative))
    return tuple(bids)


def complete(settings: Settings, answer: Answer, turn: Turn, creatives: Sequence[Creative] = CREATIVES) -> Decision:
    """Put the turn's session id, and bids for it, where *answer* leaves room for them."""
    bids = bids_for(settings, turn, creatives) if answers.has_room_for_bids(answer) else ()
    session = session_id(settings, turn.preload)
    wire = [bid.to_wire() for bid in bids]
    return Decision(
        answer=answers.complete(answer, session_id=session, bids=wire),
        bids=bids,
        scripted=scripted_bids(settings, answer, creatives),
        turn=turn,
    )


def decide(settings: Settings, turn: Turn, creatives: Sequence[Creative] = CREATIVES) -> Decision:
    """Decide what a request to /preload is answered with, and after how many seconds."""
    key = *_key(turn), turn.attempt
    delay = held_back(settings.latency, share(settings.seed, "latency", *key))
    answer = (
        _broken(settings, share(settings.seed, "fault", *key), delay)
        or _unfilled(settings, turn, delay)
        or answers.fill(delay=delay)
    )
    return complete(settings, answer, turn, creatives)


def decide_init(settings: Settings, user_id: str, install_id: str) -> Decision:
    """Decide what a request to /init is answered with, and after how many seconds."""
    return Decision(
        answer=answers.init(
            enabled=settings.enabled,
            preload_timeout_ms=settings.preload_timeout_ms,
            report_errors=settings.report_errors,
            report_debug=settings.report_debug,
            delay=held_back(settings.init_latency, share(settings.seed, "init", user_id, install_id)),
        )
    )


_BROKEN: dict[str, Callable[[Settings, float], Answer]] = {
    "reset_rate": lambda _, delay: answers.reset(delay=delay),
    "hang_rate": lambda _, _delay: answers.hang(),
    "half_sent_rate": lambda _, delay: answers.half_sent(delay=delay),
    "malformed_rate": lambda _, delay: answers.malformed(delay=delay),
    "error_rate": lambda chosen, delay: answers.status(chosen.error_status, delay=delay),
    "rate_limit_rate": lambda settings, delay: answers.rate_limited(retry_after=settings.retry_after, delay=delay),
    "no_content_rate": lambda _, delay: answers.no_content(delay=delay),
}


def _broken(settings: Settings, drawn: float, delay: float) -> Answer | None:
    reached = 0.0
    for name in FAULT_RATES:
        reached += getattr(settings, name)
        if drawn < reached:
            return _BROKEN[name](settings, delay)
    return None


def _unfilled(settings: Settings, turn: Turn, delay: float) -> Answer | None:
    if not settings.enabled:
        return answers.skip("session_disabled", delay=delay)
    if settings.permanent or settings.err_code is not None:
        return answers.error(settings.err_code, permanent=settings.permanent, delay=delay)
    if turn.preload.track_only and not settings.fill_track_only:
        return answers.skip("ads_disabled", delay=delay)
    if settings.frequency_cap is not None and turn.ads >= settings.frequency_cap:
        return answers.skip("frequency_cap", delay=delay)
    if turn.number % settings.every:
        return answers.skip(settings.pacing_skip_code, delay=delay)
    if share(settings.seed, "fill", *_key(turn)) >= settings.fill_rate:
        return answers.skip(settings.skip_code, delay=delay)
    return None


def _allowed(settings: Settings, creatives: Sequence[Creative]) -> Sequence[Creative]:
    if settings.kinds is None:
        return creatives
    allowed = [creative for creative in creatives if creative.kind in settings.kinds]
    if not allowed:
        raise InvalidSettingError("kinds", settings.kinds, "no creative is of these kinds")
    return allowed


def _key(turn: Turn) -> tuple[Part, ...]:
    return turn.preload.user_id, turn.preload.conversation_id, turn.number

"""
Answers as values, with a builder for each kind the session API knows.

They are what a script is made of (`server.script("/preload", skip("no_inventory"), fill())`) and what
the server's own decisions come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from .errors import InvalidSettingError

__all__ = [
    "BIDS",
    "SESSION_ID",
    "Answer",
    "Fault",
    "complete",
    "error",
    "fill",
    "half_sent",
    "hang",
    "has_room_for_bids",
    "init",
    "malformed",
    "no_content",
    "rate_limited",
    "reset",
    "skip",
    "status",
]

SESSION_ID = "{sessionId}"
"""In an answer's JSON: stands for the session id of the conversation that asks."""
BIDS = "{bids}"
"""In an answer's JSON: stands for one bid per enabled code, chosen by the conversation's words."""

Fault = Literal["reset", "half-sent", "hang"]
"""What goes wrong on the wire: no byte at all, half of the body, or no answer until the client leaves."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to one request. Raises InvalidSettingError for a status or a delay that cannot be sent."""

    status: int = 200
    """The HTTP status, 200 to 599."""
    json: Any = None
    """The body as JSON; `SESSION_ID` and `BIDS` in it are replaced as it is sent. `None`: no JSON."""
    body: bytes | None = None
    """The body as bytes, instead of `json`."""
    headers: Mapping[str, str] = {}
    """Headers beside, or instead of, the usual ones."""
    delay: float = 0.0
    """Seconds to hold the answer back, zero or more; a scripted answer gets no other latency."""
    fault: Fault | None = None
    """What goes wrong on the wire; `None`: nothing."""

    def __post_init__(self) -> None:
        """Check what would fail only once it is sent."""
        if not 200 <= self.status <= 599:
            raise InvalidSettingError("status", self.status, "give an HTTP status from 200 to 599")
        if not 0 <= self.delay < float("inf"):
            raise InvalidSettingError("delay", self.delay, "give zero or more seconds")
        if self.json is not None and self.body is not None:
            raise InvalidSettingError("body", self.body, "give either json or body")

    def content(self) -> bytes:
        """Give the bytes of the body."""
        if self.body is not None:
            return self.body
        return b"" if self.json is None else msgspec.json.encode(self.json)

    def fields(self) -> dict[str, Any]:
        """Give the JSON object's keys and values; none when the body is anything else."""
        json: object = self.json
        return cast("dict[str, Any]", json) if isinstance(json, dict) else {}


def fill(*bids: Mapping[str, object], session_id: str | None = SESSION_ID, delay: float = 0.0) -> Answer:
    """
    Fill: with *bids* exactly as they are given, or without any with what the server would choose.

    `session_id=None` leaves the session id out, which makes the answer an error to an SDK.
    """
    body: dict[str, object] = {} if session_id is None else {"sessionId": session_id}
    body["bids"] = [dict(bid) for bid in bids] if bids else BIDS
    return Answer(json=body, delay=delay)


def skip(code: str | None = "ad_skipped", *, session_id: str | None = SESSION_ID, delay: float = 0.0) -> Answer:
    """Skip the turn, deliberately without an ad; `code=None` leaves the skip code out."""
    body: dict[str, object] = {} if session_id is None else {"sessionId": session_id}
    body["skip"] = True
    if code is not None:
        body["skipCode"] = code
    return Answer(json=body, delay=delay)


def error(
    err_code: str | None, *, permanent: bool = False, session_id: str | None = None, delay: float = 0.0
) -> Answer:
    """Report an error in a 200; `permanent=True` tells the SDK to disable the session."""
    body: dict[str, object] = {} if session_id is None else {"sessionId": session_id}
    if err_code is not None:
        body["errCode"] = err_code
    if permanent:
        body["permanent"] = True
    body["error"] = "The ad server was told to answer with an error"
    return Answer(json=body, delay=delay)


def init(
    *,
    enabled: bool = True,
    preload_timeout_ms: int | None = None,
    report_errors: bool = True,
    report_debug: bool = False,
    delay: float = 0.0,
) -> Answer:
    """Answer /init; *preload_timeout_ms* is in milliseconds, `None` leaves it out."""
    body: dict[str, object] = {"enabled": enabled}
    if preload_timeout_ms is not None:
        body["preloadTimeout"] = preload_timeout_ms
    body |= {"reportErrors": report_errors, "reportDebug": report_debug}
    return Answer(json=body, delay=delay)


def no_content(*, delay: float = 0.0) -> Answer:
    """Answer 204, without a body."""
    return Answer(status=204, delay=delay)


def status(code: int, *, delay: float = 0.0) -> Answer:
    """Answer with an HTTP status and a short JSON text (none with a 204)."""
    if code == 204:
        return no_content(delay=delay)
    return Answer(status=code, json={"error": f"The ad server was told to answer {code}"}, delay=delay)


def rate_limited(*, retry_after: float | str | None = None, delay: float = 0.0) -> Answer:
    """Answer 429; *retry_after* is in seconds, or the header's own text, or `None` for no header."""
    if isinstance(retry_after, float) and retry_after.is_integer():
        retry_after = int(retry_after)  # the header's number has no point: 1, not 1.0
    return Answer(
        status=429,
        json={"error": "The ad server was told to limit the rate"},
        headers={} if retry_after is None else {"Retry-After": str(retry_after)},
        delay=delay,
    )


def malformed(*, delay: float = 0.0) -> Answer:
    """Answer 200 with a body that is complete but not JSON."""
    return Answer(body=b'{"sessionId": "', delay=delay)


def half_sent(answer: Answer | None = None, *, delay: float = 0.0) -> Answer:
    """Announce *answer* (a fill when none is given), send half of its body, then close the connection."""
    return msgspec.structs.replace(answer or fill(), fault="half-sent", delay=delay)


def reset(*, delay: float = 0.0) -> Answer:
    """Reset the connection before any byte of an answer."""
    return Answer(fault="reset", delay=delay)


def hang() -> Answer:
    """Never answer: wait until the client leaves or the server closes."""
    return Answer(fault="hang")


def has_room_for_bids(answer: Answer) -> bool:
    """Say whether the server is to put bids of its own into *answer*."""
    return BIDS in answer.fields().values()


def complete(answer: Answer, *, session_id: str, bids: list[dict[str, object]]) -> Answer:
    """Put the session id and the bids of one conversation where *answer* leaves room for them."""
    if not answer.fields():
        return answer
    room = {SESSION_ID: session_id, BIDS: bids}
    json = {key: room.get(value, value) if isinstance(value, str) else value for key, value in answer.fields().items()}
    return msgspec.structs.replace(answer, json=json)

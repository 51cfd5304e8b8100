"""The session a good engineer would write by hand: plain asyncio, aiohttp, msgspec, callbacks. The measure for ours."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

Callback = Callable[[Any], object]
CODES = ["inlineAd"]
HEADERS = {
    "Content-Type": "application/json",
    "Kontextso-Publisher-Token": "t",
    "Kontextso-Is-Disabled": "0",
}


class Message(msgspec.Struct):
    id: str
    role: str
    content: str
    created_at: str = msgspec.field(name="createdAt")


class Bid(msgspec.Struct, rename="camel"):
    bid_id: str
    code: str
    revenue: float | None = None


class Answer(msgspec.Struct, rename="camel"):
    session_id: str | None = None
    bids: list[Bid] = []
    skip: bool = False
    err_code: str | None = None
    permanent: bool = False


_decode = msgspec.json.Decoder(Answer).decode
_encode = msgspec.json.Encoder().encode


class HandWritten:
    """
    add_message, a 10 ms debounce, cancel on newer, a preload of the last 30 messages, pairing, callbacks, session id.

    Without `/init`, retries, de-duplication, device data and typed errors, which the SDK pays for on top.
    """

    __slots__ = (
        "_bids",
        "_body",
        "_callback",
        "_disabled",
        "_http",
        "_last",
        "_messages",
        "_task",
        "_timer",
        "_url",
        "_waiting",
        "session_id",
    )  # fmt: skip

    def __init__(self, http: aiohttp.ClientSession, server: str, number: int, callback: Callback) -> None:
        self._http, self._callback = http, callback
        self._url = server + "/preload"
        self._body = {
            "publisherToken": "t", "userId": f"user-{number}", "conversationId": f"c-{number}",
            "enabledPlacementCodes": CODES,
        }  # fmt: skip
        self._messages: deque[Message] = deque(maxlen=30)
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._bids: dict[str, Bid] = {}
        self._waiting: Bid | None = None
        self._last = ""
        self._disabled = False
        self.session_id: str | None = None

    def add_user(self, message_id: str, content: str) -> None:
        self._add(message_id, "user", content)
        self._waiting = None
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if not self._disabled:
            self._timer = asyncio.get_running_loop().call_later(0.010, self._fire)

    def add_assistant(self, message_id: str, content: str) -> None:
        self._add(message_id, "assistant", content)
        if self._waiting is not None:
            self._bids[message_id], self._waiting = self._waiting, None

    def _add(self, message_id: str, role: str, content: str) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        self._messages.append(Message(message_id, role, content, now))
        self._last = message_id if role == "assistant" else ""

    def _fire(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._preload())

    async def _preload(self) -> None:
        try:
            body = {**self._body, "messages": list(self._messages)}
            if self.session_id is not None:
                body["sessionId"] = self.session_id
            async with self._http.post(self._url, data=_encode(body), headers=HEADERS) as response:
                answer = _decode(await response.read()) if response.status == 200 else Answer(err_code="request_failed")
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            answer = Answer(err_code=str(error))
        self._task = None
        if answer.session_id is not None:
            self.session_id = answer.session_id
        if answer.permanent:
            self._disabled = True
        if answer.bids and not answer.err_code:
            if self._last:
                self._bids[self._last] = answer.bids[0]
            else:
                self._waiting = answer.bids[0]
        self._callback(answer)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

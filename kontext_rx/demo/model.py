"""Replies from a chat model, behind any endpoint that speaks OpenAI's chat completions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final, cast

import aiohttp
import msgspec

from ..message import Message

__all__ = ["ChatModel", "ModelError", "delta", "whole"]

CONNECT_S: Final = 10.0
"""Seconds for a connection. Source: ours."""

SILENCE_S: Final = 60.0
"""Seconds that a model may think between two pieces of its reply. Source: ours."""

LONGEST: Final = 20_000
"""Characters of a reply that are taken. Source: ours."""

LONGEST_LINE: Final = 1024 * 1024
"""Bytes of one event, and of a reply that comes as a whole. Source: ours."""

SHOWN: Final = 200
"""Characters of an endpoint's own words that are repeated. Source: ours."""


class ModelError(Exception):
    """The model did not answer: one sentence for the person in the chat."""


class ChatModel(msgspec.Struct, frozen=True):
    """A model at an endpoint."""

    name: str
    url: str
    """The base address, as OpenAI's clients have it: `http://localhost:11434/v1`."""
    key: str | None = None

    def __repr__(self) -> str:
        """Without the key."""
        return f"ChatModel({self.name!r}, {self.url!r})"

    async def reply(self, conversation: Iterable[Message]) -> AsyncGenerator[str]:
        """The reply to a conversation, piece by piece; never an empty one. Raises `ModelError`."""
        body = {
            "model": self.name,
            "stream": True,
            "messages": [{"role": message.role, "content": message.content} for message in conversation],
        }
        headers = {"Accept": "text/event-stream"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENCE_S)
        left, is_empty = LONGEST, True
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as http,
                http.post(f"{self.url.rstrip('/')}/chat/completions", json=body, headers=headers) as response,
                contextlib.aclosing(_pieces(response)) as pieces,
            ):
                async for piece in pieces:
                    yield piece[:left]
                    left -= len(piece)
                    is_empty = is_empty and not piece.strip()
                    if left <= 0:
                        break
        except TimeoutError:
            raise ModelError(f"{self.name} took too long") from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno or 0  # asyncio words a refusal in its own way
            why = os.strerror(number) if number > 0 else error.os_error.strerror or error.os_error
            raise ModelError(f"{self.name} cannot be reached at {error.host} port {error.port}: {why}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ModelError(f"{self.name} went silent: {str(error) or type(error).__name__}") from None
        if is_empty:
            raise ModelError(f"the answer of {self.name} has no text in it; are --model and --model-url right?")


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[str]:
    """The texts in an answer, none of them empty: in a stream, or in one object where the endpoint does not stream."""
    if response.status != 200:
        raise ModelError(_refusal(response.status, await response.content.read(4096)))
    if response.content_type == "application/json":
        body = b""
        async for part in response.content.iter_any():
            body += part
            if len(body) > LONGEST_LINE:
                raise ModelError("the endpoint's answer is too long")
        if text := whole(body):
            yield text
        return
    async for line in response.content:
        if (piece := delta(line)) is None:
            return
        if piece:
            yield piece


def delta(line: bytes) -> str | None:
    """
    The text in one line of the stream, which may be empty; None at its end.

    Raises `ModelError` for an error that the endpoint tells in its stream, and for what cannot be read.
    """
    field, _, value = line.strip().partition(b":")
    if field != b"data":
        return ""
    value = value.strip()
    if value == b"[DONE]":
        return None
    try:
        event = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelError("the endpoint's stream is not JSON: is its address right?") from None
    if said := _error(event):
        raise ModelError(f"the endpoint says: {said}")
    return _content(event, "delta")


def whole(body: bytes) -> str:
    """The text of a reply that came at once; empty when there is none. Raises `ModelError` as `delta` does."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelError("the endpoint's answer is not JSON: is its address right?") from None
    if said := _error(answer):
        raise ModelError(f"the endpoint says: {said}")
    return _content(answer, "message")


def _content(answer: Any, part: str) -> str:
    try:
        text: object = answer["choices"][0][part].get("content")
    except (LookupError, TypeError, AttributeError):  # such as the usage, which has no choices
        return ""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def _refusal(status: int, body: bytes) -> str:
    try:
        said = _error(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = ""
    cure = {401: "; is OPENAI_API_KEY right?", 404: "; are --model and --model-url right?"}.get(status, "")
    return f"the endpoint answered HTTP {status}{f': {said}' if said else ''}{cure}"


def _error(event: object) -> str:
    """An endpoint's own words for what went wrong, on one line."""
    error: Any = cast("dict[str, Any]", event).get("error") if isinstance(event, dict) else None
    said: object = cast("dict[str, Any]", error).get("message", error) if isinstance(error, dict) else error
    return " ".join(str(said).split())[:SHOWN] if said else ""

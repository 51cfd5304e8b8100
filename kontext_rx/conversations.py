"""
Conversation exports: bytes in, conversations out, one at a time, and a word on each line that is none.

Three forms are read: JSONL of `{"id": ..., "messages": [{"role", "content", "created_at"?, "id"?}]}`, the same as one
JSON array, and ShareGPT's `conversations` with `from` and `value`. JSONL is never held as a whole, an array is.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from .message import Role

__all__ = [
    "BadConversationError",
    "BadLine",
    "Conversation",
    "Reader",
    "UnreadableError",
    "Utterance",
    "is_jsonl",
    "moment",
    "parse",
    "read_line",
]

ROLES: Final[Mapping[str, Role]] = {
    "user": "user",
    "human": "user",
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "model", "bot", "ai", "claude", "bing", "bard"), "assistant"),
}
"""Who speaks, in any case. Source: OpenAI's and ShareGPT's exports. Whoever is not here is skipped and counted."""

MILLISECONDS_FROM: Final = 1e11
"""A number from here on is epoch milliseconds, below it seconds. As seconds it would be the year 5138."""

TEXT_START: Final = 1024
"""Bytes in which a file that is no text shows itself by a zero. Source: ours."""

Line = tuple[int, bytes]
"""A line with its number, from 1."""

Unit: TypeAlias = Literal["line", "item"]


class UnreadableError(Exception):
    """The export as a whole cannot be read: one sentence says why."""


class Utterance(msgspec.Struct, frozen=True):
    """A message of an export that can be fed."""

    id: str
    role: Role
    content: str
    created_at: dt.datetime | None = None
    """When it was written, with a time zone; None where the export does not say."""


class Conversation(msgspec.Struct, frozen=True):
    """One conversation of an export."""

    id: str
    number: int
    """Its place among the conversations of the export, from 1."""
    utterances: tuple[Utterance, ...]
    skipped: Mapping[str, int] = {}
    """Messages that cannot be fed, by the reason."""
    undated: int = 0
    """Messages with a `created_at` that is no time; they count as without one."""
    user_id: str | None = None
    """Whose conversation it is (`user_id`, or `user`); None where the export does not say."""
    is_numbered: bool = False
    """Whether it is called by its number, because the export has no id for it."""


class BadLine(msgspec.Struct, frozen=True):
    """What stands where a conversation should."""

    number: int
    """Of the line, or of the item of an array, from 1."""
    problem: str
    unit: Unit = "line"

    @property
    def where(self) -> str:
        """Such as "line 3"."""
        return f"{self.unit} {self.number}"

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


class BadConversationError(Exception):
    """A JSON value that is no conversation: a few words say why."""


class Reader:
    """
    The conversations of an export, given block by block as *blocks*, and its bad lines, in order.

    It stops reading after *limit* conversations. *count* is asked first for how many lines there are, to know what
    to expect. Iterating raises `UnreadableError` for what is no such export at all.
    """

    def __init__(
        self, blocks: Iterable[bytes], *, limit: int | None = None, count: Callable[[], int | None] | None = None
    ) -> None:
        self._blocks, self._limit, self._count = blocks, limit, count
        self._lines: int | None = None
        self.bad_lines = 0
        """Lines, or items of an array, that were no conversation."""

    @property
    def total(self) -> int | None:
        """About how many conversations there will be; None when there is no telling."""
        known = [count for count in (self._limit, self._lines) if count is not None]
        return min(known, default=None)

    def __iter__(self) -> Iterator[Conversation | BadLine]:
        self._lines = None if self._count is None else self._count()
        number = 0
        for unit, place, value in self._values():
            try:
                if isinstance(value, BadConversationError):
                    raise value
                conversation = parse(value, number + 1)
            except BadConversationError as bad:
                self.bad_lines += 1
                yield BadLine(place, str(bad), unit)
                continue
            number += 1
            yield conversation
            if number == self._limit:
                return

    def _values(self) -> Iterator[tuple[Unit, int, Any]]:
        lines = _lines(self._blocks)
        first = next(lines, None)
        if first is None:
            return
        if first[1].startswith(b"["):
            lines = yield from self._array(first, lines)
        else:
            lines = itertools.chain((first,), lines)
        for number, line in lines:
            yield "line", number, _loaded(line)

    def _array(self, first: Line, lines: Iterator[Line]) -> Generator[tuple[Unit, int, Any], None, Iterator[Line]]:
        """The items of an array, if it is one; what it gives back is still to be read as lines."""
        value = _loaded(first[1])
        if not isinstance(value, BadConversationError):
            second = next(lines, None)
            if second is not None:
                return itertools.chain((first, second), lines)
            rest: list[Line] = []
        else:
            rest = list(lines)
            value = _loaded(_joined((first, *rest)))
            if isinstance(value, BadConversationError) and first[1][1:].strip()[:1] not in (b"", b"{"):
                return itertools.chain((first,), rest)  # no array of objects was meant to begin here
        if isinstance(value, BadConversationError):
            raise UnreadableError(f"it begins as a JSON array and is none: {value}")
        self._lines = len(value)
        for number, item in enumerate(value, 1):
            yield "item", number, item
        return iter(())


def _lines(blocks: Iterable[bytes]) -> Iterator[Line]:
    """The lines that are not blank, trimmed. Raises `UnreadableError` when the first bytes say that it is no text."""
    number = 0
    parts: list[bytes] = []
    for place, block in enumerate(blocks):
        if place == 0 and (problem := _no_text(block)):
            raise UnreadableError(problem)
        *ended, rest = block.split(b"\n")
        for end in ended:
            parts.append(end)
            number += 1
            if line := _trimmed(b"".join(parts)):
                yield number, line
            parts.clear()
        if rest:
            parts.append(rest)
    if line := _trimmed(b"".join(parts)):
        yield number + 1, line


def is_jsonl(start: bytes) -> bool:
    """
    Whether an export that begins with *start* is JSONL for certain, so that it can be read from the start of any line.

    An array is not, nor is what cannot be read at all; of what begins otherwise it is not certain.
    """
    return _no_text(start) is None and _trimmed(start).startswith(b"{")


def read_line(line: bytes, number: int) -> Conversation | None:
    """
    The conversation that a line of JSONL is, the *number*-th of its export; None for a blank line.

    Raises `BadConversationError`.
    """
    if not (text := _trimmed(line)):
        return None
    value = _loaded(text)
    if isinstance(value, BadConversationError):
        raise value
    return parse(value, number)


def _trimmed(line: bytes) -> bytes:
    return line.strip().removeprefix(b"\xef\xbb\xbf").strip()


def _no_text(start: bytes) -> str | None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16: save it as UTF-8"
    if start.startswith(b"\x1f\x8b"):
        return "it is compressed: unpack it first, as in `zcat FILE | kontext-rx COMMAND -`"
    if b"\0" in start[:TEXT_START]:
        return "it is no text"
    return None


def _joined(lines: Iterable[Line]) -> bytes:
    """The lines with the blank ones between them again, so that a place in the text is a place in the file."""
    text, last = bytearray(), 1
    for number, line in lines:
        text += b"\n" * (number - last) + line
        last = number
    return bytes(text)


def _loaded(text: bytes) -> Any:
    """The JSON value, or the `BadConversationError` that says why it is none."""
    try:
        return json.loads(text.decode())
    except UnicodeDecodeError as error:
        return BadConversationError(f"not UTF-8 (byte 0x{text[error.start]:02x} at {error.start})")
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if b"\n" not in text else f"line {error.lineno}, column {error.colno}"
        return BadConversationError(f"not JSON ({error.msg}, {place})")
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets without end
        return BadConversationError("not JSON that can be read")


# --- one conversation ---------------------------------------------------------------------------------------------


def parse(value: object, number: int) -> Conversation:
    """
    The conversation that a JSON value is, the *number*-th of its export. Raises `BadConversationError`.

    Messages without an id get one, `m1`, `m2`, ... by their place; a conversation without one is `conversation-N`.
    Messages of other roles, without text, or with an id that was there before are skipped and counted.
    """
    if not isinstance(value, dict):
        raise BadConversationError(f"{_kind(value)} where a conversation should be: give an object with messages")
    given = cast("dict[str, object]", value)
    key = next((key for key in ("messages", "conversations") if key in given), None)
    if key is None:
        raise BadConversationError('neither "messages" nor "conversations" in it')
    items = given[key]
    if not isinstance(items, list):
        raise BadConversationError(f'"{key}" is {_kind(items)}: give a list of messages')
    messages: list[dict[str, object]] = []
    for place, item in enumerate(cast("list[object]", items), 1):
        if not isinstance(item, dict):
            raise BadConversationError(f"message {place} is {_kind(item)}: give an object with a role and a content")
        messages.append(cast("dict[str, object]", item))
    user_id = _identity(given.get("user_id", given.get("user")))
    return _conversation(_identity(given.get("id")), number, messages, user_id)


def _conversation(
    conversation_id: str | None, number: int, messages: list[dict[str, object]], user_id: str | None
) -> Conversation:
    taken = {known for message in messages if (known := _identity(message.get("id")))}
    seen: set[str] = set()
    skipped: Counter[str] = Counter()
    undated = 0
    utterances: list[Utterance] = []
    for place, message in enumerate(messages, 1):
        role = _role(message)
        content = _text(message.get("content", message.get("value")))
        message_id = _identity(message.get("id")) or _unused(f"m{place}", taken)
        if role is None or content is None or message_id in seen:
            skipped["another role" if role is None else "no text" if content is None else "a repeated id"] += 1
            continue
        seen.add(message_id)
        written = message.get("created_at", message.get("createdAt"))
        created_at = moment(written)
        undated += written is not None and created_at is None
        utterances.append(Utterance(message_id, role, content, created_at))
    return Conversation(
        conversation_id or f"conversation-{number}",
        number,
        tuple(utterances),
        dict(skipped),
        undated,
        user_id,
        is_numbered=conversation_id is None,
    )


def _role(message: Mapping[str, object]) -> Role | None:
    said = message.get("role", message.get("from"))
    if not isinstance(said, str):
        return None
    return ROLES.get(said) or ROLES.get(said.strip().lower())  # most are as they should be


def _text(content: object) -> str | None:
    """The text of a message; of a list of parts, the parts that are text, a line each. None when there is no text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [text for part in cast("list[object]", content) if (text := _part(part)) is not None]
    return "\n".join(texts) if texts else None


def _part(part: object) -> str | None:
    if isinstance(part, dict):
        part = cast("dict[str, object]", part).get("text")
    return part if isinstance(part, str) else None


def _identity(given: object) -> str | None:
    """An id as text; None for what cannot be one."""
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    if not isinstance(given, str) or not given.strip():
        return None
    try:
        given.encode()
    except UnicodeEncodeError:
        return None
    return given


def _unused(made: str, taken: set[str]) -> str:
    """*made*, with a number after it if another message has that id."""
    name, numbers = made, itertools.count(2)
    while name in taken:
        name = f"{made}-{next(numbers)}"
    taken.add(name)
    return name


def moment(given: object) -> dt.datetime | None:
    """
    A time from an export, in UTC; None for what is none.

    A number is epoch seconds, or milliseconds when it is too large for those. A text is ISO 8601, in UTC when it names
    no zone.
    """
    try:
        match given:
            case bool():
                return None
            case int() | float():
                seconds = given / 1000 if abs(given) >= MILLISECONDS_FROM else given
                return dt.datetime.fromtimestamp(seconds, dt.UTC)
            case str():
                read = dt.datetime.fromisoformat(given.strip())
                return read.replace(tzinfo=dt.UTC) if read.tzinfo is None else read.astimezone(dt.UTC)
            case _:
                return None
    except (ValueError, OverflowError, OSError):
        return None


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case _:
            return "an object"

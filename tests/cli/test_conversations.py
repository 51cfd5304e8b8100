from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from kontext_rx.conversations import (
    BadConversationError,
    BadLine,
    Conversation,
    Reader,
    UnreadableError,
    moment,
    parse,
)

from .conftest import conversation, turns


def read(text: str | bytes, **more: Any) -> list[Conversation | BadLine]:
    return list(Reader([text.encode() if isinstance(text, str) else text], **more))


def ids(items: list[Conversation | BadLine]) -> list[str]:
    return [item.id if isinstance(item, Conversation) else str(item) for item in items]


def said(value: object) -> list[tuple[str, str, str]]:
    return [(message.id, message.role, message.content) for message in parse(value, 1).utterances]


A, B, C = (json.dumps(turns(name, 1)) for name in "abc")


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{A}\n{B}\n{C}\n", id="jsonl"),
        pytest.param(f"{A}\n{B}\n{C}", id="no newline at the end"),
        pytest.param(f"\n{A}\n\n  \n{B}\r\n{C}\r\n\r\n", id="blank lines and CRLF"),
        pytest.param(f"\ufeff{A}\n{B}\n{C}\n", id="byte order mark"),
        pytest.param(f"[{A},{B},{C}]", id="array"),
        pytest.param(f"\n[\n{A},\n{B},\n\n{C}\n]\n", id="array, an item a line"),
        pytest.param(json.dumps([json.loads(one) for one in (A, B, C)], indent=2), id="array, pretty"),
        pytest.param(f"\ufeff[{A},{B},{C}]\r\n", id="array with a byte order mark"),
    ],
)
def test_forms(text: str) -> None:
    """JSONL and one array are the same, however they are broken into lines."""
    assert ids(read(text)) == ["a", "b", "c"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_blocks_end_anywhere(size: int) -> None:
    """Where a block ends has nothing to do with where a line does."""
    whole = f"{A}\n\n{B}\n".encode()
    assert ids(list(Reader([whole[at : at + size] for at in range(0, len(whole), size)]))) == ["a", "b"]


def test_a_bad_line_has_its_number_and_the_rest_goes_on() -> None:
    """Blank lines count in the numbering, and bad ones not among the conversations."""
    lines = [A.encode(), b"", b"{oops", b'{"id": "\xff"}', b"7", b'{"id": 1}', b'{"messages": {}}', B.encode()]
    reader = Reader([b"\n".join(lines)])
    items = list(reader)
    assert ids(items) == [
        "a",
        "line 3: not JSON (Expecting property name enclosed in double quotes, column 2)",
        "line 4: not UTF-8 (byte 0xff at 8)",
        "line 5: a number where a conversation should be: give an object with messages",
        'line 6: neither "messages" nor "conversations" in it',
        'line 7: "messages" is an object: give a list of messages',
        "b",
    ]
    assert [item.number for item in items if isinstance(item, Conversation)] == [1, 2]
    assert reader.bad_lines == 5


def test_a_bad_item_of_an_array_has_its_number() -> None:
    """There are no lines to name in an array."""
    assert ids(read(f"[{A}, 7, {B}]"))[1].startswith("item 2: a number")


@pytest.mark.parametrize("first", ["[1, 2]", "[oops", "[" * 100_000])
def test_a_line_that_begins_like_an_array_is_a_bad_line(first: str) -> None:
    """It makes no array of the conversations after it."""
    bad, *rest = read(f"{first}\n{A}\n{B}\n")
    assert isinstance(bad, BadLine)
    assert bad.where == "line 1"
    assert ids(rest) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"[{A},\n{B}", r"begins as a JSON array and is none: not JSON \(.*, line 2, column \d+\)"),
        ("[", "begins as a JSON array"),
        (f"{A}\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\0\0\0", "compressed"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "no text"),
    ],
)
def test_unreadable(text: str | bytes, why: str) -> None:
    """What is no export at all is one sentence."""
    with pytest.raises(UnreadableError, match=why):
        read(text)


@pytest.mark.parametrize("text", ["", "\n\n", "[]", "\ufeff"])
def test_nothing_in_it(text: str) -> None:
    assert read(text) == []


def test_the_limit_ends_the_reading() -> None:
    """Lines after the last conversation that is wanted are never read."""

    def blocks() -> Iterator[bytes]:
        yield f"{A}\n7\n{B}\n".encode()
        raise AssertionError("read too far")

    assert ids(list(Reader(blocks(), limit=2)))[::2] == ["a", "b"]


def test_what_to_expect() -> None:
    """The lines of a file, the items of an array, the limit: what is less; None for a pipe."""
    assert Reader([]).total is None
    assert Reader([], limit=3).total == 3
    reader = Reader([f"{A}\n{B}".encode()], count=lambda: 2)
    list(reader)
    assert reader.total == 2
    reader = Reader([f"[{A},{B}]".encode()], limit=7)
    list(reader)
    assert reader.total == 2


# --- conversations ------------------------------------------------------------------------------------------------


def test_roles_and_texts() -> None:
    given = conversation("c", ("user", "Hi"), ("assistant", ""))
    assert said(given) == [("m1", "user", "Hi"), ("m2", "assistant", "")]


def test_sharegpt() -> None:
    """`from` and `value`; whoever the model was, it is the assistant."""
    names = ["human", "gpt", "user", "chatgpt", "Bing", "BARD"]
    given = {"conversations": [{"from": name, "value": name} for name in names]}
    assert [role for _, role, _ in said(given)] == ["user", "assistant", "user", "assistant", "assistant", "assistant"]
    assert parse(given, 7).id == "conversation-7"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {}}, {"text": "two"}], "one\ntwo"),
        (["one", "two"], "one\ntwo"),
        ([{"type": "text", "text": ""}], ""),
        ([{"type": "image_url", "image_url": {}}], None),
        ([], None),
        (None, None),
        (7, None),
        ({"text": "x"}, None),
    ],
)
def test_rich_content(content: object, text: str | None) -> None:
    """The parts that are text, a line each; a message without any is skipped."""
    given = parse({"messages": [{"role": "user", "content": content}]}, 1)
    assert [message.content for message in given.utterances] == ([] if text is None else [text])
    assert given.skipped == ({"no text": 1} if text is None else {})


def test_what_cannot_be_fed_is_counted_by_reason() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi", "id": "x"},
        {"role": "tool", "content": "42"},
        {"content": "nobody"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": "Hello", "id": "x"},
        {"role": "assistant", "content": "Hello", "id": "y"},
    ]
    given = parse({"messages": messages}, 1)
    assert [message.id for message in given.utterances] == ["x", "y"]
    assert given.skipped == {"another role": 3, "no text": 1, "a repeated id": 1}


def test_made_up_ids_are_stable_and_taken_by_nobody_else() -> None:
    """By the place among all messages; an id that the export has is left to it, wherever it stands."""
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b", "id": "m2"},
        {"role": "user", "content": "c", "id": 4},
        {"role": "user", "content": "d", "id": " "},
        {"role": "user", "content": "e", "id": "\ud800"},
        {"role": "user", "content": "f", "id": ["m7"]},
    ]
    assert [one for one, _, _ in said({"messages": messages})] == ["m2-2", "m2", "4", "m5", "m6", "m7"]


@pytest.mark.parametrize(
    ("given", "name"), [("c-1", "c-1"), (17, "17"), ("", "conversation-3"), (None, "conversation-3")]
)
def test_conversation_ids(given: object, name: str) -> None:
    assert parse({"id": given, "messages": []}, 3).id == name


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "null where a conversation should be"),
        (True, "true or false where"),
        ("hi", "a text where"),
        ({"messages": None}, '"messages" is null'),
        ({"messages": [{"role": "user", "content": "x"}, "hi"]}, "message 2 is a text"),
    ],
)
def test_no_conversation(value: object, why: str) -> None:
    with pytest.raises(BadConversationError, match=why):
        parse(value, 1)


# --- times --------------------------------------------------------------------------------------------------------

NOON = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "given",
    [
        "2026-03-02T12:00:00Z",
        "2026-03-02T13:00:00.000+01:00",
        "2026-03-02 12:00:00",
        NOON.timestamp(),
        int(NOON.timestamp()),
        NOON.timestamp() * 1000,
    ],
)
def test_moments(given: object) -> None:
    """ISO 8601, with UTC where no zone is named; epoch seconds, or milliseconds."""
    assert moment(given) == NOON


@pytest.mark.parametrize("given", ["yesterday", "", True, [], 1e300, float("nan"), "0001-01-01T00:00:00+14:00"])
def test_no_moment(given: object) -> None:
    assert moment(given) is None


def test_a_time_that_cannot_be_read_is_counted() -> None:
    """The message is fed as one without a time."""
    messages = [{"role": "user", "content": "x", "created_at": at} for at in ("soon", None, "2026-03-02T12:00:00Z")]
    given = parse({"messages": messages}, 1)
    assert [message.created_at for message in given.utterances] == [None, None, NOON]
    assert given.undated == 1

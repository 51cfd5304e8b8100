"""A message: what it may be, what it is refused for, and when it equals another."""

import contextlib
import copy
import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kontext_rx import InvalidMessageError, KontextError, Message

MOMENT = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)


@pytest.mark.parametrize(("make", "role"), [(Message.user, "user"), (Message.assistant, "assistant")])
def test_each_role_has_a_short_way_to_make_one(make: Callable[..., Message], role: str) -> None:
    """Id, role, text and moment, and nothing else (S-016, P-007)."""
    message = make("m1", "Any tent for two?", MOMENT)
    assert message == Message("m1", role, "Any tent for two?", MOMENT)  # type: ignore[arg-type]
    assert Message.__struct_fields__ == ("id", "role", "content", "created_at")


@pytest.mark.parametrize("make", [Message.user, Message.assistant, lambda *given: Message(given[0], "user", given[1])])
def test_a_message_is_created_now_unless_it_says_when(make: Callable[..., Message]) -> None:
    """`created_at` defaults to now, in UTC (S-016, #49)."""
    before = dt.datetime.now(dt.UTC)
    created = make("m1", "Hi").created_at
    assert before <= created <= dt.datetime.now(dt.UTC)
    assert created.utcoffset() == dt.timedelta(0)


def test_two_messages_are_equal_when_every_field_is() -> None:
    """Values, with the hash of values; another moment is another message (S-018)."""
    one, same = Message.user("m1", "Hi", MOMENT), Message.user("m1", "Hi", MOMENT)
    assert one == same
    assert len({one, same}) == 1
    others = (
        Message.user("m2", "Hi", MOMENT),
        Message.assistant("m1", "Hi", MOMENT),
        Message.user("m1", "Ho", MOMENT),
        Message.user("m1", "Hi", MOMENT + dt.timedelta(milliseconds=1)),
    )
    assert all(one != other for other in others)


def test_a_message_does_not_change() -> None:
    """Whoever holds one sees what was sent (S-024)."""
    message = Message.user("m1", "Hi")
    with pytest.raises(AttributeError):
        message.content = "Ho"  # type: ignore[misc]


class Markup(str):
    """A template's safe string, whose words about itself are others."""

    __slots__ = ()

    def __str__(self) -> str:
        return "escaped"


def test_a_kind_of_text_is_taken_as_its_text() -> None:
    """An enum's member, a template's safe string: what is sent is a plain `str`."""
    message = Message(Markup("m1"), Markup("user"), Markup("<b>Hi</b>"), MOMENT)  # type: ignore[arg-type]
    assert message == Message.user("m1", "<b>Hi</b>", MOMENT)
    assert {type(message.id), type(message.role), type(message.content)} == {str}


@pytest.mark.parametrize(
    "content", ["", " ", "\n", "# A *heading*\n\n> quoted", 'say "hi"\\', "\U0001f3d5", "\ud83c", "\x00"]
)
def test_any_text_is_content(content: str) -> None:
    """Empty text is text, Markdown passes, and half an emoji is what a cut stream leaves (S-047, W-010, #48)."""
    assert Message.user("m1", content).content == content


REFUSED: list[tuple[str, Callable[[], Message], str]] = [
    ("id", lambda: Message.user("", "Hi"), "not blank"),
    ("id", lambda: Message.user(" \t", "Hi"), "not blank"),
    ("id", lambda: Message.user(None, "Hi"), "not blank"),  # type: ignore[arg-type]
    ("id", lambda: Message.user(7, "Hi"), "not blank"),  # type: ignore[arg-type]
    ("id", lambda: Message.user(b"m1", "Hi"), "not blank"),  # type: ignore[arg-type]
    ("id", lambda: Message.user("m\ud800", "Hi"), "surrogates"),
    ("role", lambda: Message("m1", "system", "Hi"), "'user' or 'assistant'"),  # type: ignore[arg-type]
    ("role", lambda: Message("m1", "User", "Hi"), "'user' or 'assistant'"),  # type: ignore[arg-type]
    ("role", lambda: Message("m1", None, "Hi"), "'user' or 'assistant'"),  # type: ignore[arg-type]
    ("role", lambda: Message("m1", ["user"], "Hi"), "'user' or 'assistant'"),  # type: ignore[arg-type]
    ("content", lambda: Message.user("m1", None), "as a str"),  # type: ignore[arg-type]
    ("content", lambda: Message.user("m1", [{"type": "text"}]), "as a str"),  # type: ignore[arg-type]
    ("created_at", lambda: Message.user("m1", "Hi", dt.datetime(2026, 3, 2)), "time zone"),
    ("created_at", lambda: Message.user("m1", "Hi", "2026-03-02"), "time zone"),  # type: ignore[arg-type]
    ("created_at", lambda: Message.user("m1", "Hi", 1772439300.0), "time zone"),  # type: ignore[arg-type]
    (
        "created_at",
        lambda: Message.user("m1", "Hi", dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))),
        "exists in UTC",
    ),
]


@pytest.mark.parametrize(("field", "make", "wanted"), REFUSED)
def test_what_cannot_be_fed_is_refused_where_it_is_made(field: str, make: Callable[[], Message], wanted: str) -> None:
    """The error names the field and what to do; it is a `ValueError` too (S-017, #48, #71)."""
    with pytest.raises(InvalidMessageError, match=wanted) as caught:
        make()
    assert caught.value.field == field
    assert isinstance(caught.value, KontextError)
    assert isinstance(caught.value, ValueError)


def test_an_error_about_content_does_not_show_it() -> None:
    """What was said is nobody's business: the kind of the value is enough to mend the call."""
    with pytest.raises(InvalidMessageError) as caught:
        Message.user("m1", ["a secret"])  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    assert "list" in str(caught.value)


def test_a_long_value_is_cut_in_the_error() -> None:
    """A line of a log is not the place for a page."""
    with pytest.raises(InvalidMessageError) as caught:
        Message("m1", "x" * 10_000, "Hi")  # type: ignore[arg-type]
    assert len(str(caught.value)) < 250
    assert caught.value.given == "x" * 10_000


class Mute:
    """A value of the app's whose `repr` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_a_value_without_words_does_not_hide_what_is_wrong() -> None:
    """The error is about the field, and stands whatever the value's own `repr` does."""
    with pytest.raises(InvalidMessageError, match="<Mute>"):
        Message("m1", Mute(), "Hi")  # type: ignore[arg-type]


def test_an_error_survives_a_trip_to_another_process() -> None:
    """Test runners and task queues pickle what they caught."""
    with pytest.raises(InvalidMessageError) as caught:
        Message.user("", "Hi")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.field) == (InvalidMessageError, str(caught.value), "id")
    assert str(copy.copy(caught.value)) == str(caught.value)


@given(st.text(), st.sampled_from(["user", "assistant", "system", ""]), st.text(), st.datetimes())
def test_whatever_is_given_is_taken_as_it_is_or_refused_in_our_own_words(
    ident: str, role: Any, content: str, moment: dt.datetime
) -> None:
    """No other exception, and no silent mending."""
    message = None
    with contextlib.suppress(InvalidMessageError):
        message = Message(ident, role, content, moment.replace(tzinfo=dt.UTC))
    assert (message is not None) == (bool(ident.strip()) and role in ("user", "assistant"))
    if message is not None:
        assert (message.id, message.role, message.content) == (ident, role, content)

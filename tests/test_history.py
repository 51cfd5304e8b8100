"""The last thirty messages, repeats ignored."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kontext_rx import Message
from kontext_rx.history import HISTORY_LIMIT, KNOWN_LIMIT, History


def history() -> History:
    return History(lambda message: message.id.upper().encode())


def ids(kept: History) -> list[str]:
    return [message.id for message in kept.messages]


@pytest.mark.parametrize(("first", "last", "kept"), [(0, 35, range(5, 35)), (1, 41, range(11, 41)), (0, 30, range(30))])
def test_thirty_messages_are_kept_and_the_oldest_go_first(first: int, last: int, kept: range) -> None:
    """After m0..m34 the list is m5..m34; after m1..m40 it is m11..m40 (S-022, P-006, C-008)."""
    messages = history()
    dropped = [messages.add(Message.user(f"m{number}", "Hi")) for number in range(first, last)]
    assert ids(messages) == [f"m{number}" for number in kept]
    assert messages.encoded == [f"M{number}".encode() for number in kept]
    assert [gone for gone in dropped if gone] == [f"m{number}" for number in range(first, kept.start)]


def test_messages_of_both_roles_are_kept_in_the_order_of_the_calls() -> None:
    """In one list (S-021)."""
    messages = history()
    for message in (Message.user("u1", "Hi"), Message.assistant("a1", "Hello"), Message.user("u2", "A tent?")):
        messages.add(message)
    assert ids(messages) == ["u1", "a1", "u2"]
    assert "a1" in messages
    assert "a2" not in messages


def test_what_is_handed_out_is_a_snapshot() -> None:
    """A later message does not grow a list that somebody holds, nor does the holder change ours (S-024)."""
    messages = history()
    messages.add(Message.user("u1", "Hi"))
    before, sent = messages.messages, messages.encoded
    messages.add(Message.user("u2", "Ho"))
    sent.clear()
    assert [message.id for message in before] == ["u1"]
    assert messages.encoded == [b"U1", b"U2"]


def test_a_message_is_encoded_once() -> None:
    """Thirty messages in every request must not mean thirty encodings a turn."""
    encoded: list[str] = []

    def encode(message: Message) -> bytes:
        encoded.append(message.id)
        return b""

    messages = History(encode)
    for number in range(3):
        messages.add(Message.user(f"m{number}", "Hi"))
        _ = messages.encoded
    assert encoded == ["m0", "m1", "m2"]


@pytest.mark.parametrize(
    ("again", "verdict"),
    [
        (Message.user("m1", "Hi"), "same"),
        (Message.user("m1", "Ho"), "changed"),
        (Message.assistant("m1", "Hi"), "changed"),
        (Message.user("m2", "Hi"), None),
    ],
)
def test_an_id_is_known_again_by_its_role_and_text(again: Message, verdict: str | None) -> None:
    """Apps feed their history again on every render; another moment alone is no change (S-046, #16)."""
    messages = history()
    assert messages.repeats(Message.user("m1", "Hi")) is None
    messages.add(Message.user("m1", "Hi"))
    assert messages.repeats(again) == verdict


def test_an_id_is_known_after_its_message_was_dropped_or_cleared() -> None:
    """Else a re-render of a long conversation would start it over (#16)."""
    messages = history()
    for number in range(HISTORY_LIMIT + 1):
        messages.add(Message.user(f"m{number}", "Hi"))
    assert messages.repeats(Message.user("m0", "Hi")) == "same"
    assert messages.knew("m0")
    assert "m0" not in messages
    messages.clear()
    assert messages.messages == ()
    assert messages.encoded == []
    assert messages.repeats(Message.user("m30", "Hi")) == "same"


def test_ten_thousand_ids_are_remembered_and_no_more() -> None:
    """A conversation that lasts for years must not grow without bound (#16)."""
    messages = history()
    for number in range(KNOWN_LIMIT):
        messages.add(Message.user(f"m{number}", "Hi"))
    assert messages.knew("m0")
    messages.add(Message.user("new", "Hi"))
    assert not messages.knew("m0")
    assert messages.knew("m1")
    assert KNOWN_LIMIT == 10_000


def test_the_messages_of_a_moment_can_be_had_for_thirty_messages_more() -> None:
    """For an ad that is shown late, whose creative was made for them (#38)."""
    messages, moments = history(), list[tuple[int, tuple[Message, ...]]]()
    for number in range(200):
        messages.add(Message.user(f"m{number}", "Hi"))
        moments.append((messages.count, messages.messages))
        for count, then in moments[-HISTORY_LIMIT - 1 :]:
            assert messages.before(count) == then
    assert messages.before(1) == ()
    assert len(messages.before(messages.count - 60)) < HISTORY_LIMIT


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=100))
def test_whatever_is_fed_the_history_is_the_last_thirty_new_ones(fed: list[tuple[int, bool]]) -> None:
    """Fed as a session feeds it, repeats left out: bounded, in order, and the users counted."""
    messages, accepted = history(), list[Message]()
    for number, is_user in fed:
        message = (Message.user if is_user else Message.assistant)(f"m{number}", "Hi")
        if messages.repeats(message) is None:
            messages.add(message)
            accepted.append(message)
    assert list(messages.messages) == accepted[-HISTORY_LIMIT:]
    assert messages.users == sum(message.role == "user" for message in accepted)
    assert all(messages.knew(message.id) for message in accepted)

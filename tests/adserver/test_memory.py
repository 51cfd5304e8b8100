from __future__ import annotations

from kontext_rx.adserver import Preload
from kontext_rx.adserver.memory import Memory, Recent, turn_number


def asked(*user_message_ids: str, user: str = "u", conversation: str = "c") -> Preload:
    return Preload(
        user_id=user,
        conversation_id=conversation,
        codes=("inlineAd",),
        contents=(),
        user_message_ids=user_message_ids,
        session_id=None,
        track_only=False,
    )


def test_turns_are_counted_by_the_users_messages() -> None:
    """A request that carries three of them is for the third turn; without any it is for none."""
    assert turn_number({}, ["a", "b", "c"]) == 3
    assert turn_number({}, []) == 0


def test_the_count_goes_on_when_a_request_no_longer_carries_it_all() -> None:
    """Only the last thirty messages are sent: a known one says where they stand."""
    assert turn_number({"b": 40}, ["a", "b", "c", "d"]) == 42


def test_a_long_conversation_is_counted_to_its_end() -> None:
    """The number grows by one with each turn, though the request stays as long."""
    memory = Memory()
    ids = [f"m{number}" for number in range(1, 101)]
    numbers = [memory.turn(asked(*ids[max(0, sent - 15) : sent])).number for sent in range(1, 101)]
    assert numbers == list(range(1, 101))


def test_messages_without_an_id_are_counted_all_the_same() -> None:
    """An older SDK may leave it out."""
    memory = Memory()
    assert [memory.turn(asked(*[""] * sent)).number for sent in (1, 2, 3)] == [1, 2, 3]


def test_a_turn_asked_again_is_another_attempt() -> None:
    """Counted per turn of a conversation of a user, so that others do not matter."""
    memory = Memory()
    assert [memory.turn(asked("a")).attempt for _ in range(3)] == [0, 1, 2]
    assert memory.turn(asked("a", "b")).attempt == 0
    assert memory.turn(asked("a", conversation="d")).attempt == 0
    assert memory.turn(asked("a", user="v")).attempt == 0


def test_ads_are_counted_per_user() -> None:
    """Over all conversations of that user, and taken back where one was not delivered."""
    memory = Memory()
    memory.count_ad("u")
    memory.count_ad("u")
    memory.count_ad("u", -1)
    assert memory.turn(asked("a", conversation="other")).ads == 1
    assert memory.turn(asked("a", user="v")).ads == 0


def test_only_the_most_recent_is_remembered() -> None:
    """A long run does not grow; what was set again counts as recent."""
    recent: Recent[str, int] = Recent(2)
    for key in ("a", "b", "a", "c"):
        recent[key] = 1
    assert dict(recent.mapping) == {"a": 1, "c": 1}
    assert len(recent) == 2
    assert recent.get("b") is None

"""What the server remembers between requests: turns, attempts and how many ads a user has had."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from .read import Preload

__all__ = ["Memory", "Recent", "Turn", "turn_number"]

_K = TypeVar("_K")
_V = TypeVar("_V")

_CONVERSATIONS = 20_000
_USERS = 200_000
_RECENT_TURNS = 16


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A request to /preload with what was known when it came."""

    preload: Preload
    number: int
    """Which user message of the conversation it is for, counted from 1; 0 when there is none."""
    attempt: int = 0
    """How many requests were made for this turn before this one."""
    ads: int = 0
    """How many filled answers this user has had."""


class Recent(Generic[_K, _V]):
    """A dictionary that keeps its *limit* most recently set keys, so that a long run does not grow."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[_K, _V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def __setitem__(self, key: _K, value: _V) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._limit:
            self._items.popitem(last=False)

    @property
    def mapping(self) -> Mapping[_K, _V]:
        """What is kept, to read."""
        return self._items

    def get(self, key: _K) -> _V | None:
        """Give what was set for *key*, or None."""
        return self._items.get(key)


def turn_number(known: Mapping[str, int], user_message_ids: Sequence[str]) -> int:
    """
    Number the last of the user's messages from 1.

    A request carries only the last 30 messages, so in a long conversation the count goes on from a message
    whose number is *known*; without one, the request is all there is to count.
    """
    for back, message_id in enumerate(reversed(user_message_ids)):
        if (number := known.get(message_id)) is not None:
            return number + back
    return len(user_message_ids)


class _Conversation:
    def __init__(self) -> None:
        self.numbers: Recent[str, int] = Recent(_RECENT_TURNS)
        self.attempts: Recent[int, int] = Recent(_RECENT_TURNS)


class Memory:
    """
    The memory of one server.

    All of it is kept per conversation, or per user for the frequency cap: what one does never changes
    what another gets.
    """

    def __init__(self) -> None:
        self._conversations: Recent[tuple[str, str], _Conversation] = Recent(_CONVERSATIONS)
        self._ads: Recent[str, int] = Recent(_USERS)

    def turn(self, preload: Preload) -> Turn:
        """Take note of a request; give it with its number, its attempt and the user's ads so far."""
        key = preload.user_id, preload.conversation_id
        conversation = self._conversations.get(key) or _Conversation()
        self._conversations[key] = conversation  # each time, so that a live conversation is not forgotten
        number = turn_number(conversation.numbers.mapping, preload.user_message_ids)
        recent = preload.user_message_ids[-_RECENT_TURNS:]
        for place, message_id in enumerate(recent, start=number - len(recent) + 1):
            if message_id:
                conversation.numbers[message_id] = place
        attempt = conversation.attempts.get(number) or 0
        conversation.attempts[number] = attempt + 1
        return Turn(preload=preload, number=number, attempt=attempt, ads=self._ads.get(preload.user_id) or 0)

    def count_ad(self, user_id: str, change: int = 1) -> None:
        """Count a filled answer of a user, or take one back with -1."""
        self._ads[user_id] = (self._ads.get(user_id) or 0) + change

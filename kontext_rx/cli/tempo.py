"""When each message of a conversation is said: the pauses of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from ..conversations import Conversation, Utterance

__all__ = ["REPLY_DELAY_S", "TURN_DELAY_S", "Tempo", "paced"]

TURN_DELAY_S: Final = 1.0
"""Seconds before a user's message, where nothing else is known. Source: ours."""

REPLY_DELAY_S: Final = 0.5
"""Seconds before a reply, where nothing else is known. Source: ours."""


class Tempo(msgspec.Struct, frozen=True):
    """How fast a conversation is played."""

    turn_delay_s: float | None = None
    """Seconds before each user message; None goes by the recorded times."""
    reply_delay_s: float | None = None
    """Seconds before each reply; None goes by the recorded times."""
    speed: float = 1.0
    """Every pause is divided by it; more than zero."""


def paced(conversation: Conversation, tempo: Tempo) -> Iterator[tuple[float, Utterance]]:
    """
    Each message with the seconds to wait before it.

    Recorded times give the time since the message before, never less than zero, and a first message with a time comes
    at once. They are taken as they are: a night between two messages is a night.
    """
    before: Utterance | None = None
    for utterance in conversation.utterances:
        given, otherwise = (
            (tempo.turn_delay_s, TURN_DELAY_S) if utterance.role == "user" else (tempo.reply_delay_s, REPLY_DELAY_S)
        )
        pause_s = given if given is not None else _recorded(before, utterance)
        yield (otherwise if pause_s is None else pause_s) / tempo.speed, utterance
        before = utterance


def _recorded(before: Utterance | None, utterance: Utterance) -> float | None:
    if utterance.created_at is None:
        return None
    if before is None:
        return 0.0
    if before.created_at is None:
        return None
    return max(0.0, (utterance.created_at - before.created_at).total_seconds())

"""The player: conversations through real sessions in real time, and what happens as it happens."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

import kontext_rx as kx
from kontext_rx import AdError, AdEvent, Filled, Message, Outcome, PreloadStep, Session

from ..conversations import Conversation, Utterance
from .tempo import Tempo, paced

__all__ = ["Closed", "Happening", "Linked", "Opened", "Player", "Said", "Stepped", "Told", "user_of"]

FLUSH_S: Final = 1.0
"""Seconds that reports to the ad server get to go out as a session closes. Source: ours."""


class Opened(msgspec.Struct, frozen=True):
    """A conversation begins."""

    conversation: Conversation


class Said(msgspec.Struct, frozen=True):
    """A message is fed; what it causes comes after."""

    conversation: Conversation
    message: Message


class Stepped(msgspec.Struct, frozen=True):
    """A step in the life of a preload."""

    conversation: Conversation
    step: PreloadStep


class Told(msgspec.Struct, frozen=True):
    """An ad event."""

    conversation: Conversation
    event: AdEvent


class Linked(msgspec.Struct, frozen=True):
    """A user message's fill has got its reply."""

    conversation: Conversation
    user_message_id: str
    message_id: str


class Closed(msgspec.Struct, frozen=True):
    """A conversation is over: its last outcome is in, or it was interrupted."""

    conversation: Conversation


Happening: TypeAlias = Opened | Said | Stepped | Told | Linked | Closed
"""What happens while conversations are played."""


class Player:
    """
    Plays conversations, each as a user of its own, and tells *tell* what happens.

    Every conversation gets a session of its own on the shared *client*.
    """

    def __init__(
        self,
        tell: Callable[[Happening], None],
        *,
        client: kx.Client,
        ad_server_url: str,
        publisher_token: str,
        tempo: Tempo,
    ) -> None:
        self._tell, self._client, self._tempo = tell, client, tempo
        self._ad_server_url, self._publisher_token = ad_server_url, publisher_token

    async def play(self, conversation: Conversation) -> None:
        """Play one conversation to its end: until the outcome of its last turn is in."""
        self._tell(Opened(conversation))
        try:
            if conversation.utterances:
                await self._converse(conversation)
        finally:
            self._tell(Closed(conversation))

    async def _converse(self, conversation: Conversation) -> None:
        user_id = user_of(conversation)
        session = kx.create_session(
            publisher_token=self._publisher_token,
            user_id=user_id,
            conversation_id=conversation.id,
            # Made from the user's id, so that no file is written and the same export is the same traffic again.
            install_id=str(uuid.uuid5(uuid.NAMESPACE_OID, user_id)),
            ad_server_url=self._ad_server_url,
            client=self._client,
        )
        try:
            voice = _Voice(conversation, session, self._tell)
            for pause_s, utterance in paced(conversation, self._tempo):
                if pause_s > 0:  # a burst is one only if nothing else gets a turn in between
                    await asyncio.sleep(pause_s)
                voice.say(utterance)
            await voice.heard_out()
        except asyncio.CancelledError:
            session.destroy()
            raise
        finally:
            await session.aclose(FLUSH_S)


class _Voice:
    """Feeds one session and listens to it."""

    def __init__(self, conversation: Conversation, session: Session, tell: Callable[[Happening], None]) -> None:
        self._conversation, self._session, self._tell = conversation, session, tell
        self._live: str | None = None  # the user message whose preload has not ended
        self._ended: asyncio.Future[None] | None = None
        session.preloads.subscribe(self._on_step)
        session.events.subscribe(self._on_event)

    def say(self, utterance: Utterance) -> None:
        """Feed a message. A reply is listened to first: a fill that waits for it is told at once."""
        message = (Message.user if utterance.role == "user" else Message.assistant)(
            utterance.id, utterance.content, utterance.created_at
        )
        if utterance.role == "assistant":
            self._session.outcome(utterance.id).subscribe(lambda outcome: self._on_outcome(utterance.id, outcome))
        self._tell(Said(self._conversation, message))
        self._session.add_message(message)

    async def heard_out(self) -> None:
        """
        Wait until the last preload has ended.

        By its steps and not by the outcome of its message: thirty replies later that message is forgotten. There is no
        time limit of our own, as every attempt of the session's has one.
        """
        if self._live is not None:
            self._ended = asyncio.get_running_loop().create_future()
            await self._ended

    def _on_step(self, step: PreloadStep) -> None:
        if step.name == "scheduled":
            self._live = step.user_message_id
        self._tell(Stepped(self._conversation, step))
        if step.name in ("coalesced", "cancelled", "resolved"):
            self._end(step.user_message_id)

    def _on_event(self, event: AdEvent) -> None:
        self._tell(Told(self._conversation, event))
        if isinstance(event, AdError):  # also what failed before it could be sent, and has no last step
            self._end(event.user_message_id)

    def _on_outcome(self, message_id: str, outcome: Outcome) -> None:
        if isinstance(outcome, Filled) and outcome.user_message_id is not None:
            self._tell(Linked(self._conversation, outcome.user_message_id, message_id))

    def _end(self, user_message_id: str | None) -> None:
        if user_message_id == self._live:
            self._live = None
            if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)


def user_of(conversation: Conversation) -> str:
    """The user id of a conversation: by its place, because an id may stand twice in an export."""
    return f"replay-user-{conversation.number}"

"""`Talk`: a conversation to be simulated, whatever it came from."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Iterable
from typing import Final, cast

import msgspec

from ..conversations import Conversation
from ..errors import InvalidOptionError
from ..message import Message, Role, is_sendable
from ..recording import Recording
from ..recording.entries import MessageAdded

__all__ = ["Line", "Talk", "decode", "encode", "of_conversation", "of_recording"]


class Line(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation."""

    id: str
    role: Role
    content: str = ""
    at: dt.datetime | None = None
    """When it was said, with a time zone; None where that is not known."""
    track_only: bool = False
    """Whether the app itself asks for no ad on this turn."""


class Talk(msgspec.Struct, frozen=True):
    """
    One conversation. Chance goes by its *id*: the same id has the same dice.

    *messages* are each a `Line`, or a `kontext_rx.Message`, said at its `created_at`. One whose id was
    there before is left out, as a session leaves it out. Raises `InvalidOptionError` for what cannot be used.
    """

    id: str
    messages: tuple[Line, ...] = ()
    user_id: str | None = None
    """Whose conversation it is, for `per_user`; None for a user who has no other."""

    def __post_init__(self) -> None:
        if not _is_id(self.id):
            raise InvalidOptionError("Talk.id", self.id, "give a text that is not blank")
        if self.user_id is not None and not _is_id(self.user_id):
            raise InvalidOptionError("Talk.user_id", self.user_id, "give a text that is not blank, or None")
        given: object = self.messages
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise InvalidOptionError("Talk.messages", f"<{type(given).__name__}>", "give Lines, or Messages")
        lines: dict[str, Line] = {}
        for one in cast("Iterable[object]", given):
            line = _line(one)
            lines.setdefault(line.id, line)
        msgspec.structs.force_setattr(self, "messages", tuple(lines.values()))

    @property
    def owner(self) -> str:
        """The user's id; the conversation's own where there is none."""
        return self.id if self.user_id is None else self.user_id


def of_conversation(conversation: Conversation) -> Talk:
    """A conversation of an export."""
    return Talk(
        conversation.id,
        tuple([Line(one.id, one.role, one.content, one.created_at) for one in conversation.utterances]),
        conversation.user_id,
    )


def of_recording(recording: Recording) -> Talk:
    """What was said in a recorded session, when it was said; the user is the hash that the recording has."""
    return Talk(
        recording.header.conversation_id,
        tuple(
            Line(entry.id, entry.role, entry.content, dt.datetime.fromtimestamp(entry.at, dt.UTC), entry.track_only)
            for entry in recording.entries
            if isinstance(entry, MessageAdded)
        ),
        recording.header.user,
    )


def encode(talks: list[Talk]) -> bytes:
    """Conversations as bytes, for another process or for a file."""
    try:
        return _ENCODER.encode(talks)
    except UnicodeEncodeError:  # half an emoji in somebody's text: slower, and nothing is lost
        return pickle.dumps(talks)


def decode(packed: bytes) -> list[Talk]:
    """What `encode` was given."""
    return pickle.loads(packed) if packed.startswith(pickle.PROTO) else _DECODER.decode(packed)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Talk])  # a list never begins as a pickle does


def _is_id(given: object) -> bool:
    return isinstance(given, str) and bool(given.strip()) and (given.isascii() or is_sendable(given))


def _line(given: object) -> Line:
    match given:
        case Line():
            if given.role not in ("user", "assistant"):
                raise InvalidOptionError("Line.role", given.role, "give 'user' or 'assistant'")
            if not _is_id(given.id):
                raise InvalidOptionError("Line.id", given.id, "give a text that is not blank")
            if given.at is not None and given.at.utcoffset() is None:
                raise InvalidOptionError("Line.at", given.at, "give a datetime with a time zone, or None")
            return given
        case Message():
            return Line(given.id, given.role, given.content, given.created_at)
        case _:
            raise InvalidOptionError("Talk.messages", f"<{type(given).__name__}>", "give Lines, or Messages")

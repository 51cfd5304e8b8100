"""What is said in a conversation: `Message`, and the `Turn` that a user message becomes."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Literal

import msgspec

from .errors import InvalidMessageError

__all__ = ["Message", "Role", "Seen", "Turn"]

Role = Literal["user", "assistant"]


def plain(text: str) -> str:
    """*text* as a `str` and no subclass of it, whose `__str__` may say something else."""
    return str.__str__(text)


def is_sendable(text: str) -> bool:
    """Whether *text* can be written as UTF-8: a lone half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Message(msgspec.Struct, frozen=True, gc=False):
    """
    One message of a conversation, in its final form.

    Feed the user's right after it was sent and the assistant's when it has finished streaming.
    `content` is the text as the person sees it, Markdown and all; empty text is text.

    Raises `InvalidMessageError` for an empty id, a role other than the two, content that is not text,
    and a `created_at` without a time zone. Source: the product's page on messages.
    """

    id: str
    """Unique in the conversation and stable: ads, events and outcomes are found by it."""
    role: Role
    """`"user"` or `"assistant"`; only the user's messages preload an ad."""
    content: str
    """The visible text, sent unchanged."""
    created_at: dt.datetime = msgspec.field(default_factory=functools.partial(dt.datetime.now, dt.UTC))
    """When it was created, with a time zone; now (UTC) when left out. Sent in UTC, cut to milliseconds."""

    def __post_init__(self) -> None:
        # What nearly every message is, told apart from what has to be looked at.
        if (
            type(self.id) is str
            and type(self.content) is str
            and self.id.isascii()
            and not self.id.isspace()
            and self.id
            and self.role in ("user", "assistant")
            and type(self.role) is str
            and type(self.created_at) is dt.datetime
            and self.created_at.tzinfo is dt.UTC
        ):
            return
        self._check()

    def _check(self) -> None:
        if not isinstance(self.id, str) or not self.id.strip():
            raise InvalidMessageError("id", self.id, "give a text that is unique in the conversation and not blank")
        if not is_sendable(self.id):
            raise InvalidMessageError("id", self.id, "leave lone surrogates out: an id is part of an address")
        if self.role not in ("user", "assistant"):
            raise InvalidMessageError("role", self.role, "give 'user' or 'assistant', and leave other roles out")
        if not isinstance(self.content, str):
            raise InvalidMessageError(
                "content",
                type(self.content).__name__,
                "give the visible text as a str (join the parts of a rich message)",
            )
        if not isinstance(self.created_at, dt.datetime) or self.created_at.utcoffset() is None:
            raise InvalidMessageError(
                "created_at", self.created_at, "give a datetime with a time zone, such as datetime.now(timezone.utc)"
            )
        for field in ("id", "role", "content"):
            text: str = getattr(self, field)
            if type(text) is not str:  # an enum's member, a template's safe string: the text is what counts
                msgspec.structs.force_setattr(self, field, plain(text))
        try:
            self.created_at.astimezone(dt.UTC)
        except Exception:  # an overflow, or a time zone of the app's own that fails
            raise InvalidMessageError("created_at", self.created_at, "give a moment that exists in UTC") from None

    @classmethod
    def user(cls, id: str, content: str, created_at: dt.datetime | None = None) -> Message:  # noqa: A002
        """A message of the user's. Raises `InvalidMessageError` as the class does."""
        return cls(id, "user", content) if created_at is None else cls(id, "user", content, created_at)

    @classmethod
    def assistant(cls, id: str, content: str, created_at: dt.datetime | None = None) -> Message:  # noqa: A002
        """A reply of the assistant's. Raises `InvalidMessageError` as the class does."""
        return cls(id, "assistant", content) if created_at is None else cls(id, "assistant", content, created_at)


class Seen(msgspec.Struct, frozen=True, gc=False):
    """How often something has happened in a session, and the last time it did."""

    count: int
    at: float
    """Epoch seconds of the last time."""
    number: int
    """The number of the turn during which it last happened, or which it was."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """
    A user message that has settled (no newer one within the debounce) and what a pacing rule may look at.

    Everything is a value read when pacing decides, so a rule is a pure step over turns.
    """

    message: Message
    number: int
    """Which user message of the conversation this is, from 1, those of a restored history included."""
    at: float
    """When the message was added: epoch seconds by the session's scheduler."""
    conversation: tuple[Message, ...]
    """The last 30 messages as they are when the debounce fires, oldest first."""
    conversation_id: str
    user_id: str
    passed: Seen | None = None
    """The turns that the whole rule has let through before this one; None when there is none."""
    filled: Seen | None = None
    """The ads filled before this turn, as `viewed` and `clicked` for those seen and clicked."""
    viewed: Seen | None = None
    clicked: Seen | None = None
    timezone: str = "Etc/UTC"
    """Where the user is, an IANA name, as the session's `ClientContext` has it; `Etc/UTC` when it is unknown."""
    readings: Mapping[object, object] | None = None
    """What a rule that asks the world (`when`, `per_user`) finds there; None when the rule asks nothing."""

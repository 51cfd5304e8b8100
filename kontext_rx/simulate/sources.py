"""Where conversations come from: files, recordings, values, generators; one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, TypeAlias, cast

from ..conversations import BadLine, Conversation, Reader, UnreadableError
from ..errors import InvalidOptionError
from ..recording import Recording
from .talk import Line, Talk, of_recording

__all__ = ["Conversations", "Source", "chunks"]

Given: TypeAlias = "str | os.PathLike[str] | BinaryIO | Talk | Recording"
Conversations: TypeAlias = "Given | Iterable[Given]"
"""A path, an open binary file, a `Talk`, a `Recording`, or any number of these; a generator is read as it goes."""

BLOCK: Final = 256 * 1024
"""Bytes read at once. Source: ours."""

NAMED: Final = 20
"""Bad lines that are named, of those that are counted. Source: ours."""

MESSAGES: Final = 16_384
CONVERSATIONS: Final = 2_048
"""What a shard is given at most, of either; more only in one conversation, or one user's. Source: ours, some 10 MB."""


class Source:
    """
    The conversations of what was given, in its order, and what was wrong with it.

    Iterating raises `OSError` and `UnreadableError` for a file that cannot be read, and `InvalidOptionError` for what
    is no conversation.
    """

    def __init__(self, given: Conversations) -> None:
        self._given = given
        self.bad_lines = 0
        """Lines of files that were no conversation."""
        self.problems: list[str] = []
        """The first of them, each with its place and what is wrong."""
        self.skipped = 0
        """Messages that were left out: of another role, without text, or with an id that was there before."""

    def __iter__(self) -> Iterator[Talk]:
        given: object = self._given
        if isinstance(given, str | os.PathLike | Talk | Recording) or hasattr(given, "read"):
            given = (given,)
        if not isinstance(given, Iterable):
            raise _no_conversations(given)
        for one in cast("Iterable[object]", given):
            match one:
                case Talk():
                    yield one
                case Recording():
                    yield of_recording(one)
                case str() | os.PathLike():
                    path = cast("str | os.PathLike[str]", one)
                    with open(path, "rb") as file:
                        yield from self._file(file, os.fspath(path))
                case _ if hasattr(one, "read"):
                    yield from self._file(cast(BinaryIO, one), str(getattr(one, "name", "the file")))
                case _:
                    raise _no_conversations(one)

    def _file(self, file: BinaryIO, name: str) -> Iterator[Talk]:
        try:
            for item in Reader(iter(lambda: file.read(BLOCK), b"")):
                if isinstance(item, BadLine):
                    self.bad_lines += 1
                    if len(self.problems) < NAMED:
                        self.problems.append(f"{name}, {item}")
                else:
                    self.skipped += sum(item.skipped.values())
                    yield _talk(item)
        except UnreadableError as error:
            raise UnreadableError(f"{name} cannot be read: {error}") from None


def chunks(talks: Iterable[Talk], *, by_user: bool) -> Iterator[list[Talk]]:
    """Conversations in handy numbers; *by_user* keeps those of a user together, which must follow one another."""
    chunk: list[Talk] = []
    messages = 0
    for talk in talks:
        full = messages + len(talk.messages) > MESSAGES or len(chunk) >= CONVERSATIONS
        if chunk and full and not (by_user and talk.user_id is not None and talk.user_id == chunk[-1].user_id):
            yield chunk
            chunk, messages = [], 0
        chunk.append(talk)
        messages += len(talk.messages)
    if chunk:
        yield chunk


def _talk(conversation: Conversation) -> Talk:
    return Talk(
        conversation.id,
        tuple([Line(one.id, one.role, one.content, one.created_at) for one in conversation.utterances]),
        conversation.user_id,
    )


def _no_conversations(given: object) -> InvalidOptionError:
    return InvalidOptionError(
        "conversations",
        f"<{type(given).__name__}>",
        "give paths, binary files, Talks or Recordings, one or an iterable of them",
    )

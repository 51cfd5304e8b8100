"""Where conversations come from: files, recordings, values, generators; one at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import groupby
from typing import BinaryIO, Final, TypeAlias, TypeGuard, cast

from ..conversations import BadLine, Reader, UnreadableError
from ..errors import InvalidOptionError
from ..recording import Recording
from .account import Account
from .ranges import BLOCK, LEAST, MOST, Export, Stretch, export_at, stretches
from .talk import Talk, of_conversation, of_recording

__all__ = ["Conversations", "Source", "chunks"]

Given: TypeAlias = "str | os.PathLike[str] | BinaryIO | Talk | Recording"
Conversations: TypeAlias = "Given | Iterable[Given]"
"""A path, an open binary file, a `Talk`, a `Recording`, or any number of these; a generator is read as it goes."""

STRETCHES: Final = 32
"""Parts that files are handed out in, unless those were very short or very long. Source: ours."""

MESSAGES: Final = 16_384
CONVERSATIONS: Final = 2_048
"""What a shard is given at most, of either; more only in one conversation, or one user's. Source: ours, some 10 MB."""

Path: TypeAlias = "str | os.PathLike[str]"


class Source:
    """
    The conversations of what was given, in its order, and what was wrong with it.

    Iterating raises `OSError` and `UnreadableError` for a file that cannot be read, and `InvalidOptionError` for what
    is no conversation.
    """

    def __init__(self, given: Conversations) -> None:
        self._given = given
        self.account = Account()
        """What was found in the files that were read here."""
        self.names: dict[int, str] = {}
        """The files by their place among what was given."""

    def __iter__(self) -> Iterator[Talk]:
        return self._talks(self._items())

    def parts(self, is_seen: Callable[[Export], bool], effort: int = 1) -> Generator[list[Talk] | Stretch]:
        """
        The same in handy parts: conversations, or, of files that whoever works on them can read, where they stand.

        *is_seen* is asked about each file that is one conversation a line. Where each conversation is much work,
        *effort*, less of a file is a part.
        """
        items = ((place, self._export(place, item, is_seen) or item) for place, item in self._items())
        for is_export, run in groupby(items, lambda one: isinstance(one[1], Export)):
            if is_export:
                yield from self.stretches((cast(Export, item) for _, item in run), effort)
            else:
                yield from chunks(self._talks(run), by_user=False)

    def exports(self) -> list[Export] | None:
        """All files, if nothing else was given, and each is one conversation a line; else None."""
        if not _is_path(self._given) and not isinstance(self._given, Sequence):
            return None  # it can be gone through but once
        found: list[Export] = []
        for place, item in self._items():
            if (export := self._export(place, item, lambda export: True)) is None:
                return None
            found.append(export)
        return found

    def stretches(self, exports: Iterable[Export], effort: int = 1) -> Generator[Stretch]:
        """Where the conversations of *exports* stand, in handy parts."""
        yield from stretches(exports, self._stretch(effort))

    def _items(self) -> Iterator[tuple[int, object]]:
        given: object = self._given
        if _is_path(given) or isinstance(given, Talk | Recording) or hasattr(given, "read"):
            given = (given,)
        if not isinstance(given, Iterable):
            raise _no_conversations(given)
        return enumerate(cast("Iterable[object]", given))

    def _export(self, place: int, item: object, is_seen: Callable[[Export], bool]) -> Export | None:
        if not _is_path(item):
            return None
        self.names[place] = os.fspath(item)
        export = export_at(item, place)
        return export if export is not None and is_seen(export) else None

    def _stretch(self, effort: int) -> int:
        """Bytes at once: a part of the whole for each of many workers, where it is known how much there is."""
        given: object = self._given
        items = (given,) if _is_path(given) else given if isinstance(given, list | tuple) else ()
        total = 0
        for item in cast("Sequence[object]", items):
            if _is_path(item):
                with contextlib.suppress(OSError):
                    total += os.stat(item).st_size
        return max(min(max(total // STRETCHES, LEAST // effort), MOST // effort), 1)

    def _talks(self, items: Iterable[tuple[int, object]]) -> Iterator[Talk]:
        for place, item in items:
            match item:
                case Talk():
                    yield item
                case Recording():
                    yield of_recording(item)
                case str() | os.PathLike():
                    path = cast("str | os.PathLike[str]", item)
                    self.names[place] = os.fspath(path)
                    with open(path, "rb") as file:
                        yield from self._file(file, place)
                case _ if hasattr(item, "read"):
                    self.names[place] = str(getattr(item, "name", "the file"))
                    yield from self._file(cast(BinaryIO, item), place)
                case _:
                    raise _no_conversations(item)

    def _file(self, file: BinaryIO, place: int) -> Iterator[Talk]:
        try:
            for item in Reader(iter(lambda: file.read(BLOCK), b"")):
                self.account.take(place, item)
                if not isinstance(item, BadLine):
                    yield of_conversation(item)
        except UnreadableError as error:
            raise UnreadableError(f"{self.names[place]} cannot be read: {error}") from None


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


def _is_path(given: object) -> TypeGuard[Path]:
    return isinstance(given, str | os.PathLike)


def _no_conversations(given: object) -> InvalidOptionError:
    return InvalidOptionError(
        "conversations",
        f"<{type(given).__name__}>",
        "give paths, binary files, Talks or Recordings, one or an iterable of them",
    )

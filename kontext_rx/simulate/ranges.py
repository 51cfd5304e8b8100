"""
Files in ranges of bytes, which whoever works on them reads for themselves.

A line belongs to the range in which it begins. So every line is in one range, wherever the ranges end.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

from ..conversations import BadConversationError, BadLine, Conversation, is_jsonl, read_line
from .account import Account

__all__ = ["LEAST", "MOST", "Export", "Range", "Stretch", "counted", "export_at", "mark", "read", "stretches"]

START: Final = 64 * 1024
"""Bytes of a file that are looked at before it is handed out. Source: ours."""

BLOCK: Final = 256 * 1024
"""Bytes read at once. Source: ours."""

LEAST: Final = 2 * 1024 * 1024
MOST: Final = 32 * 1024 * 1024
"""Bytes that a worker is given at once, at least and at most. Source: ours; some seconds, and a few shards."""


class Export(msgspec.Struct, frozen=True):
    """A file of one conversation a line that can be read from anywhere."""

    file: int
    """Its place among the files that were given, from 0."""
    path: str
    """Absolute: a worker may stand elsewhere."""
    size: int
    """Bytes."""


class Range(msgspec.Struct, frozen=True):
    """The lines of a file that begin from *begin* on and before *end*."""

    file: int
    path: str
    begin: int
    end: int
    after: int | None
    """Conversations of the file before them; None while that is not known."""


Stretch: TypeAlias = tuple[Range, ...]
"""Ranges that follow one another, for one worker."""


def export_at(path: str | os.PathLike[str], file: int) -> Export | None:
    """The export at *path*, the *file*-th of those given; None for one to be read from its start. Raises `OSError`."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        return None  # a pipe can be opened but once
    with open(path, "rb") as opened:
        if not is_jsonl(opened.read(START)):
            return None
    return Export(file, os.path.abspath(os.fsdecode(path)), found.st_size)


def mark(path: str) -> tuple[int, bytes] | None:
    """What tells a file from another of the same name on another machine; None where there is none to be read."""
    try:
        with open(path, "rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            return size, blake2b(opened.read(START), digest_size=16).digest()
    except OSError:
        return None


def stretches(exports: Iterable[Export], size: int) -> Iterator[Stretch]:
    """All lines of *exports* in their order, about *size* bytes at once: of one long file, or of many short ones."""
    found: list[Range] = []
    room = size
    for export in exports:
        begin = 0
        while begin < export.size:
            end = min(begin + room, export.size)
            found.append(Range(export.file, export.path, begin, end, 0 if begin == 0 else None))
            room -= end - begin
            begin = end
            if room == 0:
                yield tuple(found)
                found, room = [], size
    if found:
        yield tuple(found)


def counted(stretch: Stretch, conversations: Mapping[int, int]) -> Stretch:
    """The same, now that it is known how many *conversations* of each file are before it."""
    return tuple(msgspec.structs.replace(part, after=conversations.get(part.file, 0)) for part in stretch)


def read(stretch: Stretch, account: Account) -> Iterator[tuple[Range, Conversation]]:
    """
    The conversations of *stretch*, and where each is; what was found is in *account*.

    One that is called by its number has it from the beginning of its file, or, where the range does not know how many
    are before it, from the beginning of the range. Raises `OSError` for a file that cannot be read.
    """
    for part in stretch:
        number, first = part.after or 0, account.lines[part.file]
        for place, line in enumerate(_lines(part), 1):
            account.lines[part.file] = first + place
            try:
                conversation = read_line(line, number + 1)
            except BadConversationError as bad:
                account.take(part.file, BadLine(first + place, str(bad)))
                continue
            if conversation is not None:
                number += 1
                account.take(part.file, conversation)
                yield part, conversation


def _lines(part: Range) -> Iterator[bytes]:
    with open(part.path, "rb", buffering=BLOCK) as file:
        place = part.begin
        if place:
            # From the byte before, so that a line which begins at the first byte is seen to do so.
            file.seek(place - 1)
            under_way = file.readline(part.end - place)
            if not under_way.endswith(b"\n"):
                return
            place += len(under_way) - 1
        while place < part.end and (line := file.readline()):
            place += len(line)
            yield line

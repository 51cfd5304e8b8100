"""The conversations of each user together, however they came, without holding them all: on disk, in buckets."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from .talk import Talk, decode, encode

__all__ = ["Bucket", "Spool", "buckets", "by_users", "folder_for_users"]

BUCKETS: Final = 64
"""As much of the users' conversations is held at once as a 64th. Source: ours."""

LENGTH: Final = 8
"""Bytes of a number in a bucket."""

PLACES: Final = (0, LENGTH, 2 * LENGTH)
"""Where the three numbers are before what a writer saved: the two of its place, and how many bytes there are."""

WAITING: Final = 4 * 1024 * 1024
"""Bytes that wait for the disk. Source: ours."""


@contextlib.contextmanager
def folder_for_users() -> Generator[Path]:
    """Where conversations wait for others of their user; it is gone afterwards. Raises `OSError`."""
    with tempfile.TemporaryDirectory(prefix="kontext-rx-simulate-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def by_users(talks: Iterable[Talk]) -> Generator[Iterator[Talk]]:
    """
    The same conversations, those of a user in a row; those without a user first.

    They wait in a temporary folder, which is gone afterwards. Raises `OSError` when the disk is full.
    """
    with folder_for_users() as folder:
        yield _by_users(talks, folder)


def _by_users(talks: Iterable[Talk], folder: Path) -> Iterator[Talk]:
    spool = Spool(folder)
    for talk in talks:
        if talk.user_id is None:
            yield talk
        else:
            spool.put(talk)
            if spool.waiting > WAITING:
                spool.save()
    spool.save()
    for bucket in buckets(folder):
        yield from bucket.talks()


def buckets(folder: Path) -> Generator[Bucket]:
    """All buckets of *folder*."""
    return (Bucket(folder, number) for number in range(BUCKETS))


class Spool:
    """
    Puts conversations of users into the buckets of a folder; for one writer of many.

    *place* is where its conversations were among those of other writers; its own stay in their order.
    """

    def __init__(self, folder: Path, place: tuple[int, int] = (0, 0)) -> None:
        self._folder, self._place = folder, place
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.waiting = 0
        """Bytes that are not saved yet."""

    def put(self, talk: Talk) -> None:
        """Have *talk* wait, by its user."""
        digest = blake2b(talk.owner.encode(errors="surrogatepass"), digest_size=2).digest()
        packed = encode([talk])
        self._buckets[int.from_bytes(digest, "big") % BUCKETS] += _number(len(packed)) + packed
        self.waiting += len(packed)

    def save(self) -> None:
        """Put what waits into its buckets. Raises `OSError` when the disk is full."""
        writer = f"{os.getpid()}-{threading.get_ident()}"  # nobody else writes to the same file
        for bucket, packed in self._buckets.items():
            head = b"".join(map(_number, (*self._place, len(packed))))
            with (self._folder / f"{bucket}-{writer}").open("ab") as file:
                file.write(head + packed)
        self._buckets.clear()
        self.waiting = 0


class Bucket(msgspec.Struct, frozen=True):
    """All conversations of some users, when every `Spool` has saved its own."""

    folder: Path
    number: int

    def talks(self) -> Iterator[Talk]:
        """Those of a user in a row, in the order in which they came, whoever wrote them."""
        parts: list[tuple[int, int, bytes]] = []
        for path in self.folder.glob(f"{self.number}-*"):
            with path.open("rb") as file:
                while head := file.read(len(PLACES) * LENGTH):
                    one, other, length = (int.from_bytes(head[at : at + LENGTH], "big") for at in PLACES)
                    parts.append((one, other, file.read(length)))
        parts.sort(key=lambda part: part[:2])
        users: dict[str | None, list[Talk]] = {}
        for _, _, packed in parts:
            place = 0
            while place < len(packed):
                begin = place + LENGTH
                place = begin + int.from_bytes(packed[place:begin], "big")
                (talk,) = decode(packed[begin:place])
                users.setdefault(talk.user_id, []).append(talk)
        for theirs in users.values():
            yield from theirs


def _number(number: int) -> bytes:
    return number.to_bytes(LENGTH, "big")

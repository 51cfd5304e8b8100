"""The conversations of each user together, however they came, without holding them all: on disk, in buckets."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from .talk import Talk, decode, encode

__all__ = ["by_users"]

BUCKETS: Final = 64
"""As much of the users' conversations is held at once as a 64th. Source: ours."""

LENGTH: Final = 4
"""Bytes before each conversation in a bucket, which say how long it is."""


@contextlib.contextmanager
def by_users(talks: Iterable[Talk]) -> Generator[Iterator[Talk]]:
    """
    The same conversations, those of a user in a row; those without a user first.

    They wait in a temporary folder, which is gone afterwards. Raises `OSError` when the disk is full.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kontext-rx-simulate-")))
        yield _by_users(talks, folder)


def _by_users(talks: Iterable[Talk], folder: Path) -> Iterator[Talk]:
    paths = [folder / str(bucket) for bucket in range(BUCKETS)]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for talk in talks:
            if talk.user_id is None:
                yield talk
            else:
                digest = blake2b(talk.user_id.encode(errors="surrogatepass"), digest_size=2).digest()
                packed = encode([talk])
                file = files[int.from_bytes(digest, "big") % BUCKETS]
                file.write(len(packed).to_bytes(LENGTH, "big") + packed)
    for path in paths:
        users: dict[str | None, list[Talk]] = {}
        with path.open("rb") as file:
            while length := file.read(LENGTH):
                (talk,) = decode(file.read(int.from_bytes(length, "big")))
                users.setdefault(talk.user_id, []).append(talk)
        for theirs in users.values():
            yield from theirs

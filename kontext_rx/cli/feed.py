"""A file, read on a thread of its own: the loop must not wait for a disk, a pipe or a keyboard."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final, TypeVar

__all__ = ["Feed", "about_lines", "blocks", "count_lines", "open_export"]

T = TypeVar("T")

AHEAD: Final = 16
"""Items that are read before they are asked for. Source: ours."""

BLOCK: Final = 64 * 1024
"""Bytes read at once. Source: ours."""

COUNTED: Final = 64 * 1024 * 1024
"""Bytes whose lines are counted one by one. Source: ours, some hundredths of a second."""

STDIN: Final = 0


def open_export(path: str) -> io.FileIO:
    """
    The file at *path*, or standard input for `-`, without a buffer. Raises `OSError`.

    It is not `sys.stdin`: a thread that waits inside its buffer would be in the way when the interpreter ends.
    """
    return io.FileIO(STDIN, closefd=False) if path == "-" else io.FileIO(path)


def blocks(file: io.FileIO) -> Iterator[bytes]:
    """What is in the file, as it comes."""
    while block := file.read(BLOCK):
        yield block


def count_lines(file: io.FileIO, most: int | None = None) -> int | None:
    """How many lines are still to be read, or *most* if there are more; None for a pipe, which cannot be read twice."""
    if not hasattr(os, "pread") or not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return None
    count, place, last = 0, file.tell(), b"\n"
    while (most is None or count < most) and (block := os.pread(file.fileno(), BLOCK, place)):
        count += block.count(b"\n")
        place += len(block)
        last = block[-1:]
    count += last != b"\n"
    return count if most is None else min(count, most)


def about_lines(file: io.FileIO) -> int | None:
    """How many lines a file has, or about as many if it is long: its first part is counted. None for a pipe."""
    size = os.fstat(file.fileno()).st_size
    if size <= COUNTED:
        return count_lines(file)
    if not hasattr(os, "pread"):
        return None
    counted, place = 0, 0
    while place < COUNTED and (block := os.pread(file.fileno(), BLOCK, place)):
        counted += block.count(b"\n")
        place += len(block)
    return counted * size // place


class _End:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error


class Feed(AsyncIterator[T]):
    """
    The items of *items*, read a little ahead; if it raises, that comes after them. For one reader.

    The thread is a daemon, so that one which waits for a pipe for ever does not keep the process.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[T | _End] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        self._closed = False
        threading.Thread(target=self._read, args=(items,), name="kontext-rx-reader", daemon=True).start()

    async def __anext__(self) -> T:
        item = await self._queue.get()
        if isinstance(item, _End):
            self._queue.put_nowait(_End())
            raise item.error or StopAsyncIteration
        self._room.release()
        return item

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._room.release()

    def _read(self, items: Iterable[T]) -> None:
        end = _End()
        try:
            for item in items:
                self._room.acquire()
                self._put(item)
                if self._closed:
                    return
        except Exception as error:
            end = _End(error)
        self._put(end)

    def _put(self, item: T | _End) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody asks any more
            self._closed = True

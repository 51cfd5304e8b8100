"""
An ad server that does nothing but answer, for benchmarks: a raw protocol in a process of its own.

It listens once for each of `MANNERS` and prints their ports as JSON. The id of each bid says when its request was here
and when its answer was written: the clock is `time.monotonic_ns`, which is one for all processes of a machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from typing import Any, Final, NamedTuple

import msgspec

PRELOAD_TIMEOUT_MS: Final = 15_999
"""What `/init` says: a session that has it has been answered."""

FILL: Final = (
    b'{"sessionId":"6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c","bids":[{"bidId":"%b","code":"inlineAd","revenue":0.031,'
    b'"impressionTrigger":"immediate"}]}'
)
LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Manner(msgspec.Struct, frozen=True):
    """How preloads are answered at one address."""

    delay_s: float = 0.0
    fails: bool = False
    """Whether every 10th is a 503, and every 15th connection is dropped in the place of an answer."""


MANNERS: Final = {"fast": Manner(), "slow": Manner(0.2), "faulty": Manner(0.05, fails=True)}


class Times(NamedTuple):
    """When the server had a request and when it wrote the answer, in nanoseconds of the machine's monotonic clock."""

    arrived: int
    written: int


def times(bid_id: str) -> Times:
    """What the id of a bid says."""
    digits = bid_id.replace("-", "")
    return Times(int(digits[:16], 16), int(digits[16:], 16))


def _bid_id(arrived: int, written: int) -> bytes:
    digits = b"%016x%016x" % (arrived, written)
    return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


INIT: Final = _answer(b'{"enabled":true,"preloadTimeout":%d}' % PRELOAD_TIMEOUT_MS)
FAILED: Final = _answer(b"{}", b"503 Service Unavailable")


class Counter:
    """Preloads at one address."""

    def __init__(self) -> None:
        self.preloads = 0


class AdServer(asyncio.Protocol):
    """One connection."""

    def __init__(self, manner: Manner, counter: Counter) -> None:
        self._manner, self._counter, self._buffer = manner, counter, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        arrived = time.monotonic_ns()
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self._buffer, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            head, self._buffer = self._buffer[:16], self._buffer[size:]
            if head.startswith(b"POST /preload"):
                self._preload(arrived)
            elif head.startswith(b"GET /count"):
                self._transport.write(_answer(b"%d" % self._counter.preloads))
            else:
                self._transport.write(INIT)

    def _preload(self, arrived: int) -> None:
        self._counter.preloads += 1
        number, manner = self._counter.preloads, self._manner
        if manner.fails and number % 15 == 0:
            self._transport.abort()
        elif manner.fails and number % 10 == 0:
            self._transport.write(FAILED)
        elif manner.delay_s:
            asyncio.get_running_loop().call_later(manner.delay_s, self._fill, arrived)
        else:
            self._fill(arrived)

    def _fill(self, arrived: int) -> None:
        if not self._transport.is_closing():
            self._transport.write(_answer(FILL % _bid_id(arrived, time.monotonic_ns())))


async def main(kept_to: list[int]) -> None:
    if kept_to:
        os.sched_setaffinity(0, kept_to)
    ports: dict[str, int] = {}
    for name, manner in MANNERS.items():
        counter = Counter()
        server = await asyncio.get_running_loop().create_server(
            lambda manner=manner, counter=counter: AdServer(manner, counter), "127.0.0.1", 0, backlog=4096
        )
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started us goes away


if __name__ == "__main__":
    asyncio.run(main([int(core) for core in sys.argv[1:]]))

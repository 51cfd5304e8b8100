"""An ad server that does nothing but answer, for benchmarks: a raw protocol in a process of its own."""

from __future__ import annotations

import asyncio
import re
import sys

FILL = (
    b'{"sessionId":"6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c","bids":[{"bidId":"0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f",'
    b'"code":"inlineAd","revenue":0.031,"impressionTrigger":"immediate"}]}'
)
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


FILLED, INIT = answer(FILL), answer(b"{}")


class AdServer(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < size:
                return
            self.transport.write(INIT if self.buffer.startswith(b"POST /init") else FILLED)  # type: ignore[attr-defined]
            self.buffer = self.buffer[size:]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(AdServer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started us goes away


if __name__ == "__main__":
    asyncio.run(main())

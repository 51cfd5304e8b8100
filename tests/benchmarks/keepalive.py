"""
What a person's pause costs: the connections that the server sees, and the delay of the turn after it, over TLS.

Each person is alone on a worker, with a pool of its own: in a busy one the turns of others keep connections warm. Ours
keeps an idle connection for 55 s, aiohttp by itself for 15 s; both are given a connector that trusts the server, ours
one that keeps connections as our own does. The delay is from `add_message` to the request's arrival at the server, the
debounce subtracted. Client and server are one machine: over a network a new connection costs two round trips more, one
for TCP and one for TLS 1.3.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from delays import DEBOUNCE_NS
from measure import NS, OURS, Bench, Cell, Measure, Row, SkippedError, percentiles, run
from processes import CORES, kept_to
from server import MANNERS, AdServer, Counter, times
from sides import Conversation, Ours

from kontext_rx.transport import KEEPALIVE_S

DEFAULT: Final = "aiohttp's"
"""The connector as it is by itself."""

PAUSE_S: Final = 20.0
QUICK_PAUSE_S: Final = 16.0
APART_S: Final = 0.05
"""Seconds between one person's turn and the next one's, so that nobody waits for another's handshake."""


# --- the server, in a process of its own --------------------------------------------------------------------------


class Counted(AdServer):
    """One connection, counted."""

    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Counted.connections += 1
        super().connection_made(transport)


async def serve(certificate: str) -> None:
    """Print the port, answer until standard input ends, and print how many connections there were."""
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(certificate)
    counter = Counter()
    server = await asyncio.get_running_loop().create_server(
        lambda: Counted(MANNERS["fast"], counter), "127.0.0.1", 0, ssl=secured
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(Counted.connections, flush=True)


class Secured:
    """The server's address, how to trust it, and in the end how many connections it had."""

    def __init__(self, url: str, trust: ssl.SSLContext) -> None:
        self.url, self.trust = url, trust
        self.connections = 0


@contextmanager
def secured() -> Generator[Secured, None, None]:
    """A server with a certificate of its own making, as long as the block lasts. Raises `SkippedError`."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = str(Path(folder, "certificate.pem"))
        _certify(certificate)
        trust = ssl.create_default_context(cafile=certificate)
        with kept_to(CORES[:1] if len(CORES) > 1 else []):
            process = subprocess.Popen(
                [sys.executable, __file__, certificate], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        with process:
            assert process.stdout is not None
            try:
                server = Secured(f"https://127.0.0.1:{process.stdout.readline().strip()}", trust)
                yield server
                out, _ = process.communicate(timeout=10)
                server.connections = int(out)
            finally:
                process.terminate()


def _certify(path: str) -> None:
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=127.0.0.1"
    command = ["openssl", "req", *options.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", path, "-out", path + ".public"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkippedError("there is no openssl to make a certificate with") from error
    with open(path, "a") as file:
        file.write(Path(path + ".public").read_text())


# --- the people ---------------------------------------------------------------------------------------------------


async def _people(server: Secured, people: int, pause_s: float, connections: dict[str, Any]) -> dict[str, float]:
    """Everyone has a turn, pauses, and has another: the delays of the second, in milliseconds."""
    async with AsyncExitStack() as stack:
        talks: list[Conversation] = []
        for number in range(people):
            pool = await stack.enter_async_context(Ours.over(server.url, ssl=server.trust, **connections))
            talks.append(Conversation(pool, number))
            await pool.ready([talks[-1].session])

        async def pause(number: int) -> float:
            await asyncio.sleep(number * APART_S)
            await talks[number].converse(1)
            await asyncio.sleep(pause_s)
            sent = time.monotonic_ns()
            await talks[number].converse(1)
            return (times(Ours.bid_id(talks[number].last)).arrived - sent - DEBOUNCE_NS) / NS * 1e3

        delays = await asyncio.gather(*map(pause, range(people)))
        for talk in talks:
            talk.session.destroy()
    return percentiles("request", delays)


def _paused(**connections: Any) -> Measure:
    def measured(bench: Bench) -> dict[str, float]:
        people, pause_s = bench.size(40, 10), QUICK_PAUSE_S if bench.quick else PAUSE_S
        with secured() as server:
            found = run(_people(server, people, pause_s, connections))
        return {**found, "connections": server.connections / people}

    return measured


CELLS: Final = [
    Cell(
        name="keep-alive",
        kinds={OURS: _paused(limit=0, keepalive_timeout=KEEPALIVE_S), DEFAULT: _paused()},
        rows=[
            Row(what="connections, a pause between turns", number="connections", unit="", over=DEFAULT, at_most=0.5),
            Row(what="after the pause: to request, p50", number="request_p50", unit="ms", over=DEFAULT),
        ],
        rounds=1,
    )
]

if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))

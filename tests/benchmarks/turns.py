"""
What a turn costs: kontext_rx beside a hand-written asyncio session and a bare POST, interleaved in one run.

    python tests/benchmarks/turns.py [--sessions 10,64,1000] [--turns 4000] [--rounds 5] [--json]

The server has a process of its own. CPU is this process's, garbage collection included; a turn is a user message, its
preload, its event and a reply. Medians of the rounds, with the spread in brackets.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from handwritten import HandWritten

import kontext_rx as kx
from kontext_rx import Message

INSTALL_ID = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
TEXT = "I am looking for a quiet restaurant for two people tonight, somewhere near the old town."


class Bare:
    """No session at all: the body that one would send, posted."""

    def __init__(self, http: aiohttp.ClientSession, server: str) -> None:
        self._http, self._url = http, server + "/preload"
        self._body = msgspec.json.encode(
            {"messages": [{"id": f"m{n}", "role": "user", "content": TEXT} for n in range(10)]}
        )

    async def turn(self) -> None:
        async with self._http.post(
            self._url, data=self._body, headers={"Content-Type": "application/json"}
        ) as response:
            msgspec.json.decode(await response.read())


async def run_bare(server: str, sessions: int, turns: int) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        bare = Bare(http, server)

        async def converse() -> None:
            for _ in range(turns):
                await bare.turn()
                await asyncio.sleep(0.010)

        return await _cpu(lambda: asyncio.gather(*(converse() for _ in range(sessions))), sessions * turns)


async def run_handwritten(server: str, sessions: int, turns: int) -> float:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        told = [asyncio.Event() for _ in range(sessions)]
        opened = [HandWritten(http, server, n, lambda _, event=told[n]: event.set()) for n in range(sessions)]

        async def converse(session: HandWritten, event: asyncio.Event) -> None:
            for number in range(turns):
                event.clear()
                session.add_user(f"u{number}", TEXT)
                await event.wait()
                session.add_assistant(f"a{number}", TEXT)

        cost = await _cpu(lambda: asyncio.gather(*map(converse, opened, told)), sessions * turns)
        for session in opened:
            session.close()
        return cost


async def run_ours(server: str, sessions: int, turns: int) -> float:
    async with kx.Client() as client:
        told = [asyncio.Event() for _ in range(sessions)]
        opened = [_open(server, client, n, lambda _, event=told[n]: event.set()) for n in range(sessions)]
        await _until_settled(client)

        async def converse(session: kx.Session, event: asyncio.Event) -> None:
            for number in range(turns):
                event.clear()
                session.add_message(Message.user(f"u{number}", TEXT))
                await event.wait()
                session.add_message(Message.assistant(f"a{number}", TEXT))

        cost = await _cpu(lambda: asyncio.gather(*map(converse, opened, told)), sessions * turns)
        for session in opened:
            session.destroy()
        return cost


def _open(server: str, client: kx.Client, number: int, on_event: Callable[[Any], None]) -> kx.Session:
    session = kx.create_session(
        publisher_token="t",
        user_id=f"user-{number}",
        conversation_id=f"c-{number}",
        ad_server_url=server,
        install_id=INSTALL_ID,
        client=client,
    )
    session.events.subscribe(on_event)
    return session


async def _until_settled(client: kx.Client) -> None:
    while client._pool.sending:  # type: ignore[union-attr]  # until every /init is answered
        await asyncio.sleep(0.01)


async def _cpu(work: Callable[[], Awaitable[Any]], turns: int) -> float:
    """Microseconds of CPU a turn."""
    gc.collect()
    before = time.process_time()
    await work()
    return (time.process_time() - before) / turns * 1e6


async def memory(server: str, sessions: int = 1000) -> dict[str, float]:
    """Bytes, collectable objects and microseconds for each idle session with one subscriber, /init answered."""
    results: dict[str, float] = {}
    async with kx.Client() as client, aiohttp.ClientSession() as http:
        warm = _open(server, client, -1, print)
        await _until_settled(client)
        for name, make in (
            ("ours", lambda n: _open(server, client, n, print)),
            ("handwritten", lambda n: HandWritten(http, server, n, print)),
        ):
            gc.collect()
            objects = len(gc.get_objects())
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            opened: list[Any] = [make(n) for n in range(sessions)]
            await _until_settled(client)
            await asyncio.sleep(0.05)
            gc.collect()
            results[f"{name}_bytes"] = (tracemalloc.get_traced_memory()[0] - before) / sessions
            tracemalloc.stop()
            results[f"{name}_objects"] = (len(gc.get_objects()) - objects) / sessions
            for session in opened:
                (session.destroy if name == "ours" else session.close)()
        warm.destroy()
    return results


KINDS = {"bare": run_bare, "handwritten": run_handwritten, "ours": run_ours}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sessions", default="10,64,1000")
    options.add_argument("--turns", type=int, default=4000, help="turns of each measurement, over all sessions")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    program = [sys.executable, str(Path(__file__).with_name("server.py"))]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        server = f"http://127.0.0.1:{int(process.stdout.readline())}"
        try:
            results = measure(server, [int(one) for one in given.sessions.split(",")], given.turns, given.rounds)
        finally:
            process.terminate()
    if given.json:
        print(json.dumps(results))
    else:
        report(results)


def measure(server: str, cells: list[int], turns: int, rounds: int) -> dict[str, Any]:
    cpu: dict[str, dict[str, list[float]]] = {str(cell): {kind: [] for kind in KINDS} for cell in cells}
    for number in range(rounds):
        for cell in cells:
            for kind, run in KINDS.items():
                print(f"round {number + 1}, {cell} sessions, {kind}      ", end="\r", file=sys.stderr)
                cpu[str(cell)][kind].append(asyncio.run(run(server, cell, max(3, turns // cell))))
    return {"cpu_us_per_turn": cpu, "memory": asyncio.run(memory(server))}


def report(results: dict[str, Any]) -> None:
    print(f"{'sessions':>8} {'bare':>16} {'handwritten':>16} {'ours':>16} {'ours/handwritten':>18}")
    for cell, kinds in results["cpu_us_per_turn"].items():
        ratios = [ours / hand for ours, hand in zip(kinds["ours"], kinds["handwritten"], strict=True)]
        row = " ".join(f"{_spread(kinds[kind], '.0f'):>16}" for kind in KINDS)
        print(f"{cell:>8} {row} {_spread(ratios, '.2f'):>18}")
    memory = results["memory"]
    print("an idle session with one subscriber:")
    for kind in ("handwritten", "ours"):
        print(
            f"  {kind:<12} {memory[kind + '_bytes']:>8,.0f} bytes {memory[kind + '_objects']:>6.1f} collectable objects"
        )


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} [{min(values):{form}}, {max(values):{form}}]"


if __name__ == "__main__":
    main()

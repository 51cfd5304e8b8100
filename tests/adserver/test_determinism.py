from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp

from kontext_rx.adserver import Uniform

from .conftest import Caller, Serve
from .wire import preload_body

SETTINGS: dict[str, Any] = {
    "seed": 7,
    "fill_rate": 0.6,
    "every": 2,
    "latency": Uniform(0.0, 0.01),
    "error_rate": 0.1,
    "rate_limit_rate": 0.1,
    "half_sent_rate": 0.1,
    "reset_rate": 0.1,
    "no_content_rate": 0.1,
}
TEXTS = ("any hotel?", "a flight, then", "good coffee there?", "what about rain?", "and a movie", "thanks")


async def conversation(caller: Caller, number: int) -> list[object]:
    """Ask for an ad at each turn, twice where it fails; give all that was answered."""
    got: list[object] = []
    for sent in range(1, len(TEXTS) + 1):
        body = preload_body(*TEXTS[:sent], userId=f"user-{number % 5}", conversationId=f"thread-{number}")
        for _ in range(2):
            try:
                reply = await caller.post("/preload", body)
            except aiohttp.ClientError as error:
                got.append(type(error).__name__)
            else:
                got.append((reply.status, reply.raw))
    return got


async def test_a_run_is_the_same_one_after_the_other_and_all_at_once(serve: Serve) -> None:
    """The order in which requests come changes nothing: not a fill, not a bid id, not a fault."""
    alone = await serve(**SETTINGS)
    expected = {number: await conversation(alone, number) for number in range(12)}

    together = await serve(**SETTINGS)
    numbers = list(expected)
    random.Random(1).shuffle(numbers)
    results = await asyncio.gather(*(conversation(together, number) for number in numbers))
    assert dict(zip(numbers, results, strict=True)) == expected
    kinds = {kind if isinstance(kind, str) else kind[0] for one in expected.values() for kind in one}  # type: ignore[index]
    assert kinds >= {200, 204, 429, 503, "ClientPayloadError"}


async def test_another_seed_makes_another_run(serve: Serve) -> None:
    """Or the seed would be for nothing."""
    one = await conversation(await serve(**SETTINGS), 1)
    assert one == await conversation(await serve(**SETTINGS), 1)
    assert one != await conversation(await serve(**SETTINGS | {"seed": 8}), 1)

from __future__ import annotations

import asyncio
from collections import Counter

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Fixed, Settings, answers
from kontext_rx.cli.player import Closed, Happening, Linked, Opened, Player, Said, Stepped, user_of
from kontext_rx.cli.summary import Summary, Tally
from kontext_rx.cli.tempo import Tempo
from kontext_rx.conversations import Conversation, parse

from .conftest import conversation, turns

FAST = Tempo(turn_delay_s=0.03, reply_delay_s=0.02)
BURST = Tempo(turn_delay_s=0.0, reply_delay_s=0.0)


def given(value: object, number: int = 1) -> Conversation:
    return parse(value, number)


async def played(server: AdServer, tempo: Tempo, *conversations: Conversation) -> tuple[Summary, list[Happening]]:
    happenings: list[Happening] = []
    async with kx.Client() as client:
        player = Player(happenings.append, client=client, ad_server_url=server.url, publisher_token="t", tempo=tempo)
        await asyncio.gather(*map(player.play, conversations))
    tally = Tally()
    for happening in happenings:
        tally(happening)
    return tally.summary(0.0), happenings


async def test_every_turn_is_filled_and_linked() -> None:
    """A conversation is opened, said, and closed when its last outcome is in."""
    async with AdServer() as server:
        summary, happenings = await played(server, FAST, given(turns("c", 3)))
    assert (summary.messages, summary.user_messages, summary.preloads) == (6, 3, 3)
    assert (summary.filled, summary.linked, summary.coalesced) == (3, 3, 0)
    assert isinstance(happenings[0], Opened)
    assert isinstance(happenings[-1], Closed)
    assert [(link.user_message_id, link.message_id) for link in happenings if isinstance(link, Linked)] == [
        ("m1", "m2"),
        ("m3", "m4"),
        ("m5", "m6"),
    ]


async def test_a_burst_is_one_preload() -> None:
    """A delay of zero gives nothing else a turn in between, so nothing is sent before the last message."""
    async with AdServer() as server:
        summary, happenings = await played(server, BURST, given(turns("c", 20)))
        assert server.stats.paths["/preload"] == 1
    assert (summary.preloads, summary.coalesced, summary.filled, summary.linked) == (1, 19, 1, 1)
    said = [place for place, one in enumerate(happenings) if isinstance(one, Said)]
    sent = [place for place, one in enumerate(happenings) if isinstance(one, Stepped) and one.step.name == "sent"]
    assert max(said) < min(sent)


async def test_the_last_outcome_is_waited_for() -> None:
    """However late it is, and when the reply was there long before."""
    async with AdServer(Settings(latency=Fixed(0.4))) as server:
        summary, _ = await played(server, FAST, given(turns("c", 1)), given(conversation("d", ("user", "Hi")), 2))
    assert (summary.filled, summary.linked, summary.unlinked, summary.cancelled) == (2, 1, 1, 0)
    assert summary.p50_ms is not None
    assert summary.p50_ms >= 400


async def test_the_last_outcome_is_waited_for_when_its_message_is_long_gone() -> None:
    """Thirty replies later the user's message is out of the history, and its fill still goes to the last reply."""
    monologue = conversation("c", ("user", "Hi"), *[("assistant", str(n)) for n in range(40)])
    async with AdServer(Settings(latency=Fixed(0.2))) as server:
        summary, _ = await played(server, BURST, given(monologue))
    assert (summary.messages, summary.filled, summary.linked) == (41, 1, 1)


async def test_newer_messages_cancel() -> None:
    """What is cancelled has no outcome, and the sums stay right."""
    async with AdServer(Settings(latency=Fixed(0.3))) as server:
        summary, _ = await played(server, FAST, given(turns("c", 3)))
    assert (summary.preloads, summary.cancelled, summary.filled) == (3, 2, 1)


async def test_fills_that_no_reply_came_for_are_unlinked() -> None:
    """The user went on, or the conversation was over."""
    async with AdServer() as server:
        summary, _ = await played(
            server, FAST, given(conversation("c", ("user", "1"), ("user", "2"), ("assistant", "3"), ("user", "4")))
        )
    assert (summary.filled, summary.linked, summary.unlinked) == (3, 1, 2)


async def test_outcomes_of_every_kind() -> None:
    async with AdServer() as server:
        server.script(
            "/preload", answers.skip("no_inventory"), answers.status(503), answers.malformed(), answers.fill()
        )
        summary, _ = await played(server, FAST, given(turns("c", 4)))
    assert (summary.preloads, summary.no_fill, summary.errors, summary.filled) == (4, 1, 2, 1)


async def test_a_retry_is_no_other_preload_and_is_waited_for() -> None:
    """A second later the answer is there."""
    async with AdServer() as server:
        server.script("/preload", answers.rate_limited(retry_after=0.0))
        summary, happenings = await played(server, BURST, given(turns("c", 1)))
    assert [one.step.name for one in happenings if isinstance(one, Stepped)] == [
        "scheduled",
        "sent",
        "retried",
        "resolved",
    ]
    assert (summary.preloads, summary.filled, summary.linked) == (1, 1, 1)


async def test_a_session_that_is_switched_off_ends_too() -> None:
    """Its messages are neither sent nor waited for."""
    async with AdServer(Settings(enabled=False)) as server:
        summary, _ = await played(server, FAST, given(turns("c", 3)))
    assert (summary.user_messages, summary.filled) == (3, 0)
    assert summary.filled + summary.no_fill + summary.errors == summary.preloads - summary.cancelled


async def test_an_empty_conversation_costs_nothing() -> None:
    """No session, no request."""
    async with AdServer() as server:
        summary, _ = await played(server, FAST, given({"id": "c", "messages": []}))
        assert server.stats.requests == 0
    assert summary.conversations == 1


async def test_each_conversation_is_a_user_of_its_own() -> None:
    """Also two with the same id; and the same export is the same users and installations again."""
    both = given(turns("c", 1)), given(turns("c", 1), 2)
    seen: list[Counter[tuple[str, str, str]]] = []
    for _ in range(2):
        async with AdServer() as server:
            await played(server, FAST, *both)
            bodies = [entry.body or {} for entry in server.requests if entry.path == "/preload"]
            seen.append(Counter((body["userId"], body["installId"], body["conversationId"]) for body in bodies))
    assert seen[0] == seen[1]
    assert {user for user, _, _ in seen[0]} == {user_of(one) for one in both}
    assert len({install for _, install, _ in seen[0]}) == 2
    assert {name for _, _, name in seen[0]} == {"c"}


async def test_recorded_times_travel_with_the_messages() -> None:
    message = {"role": "user", "content": "Hi", "created_at": "2026-03-02T12:00:00.250+01:00"}
    async with AdServer() as server:
        await played(server, FAST, given({"id": "c", "messages": [message]}))
        (body,) = [entry.body for entry in server.requests if entry.path == "/preload"]
    assert body is not None
    assert body["messages"][0]["createdAt"] == "2026-03-02T11:00:00.250Z"


async def test_cancelling_closes_the_session() -> None:
    """What is in flight is cancelled on the wire, and counted."""
    tally = Tally()
    async with AdServer(Settings(latency=Fixed(30))) as server, kx.Client() as client:
        player = Player(tally, client=client, ad_server_url=server.url, publisher_token="t", tempo=BURST)
        task = asyncio.create_task(player.play(given(turns("c", 1))))
        await server.received("/preload")
        task.cancel()
        await asyncio.wait([task])
        await server.received("/preload", ended="aborted")
        assert client.stats.sessions == 0
    assert (tally.preloads, tally.cancelled, tally.closed) == (1, 1, 1)

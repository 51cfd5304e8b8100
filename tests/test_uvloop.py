"""Sessions on uvloop: its handles, its clock and its sockets are not asyncio's."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import kontext_rx as kx
from kontext_rx import Message
from kontext_rx.adserver import AdServer, Fixed, Settings

uvloop = pytest.importorskip("uvloop")

user, assistant = Message.user, Message.assistant


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(main(), 20))


def open_session(server: AdServer, **options: Any) -> kx.Session:
    ids = {"publisher_token": "dev-token", "user_id": "user-1", "conversation_id": "conversation-1"}
    return kx.create_session(**{**ids, "ad_server_url": server.url, **options})


def test_a_conversation_is_filled_turn_by_turn() -> None:
    async def main() -> None:
        async with AdServer(Settings(latency=Fixed(0.01))) as server, open_session(server) as session:
            events: list[str] = []
            session.events.subscribe(lambda event: events.append(f"{event.name} {event.user_message_id}"))
            for number in range(5):
                session.add_message(user(f"u{number}", "Where to?"))
                session.add_message(assistant(f"a{number}", "There."))
                assert (await session.outcome(f"a{number}")).name == "ad.filled"
            assert events == [f"ad.filled u{number}" for number in range(5)]

    run(main)


def test_a_burst_is_one_request_and_a_newer_message_cancels_it() -> None:
    async def main() -> None:
        async with AdServer(Settings(latency=Fixed(5))) as server, open_session(server) as session:
            sent = asyncio.Event()
            steps: list[str] = []

            def note(step: kx.PreloadStep) -> None:
                steps.append(f"{step.name} {step.user_message_id}")
                if step.name == "sent":
                    sent.set()

            session.preloads.subscribe(note)
            session.add_message(user("u1", "a"))
            session.add_message(user("u2", "b"))
            await sent.wait()
            session.add_message(user("u3", "c"))
            assert steps == ["scheduled u1", "coalesced u1", "scheduled u2", "sent u2", "cancelled u2", "scheduled u3"]

    run(main)


def test_nothing_is_left_when_it_is_closed() -> None:
    async def main() -> None:
        async with AdServer(Settings(latency=Fixed(5))) as server:
            client = kx.Client()
            session = open_session(server, client=client)
            session.add_message(user("u1", "a"))
            sent = session.preloads.subscribe()
            await asyncio.sleep(0.1)  # real time: the request is on the wire
            assert client.stats.in_flight == 1
            await session.aclose()
            sent.dispose()
            await client.aclose()
            assert client.stats.in_flight == client.stats.sessions == 0
            ours = [task for task in asyncio.all_tasks() if "kontext_rx/transport" in repr(task.get_coro())]
            assert ours == []

    run(main)


def test_a_message_from_another_thread_arrives() -> None:
    async def main() -> None:
        async with AdServer(Settings(latency=Fixed(0.01))) as server, open_session(server) as session:
            outcome = asyncio.ensure_future(session.outcome("u1"))
            await asyncio.to_thread(session.add_message, user("u1", "a"))
            assert (await outcome).name == "ad.filled"

    run(main)

"""Sessions on several threads, each with a loop of its own, leave one another alone."""

import asyncio
import threading

import reactivex.operators as rxops

from kontext_rx import AdEvent, Message, create_session
from kontext_rx.adserver import AdServer


def test_a_subscriber_that_blocks_one_loop_blocks_no_other() -> None:
    """Also inside an operator that holds a lock while it calls on."""
    inside, done = threading.Event(), threading.Event()

    def wait_for_the_other(_: AdEvent) -> None:
        inside.set()
        assert done.wait(10)

    async def converse(subscriber: object, before: threading.Event | None) -> None:
        async with (
            AdServer() as server,
            create_session(publisher_token="t", user_id="u", conversation_id="c", ad_server_url=server.url) as session,
        ):
            session.events.pipe(rxops.window_with_time(60), rxops.switch_latest()).subscribe(subscriber)  # type: ignore[arg-type]
            if before is not None:
                await asyncio.to_thread(before.wait, 10)
            session.add_message(Message.user("u1", "x"))
            await session.outcome("u1")

    blocked = threading.Thread(target=lambda: asyncio.run(converse(wait_for_the_other, None)))
    blocked.start()
    asyncio.run(converse(lambda _: done.set(), inside))
    blocked.join(10)
    assert done.is_set()
    assert not blocked.is_alive()

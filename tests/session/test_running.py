"""The session on a real loop, against the embedded ad server, over real sockets."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import kontext_rx as kx
from kontext_rx import AdError, AdEvent, Filled, Message, NoFill, SessionDestroyedError, WrongThreadError
from kontext_rx.adserver import AdServer, Fixed, Settings, answers

user, assistant = Message.user, Message.assistant


@pytest.fixture
async def ads() -> AsyncIterator[AdServer]:
    async with AdServer() as server:
        yield server


def open_session(ads: AdServer, **options: Any) -> kx.Session:
    return kx.create_session(
        **{
            "publisher_token": "token",
            "user_id": "user-1",
            "conversation_id": "c-1",
            "ad_server_url": ads.url,
            **options,
        }
    )


async def test_a_conversation_end_to_end(ads: AdServer) -> None:
    """A question, its ad, its reply; the server is told all of it in its own terms."""
    async with open_session(ads) as session:
        ad = session.create_ad("a1")
        session.add_message(user("u1", "Any tent for two?"))
        outcome = await session.outcome("u1")
        session.add_message(assistant("a1", "For summer or winter?"))
        assert isinstance(outcome, Filled)
        assert ad.iframe_url is not None
        assert ad.iframe_url.startswith(f"{ads.url}/api/frame/{outcome.bid_id}?code=inlineAd&messageId=a1")
        assert session.session_id is not None
    init, preload = ads.requests
    assert (init.path, init.status, preload.path, preload.status) == ("/init", 200, "/preload", 200)
    assert preload.headers["Kontextso-Publisher-Token"] == "token"
    assert preload.body is not None
    assert [message["id"] for message in preload.body["messages"]] == ["u1"]


async def test_a_newer_message_really_aborts_the_request(ads: AdServer) -> None:
    """The server sees the connection go (P-044)."""
    ads.settings = Settings(latency=Fixed(60))
    async with open_session(ads) as session:
        session.add_message(user("u1", "x"))
        await ads.received("/preload", ended="open")
        ads.settings = Settings()
        session.add_message(user("u2", "y"))
        assert isinstance(await session.outcome("u2"), Filled)
        assert [request.ended for request in await ads.received("/preload", count=2)] == ["aborted", "answered"]
        superseded = await session.outcome("u1")
        assert isinstance(superseded, NoFill)
        assert superseded.skip_code == "superseded"


async def test_destroying_really_aborts_and_leaves_no_task(ads: AdServer) -> None:
    before = asyncio.all_tasks()
    ads.script("/preload", answers.hang())
    session = open_session(ads)
    session.add_message(user("u1", "x"))
    await ads.received("/preload", ended="open")
    session.destroy()
    await ads.received("/preload", ended="aborted")
    left = {task for task in asyncio.all_tasks() - before if "_post" in repr(task.get_coro())}
    assert left == set()
    await session.aclose()


async def test_aclose_leaves_nothing_at_all(ads: AdServer) -> None:
    """No task, no thread, no connection: the loop is as it was."""
    threads = set(threading.enumerate())
    before = asyncio.all_tasks()
    session = open_session(ads, ad_server_url=ads.url)
    session.add_message(user("u1", "x"))
    await session.outcome("u1")
    session.add_message(user("u2", "x"))
    await session.aclose()
    await session.aclose()
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() - before if "_post" in repr(task.get_coro())] == []
    assert [one for one in gc.get_objects() if type(one).__name__ == "ClientSession" and not one.closed] == []
    assert set(threading.enumerate()) <= threads


async def test_a_server_that_is_not_there_is_an_error_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never an exception: with the attempts used up it is told once."""
    monkeypatch.setattr("kontext_rx.exchange.PAUSE_S", 0.01)
    session = kx.create_session(
        publisher_token="t", user_id="u", conversation_id="c", ad_server_url="http://127.0.0.1:9", install_id=INSTALL_ID
    )
    session.add_message(user("u1", "x"))
    outcome = await session.outcome("u1")
    assert isinstance(outcome, AdError)
    assert outcome.err_code == "request_failed"
    assert outcome.message.startswith("Error preloading ads: ")
    await session.aclose()


INSTALL_ID = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answers.skip("frequency_cap"), ("ad.no-fill", "frequency_cap")),
        (answers.no_content(), ("ad.no-fill", "unfilled_bid")),
        (answers.status(503), ("ad.error", "request_failed")),
        (answers.status(302), ("ad.error", "request_failed")),
        (answers.malformed(), ("ad.error", "request_failed")),
        (answers.error("geo_blocked"), ("ad.error", "geo_blocked")),
        (answers.error("gone", permanent=True), ("ad.error", "gone")),
    ],
    ids=str,
)
async def test_every_kind_of_answer_settles(ads: AdServer, answer: Any, words: tuple[str, str]) -> None:
    ads.script("/preload", answer)
    async with open_session(ads) as session:
        session.add_message(user("u1", "x"))
        outcome = await session.outcome("u1")
        assert (outcome.name, getattr(outcome, "skip_code", None) or getattr(outcome, "err_code", None)) == words
        assert session.is_disabled == (words[1] == "gone")


@pytest.mark.parametrize("broken", [answers.reset(), answers.half_sent(), answers.rate_limited(retry_after=0)], ids=str)
async def test_what_may_pass_is_tried_again(ads: AdServer, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resets, half-sent bodies and 429: the next attempt fills (H-005, H-007)."""
    monkeypatch.setattr("kontext_rx.exchange.PAUSE_S", 0.01)
    ads.script("/preload", broken, broken)
    async with open_session(ads) as session:
        session.add_message(user("u1", "x"))
        assert isinstance(await session.outcome("u1"), Filled)
    assert len([request for request in ads.requests if request.path == "/preload"]) == 3


async def test_reading_with_async_for(ads: AdServer) -> None:
    """The stream ends with the session, and so does the loop over it."""
    session = open_session(ads)
    names: list[str] = []

    async def read() -> None:
        async for event in session.events:
            names.append(event.name)  # noqa: PERF401  # seen as it comes

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    session.add_message(user("u1", "x"))
    await session.outcome("u1")
    await session.aclose()
    await reading
    assert names == ["ad.filled"]


async def test_async_callbacks_are_run_in_order(ads: AdServer) -> None:
    """One at a time, and aclose lets them finish."""
    log: list[str] = []

    async def slow(event: AdEvent) -> None:
        log.append(f"begin {event.user_message_id}")
        await asyncio.sleep(0.01)  # longer than it takes the next event to come
        log.append(f"end {event.user_message_id}")

    async with open_session(ads, on_event=slow) as session:
        for number in range(2):
            session.add_message(user(f"u{number}", "x"))
            await session.outcome(f"u{number}")
    assert log == ["begin u0", "end u0", "begin u1", "end u1"]


async def test_a_close_that_is_cancelled_closes_all_the_same(ads: AdServer) -> None:
    """Whoever runs out of patience with a slow callback wants the session gone."""
    started = asyncio.Event()

    async def endless(event: AdEvent) -> None:
        started.set()
        await asyncio.Event().wait()

    session = open_session(ads, on_event=endless)
    session.add_message(user("u1", "x"))
    await started.wait()
    closing = asyncio.create_task(session.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert session.is_destroyed


def test_one_client_may_serve_one_loop_after_another() -> None:
    """Its connections end with each loop, and it opens new ones."""
    client = kx.Client()

    async def once() -> str:
        async with AdServer() as server:
            session = open_session(server, client=client)
            session.add_message(user("u1", "x"))
            outcome = await session.outcome("u1")
            session.destroy()
            return outcome.name

    assert [asyncio.run(once()) for _ in range(2)] == ["ad.filled"] * 2


async def test_an_async_callback_may_close_the_session(ads: AdServer) -> None:
    closed = asyncio.Event()

    async def close(event: AdEvent) -> None:
        await session.aclose()
        closed.set()

    session = open_session(ads, on_event=close)
    session.add_message(user("u1", "x"))
    await asyncio.wait_for(closed.wait(), 5)
    assert session.is_destroyed


class TestThreads:
    async def test_mutators_take_effect_on_the_loop(self, ads: AdServer) -> None:
        """From any thread; events come on the loop."""
        session = open_session(ads)
        heard: list[int] = []
        session.events.subscribe(lambda event: heard.append(threading.get_ident()))

        def elsewhere() -> None:
            session.update_options(variant_id="blue")
            session.add_message(user("u1", "x"))
            session.inbox.on_next(assistant("a1", "y"))
            session.send_user_event("user.typing.started")

        await asyncio.to_thread(elsewhere)
        outcome = await session.outcome("a1")
        assert isinstance(outcome, Filled)
        assert heard == [threading.get_ident()]
        await asyncio.to_thread(session.destroy)
        await asyncio.sleep(0)
        assert session.is_destroyed
        await session.aclose()

    async def test_mistakes_are_told_at_the_call(self, ads: AdServer) -> None:
        session = open_session(ads)

        def elsewhere() -> None:
            with pytest.raises(kx.InvalidMessageError):
                session.add_message("text")  # type: ignore[arg-type]
            with pytest.raises(kx.InvalidOptionError):
                session.update_options(user_id="other")
            with pytest.raises(WrongThreadError, match="call_soon_threadsafe"):
                session.create_ad("a1")

        await asyncio.to_thread(elsewhere)
        session.destroy()
        with pytest.raises(SessionDestroyedError):
            await asyncio.to_thread(session.add_message, user("u1", "x"))
        await session.aclose()

    async def test_many_threads_lose_and_double_nothing(self, ads: AdServer) -> None:
        session = open_session(ads)

        def feed(name: int) -> None:
            for number in range(200):
                session.add_message(assistant(f"{name}-{number}", "x"))

        added: list[str] = []
        session.debug_events.subscribe(lambda event: added.append(event.name))
        await asyncio.gather(*(asyncio.to_thread(feed, name) for name in range(4)))
        await asyncio.sleep(0)
        assert added.count("Session: message-added") == 800
        assert len(session.messages) == 30
        await session.aclose()

    def test_after_the_loop_is_gone_a_session_counts_as_destroyed(self) -> None:
        async def leave() -> kx.Session:
            async with AdServer() as server:
                return open_session(server)

        session = asyncio.run(leave())
        for run in (_in_a_thread, lambda call: call()):
            with pytest.raises(SessionDestroyedError):
                run(lambda: session.add_message(user("u1", "x")))
        session.destroy()
        session.destroy()
        assert session.is_destroyed


def _in_a_thread(call: Any) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What was left open would be found, and warned of, in another test."""
    yield
    gc.collect()

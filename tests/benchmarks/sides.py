"""What is compared: sessions of ours and hand-written ones, behind one face, and the bare POST below both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, Self

import aiohttp
import msgspec
from handwritten import Answer, HandWritten
from server import PRELOAD_TIMEOUT_MS

import kontext_rx as kx
from kontext_rx import Message

INSTALL_ID: Final = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
TEXT: Final = "I am looking for a quiet restaurant for two people tonight, somewhere near the old town."

Told = Callable[[Any], object]


class Pool(Protocol):
    """Sessions of one side, over the same connections."""

    @classmethod
    def over(cls, server: str, **connections: Any) -> AbstractAsyncContextManager[Self]:
        """Over connections as this side has them by itself, or as *connections* tells aiohttp's connector."""
        ...

    def open(self, number: int, told: Told) -> Any:
        """A session with one subscriber."""
        ...

    async def ready(self, sessions: Iterable[Any], /) -> None:
        """Wait until everything is answered that opening has asked."""
        ...

    @staticmethod
    def user(session: Any, message_id: str, text: str, /) -> None: ...

    @staticmethod
    def reply(session: Any, message_id: str, text: str, /) -> None: ...

    @staticmethod
    def close(session: Any, /) -> None: ...

    @staticmethod
    def from_a_thread(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
        """Make a call on a session that lives on *loop*."""
        ...

    @staticmethod
    def bid_id(told: Any, /) -> str:
        """Of what a subscriber was told. Raises for anything but a fill."""
        ...


class Ours:
    """kontext_rx with everything it carries."""

    def __init__(self, server: str, client: kx.Client) -> None:
        self._server, self._client = server, client

    @classmethod
    @asynccontextmanager
    async def over(cls, server: str, **connections: Any) -> AsyncGenerator[Self, None]:
        if connections:
            async with _http(**connections) as http:
                yield cls(server, kx.Client(http=http))
        else:
            async with kx.Client() as client:
                yield cls(server, client)

    def open(self, number: int, told: Told) -> kx.Session:
        session = kx.create_session(
            publisher_token="t",
            user_id=f"user-{number}",
            conversation_id=f"c-{number}",
            ad_server_url=self._server,
            install_id=INSTALL_ID,
            client=self._client,
        )
        session.events.subscribe(told)
        return session

    async def ready(self, sessions: Iterable[kx.Session]) -> None:
        for session in sessions:
            while session.preload_timeout_ms != PRELOAD_TIMEOUT_MS:
                await asyncio.sleep(0.01)

    @staticmethod
    def user(session: kx.Session, message_id: str, text: str) -> None:
        session.add_message(Message.user(message_id, text))

    @staticmethod
    def reply(session: kx.Session, message_id: str, text: str) -> None:
        session.add_message(Message.assistant(message_id, text))

    @staticmethod
    def close(session: kx.Session) -> None:
        session.destroy()

    @staticmethod
    def from_a_thread(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
        call(*args)  # it finds the loop by itself

    @staticmethod
    def bid_id(told: kx.AdEvent) -> str:
        if not isinstance(told, kx.Filled):
            raise TypeError(f"no fill: {told}")
        return told.bid_id


class ByHand:
    """The hand-written session."""

    def __init__(self, server: str, http: aiohttp.ClientSession) -> None:
        self._server, self._http = server, http

    @classmethod
    @asynccontextmanager
    async def over(cls, server: str, **connections: Any) -> AsyncGenerator[Self, None]:
        async with _http(**(connections or {"limit": 0})) as http:
            yield cls(server, http)

    def open(self, number: int, told: Told) -> HandWritten:
        return HandWritten(self._http, self._server, number, told)

    async def ready(self, sessions: Iterable[HandWritten]) -> None:
        pass

    user = staticmethod(HandWritten.add_user)
    reply = staticmethod(HandWritten.add_assistant)
    close = staticmethod(HandWritten.close)

    @staticmethod
    def from_a_thread(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
        loop.call_soon_threadsafe(call, *args)

    @staticmethod
    def bid_id(told: Answer) -> str:
        if not told.bids:
            raise TypeError(f"no fill: {told}")
        return told.bids[0].bid_id


class Bare:
    """No session at all: a body such as one would send, posted, and the answer decoded."""

    def __init__(self, http: aiohttp.ClientSession, server: str) -> None:
        self._http, self._url = http, server + "/preload"
        self._body = msgspec.json.encode(
            {"messages": [{"id": f"m{n}", "role": "user", "content": TEXT} for n in range(10)]}
        )

    @classmethod
    @asynccontextmanager
    async def over(cls, server: str) -> AsyncGenerator[Self, None]:
        async with _http(limit=0) as http:
            yield cls(http, server)

    async def converse(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0.010)
            async with self._http.post(
                self._url, data=self._body, headers={"Content-Type": "application/json"}
            ) as response:
                msgspec.json.decode(await response.read())


class Conversation:
    """A session, and somebody who speaks in it: one turn after the other, each when the one before is answered."""

    __slots__ = ("_heard", "_pool", "_turns", "last", "session")

    def __init__(self, pool: Pool, number: int) -> None:
        self._pool, self._heard, self._turns = pool, asyncio.Event(), 0
        self.last: Any = None
        """What the subscriber was told last."""
        self.session = pool.open(number, self._hear)

    async def converse(self, turns: int) -> None:
        for _ in range(turns):
            self._turns += 1
            self._heard.clear()
            self._pool.user(self.session, f"u{self._turns}", TEXT)
            await self._heard.wait()
            self._pool.reply(self.session, f"a{self._turns}", TEXT)
        self._pool.bid_id(self.last)

    def _hear(self, told: Any) -> None:
        self.last = told
        self._heard.set()


@asynccontextmanager
async def conversations(side: type[Pool], server: str, count: int) -> AsyncGenerator[list[Conversation], None]:
    """*count* conversations of one side, open and ready; closed in the end."""
    async with side.over(server) as pool:
        opened = [Conversation(pool, number) for number in range(count)]
        await pool.ready([one.session for one in opened])
        yield opened
        for one in opened:
            pool.close(one.session)


def _http(**connections: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=16),
    )

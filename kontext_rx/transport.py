"""Requests over aiohttp: one pool of connections, and a task for each request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

from .source import Source
from .typing import BodyTooLargeError, HttpRequest, HttpResponse

if TYPE_CHECKING:
    import aiohttp

__all__ = ["BODY_LIMIT", "KEEPALIVE_S", "AiohttpTransport"]

BODY_LIMIT: Final = 1024 * 1024
"""Bytes of a response that are read. Source: ours."""

KEEPALIVE_S: Final = 55.0
"""
Seconds an idle connection is kept. Source: ours; it outlasts the pause between two turns of a person, and stays under
the 60 s after which load balancers commonly close.
"""


class AiohttpTransport:
    """Sends requests over one `aiohttp.ClientSession`, made when the first is sent, on the loop that sends it."""

    def __init__(self, http: aiohttp.ClientSession | None = None) -> None:
        # It takes as long to import as everything else together: now, and not inside somebody's first turn.
        import aiohttp

        self._aiohttp = aiohttp
        self.failure = aiohttp.ClientError
        """What aiohttp raises when the network fails, or the server does not speak HTTP."""
        self._no_limit = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
        self._http = http
        self._owned = http is None
        self._lifetime: AsyncGenerator[None, None] | None = None
        self.sending: set[asyncio.Task[None]] = set()

    def __call__(self, request: HttpRequest) -> Observable[HttpResponse]:
        """The request as a cold observable: one task a subscription, cancelled when it is disposed."""
        return _Posting(self, request)

    def post(self, request: HttpRequest) -> Awaitable[aiohttp.ClientResponse]:
        """Send *request*; gives what begins to come back."""
        return (self._http or self._open()).post(
            request.url, data=request.body, headers=request.headers, allow_redirects=False, timeout=self._no_limit
        )

    def _open(self) -> aiohttp.ClientSession:
        self._http = self._aiohttp.ClientSession(
            # No cap on connections: the default of 100 would hold a busy process to 500 answers of 200 ms a second.
            connector=self._aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            cookie_jar=self._aiohttp.DummyCookieJar(),  # one pool serves many users: nothing may travel between them
            timeout=self._no_limit,
        )
        self._lifetime = self._until_the_loop_ends()
        with contextlib.suppress(StopIteration):
            self._lifetime.asend(None).send(None)  # runs to the yield: from then on the loop knows the generator
        return self._http

    async def _until_the_loop_ends(self) -> AsyncGenerator[None, None]:
        # asyncio.run() closes the async generators of its loop as it ends: the one moment at which a loop says so.
        try:
            yield
        finally:
            self._lifetime = None
            await self._shut()

    async def settled(self) -> None:
        """Wait for the tasks that were cancelled."""
        if going := [task for task in self.sending if task.cancelling()]:
            await asyncio.wait(going)

    async def aclose(self) -> None:
        """Cancel what is in flight; close the session unless it was given to us. Safe to call again."""
        if self._lifetime is not None:
            await self._lifetime.aclose()
        else:
            await self._shut()

    async def _shut(self) -> None:
        for task in tuple(self.sending):
            _cancel(task, self.sending)
        await self.settled()
        if self._owned and self._http is not None:
            http, self._http = self._http, None
            await http.close()


class _Posting(Source[HttpResponse]):
    """A request that is sent to whoever subscribes."""

    def __init__(self, transport: AiohttpTransport, request: HttpRequest) -> None:  # a source without a function
        self._transport, self._request = transport, request

    def _subscribe_core(
        self, observer: ObserverBase[HttpResponse], scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        return _Sending(self._transport, self._request, observer)

    def subscribe(
        self,
        on_next: ObserverBase[HttpResponse] | Callable[[HttpResponse], object] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        on_completed: Callable[[], None] | None = None,
        *,
        scheduler: SchedulerBase | None = None,
    ) -> DisposableBase:
        if isinstance(on_next, ObserverBase):  # a sending keeps the contract itself
            return _Sending(self._transport, self._request, cast("ObserverBase[HttpResponse]", on_next))
        return super().subscribe(on_next, on_error, on_completed, scheduler=scheduler)


class _Sending(DisposableBase):
    """A request on the wire; its task tells the observer."""

    __slots__ = ("_observer", "_sending", "_task")

    def __init__(self, transport: AiohttpTransport, request: HttpRequest, observer: ObserverBase[HttpResponse]) -> None:
        self._observer: ObserverBase[HttpResponse] | None = observer
        self._sending = transport.sending
        self._task = asyncio.get_running_loop().create_task(self._send(transport, request))
        self._sending.add(self._task)

    async def _send(self, transport: AiohttpTransport, request: HttpRequest) -> None:
        answer: HttpResponse | Exception
        try:
            # Not `async with`, which is a coroutine and two objects more.
            response = await transport.post(request)
            content = response.content
            if 200 <= response.status < 300 and content.is_eof() and content.total_bytes <= BODY_LIMIT:
                body = content.read_nowait()  # it came with the headers, and is off the connection
            else:
                body = await _read(response)
            answer = HttpResponse(response.status, body, _Headers(response.headers))
        except transport.failure as error:
            answer = ConnectionError(str(error) or type(error).__name__)
            answer.__cause__ = error
        except Exception as error:
            answer = error
        finally:  # not when the task is done, which is a turn of the loop later
            self._sending.discard(self._task)
        observer, self._observer = self._observer, None
        try:
            if observer is None:
                pass
            elif isinstance(answer, Exception):
                observer.on_error(answer)
            else:
                observer.on_next(answer)
                observer.on_completed()
        except (KeyboardInterrupt, SystemExit):  # it comes out of the loop: asyncio need not log it as lost besides
            self._task.add_done_callback(_seen)
            raise
        finally:
            del answer, observer  # an error's traceback leads back to here, and a cycle would keep a conversation

    def dispose(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            _cancel(self._task, self._sending)


def _seen(task: asyncio.Task[None]) -> None:
    task.exception()


def _cancel(task: asyncio.Task[None], sending: set[asyncio.Task[None]]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed under the task
        task.add_done_callback(sending.discard)  # it may not have begun, and then it never says that it ends
        task.cancel()


class _Headers(Mapping[str, str]):
    """An answer's headers by their names in lower case, without making a dict of what is seldom read."""

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._given))

    def __len__(self) -> int:
        return len(dict.fromkeys(name.lower() for name in self._given))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body of a 2xx, and nothing of another; then the connection is free, or closed."""
    chunks: list[bytes] = []
    size = 0
    try:
        if not 200 <= response.status < 300:
            return b""
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > BODY_LIMIT:
                response.close()
                raise BodyTooLargeError(BODY_LIMIT)
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        response.release()

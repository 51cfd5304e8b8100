"""The server: the endpoints of the session API on a socket."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import msgspec
from aiohttp import web

from . import cors, frames
from .answers import Answer
from .checks import is_int, is_text
from .decide import Bid, Decision
from .endpoints import PATHS, Endpoints, Incoming
from .errors import AddressError, AdServerError, InvalidSettingError
from .log import Ended, LoggedRequest, RequestLog, Stats
from .offers import Offers
from .send import send
from .settings import Settings

__all__ = ["AdServer"]

_log = logging.getLogger(__name__)

_MAX_BODY = 16 * 1024 * 1024  # bytes; thirty long messages are well under one MiB
_SHUTDOWN_S = 1.0


class AdServer:
    """
    A local ad server that speaks the session API.

        async with AdServer(Settings(fill_rate=0.5)) as server:
            print(server.url)

    Its `settings` may be replaced while it runs: the next request goes by the new ones (all but `log_size`).
    Raises InvalidSettingError for a host or a port that is none; what the operating system refuses is an
    AddressError of `start`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        on_request: Callable[[LoggedRequest], object] | None = None,
    ) -> None:
        """Make a server; *port* 0 takes any free one; *on_request* is called with each request as it ends."""
        if not is_text(host):
            raise InvalidSettingError("host", host, 'give an address or a name; "0.0.0.0" is every network')
        if not (is_int(port) and 0 <= port <= 65535):
            raise InvalidSettingError("port", port, "give an integer from 0 (any free port) to 65535")
        self.settings = settings or Settings()
        self._host, self._port, self._on_request = host, port, on_request
        self._endpoints = Endpoints()
        self._requests = RequestLog(self.settings.log_size)
        self._offers = Offers()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._base: str | None = None
        self.app = web.Application(client_max_size=_MAX_BODY)
        """The application, to be mounted elsewhere instead of `start`."""
        self.app.router.add_route("*", "/{path:.*}", self._serve)
        self.app.on_response_prepare.append(_allow_any_origin)
        self.app.on_shutdown.append(self._let_go)

    # Its life

    async def start(self) -> None:
        """Listen. Raises AddressError when the address is taken or bad, AdServerError when called twice."""
        if self._runner is not None or self._closing.is_set():
            raise AdServerError("the ad server was started before: make a new AdServer to start again")
        # Cancelling handlers is how a client that goes away is noticed at once.
        self._runner = web.AppRunner(self.app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except (OSError, UnicodeError) as error:
            await self.aclose()
            raise AddressError(self._host, self._port, _address_problem(error)) from error
        self._base = _base(*self._runner.addresses[0][:2])

    async def aclose(self) -> None:
        """Stop listening and let go of every request, those that are held back too. May be called twice."""
        self._closing.set()
        runner, self._runner, self._base = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """Where it listens, as "http://127.0.0.1:PORT". Raises AdServerError while it does not."""
        if self._base is None:
            raise AdServerError("the ad server does not listen: use `async with` or `await start()` first")
        return self._base

    # What shall happen

    def script(self, path: str, *script: Answer) -> None:
        """
        Queue answers that the next requests to *path* get, one each, before the settings count again.

        They are given whatever the request says. Raises InvalidSettingError for a path that is no endpoint.
        """
        self._endpoints.script(path, script)

    # What happened

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """The latest `log_size` requests, oldest first; preflights and the front page are left out."""
        return self._requests.entries

    @property
    def stats(self) -> Stats:
        """Counts since the server was made."""
        return self._requests.stats()

    async def received(
        self,
        path: str | None = "/preload",
        *,
        count: int = 1,
        ended: Ended | None = None,
        timeout: float = 5.0,  # noqa: ASYNC109 - a test that waits reads best on one line
    ) -> Sequence[LoggedRequest]:
        """
        Wait until the log holds *count* requests to *path*, and give all that it holds.

        *path* None is any path; *ended* None any end, and none yet. Raises TimeoutError after *timeout*
        seconds.
        """
        return await self._requests.received(path, count=count, ended=ended, within=timeout)

    def bid(self, bid_id: str) -> Bid | None:
        """Give the bid that was offered with this id, and so its creative; the latest 20 000 are kept."""
        return self._offers.get(bid_id)

    # A request

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        # Stripped, because some SDKs join an address with a final "/" into "//preload".
        path = "/" + request.match_info["path"].strip("/")
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=cors.preflight_headers(request.headers))
        if path == "/" and request.method in ("GET", "HEAD"):
            return self._front_page()
        if (asked := frames.route(request.method, path)) is not None:
            return await self._show(request, path, asked)
        return await self._exchange(request, path)

    async def _show(self, request: web.Request, path: str, asked: frames.Route) -> web.StreamResponse:
        response = frames.answer(asked, self._offers, self.settings.bid_ttl, _range(request))
        if asked.counted_as is not None:
            entry = self._requests.open(
                at=time.time(),
                method=request.method,
                path=path,
                counted_as=asked.counted_as,
                headers=request.headers,
                body=None,
                size=0,
            )
            self._end(entry, "answered", Answer(status=response.status))
        return response

    async def _exchange(self, request: web.Request, path: str) -> web.StreamResponse:
        log = partial(self._requests.open, at=time.time(), method=request.method, path=path, headers=request.headers)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._end(log(body=None, size=0), "answered", Answer(status=413))
            raise
        except BaseException:
            self._end(log(body=None, size=0), "aborted")  # the client went away before its body was here
            raise
        asked = Incoming.of(request.method, path, request.headers, raw)
        entry = log(body=asked.body, size=len(raw))
        decision = self._endpoints.decide(self.settings, asked)
        self._offer(decision)
        ended: Ended = "aborted"
        try:
            response, ended = await send(request, decision.answer, self._closing)
        finally:
            if ended != "answered":
                self._take_back(decision)
            self._end(entry, ended, decision.answer if ended in ("answered", "half-sent") else None)
        return response

    def _offer(self, decision: Decision) -> None:
        for bid in (*decision.bids, *decision.scripted):
            self._offers.add(bid)
        # Counted before it is sent: of two requests at once, a cap of one ad lets one through.
        if decision.turn is not None and decision.bids:
            self._endpoints.memory.count_ad(decision.turn.preload.user_id)

    def _take_back(self, decision: Decision) -> None:
        if decision.turn is not None and decision.bids:
            self._endpoints.memory.count_ad(decision.turn.preload.user_id, -1)

    def _end(self, entry: LoggedRequest, ended: Ended, answer: Answer | None = None) -> None:
        entry = self._requests.end(entry, ended, answer)
        if self._on_request is not None:
            try:
                self._on_request(entry)
            except Exception:
                _log.exception("on_request failed")

    def _front_page(self) -> web.Response:
        page = {
            "what": "The embedded ad server of kontext_rx, for development: its ads and brands are made up",
            "endpoints": [*(f"POST {path}" for path in PATHS), *(f"GET {path}" for path in frames.PATHS)],
            "stats": self.stats,
        }
        return web.Response(body=msgspec.json.encode(page), content_type="application/json")

    async def _let_go(self, _app: web.Application) -> None:
        self._closing.set()


async def _allow_any_origin(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in cors.HEADERS.items():
        response.headers.setdefault(name, value)


def _base(address: str, port: int) -> str:
    # The socket's own address, because a name may stand for several; "every network" is none to call.
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _address_problem(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "the host is not known; give an address of this machine, such as 127.0.0.1"
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is in use; give another, or 0 for any free one"
        case errno.EADDRNOTAVAIL | None:  # from Python 3.13 on asyncio says it without a number
            return "the host is not an address of this machine; give one that is, such as 127.0.0.1"
        case errno.EACCES:
            return "the system does not allow it; give a port above 1023"
        case _:
            return str(error)


def _range(request: web.Request) -> slice | None:
    """The part that is asked for; one that makes no sense counts as none (RFC 9110, 14.2)."""
    try:
        return request.http_range
    except ValueError:
        return None

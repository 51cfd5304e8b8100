from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from chromium import open_browser

from kontext_rx.adserver import AdServer, Settings

from .browser import Stage, staged
from .wire import HEADERS, preload_body


class Reply:
    """An answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Caller:
    """An SDK's side of a server: real requests over a real socket."""

    def __init__(self, server: AdServer, http: aiohttp.ClientSession) -> None:
        self.server, self.http = server, http

    async def request(self, method: str, path: str, **more: Any) -> Reply:
        async with self.http.request(method, self.server.url + path, **more) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def post(self, path: str, body: object, *, headers: Mapping[str, str] = HEADERS) -> Reply:
        return await self.request("POST", path, json=body, headers=headers)

    async def preload(self, *texts: str, headers: Mapping[str, str] = HEADERS, **more: Any) -> Reply:
        return await self.post("/preload", preload_body(*texts, **more), headers=headers)

    async def raw(self, body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request to /preload over a bare socket and leave the answer to be read."""
        sent = json.dumps(body).encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        reader, writer = await self.connect()
        writer.write(f"POST /preload HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)
        await writer.drain()
        return reader, writer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.server.url.removeprefix("http://").rpartition(":")
        return await asyncio.open_connection(host, int(port))


Serve = Callable[..., Any]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server with the settings given by name, and give an SDK's side of it."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def serve(**settings: Any) -> Caller:
            server = await stack.enter_async_context(AdServer(Settings(**settings)))
            return Caller(server, http)

        yield serve


@pytest.fixture
async def caller(serve: Serve) -> Caller:
    """An SDK's side of a server as it starts, without options."""
    return await serve()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """A real browser, one for all tests of a file."""
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def stage(chromium: Any) -> AsyncIterator[Callable[..., Any]]:
    """Start a server with the settings given by name, and a page elsewhere that shows its ads."""
    async with AsyncExitStack() as stack:

        async def stage(*, context: Mapping[str, Any] | None = None, **settings: Any) -> Stage:
            return await stack.enter_async_context(staged(chromium, Settings(**settings), **(context or {})))

        yield stage

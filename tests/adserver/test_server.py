from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from kontext_rx.adserver import AddressError, AdServer, AdServerError, InvalidSettingError, Settings, answers

from .conftest import Caller, Serve
from .wire import HEADERS, init_body, preload_body, report_body


async def test_it_listens_on_this_machine_alone_and_says_where() -> None:
    """Any free port of 127.0.0.1, unless told otherwise."""
    async with AdServer() as server:
        assert server.url.startswith("http://127.0.0.1:")
        host, _, port = server.url.removeprefix("http://").rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
        await writer.wait_closed()


async def test_every_network_is_reached_by_an_address_that_can_be_called() -> None:
    """0.0.0.0 is where it listens, not where one can call."""
    async with AdServer(host="0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")


async def test_an_address_with_colons_stands_in_brackets() -> None:
    """As addresses of that kind are written in a URL."""
    try:
        async with AdServer(host="::1") as server:
            assert server.url.startswith("http://[::1]:")
    except AddressError:
        pytest.skip("this machine has no such address")


async def test_it_has_no_url_while_it_does_not_listen() -> None:
    """Neither before nor after; the message says what to do."""
    server = AdServer()
    with pytest.raises(AdServerError, match="start"):
        _ = server.url
    async with server:
        pass
    with pytest.raises(AdServerError, match="start"):
        _ = server.url


async def test_it_starts_once() -> None:
    """A second start would mix two lives in one log."""
    server = AdServer()
    await server.start()
    with pytest.raises(AdServerError, match="started before"):
        await server.start()
    await server.aclose()
    await server.aclose()
    with pytest.raises(AdServerError, match="started before"):
        await server.start()


async def test_a_port_in_use_is_one_clear_error() -> None:
    """It says which, and what to do; nothing is left running."""
    async with AdServer() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(AddressError, match=f"127.0.0.1 port {port}: the port is in use") as caught:
            await AdServer(port=port).start()
    assert caught.value.port == port
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("host", "problem"),
    [("no-such-host.invalid", "the host is not known"), ("192.0.2.1", "not an address of this machine")],
)
async def test_a_bad_host_is_one_clear_error(host: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the host, and what to do."""
    if host.endswith(".invalid"):  # no test asks the network for a name

        async def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(AddressError, match=f"{host} port 0: .*{problem}"):
        await AdServer(host=host).start()


@pytest.mark.parametrize(
    ("number", "problem"), [(13, "port above 1023"), (5, "Input/output error")], ids=["forbidden", "anything else"]
)
async def test_what_the_system_refuses_is_told(number: int, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cure where there is one."""

    async def refuse(_: object) -> None:
        raise OSError(number, "Input/output error")

    monkeypatch.setattr(web.TCPSite, "start", refuse)
    with pytest.raises(AddressError, match=problem):
        await AdServer(port=80).start()


@pytest.mark.parametrize("address", [{"port": -1}, {"port": 65_536}, {"port": "80"}, {"port": True}, {"host": ""}])
def test_an_address_that_is_none_is_refused_where_it_is_given(address: dict[str, object]) -> None:
    """Before anything starts."""
    (name,) = address
    with pytest.raises(InvalidSettingError, match=f"{name}="):
        AdServer(**address)  # type: ignore[arg-type] - that is the point


async def test_all_endpoints_answer(caller: Caller) -> None:
    """/init and /preload with JSON; reports, and the log address of older SDKs, with nothing."""
    assert (await caller.post("/init", init_body())).json["enabled"] is True
    assert (await caller.preload()).json["bids"]
    assert (await caller.post("/error", report_body(error="it broke"), headers={})).status == 204
    assert (await caller.post("/debug", report_body(name="Init: start"), headers={})).status == 204
    assert (await caller.request("POST", "/log", data=b"anything")).status == 204
    assert [entry.path for entry in caller.server.requests] == ["/init", "/preload", "/error", "/debug", "/log"]


async def test_an_address_that_ends_in_a_slash_serves_as_well(caller: Caller) -> None:
    """Some SDKs join it into //preload."""
    assert (await caller.request("POST", "//preload", json=preload_body(), headers=HEADERS)).status == 200
    assert caller.server.requests[0].path == "/preload"


async def test_a_path_that_is_none_is_told_what_there_is(caller: Caller) -> None:
    """And so is a method; both are in the log."""
    nowhere = await caller.post("/v2/preload", preload_body())
    assert nowhere.status == 404
    assert "POST /preload" in nowhere.json["error"]
    read = await caller.request("GET", "/preload")
    assert read.status == 405
    assert read.headers["Allow"] == "POST, OPTIONS"
    assert [(entry.method, entry.status) for entry in caller.server.requests] == [("POST", 404), ("GET", 405)]


async def test_the_front_page_says_what_this_is_and_counts(caller: Caller) -> None:
    """For whoever opens the address; it is not counted itself."""
    await caller.preload()
    page = await caller.request("GET", "/")
    assert "development" in page.json["what"]
    assert page.json["stats"]["fills"] == 1
    assert page.json["stats"]["requests"] == 1


async def test_settings_may_change_while_it_runs(caller: Caller) -> None:
    """The next request goes by the new ones."""
    assert (await caller.preload()).json["bids"]
    caller.server.settings = Settings(enabled=False)
    assert (await caller.post("/init", init_body())).json["enabled"] is False
    assert (await caller.preload()).json["skipCode"] == "session_disabled"


async def test_without_options_an_answer_takes_well_under_50_ms(caller: Caller) -> None:
    """The median of some, so that a busy machine does not decide it."""
    loop = asyncio.get_running_loop()
    took: list[float] = []
    for _ in range(9):
        before = loop.time()
        await caller.preload()
        took.append(loop.time() - before)
    assert sorted(took)[4] < 0.05


async def test_closing_does_not_wait_for_a_request_that_hangs(caller: Caller) -> None:
    """Nor for one that is held back: both are let go at once."""
    caller.server.script("/preload", answers.hang(), answers.skip(delay=3_600))
    waiting = [asyncio.create_task(caller.preload()) for _ in range(2)]
    await caller.server.received("/preload", count=2)
    async with asyncio.timeout(0.5):
        await caller.server.aclose()
    with suppress(aiohttp.ClientError):
        await asyncio.gather(*waiting)
    assert [entry.ended for entry in caller.server.requests] == ["closed", "closed"]
    assert caller.server.stats.ended == {"closed": 2}


async def test_nothing_is_left_behind(serve: Serve) -> None:
    """No task of the server outlives it."""
    before = asyncio.all_tasks()
    server = AdServer()
    async with server, aiohttp.ClientSession() as http:
        caller = Caller(server, http)
        server.script("/preload", answers.fill(), answers.reset(), answers.half_sent())
        for _ in range(3):
            with suppress(aiohttp.ClientError):
                await caller.preload()
    assert asyncio.all_tasks() == before


@pytest.fixture
async def mounted() -> AsyncIterator[tuple[AdServer, str]]:
    """A server below a prefix of another application, whose runner does not cancel handlers; and its address."""
    server = AdServer()
    outer = web.Application()
    outer.add_subapp("/ads", server.app)
    runner = web.AppRunner(outer, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/ads"
    await runner.cleanup()


async def test_the_application_can_be_mounted_elsewhere(mounted: tuple[AdServer, str]) -> None:
    """Below a prefix; the log has the path without it."""
    server, url = mounted
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/preload", json=preload_body(), headers=HEADERS) as answer:
            assert (await answer.json())["bids"]
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.post(f"{url}/nowhere") as answer:
            assert answer.status == 404
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert [entry.path for entry in server.requests] == ["/preload", "/nowhere"]


async def test_a_leaver_is_noticed_where_handlers_are_not_cancelled(mounted: tuple[AdServer, str]) -> None:
    """While the answer is held back."""
    server, url = mounted
    server.script("/preload", answers.hang())
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TimeoutError):
            await http.post(f"{url}/preload", json=preload_body(), headers=HEADERS, timeout=aiohttp.ClientTimeout(0.05))
    await server.received(ended="aborted")


async def test_a_leaver_is_noticed_while_the_answer_is_sent(mounted: tuple[AdServer, str]) -> None:
    """An answer that was not sent to its end was not answered."""
    server, url = mounted
    server.script("/preload", answers.Answer(body=b" " * 50_000_000))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]), limit=1_024)
    writer.write(b"POST /ads/preload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    await reader.readexactly(100)
    writer.transport.abort()
    await server.received(ended="aborted")


async def test_closing_the_mounting_application_lets_go_of_what_hangs(mounted: tuple[AdServer, str]) -> None:
    """The server hears of it from the application."""
    server, url = mounted
    server.script("/preload", answers.hang())
    async with aiohttp.ClientSession() as http:
        asking = asyncio.ensure_future(http.post(f"{url}/preload", json=preload_body(), headers=HEADERS))
        await server.received()
        await server.app.shutdown()
        await server.received(ended="closed")
        with pytest.raises(aiohttp.ClientError):
            await asking

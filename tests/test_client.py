"""The HTTP pool on real sockets: what is aborted, what is refused, what is kept, and when it is closed."""

import asyncio
import gc
import gzip
import subprocess
import sys
import textwrap
import weakref
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp_shim import ShimmedResponse
from aioresponses import aioresponses
from exchanges import exchange
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.scheduler.eventloop import AsyncIOScheduler

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Settings, answers
from kontext_rx.client import Client, backend_of, leave, shared_client
from kontext_rx.exchange import Lost
from kontext_rx.transport import BODY_LIMIT, KEEPALIVE_S, AiohttpTransport
from kontext_rx.typing import BodyTooLargeError, HttpRequest, HttpResponse

JSON = {"Content-Type": "application/json"}


class Heard:
    """One request as the wire saw it."""

    def __init__(self, head: bytes, body: bytes, peer: object) -> None:
        line, *fields = head.decode("latin-1").splitlines()
        self.line = line
        self.headers = {name.lower(): text.strip() for name, _, text in (field.partition(":") for field in fields)}
        self.body, self.peer = body, peer


Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Wire:
    """A server that is a few lines: it hears whole requests, says what it is told, and knows when a client leaves."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.left = asyncio.Event()
        self.arrived = asyncio.Event()
        self.say: list[Say] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heard = Heard(head, b"", writer.get_extra_info("peername"))
                heard.body = await reader.readexactly(int(heard.headers.get("content-length", "0")))
                self.heard.append(heard)
                self.arrived.set()
                await (self.say.pop(0) if self.say else answer())(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()


def answer(
    status: str = "200 OK", body: bytes = b"{}", *, length: int | None = None, close: bool = False, **headers: str
) -> Say:
    """Say this; headers have `_` for `-`."""
    fields = {"Content-Length": str(len(body) if length is None else length)}
    fields |= {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in fields.items())

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)
        await writer.drain()
        if close:
            writer.close()

    return say


async def nothing(_: asyncio.StreamWriter) -> None:
    """Hear the request and never answer: the reader's next line is the client leaving."""


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    told = Wire()
    server = await asyncio.start_server(told.serve, "127.0.0.1", 0, limit=2**22)
    host, port = server.sockets[0].getsockname()
    told.url = f"http://{host}:{port}"
    yield told
    server.close()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as client:
        yield client


def post(url: str, path: str = "/preload", body: bytes = b'{"a": "\xc3\xbc"}') -> HttpRequest:
    return HttpRequest(url + path, JSON, body)


async def settled(client: Client) -> None:
    """Until what was let go is off the wire."""
    if (pool := backend_of(client).pool) is not None:
        await pool.settled()


async def asked(client: Client, wire: Wire, *say: Say) -> HttpResponse:
    wire.say += say
    return await client.transport(post(wire.url))


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_a_request_is_a_post_of_the_bytes_it_was_given(client: Client, wire: Wire) -> None:
    """Its headers, no cookie and no credential of ours beside them (P-001, H-021, H-023)."""
    response = await client.transport(
        HttpRequest(f"{wire.url}/preload", {**JSON, "Kontextso-Publisher-Token": "t"}, b'{"a": "\xc3\xbc"}')
    )
    assert response == HttpResponse(200, b"{}", {"content-length": "2"})
    heard = wire.heard[0]
    assert heard.line == "POST /preload HTTP/1.1"
    assert heard.body == b'{"a": "\xc3\xbc"}'
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["kontextso-publisher-token"] == "t"
    assert not {"cookie", "authorization", "kontextso-is-disabled"} & heard.headers.keys()


async def test_nothing_is_sent_before_somebody_listens(client: Client, wire: Wire) -> None:
    """The request is cold, and each subscription sends one."""
    cold = client.transport(post(wire.url))
    await asyncio.sleep(0)
    assert wire.heard == []
    await cold
    await cold
    assert len(wire.heard) == 2


async def test_a_cookie_is_never_kept(client: Client, wire: Wire) -> None:
    """One pool serves many users: nothing may travel from one to another (H-023)."""
    url = wire.url.replace("127.0.0.1", "localhost")  # aiohttp's own jar takes none from a bare address
    for _ in range(2):
        wire.say.append(answer(Set_Cookie="who=ada; Path=/"))
        await client.transport(post(url))
    assert ["cookie" in heard.headers for heard in wire.heard] == [False, False]
    async with aiohttp.ClientSession() as keeps:
        for _ in range(2):
            wire.say.append(answer(Set_Cookie="who=ada; Path=/"))
            (await keeps.post(url)).release()
    assert "cookie" in wire.heard[-1].headers


async def test_one_connection_serves_many_requests(client: Client, wire: Wire) -> None:
    """A preload a turn should not mean a handshake a turn."""
    for _ in range(3):
        await asked(client, wire, answer())
    assert len({heard.peer for heard in wire.heard}) == 1


async def test_connections_outlast_the_pause_between_two_turns_and_are_not_capped(client: Client, wire: Wire) -> None:
    """55 s, and no limit: aiohttp's own are 15 s and 100."""
    await asked(client, wire, answer())
    pool = client.transport._http.connector  # type: ignore[attr-defined]
    assert (pool._keepalive_timeout, pool.limit, pool.limit_per_host) == (KEEPALIVE_S, 0, 0)
    assert KEEPALIVE_S == 55.0


# --- what is let go ---------------------------------------------------------------------------------------------------


async def test_a_request_that_is_let_go_is_aborted_on_the_wire(client: Client, wire: Wire) -> None:
    """The server sees the connection close, long before any timeout (P-044)."""
    wire.say.append(nothing)
    came: list[object] = []
    life = client.transport(post(wire.url)).subscribe(came.append, came.append, lambda: came.append("completed"))
    async with asyncio.timeout(5):
        await wire.arrived.wait()
        life.dispose()
        await wire.left.wait()
        await settled(client)
    assert came == []


async def test_an_answer_that_is_half_here_is_aborted_too(client: Client, wire: Wire) -> None:
    """While its body is read (P-044)."""
    wire.say.append(answer(body=b"{", length=100))
    life = client.transport(post(wire.url)).subscribe()
    async with asyncio.timeout(5):
        await wire.arrived.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        life.dispose()
        await wire.left.wait()


async def test_a_request_is_let_go_before_it_was_begun(client: Client, wire: Wire) -> None:
    """Subscribed and disposed in one breath: nothing reaches the wire (P-045)."""
    client.transport(post(wire.url)).subscribe().dispose()
    await settled(client)
    await client.transport(post(wire.url, "/init"))
    assert [heard.line for heard in wire.heard] == ["POST /init HTTP/1.1"]


async def test_letting_go_of_what_was_answered_keeps_the_connection(client: Client, wire: Wire) -> None:
    """Safe after the end, and many times (P-045)."""
    done = asyncio.Event()
    life: DisposableBase = client.transport(post(wire.url)).subscribe(on_completed=done.set)
    await done.wait()
    life.dispose()
    life.dispose()
    await client.transport(post(wire.url))
    assert len({heard.peer for heard in wire.heard}) == 1


async def test_a_newer_user_message_aborts_the_request_in_flight() -> None:
    """From the session down to the socket (S-028, P-044)."""
    async with (
        AdServer(Settings()) as server,
        Client() as client,
        kx.create_session(
            publisher_token="t", user_id="u", conversation_id="c", ad_server_url=server.url, client=client
        ) as session,
    ):
        server.script("/preload", answers.hang())
        session.add_message(kx.Message.user("u1", "Any tent for two?"))
        await server.received("/preload")
        session.add_message(kx.Message.user("u2", "For summer"))
        first, *_ = await server.received("/preload", ended="aborted")
        assert first.body is not None
        assert [message["id"] for message in first.body["messages"]] == ["u1"]
        assert (await session.outcome("u2")).name == "ad.filled"


# --- what comes back --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_an_answer_and_is_not_followed(client: Client, wire: Wire, status: str) -> None:
    """The token must not travel to another host (H-004, #65)."""
    response = await asked(client, wire, answer(status, b"moved", Location=f"{wire.url}/elsewhere"))
    assert response.status == int(status[:3])
    assert response.headers["location"].endswith("/elsewhere")
    assert len(wire.heard) == 1


@pytest.mark.parametrize("status", [400, 404, 418, 429, 500, 503])
async def test_the_body_of_another_status_is_not_read(client: Client, wire: Wire, status: int) -> None:
    """Nobody looks at it; its headers come in lower case (P-035, H-002)."""
    response = await asked(client, wire, answer(f"{status} Odd", b"x" * 100, Retry_After="7"))
    assert (response.status, response.body, response.headers["retry-after"]) == (status, b"", "7")


async def test_an_answer_without_content_has_no_body(client: Client, wire: Wire) -> None:
    """And the connection lives on (P-034)."""
    no_content = answer("204 No Content", b"")
    assert (await asked(client, wire, no_content)).body == b""
    await asked(client, wire, answer())
    assert len({heard.peer for heard in wire.heard}) == 1


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_packed_body_is_unpacked(
    client: Client, wire: Wire, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """As every HTTP client does."""
    response = await asked(client, wire, answer(body=pack(b'{"a": 1}'), Content_Encoding=encoding))
    assert response.body == b'{"a": 1}'


async def test_a_body_of_one_mebibyte_is_read(client: Client, wire: Wire) -> None:
    """And not a byte more."""
    assert (await asked(client, wire, answer(body=b"x" * BODY_LIMIT))).body == b"x" * BODY_LIMIT
    assert BODY_LIMIT == 2**20


@pytest.mark.parametrize(
    "say",
    [
        answer(body=b"x" * (BODY_LIMIT + 1)),
        answer(body=b"x" * (BODY_LIMIT + 1), length=2**40),
        answer(body=gzip.compress(b"0" * 2**26), Content_Encoding="gzip"),
    ],
    ids=["one byte over", "announced as endless", "a bomb"],
)
async def test_a_larger_body_is_refused(client: Client, wire: Wire, say: Say) -> None:
    """It is counted unpacked."""
    with pytest.raises(BodyTooLargeError, match="1048576 bytes"):
        await asked(client, wire, say)


async def test_a_larger_body_is_not_read_to_its_end(client: Client, wire: Wire) -> None:
    """The connection is given up while the server still sends."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 2**16)
            await writer.drain()

    async with asyncio.timeout(5):
        with pytest.raises(BodyTooLargeError):
            await asked(client, wire, endless)
        await wire.left.wait()


async def test_a_larger_body_is_not_asked_for_again(client: Client, wire: Wire) -> None:
    """It would be as large the next time."""
    wire.say.append(answer(body=b"x" * (BODY_LIMIT + 1)))
    scheduler = AsyncIOScheduler(asyncio.get_running_loop())
    lost = await exchange(client.transport, post(wire.url), timeout_s=5, scheduler=scheduler)
    assert isinstance(lost, Lost)
    assert "larger than 1048576 bytes" in lost.why
    assert not lost.again
    assert len(wire.heard) == 1


@pytest.mark.parametrize(
    "say",
    [
        answer(body=b'{"sess', length=100, close=True),
        answer(body=b"5\r\nab", close=True, Transfer_Encoding="chunked"),
        answer(body=b"no gzip", Content_Encoding="gzip"),
    ],
    ids=["half-sent", "half a chunk", "badly packed"],
)
async def test_a_body_that_breaks_off_is_a_network_error(client: Client, wire: Wire, say: Say) -> None:
    """Which is tried again; half an answer is none (H-016)."""
    with pytest.raises(ConnectionError, match=r"\w"):
        await asked(client, wire, say)


async def test_a_connection_that_is_closed_without_a_word_is_a_network_error(client: Client, wire: Wire) -> None:
    """So is a server that is not there (H-007)."""

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    with pytest.raises(ConnectionError, match=r"\w"):
        await asked(client, wire, hang_up)
    with pytest.raises(ConnectionError, match="Cannot connect"):
        await client.transport(post("http://127.0.0.1:1"))


async def test_a_header_that_cannot_be_sent_is_no_network_error(client: Client, wire: Wire) -> None:
    """Nothing is sent, and nothing is gained by trying again."""
    with pytest.raises(ValueError, match="header"):
        await client.transport(HttpRequest(wire.url, {"X": "a\r\nHost: evil"}, b""))
    assert wire.heard == []


# --- aiohttp's own errors, without a socket ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
        (aiohttp.ClientPayloadError("broke off"), "broke off"),
        (aiohttp.ClientError(), "ClientError"),
        (TimeoutError("slow"), "slow"),
    ],
)
async def test_aiohttp_s_errors_are_the_network_s(client: Client, raised: Exception, text: str) -> None:
    """So that whoever tries again need not know aiohttp; one without words is told by its class (E-008, H-024)."""
    with aioresponses() as planned:
        planned.post("https://ads.test/preload", exception=raised)
        with pytest.raises(OSError, match=text):
            await client.transport(post("https://ads.test"))


async def test_a_request_asks_aiohttp_for_no_redirect_and_no_time_limit(client: Client) -> None:
    """The time of an attempt belongs to the session's scheduler (H-024, #65)."""
    with aioresponses() as planned:
        planned.post("https://ads.test/preload", status=201, body=b'{"a": 1}', response_class=ShimmedResponse)
        response = await client.transport(post("https://ads.test", body=b"{}"))
        (call,) = next(iter(planned.requests.values()))
    assert (response.status, response.body) == (201, b'{"a": 1}')
    assert call.kwargs["allow_redirects"] is False
    assert call.kwargs["data"] == b"{}"
    assert set(vars_of(call.kwargs["timeout"]).values()) == {None}


def vars_of(timeout: aiohttp.ClientTimeout) -> dict[str, float | None]:
    return {name: getattr(timeout, name) for name in ("total", "connect", "sock_connect", "sock_read")}


async def test_certificates_are_checked(client: Client, wire: Wire) -> None:
    """Nothing turns TLS verification off."""
    await asked(client, wire, answer())
    pool = client.transport._http.connector  # type: ignore[attr-defined]
    assert pool._ssl is True


# --- whose pool it is -------------------------------------------------------------------------------------------------


async def test_closing_a_client_aborts_what_is_in_flight_and_may_be_done_twice(wire: Wire) -> None:
    """Nothing is left on the wire."""
    client = Client()
    wire.say.append(nothing)
    came: list[object] = []
    client.transport(post(wire.url)).subscribe(came.append, came.append, lambda: came.append("completed"))
    async with asyncio.timeout(5):
        await wire.arrived.wait()
        await client.aclose()
        await wire.left.wait()
        await client.aclose()
    assert came == []


async def test_a_session_of_the_app_s_own_is_used_and_never_closed(wire: Wire) -> None:
    """It was given, and its giver closes it (H-024, #61)."""
    async with aiohttp.ClientSession(headers={"X-App": "acme"}) as http:
        async with Client(http=http) as client:
            await asked(client, wire, answer())
        assert not http.closed
        assert wire.heard[0].headers["x-app"] == "acme"


async def test_a_client_takes_one_way_to_send_and_not_two() -> None:
    """A mistake of the caller's."""
    async with aiohttp.ClientSession() as http:
        with pytest.raises(TypeError, match="not both"):
            Client(http=http, transport=AiohttpTransport(http))


async def test_a_transport_of_the_app_s_own_needs_no_closing() -> None:
    """It is used as it is (H-024)."""
    transport = AiohttpTransport()
    async with Client(transport=transport) as client:
        assert client.transport is transport
        await settled(client)


async def test_the_sessions_of_a_loop_share_one_client() -> None:
    """And the last of them to close closes it; the next makes another."""
    loop = asyncio.get_running_loop()
    shared = shared_client(loop)
    assert shared_client(loop) is shared
    backend_of(shared).tally.sessions += 1
    await leave(loop, backend_of(shared))
    assert shared_client(loop) is shared
    backend_of(shared).tally.sessions -= 1
    await leave(loop, backend_of(Client()))
    assert shared_client(loop) is shared
    await leave(loop, backend_of(shared))
    other = shared_client(loop)
    assert other is not shared
    await leave(loop, backend_of(other))


def options(server: AdServer, number: int = 1) -> dict[str, Any]:
    return {
        "publisher_token": "t",
        "user_id": f"u{number}",
        "conversation_id": f"c{number}",
        "ad_server_url": server.url,
        "install_id": "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31",
    }


async def test_closing_the_last_session_closes_the_pool() -> None:
    """Its sockets too: the server sees every connection go (#61)."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(AdServer())
        one, two = kx.create_session(**options(server, 1)), kx.create_session(**options(server, 2))
        shared = shared_client(asyncio.get_running_loop())
        await server.received("/init", count=2, ended="answered")
        http = shared.transport._http  # type: ignore[attr-defined]
        assert shared.stats.sessions == 2
        await one.aclose()
        assert not http.closed
        await two.aclose()
        assert http.closed
        assert shared.stats.sessions == 0


async def test_a_client_that_was_given_outlives_its_sessions(wire: Wire) -> None:
    """The app closes it when it likes (#61)."""
    async with AdServer() as server, Client() as client:
        async with kx.create_session(**options(server), client=client) as session:
            session.add_message(kx.Message.user("u1", "Hi"))
            await session.outcome("u1")
        assert client.stats.sessions == 0
        await asked(client, wire, answer())


async def test_a_failed_request_keeps_nothing_for_the_garbage_collector(client: Client) -> None:
    """What listened to it goes at once: an error leads to the frames that it passed, and they must not lead to it."""

    class Listener(ObserverBase[HttpResponse]):
        def __init__(self) -> None:
            self.failed = asyncio.Event()

        def on_next(self, value: HttpResponse) -> None:
            raise AssertionError

        def on_error(self, error: Exception) -> None:
            self.failed.set()

        def on_completed(self) -> None:
            raise AssertionError

    async def fail() -> weakref.ref[Listener]:
        listener = Listener()
        client.transport(post("http://127.0.0.1:1")).subscribe(listener)
        await listener.failed.wait()
        return weakref.ref(listener)

    gc.disable()
    try:
        listener = await fail()
        await asyncio.sleep(0)
        assert listener() is None
    finally:
        gc.enable()


# --- when a loop ends -------------------------------------------------------------------------------------------------


def python(script: str) -> subprocess.CompletedProcess[str]:
    """Run *script* with every warning an error, and asyncio's debug mode on."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


LOOPS = """
    import asyncio, gc, logging
    import kontext_rx as kx
    from kontext_rx.adserver import AdServer, answers

    INSTALL = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
    logging.getLogger("asyncio").addFilter(lambda line: "took" not in line.getMessage())  # a slow machine is no defect

    async def talk(close):
        async with AdServer() as server:
            session = kx.create_session(
                publisher_token="t", user_id="u", conversation_id="c", ad_server_url=server.url, install_id=INSTALL
            )
            session.add_message(kx.Message.user("u1", "Any tent for two?"))
            print((await session.outcome("u1")).name)
            server.script("/preload", answers.hang())
            session.add_message(kx.Message.user("u2", "For summer"))
            await server.received("/preload", count=2)
            if close:
                await session.aclose()

    for close in (True, False):
        asyncio.run(talk(close))
        gc.collect()

    loop = asyncio.new_event_loop()  # as pytest-asyncio and notebooks run them
    loop.run_until_complete(talk(True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    gc.collect()
    print("done")
"""


def test_a_loop_that_ends_leaves_nothing_open() -> None:
    """Closed by `aclose` or with the loop, a request still in flight: not one warning of a socket, a task, a timer."""
    ran = python(LOOPS)
    assert ran.stderr == ""
    assert ran.stdout.split() == ["ad.filled", "ad.filled", "ad.filled", "done"]
    assert ran.returncode == 0


INTERRUPT = """
    import asyncio, gc
    import kontext_rx as kx
    from kontext_rx.adserver import AdServer

    def interrupt(event):
        raise KeyboardInterrupt

    async def talk():
        async with AdServer() as server, kx.Client() as client:
            session = kx.create_session(
                publisher_token="t", user_id="u", conversation_id="c", ad_server_url=server.url, client=client,
                install_id="01985b2e-3c11-7a4d-9f20-5c1e77aa0b31", on_event=interrupt,
            )
            session.add_message(kx.Message.user("u1", "Any tent for two?"))
            await asyncio.Event().wait()

    try:
        asyncio.run(talk())
    except KeyboardInterrupt:
        gc.collect()
        print("interrupted")
"""


def test_an_interrupt_inside_an_event_ends_the_loop_and_is_told_once() -> None:
    """It comes out of `asyncio.run`, and asyncio does not log it as an exception that nobody has seen."""
    ran = python(INTERRUPT)
    slow = "Executing "  # how asyncio's debug mode begins to say that a busy machine took its time
    assert [line for line in ran.stderr.splitlines() if not line.startswith(slow)] == []
    assert ran.stdout.split() == ["interrupted"]


async def test_the_pool_of_a_loop_that_ended_without_a_word_is_forgotten() -> None:
    """A closed loop is not kept in memory by us."""
    from kontext_rx.client import _shared

    loop = asyncio.new_event_loop()

    async def use() -> None:
        shared_client(asyncio.get_running_loop())

    await asyncio.to_thread(loop.run_until_complete, use())
    loop.close()
    assert loop in _shared
    here = asyncio.get_running_loop()
    mine = shared_client(here)
    assert loop not in _shared
    await leave(here, backend_of(mine))
    assert here not in _shared
    gc.collect()

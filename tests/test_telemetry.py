"""The reports to `/error` and `/debug`: bounded, never retried, never in the app's way."""

import asyncio
import json
from typing import Any

import pytest
from reactivex.scheduler.eventloop import AsyncIOScheduler
from watched import Watched

from kontext_rx import Client, Message, create_session
from kontext_rx.adserver import AdServer, answers
from kontext_rx.adserver import Answer as ServerAnswer
from kontext_rx.telemetry import AT_ONCE, TIMEOUT_S, WAITING, Telemetry
from kontext_rx.testing import (
    SESSION_ID,
    Answer,
    ReceivedRequest,
    VirtualAdServer,
    VirtualClock,
    failure,
    json_answer,
    network_error,
    no_fill,
    silence,
    status,
)
from kontext_rx.typing import HttpRequest, HttpResponse

INSTALL = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31"
FACTS = {
    "publisherToken": "test-token",
    "conversationId": "conversation-1",
    "userId": "user-1",
    "installId": INSTALL,
}


def report(number: int = 0) -> HttpRequest:
    return HttpRequest("https://ads.test/error", {}, json.dumps({"number": number}).encode())


@pytest.fixture
def telemetry(server: VirtualAdServer, clock: VirtualClock) -> Telemetry:
    return Telemetry(server, clock)


def numbers(server: VirtualAdServer) -> list[int]:
    return [request.body["number"] for request in server.received("/error")]


def always(answer: Answer) -> Any:
    return lambda _: answer


# --- the queue --------------------------------------------------------------------------------------------------------


def test_two_reports_are_under_way_at_the_same_time(
    telemetry: Telemetry, server: VirtualAdServer, clock: VirtualClock
) -> None:
    """The others wait for their turn, in order (#31)."""
    server.latency = 1.0
    for number in range(5):
        telemetry.post(report(number))
    assert numbers(server) == [0, 1]
    clock.advance(1)
    assert numbers(server) == [0, 1, 2, 3]
    clock.advance(1)
    assert numbers(server) == [0, 1, 2, 3, 4]
    assert AT_ONCE == 2


def test_a_hundred_reports_wait_and_then_the_oldest_is_dropped_and_counted(
    telemetry: Telemetry, server: VirtualAdServer, clock: VirtualClock
) -> None:
    """A server that hangs must not cost memory (#31)."""
    server.default["/error"] = always(silence())
    for number in range(2 + WAITING):
        telemetry.post(report(number))
    assert telemetry.dropped == 0
    for number in range(3):
        telemetry.post(report(1000 + number))
    assert telemetry.dropped == 3
    server.default["/error"] = always(status(204))
    clock.advance(100)
    assert numbers(server) == [0, 1, *range(5, 2 + WAITING), 1000, 1001, 1002]
    assert WAITING == 100


@pytest.mark.parametrize(
    "answer",
    [status(204), status(429), status(500), status(301), network_error(), json_answer({"errCode": "x"})],
    ids=["204", "429", "500", "301", "network error", "an error of the server's"],
)
def test_whatever_the_answer_nothing_is_sent_again(
    telemetry: Telemetry, server: VirtualAdServer, clock: VirtualClock, answer: Answer
) -> None:
    """Nobody reads it, and the next report goes out (E-013, E-019, H-019)."""
    server.default["/error"] = always(answer)
    for number in range(3):
        telemetry.post(report(number))
    clock.advance(100)
    assert numbers(server) == [0, 1, 2]


def test_a_report_has_five_seconds(telemetry: Telemetry, server: VirtualAdServer, clock: VirtualClock) -> None:
    """Then it is let go, and not tried again (E-019, H-019, C-008)."""
    server.default["/error"] = always(silence())
    start = clock.at
    telemetry.post(report())
    clock.advance(100)
    (request,) = server.received("/error")
    assert request.aborted
    assert request.ended_at == pytest.approx(start + 5)
    assert TIMEOUT_S == 5.0


def test_closing_drops_what_waits_and_aborts_what_is_under_way(
    telemetry: Telemetry, server: VirtualAdServer, clock: VirtualClock
) -> None:
    """Reports die with their session (S-096, E-015, #30)."""
    server.latency = 1.0
    for number in range(5):
        telemetry.post(report(number))
    telemetry.close()
    clock.advance(100)
    assert numbers(server) == [0, 1]
    assert all(request.aborted for request in server.received("/error"))
    telemetry.post(report(9))
    clock.advance(100)
    assert numbers(server) == [0, 1, 9]


# --- flushing ---------------------------------------------------------------------------------------------------------


class Slow:
    """A transport on the loop whose answers wait for a word."""

    def __init__(self) -> None:
        from reactivex import Subject

        self.answers: list[Subject[HttpResponse]] = []

    def __call__(self, _: HttpRequest) -> Any:
        from reactivex import Subject

        self.answers.append(Subject())
        return self.answers[-1]

    def answer(self, number: int) -> None:
        self.answers[number].on_next(HttpResponse(204))
        self.answers[number].on_completed()


@pytest.fixture
async def slow() -> Slow:
    return Slow()


@pytest.fixture
async def flushed(slow: Slow) -> Telemetry:
    return Telemetry(slow, AsyncIOScheduler(asyncio.get_running_loop()))


async def test_a_flush_waits_until_everything_is_sent(slow: Slow, flushed: Telemetry) -> None:
    """Those that wait too (#30)."""
    for number in range(3):
        flushed.post(report(number))
    waiting = asyncio.ensure_future(flushed.flush(30))
    for number in range(3):
        for _ in range(10):  # turns of the loop, enough for whatever would end too early
            await asyncio.sleep(0)
        assert not waiting.done()
        slow.answer(number)
    async with asyncio.timeout(5):
        await waiting
    assert len(slow.answers) == 3
    flushed.close()


async def test_a_flush_waits_no_longer_than_it_may(flushed: Telemetry) -> None:
    """Then the app goes on (#30)."""
    flushed.post(report())
    async with asyncio.timeout(5):
        await flushed.flush(0.01)
    flushed.close()


async def test_a_flush_with_nothing_to_send_is_over_at_once(flushed: Telemetry) -> None:
    """No timer, no turn of the loop."""
    with pytest.raises(StopIteration):
        flushed.flush(30).send(None)


async def test_a_flush_ends_when_the_reports_are_dropped(flushed: Telemetry) -> None:
    """A session that is destroyed meanwhile is not waited for."""
    flushed.post(report())
    waiting = asyncio.ensure_future(flushed.flush(30))
    await asyncio.sleep(0)
    flushed.close()
    async with asyncio.timeout(5):
        await waiting


async def test_closing_a_session_with_a_flush_gets_its_last_report_out() -> None:
    """Without one, reports are cancelled (E-015, #30)."""
    for flush_timeout, reports in ((5.0, 1), (0.0, 0)):
        async with AdServer() as server, Client() as client:
            session = create_session(
                publisher_token="t",
                user_id="u",
                conversation_id="c",
                ad_server_url=server.url,
                install_id=INSTALL,
                client=client,
            )
            await server.received("/init", ended="answered")
            server.script("/preload", answers.malformed())
            server.script("/error", ServerAnswer(status=204, delay=0.1))
            session.add_message(Message.user("u1", "Hi"))
            outcome = await session.outcome("u1")
            assert outcome.name == "ad.error"
            await session.aclose(flush_timeout=flush_timeout)
            answered = [one for one in server.requests if one.path == "/error" and one.ended == "answered"]
            assert len(answered) == reports


# --- what a session reports -------------------------------------------------------------------------------------------


def turn(watched: Watched, number: int = 1) -> None:
    watched.session.add_message(Message.user(f"u{number}", "Any tent for two?"))
    watched.clock.advance(100)


def errors(server: VirtualAdServer) -> list[ReceivedRequest]:
    return server.received("/error")


def debugs(server: VirtualAdServer) -> list[ReceivedRequest]:
    return server.received("/debug")


BAD_BODY = Answer(HttpResponse(200, b"<html>"))


@pytest.mark.parametrize(
    ("failing", "error", "trace"),
    [
        ([BAD_BODY], "Error preloading ads: JSON is malformed", None),
        ([network_error("reset by peer")] * 4, "Error preloading ads: reset by peer", "ConnectionError: reset by peer"),
        ([status(429)] * 4, "Error preloading ads: HTTP 429", None),
        ([silence()] * 4, "Error preloading ads: no answer within 16 s", None),
    ],
)
def test_a_preload_that_brought_no_usable_answer_is_reported_once(
    server: VirtualAdServer, failing: list[Answer], error: str, trace: str | None
) -> None:
    """What failed, a trace where there is one, and no token in the headers (E-001, E-002, E-003, E-016, P-053)."""
    server.plan("/preload", *failing)
    watched = Watched(server, {})
    turn(watched)
    (sent,) = errors(server)
    assert sent.url == "https://ads.test/error"
    assert sent.headers == {"Content-Type": "application/json"}
    assert sent.body["error"].startswith(error)
    assert (trace is not None) == ("stack" in sent.body)
    assert trace is None or trace in sent.body["stack"]
    sdk = sent.body["additionalData"].pop("sdk")
    assert sent.body["additionalData"] == FACTS
    assert sdk.keys() == {"name", "platform", "version"}
    assert [event.name for event in watched.events] == ["ad.error"]


@pytest.mark.parametrize(
    "answer",
    [status(204), status(403), status(500), no_fill(), failure("rate_limited"), failure("x", permanent=True)],
    ids=["204", "403", "500", "skip", "error code", "permanent"],
)  # fmt: skip
def test_what_the_server_decided_is_not_reported(server: VirtualAdServer, answer: Answer) -> None:
    """Statuses, skips and its own error codes (E-017, P-034, P-035)."""
    server.plan("/preload", answer)
    turn(Watched(server, {}))
    assert errors(server) == []


def test_what_was_cancelled_is_not_reported(server: VirtualAdServer) -> None:
    """By a newer message, or with the session (E-017, P-043, S-028)."""
    server.default["/preload"] = always(silence())
    watched = Watched(server, {})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(1)
    watched.session.add_message(Message.user("u2", "Ho"))
    watched.clock.advance(1)
    watched.session.destroy()
    watched.clock.advance(100)
    assert len(server.preloads) == 2
    assert errors(server) == []


def test_error_reports_can_be_switched_off_by_the_server(server: VirtualAdServer) -> None:
    """Before `/init` has answered they are sent; the event comes either way (E-010, E-011, #67)."""
    server.plan("/init", json_answer({"reportErrors": False}).in_(10))
    server.default["/preload"] = always(BAD_BODY)
    watched = Watched(server, {})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(9.99)
    assert len(errors(server)) == 1
    watched.clock.advance(1)
    turn(watched, 2)
    turn(watched, 3)
    assert len(errors(server)) == 1
    assert [event.name for event in watched.events] == ["ad.error"] * 3


def test_a_report_goes_by_the_flag_as_it_was_when_the_request_was_made(server: VirtualAdServer) -> None:
    """Not as it is when the answer comes (P-054)."""
    server.plan("/init", json_answer({"reportErrors": False}).in_(2))
    server.plan("/preload", Answer(BAD_BODY.response, 5))
    turn(Watched(server, {}))
    assert len(errors(server)) == 1


def test_debug_events_are_forwarded_once_the_server_has_asked_for_them(server: VirtualAdServer) -> None:
    """From then on all of them; nothing from before (E-019, E-020, E-022, E-025, E-026, E-027)."""
    server.plan("/init", json_answer({"reportDebug": True}).in_(10))
    watched = Watched(server, {})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(9)
    assert debugs(server) == []
    before = len(watched.debug)
    watched.clock.advance(1)
    watched.session.add_message(Message.user("u2", "Ho"))
    watched.clock.advance(100)
    sent = debugs(server)
    told = [event.name for event in watched.debug[before:]]
    assert told.index("Init: reporting-applied") == 1  # after the answer itself, from when nothing was asked for yet
    assert [request.body["name"] for request in sent] == told[1:]
    assert sent[0].url == "https://ads.test/debug"
    assert sent[0].headers == {"Content-Type": "application/json"}
    assert "Preload: ad-generation-success" in told


def test_a_forwarded_debug_event_carries_its_data_as_text_and_who_we_are(server: VirtualAdServer) -> None:
    """The server's session as known at that moment, in lower case (E-020, E-021, E-028, E-031)."""
    server.plan("/init", json_answer({"reportDebug": True}))
    watched = Watched(server, {})
    watched.clock.advance(1)
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(100)
    sent = {request.body["name"]: request.body for request in debugs(server)}
    added, success = sent["Session: message-added"], sent["Preload: ad-generation-success"]
    assert json.loads(added["data"]) == {"messageId": "u1", "role": "user"}
    assert "sessionId" not in added["additionalData"]
    assert success["additionalData"].pop("sessionId") == SESSION_ID
    assert success["additionalData"] == added["additionalData"]
    assert success["additionalData"].pop("sdk").keys() == {"name", "platform", "version"}
    assert success["additionalData"] == FACTS


@pytest.mark.parametrize("flag", [{}, {"reportDebug": False}, {"reportDebug": "true"}, {"reportDebug": 1}])
def test_debug_events_stay_here_unless_the_server_asks(server: VirtualAdServer, flag: dict[str, object]) -> None:
    """The app's own callback is told whatever the flag (E-022, E-023, I-022)."""
    server.plan("/init", json_answer(flag))
    told: list[str] = []
    watched = Watched(server, {"on_debug_event": lambda name, _: told.append(name)})
    turn(watched)
    assert debugs(server) == []
    assert "Preload: ad-generation-success" in told


def test_reports_that_fail_are_nobody_s_business(server: VirtualAdServer) -> None:
    """No event, no report about a report, and preloads go on (E-013, E-029, E-030, E-032)."""
    server.plan("/init", json_answer({"reportDebug": True}))
    server.default["/error"] = always(network_error())
    server.default["/debug"] = always(status(500))
    server.plan("/preload", BAD_BODY)
    watched = Watched(server, {})
    turn(watched, 1)
    turn(watched, 2)
    assert [event.name for event in watched.events] == ["ad.error", "ad.filled"]
    assert len(errors(server)) == 1
    assert {request.path for request in server.requests} == {"/init", "/preload", "/error", "/debug"}
    names = [event.name for event in watched.debug]
    assert len(debugs(server)) == len(names) - names.index("Init: reporting-applied")


def test_debug_names_tell_the_part_they_come_from(server: VirtualAdServer) -> None:
    """With the prefixes of the official SDKs (E-024, #68)."""
    server.plan("/init", json_answer({"reportDebug": True, "preloadTimeout": 9000}))
    watched = Watched(server, {})
    turn(watched)
    watched.session.add_message(Message.assistant("a1", "Here is one"))
    watched.session.create_ad("a1").destroy()
    assert {name.partition(": ")[0] for name in watched.debug_names} == {"Init", "Session", "Preload", "Ad"}


def test_nothing_is_reported_after_the_end(server: VirtualAdServer) -> None:
    """What was waiting is dropped, what was under way is aborted (S-096, E-015, #30)."""
    server.plan("/init", json_answer({"reportDebug": True}))
    server.default["/debug"] = always(silence())
    watched = Watched(server, {})
    watched.session.add_message(Message.user("u1", "Hi"))
    watched.clock.advance(1)
    sent = len(debugs(server))
    watched.session.destroy()
    watched.clock.advance(100)
    assert len(debugs(server)) == sent == 2
    assert all(request.aborted for request in debugs(server))

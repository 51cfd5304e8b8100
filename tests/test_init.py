"""`/init`, what the server decides by it, and what a session's preloads make of that."""

import logging
import time
from typing import Any

import pytest
import reactivex as rx
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable
from watched import Watched

from kontext_rx import AdError, Client, Consent, Message, create_session
from kontext_rx.testing import (
    SESSION_ID,
    Answer,
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    json_answer,
    network_error,
    no_fill,
    silence,
    status,
)
from kontext_rx.typing import HttpResponse


def watch(server: VirtualAdServer, init: Answer | None = None, **options: Any) -> Watched:
    """A session that was just made, with a plan for `/init`."""
    if init is not None:
        server.plan("/init", init)
    return Watched(server, options)


def ask(watched: Watched, message_id: str = "u1", seconds: float = 1.0) -> None:
    watched.session.add_message(Message.user(message_id, "Any tent for two?"))
    watched.clock.advance(seconds)


def words(watched: Watched) -> list[str]:
    """Every event in short."""
    return [
        getattr(event, "err_code", None) or getattr(event, "skip_code", None) or event.name for event in watched.events
    ]


def text(body: bytes, code: int = 200) -> Answer:
    return Answer(HttpResponse(code, body))


# --- the request ------------------------------------------------------------------------------------------------------


def test_a_session_asks_once_and_returns_at_once(server: VirtualAdServer) -> None:
    """In the background, at creation, and never again (S-008, S-015, I-001, I-028)."""
    watched = watch(server, silence())
    assert [request.url for request in server.requests] == ["https://ads.test/init"]
    assert server.requests[0].at == watched.clock.at
    for number in range(3):
        ask(watched, f"u{number}")
    assert len(server.received("/init")) == 1


def test_the_request_says_who_and_which_app_and_no_more(server: VirtualAdServer) -> None:
    """With the token in a header, and no word of a turn (I-002, I-003, I-004, I-005, I-030)."""
    watch(server, app={"bundle_id": "com.acme", "version": "1.2", "first_install_time": 5})
    (request,) = server.received("/init")
    assert request.headers == {"Content-Type": "application/json", "Kontextso-Publisher-Token": "test-token"}
    assert request.body.pop("sdk").keys() == {"name", "platform", "version"}
    assert request.body == {
        "publisherToken": "test-token",
        "userId": "user-1",
        "installId": "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31",
        "app": {"bundleId": "com.acme", "version": "1.2"},
    }


def test_the_address_is_joined_with_one_slash(server: VirtualAdServer) -> None:
    """However it was given (S-004, I-001, P-001, #66)."""
    watched = watch(server, ad_server_url="https://ads.test/v4//")
    ask(watched)
    assert [request.url for request in server.requests] == ["https://ads.test/v4/init", "https://ads.test/v4/preload"]


def test_a_failing_init_is_tried_again_as_a_preload_is(server: VirtualAdServer) -> None:
    """16 s an attempt, then pauses of 1, 2 and 4 s (I-007)."""
    server.plan("/init", silence(), status(429), network_error(), json_answer({"preloadTimeout": 9000}))
    watched = Watched(server, {})
    start = watched.clock.at
    watched.clock.advance(100)
    assert [request.at - start for request in server.received("/init")] == pytest.approx([0, 17, 19.05, 23.1])
    assert watched.session.preload_timeout_ms == 9000
    assert server.received("/error") == []


# --- before and without an answer -------------------------------------------------------------------------------------


def test_a_fresh_session_has_the_defaults(server: VirtualAdServer) -> None:
    """Until the server says otherwise (S-009, S-010, S-011, S-012, C-008)."""
    session = watch(server, silence()).session
    assert session.session_id is None
    assert not session.is_disabled
    assert not session.is_destroyed
    assert session.messages == ()
    assert session.preload_timeout_ms == 16_000


def test_a_preload_does_not_wait_for_init(server: VirtualAdServer) -> None:
    """It goes out with what is known (S-009, I-029)."""
    watched = watch(server, silence())
    ask(watched)
    assert [event.name for event in watched.events] == ["ad.filled"]
    assert server.received("/init")[0].ended_at is None


QUIET = [
    (status(204), "no-content"),
    (text(b""), "empty-body"),
    (text(b" \n", 201), "empty-body"),
    (status(301), "non-ok"),
    (text(b'{"enabled": false}', 403), "non-ok"),
    (text(b'{"enabled": false}', 500), "non-ok"),
]


@pytest.mark.parametrize(("answer", "name"), QUIET)
def test_an_init_that_says_nothing_leaves_the_defaults_and_is_not_reported(
    server: VirtualAdServer, answer: Answer, name: str
) -> None:
    """One attempt, no event; preloads go on (I-009, I-010, I-011, I-029, E-017, #62)."""
    watched = watch(server, answer)
    ask(watched, seconds=100)
    (said,) = [event for event in watched.debug if event.name.startswith("Init: ")]
    assert said.name == f"Init: {name}"
    assert said.data == {"status": answer.response.status}  # type: ignore[union-attr]
    assert len(server.received("/init")) == 1
    assert server.received("/error") == []
    assert (watched.session.is_disabled, watched.session.preload_timeout_ms) == (False, 16_000)
    assert words(watched) == ["ad.filled"]


LOUD = [
    ([text(b"<html>")], "JSON is malformed"),
    ([text(b"[]")], "the answer is not a JSON object"),
    ([text(b"\xff")], ""),
    ([network_error("reset by peer")] * 4, "reset by peer"),
    ([status(429)] * 4, "HTTP 429"),
    ([silence()] * 4, "no answer within 16 s"),
    ([status(429, {"retry-after": "120"})], "HTTP 429"),
]


@pytest.mark.parametrize(("answers", "error"), LOUD)
def test_an_init_that_fails_leaves_the_defaults_and_is_reported_once(
    server: VirtualAdServer, caplog: pytest.LogCaptureFixture, answers: list[Answer], error: str
) -> None:
    """With its source and a log line, no event (I-012, I-013, I-015, I-016, I-029, E-007, E-016, #62)."""
    server.plan("/init", *answers)
    watched = Watched(server, {})
    watched.clock.advance(100)
    assert "Init: error" in watched.debug_names
    (report,) = server.received("/error")
    assert report.body["error"].startswith(error)
    assert report.body["stack"] == "Init.fetch"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert watched.events == []
    ask(watched)
    assert (watched.session.is_disabled, watched.session.preload_timeout_ms) == (False, 16_000)
    assert words(watched) == ["ad.filled"]


# --- what it decides --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"enabled": True}, {"enabled": None, "reportErrors": "no", "x": 1}])
def test_an_init_that_decides_nothing_changes_nothing(server: VirtualAdServer, body: dict[str, Any]) -> None:
    """The defaults are said aloud, and nothing is told (I-017, I-022, I-024, I-025)."""
    watched = watch(server, json_answer(body))
    watched.clock.advance(1)
    assert watched.debug_names == ["Init: response", "Init: reporting-applied"]
    assert watched.debug[1].data == {"reportErrors": True, "reportDebug": False}
    assert watched.events == []
    assert (watched.session.is_disabled, watched.session.preload_timeout_ms) == (False, 16_000)


def test_the_way_of_an_init_is_told_in_this_order(server: VirtualAdServer) -> None:
    """Start, answer, and then what follows from it (I-018, I-020, I-021, I-027, #23)."""
    told: list[str] = []
    server.plan("/init", json_answer({"enabled": False, "preloadTimeout": 8000, "reportErrors": False}))
    session = Watched(server, {"on_debug_event": lambda name, data: told.append(name if data else f"{name} (no data)")})
    session.clock.advance(1)
    assert told == [
        "Init: start (no data)",
        "Init: response",
        "Init: reporting-applied",
        "Init: preload-timeout-updated",
        "Init: disabled (no data)",
    ]


def test_a_server_that_says_no_disables_the_session_for_good(server: VirtualAdServer) -> None:
    """With one event; later turns are kept and not sent (I-018, I-028, S-036, S-108)."""
    watched = watch(server, json_answer({"enabled": False}))
    watched.clock.advance(1)
    (event,) = watched.events
    assert isinstance(event, AdError)
    assert (event.message, event.err_code) == ("Session is disabled", "session_disabled_by_init")
    assert (event.code, event.message_id, event.user_message_id, event.bid_id) == (None, None, None, None)
    ask(watched)
    watched.session.add_message(Message.user("u2", "Hi"), track_only=True)
    watched.clock.advance(1)
    assert watched.session.is_disabled
    assert [message.id for message in watched.session.messages] == ["u1", "u2"]
    assert server.preloads == []
    assert len(watched.events) == 1


def test_the_flags_of_an_answer_that_disables_count_too(server: VirtualAdServer) -> None:
    """The timeout and both reports (I-019, #23)."""
    watched = watch(server, json_answer({"enabled": False, "preloadTimeout": 8000, "reportDebug": True}))
    watched.clock.advance(1)
    assert watched.session.preload_timeout_ms == 8000
    assert [request.body["name"] for request in server.received("/debug")] == [
        "Init: reporting-applied",
        "Init: preload-timeout-updated",
        "Init: disabled",
    ]


@pytest.mark.parametrize("bad", [{"preloadTimeout": "9000"}, {"preloadTimeout": 1.5}, {"reportErrors": "yes"}])
def test_one_bad_field_costs_no_other(server: VirtualAdServer, bad: dict[str, Any]) -> None:
    """A bad number must not switch a session back on (I-022, I-023, #29)."""
    watched = watch(server, json_answer({"enabled": False, **bad}))
    watched.clock.advance(1)
    assert watched.session.is_disabled
    assert watched.session.preload_timeout_ms == 16_000
    assert server.received("/error") == []


@pytest.mark.parametrize(
    ("given", "used_ms"), [(2500, 2500), (2500.0, 2500), (0, 16_000), (-5, 16_000), (None, 16_000)]
)
def test_a_positive_timeout_replaces_the_default(server: VirtualAdServer, given: object, used_ms: int) -> None:
    """For each attempt of the preloads that follow (I-020, P-011, S-011)."""
    watched = watch(server, json_answer({"preloadTimeout": given}))
    watched.clock.advance(1)
    assert watched.session.preload_timeout_ms == used_ms
    server.plan("/preload", silence())
    ask(watched, seconds=100)
    first = server.preloads[0]
    assert first.ended_at is not None
    assert first.ended_at - first.at == pytest.approx(used_ms / 1000)


def test_a_request_that_is_out_keeps_the_timeout_it_started_with(server: VirtualAdServer) -> None:
    """Its retries too (P-011)."""
    server.plan("/preload", silence(), silence())
    watched = watch(server, json_answer({"preloadTimeout": 2000}).in_(5))
    ask(watched, seconds=100)
    assert [request.ended_at - request.at for request in server.preloads[:2]] == pytest.approx([16, 16])  # type: ignore[operator]


def test_an_answer_that_disables_leaves_what_is_in_flight(server: VirtualAdServer) -> None:
    """It ends as usual (S-038, #20)."""
    server.plan("/preload", fill().in_(5))
    watched = watch(server, json_answer({"enabled": False}).in_(1))
    ask(watched, seconds=100)
    assert words(watched) == ["session_disabled_by_init", "ad.filled"]


def test_an_answer_that_disables_within_the_debounce_stops_what_waits(server: VirtualAdServer) -> None:
    """Checked again when it would be sent (S-037, #20)."""
    watched = watch(server, json_answer({"enabled": False}).in_(0.005))
    ask(watched, seconds=100)
    assert server.preloads == []
    assert words(watched) == ["session_disabled_by_init"]
    assert watched.settled("u1") == "session_disabled"


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.5])
def test_destroying_a_session_cancels_its_init(server: VirtualAdServer, after: float) -> None:
    """Nothing applied, nothing reported (I-014, I-026, S-090, S-091)."""
    watched = watch(server, json_answer({"enabled": False, "preloadTimeout": 5}).in_(1))
    watched.clock.advance(after)
    watched.session.destroy()
    watched.clock.advance(100)
    assert server.received("/init")[0].aborted
    assert watched.debug_names == ["Init: cancelled", "Session: destroyed"]
    assert (watched.session.is_disabled, watched.session.preload_timeout_ms) == (False, 16_000)
    assert len(server.requests) == 1
    assert watched.events == []


def test_destroying_a_session_in_a_pause_of_its_init_ends_the_attempts(server: VirtualAdServer) -> None:
    """Within the pauses too (I-014, H-015)."""
    watched = watch(server, network_error())
    watched.clock.advance(0.5)
    watched.session.destroy()
    watched.clock.advance(100)
    assert len(server.requests) == 1


def test_an_init_that_is_answered_at_once_is_not_cancelled_in_words() -> None:
    """A transport may answer while it is subscribed."""
    names: list[str] = []

    def answer(observer: ObserverBase[HttpResponse], _: object) -> DisposableBase:
        observer.on_next(HttpResponse(200, b'{"preloadTimeout":5}'))
        observer.on_completed()
        return Disposable()

    session = create_session(
        publisher_token="t",
        user_id="u",
        conversation_id="c",
        install_id=SESSION_ID,
        client=Client(transport=lambda _: rx.create(answer)),
        scheduler=VirtualClock(),
        on_debug_event=lambda name, _: names.append(name),
    )
    assert session.preload_timeout_ms == 5
    session.destroy()
    assert names[-1] == "Session: destroyed"
    assert "Init: cancelled" not in names


def test_an_init_that_was_answered_is_not_cancelled_in_words(server: VirtualAdServer) -> None:
    """Only what is under way is (I-014)."""
    watched = watch(server)
    watched.clock.advance(1)
    watched.session.destroy()
    assert "Init: cancelled" not in watched.debug_names


# --- what a session's preloads look like ------------------------------------------------------------------------------


def test_a_preload_is_a_post_with_its_headers(server: VirtualAdServer) -> None:
    """To the server's `/preload`; the flag is that of the turn (P-001, P-002, P-003, S-042)."""
    watched = watch(server)
    ask(watched)
    watched.session.add_message(Message.user("u2", "Hi"), track_only=True)
    watched.clock.advance(1)
    assert [request.url for request in server.preloads] == ["https://ads.test/preload"] * 2
    assert [request.message_ids for request in server.preloads] == [["u1"], ["u1", "u2"]]
    assert [request.headers for request in server.preloads] == [
        {
            "Content-Type": "application/json",
            "Kontextso-Publisher-Token": "test-token",
            "Kontextso-Is-Disabled": flag,
        }
        for flag in ("0", "1")
    ]


def test_a_turn_that_is_only_tracked_fills_nothing(server: VirtualAdServer) -> None:
    """In silence; what comes to nothing is told as ever (P-003, P-046, S-043, S-044, #21)."""
    server.plan("/preload", fill(), no_fill("ads_disabled"), status(500))
    watched = watch(server)
    for number in range(3):
        watched.session.add_message(Message.user(f"u{number}", "Hi"), track_only=True)
        watched.clock.advance(1)
    assert words(watched) == ["ads_disabled", "request_failed"]
    assert watched.settled("u0") == "track_only"
    assert watched.session.session_id == SESSION_ID


@pytest.mark.parametrize(("system", "sent"), [("Linux", "linux"), ("Darwin", "macos"), ("Windows", "windows")])
def test_without_a_context_the_process_tells_its_own_system(
    server: VirtualAdServer, monkeypatch: pytest.MonkeyPatch, system: str, sent: str
) -> None:
    """In the wire's words (W-024, #73)."""
    from kontext_rx import link

    monkeypatch.setattr("platform.system", lambda: system)
    link._process_device.cache_clear()
    ask(watch(server))
    link._process_device.cache_clear()
    assert server.preloads[0].body["device"]["os"]["name"] == sent


def test_the_server_s_session_is_told_once_it_is_known(server: VirtualAdServer) -> None:
    """The key is absent before; a skip teaches it too, and nothing clears it (P-008, S-012, S-068, S-069)."""
    server.plan("/preload", no_fill(session_id=SESSION_ID.upper()), status(500), json_answer({"errCode": "x"}))
    watched = watch(server)
    for number in range(4):
        ask(watched, f"u{number}")
    assert [request.body.get("sessionId") for request in server.preloads] == [None, *[SESSION_ID] * 3]
    assert watched.session.session_id == SESSION_ID


def test_device_and_app_are_told_in_every_preload(server: VirtualAdServer) -> None:
    """As they are at that moment (P-004, P-010, W-028)."""
    watched = watch(server, context={"locale": "en-GB"})
    ask(watched, "u1")
    watched.session.update_options(context={"locale": "cs"})
    ask(watched, "u2")
    watched.session.update_options(context=None)
    ask(watched, "u3")
    bodies = [request.body for request in server.preloads]
    assert [body["device"]["os"]["locale"] for body in bodies] == ["en-GB", "cs", "und"]
    assert all(0 < body["app"]["startTime"] <= time.time() * 1000 for body in bodies)
    assert all({"hardware", "os", "screen"} <= body["device"].keys() for body in bodies)


def test_consent_is_asked_anew_for_every_preload(server: VirtualAdServer) -> None:
    """As a `Consent` or as a dict with its keys; not for `/init` (T-001, T-004)."""
    given: list[Any] = [Consent(gdpr=1), {"gdpr": "0", "gdpr_consent": "CPx"}, None]
    answers = iter(given)
    watched = watch(server, consent=lambda: next(answers))
    for number in range(3):
        ask(watched, f"u{number}")
    assert [request.body.get("regulatory") for request in server.preloads] == [
        {"gdpr": 1},
        {"gdpr": 0, "gdprConsent": "CPx"},
        None,
    ]
    assert next(answers, "asked three times") == "asked three times"


@pytest.mark.reports
@pytest.mark.parametrize(
    "consent",
    [lambda: 1 / 0, lambda: "CPx", lambda: 5],
    ids=["raises", "a text", "a number"],
)
def test_a_consent_source_that_fails_costs_no_preload(server: VirtualAdServer, consent: Any) -> None:
    """It counts as no values, and the app is told (T-003, T-009)."""
    watched = watch(server, consent=consent, regulatory={"gdpr": 1})
    ask(watched)
    assert server.preloads[0].body["regulatory"] == {"gdpr": 1}
    assert words(watched) == ["ad.filled"]
    (told,) = [event for event in watched.debug if event.name == "Session: callback-error"]
    assert told.data is not None
    assert told.data["where"] == "consent"


def test_consent_may_come_with_the_iab_s_own_keys(server: VirtualAdServer) -> None:
    """As a consent platform stores them, and with others beside (T-010)."""
    watched = watch(server, consent=lambda: {"IABTCF_gdprApplies": "1", "IABTCF_TCString": "CPx", "IABTCF_CmpSdkID": 7})
    ask(watched)
    assert server.preloads[0].body["regulatory"] == {"gdpr": 1, "gdprConsent": "CPx"}


@pytest.mark.parametrize("text", [5, b"CPx", "\ud800"])
def test_a_consent_string_that_is_none_costs_no_preload(server: VirtualAdServer, text: Any) -> None:
    """What a platform stores is not checked as options are (T-008, T-009)."""
    watched = watch(server, consent=lambda: Consent(gdpr=1, gdpr_consent=text))
    ask(watched)
    assert server.preloads[0].body["regulatory"] == {"gdpr": 1}
    assert words(watched) == ["ad.filled"]


# --- what a session makes of an answer --------------------------------------------------------------------------------

OUTCOMES: list[tuple[str, list[Answer], list[str], str | None]] = [
    ("P-020", [fill()], ["ad.filled"], "Preload: ad-generation-success"),
    ("P-023", [fill("sidebar")], ["unfilled_bid"], "Preload: no-bids-for-placement-codes"),
    ("P-025", [no_fill("ads_disabled")], ["ads_disabled"], "Preload: ad-generation-skipped"),
    ("P-034", [status(204)], ["unfilled_bid"], "Preload: no-content"),
    ("P-038", [text(b"")], ["unfilled_bid"], "Preload: no-content"),
    ("P-032", [failure("rate_limited")], ["rate_limited"], "Preload: ad-generation-error"),
    ("P-035", [status(503)], ["request_failed"], "Preload: ad-generation-error"),
    ("P-037", [text(b"<html>")], ["request_failed"], "Preload: error-preloading-ads"),
    ("P-040", [network_error()] * 4, ["request_failed"], "Preload: error-preloading-ads"),
    ("P-041", [status(429)] * 4, ["request_failed"], "Preload: error-preloading-ads"),
    ("P-042", [silence()] * 4, ["request_failed"], "Preload: error-preloading-ads"),
]


@pytest.mark.parametrize(("answers", "told", "debug"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES])
def test_every_preload_ends_in_one_word(
    server: VirtualAdServer, answers: list[Answer], told: list[str], debug: str
) -> None:
    """
    One kind of event, one debug name, and the session goes on enabled.

    (P-020, P-023, P-025, P-032, P-034, P-035, P-037, P-038, P-040, P-041, P-042, P-046, P-052, S-039)
    """
    server.plan("/preload", *answers)
    watched = watch(server)
    ask(watched, seconds=100)
    assert words(watched) == told
    assert [name for name in watched.debug_names if name.startswith("Preload: ")][-1] == debug
    assert not watched.session.is_disabled
    ask(watched, "u2")
    assert words(watched) == [*told, "ad.filled"]


def test_each_placement_s_fill_is_told_with_its_price(server: VirtualAdServer) -> None:
    """In the server's order, only for what is enabled (P-021, P-022, P-050, P-058)."""
    bids = [
        {"bidId": f"00000000-0000-4000-8000-00000000000{number}", "code": code, "revenue": revenue}
        for number, (code, revenue) in enumerate([("b", 0.05), ("x", 9.0), ("a", 0.10)])
    ]
    server.plan("/preload", json_answer({"sessionId": SESSION_ID, "bids": bids}))
    watched = watch(server, enabled_placement_codes=["a", "b"])
    ask(watched)
    assert [(event.name, event.code, event.revenue) for event in watched.events] == [  # type: ignore[attr-defined]
        ("ad.filled", "b", 0.05),
        ("ad.filled", "a", 0.10),
    ]


def test_a_permanent_error_disables_and_nothing_more_is_sent(server: VirtualAdServer) -> None:
    """One event, a debug name of its own, and the call counter stays (P-030, S-040, S-108, S-109, #58)."""
    server.plan("/preload", failure("geo_blocked", permanent=True))
    watched = watch(server)
    ask(watched, "u1")
    ask(watched, "u2")
    (event,) = watched.events
    assert isinstance(event, AdError)
    assert (event.message, event.err_code, event.code) == ("Session is disabled", "geo_blocked", None)
    assert "Preload: session-disabled" in watched.debug_names
    assert watched.session.is_disabled
    assert len(server.preloads) == 1


def test_a_session_id_is_taken_from_an_error_too(server: VirtualAdServer) -> None:
    """From any answer that has one (P-047, S-070, #22)."""
    server.plan("/preload", json_answer({"sessionId": SESSION_ID, "errCode": "x"}))
    watched = watch(server)
    ask(watched)
    assert watched.session.session_id == SESSION_ID


def test_an_error_of_one_turn_leaves_the_ads_of_earlier_ones(server: VirtualAdServer) -> None:
    """And an `Ad` has nothing before its bid is there (P-051, P-056)."""
    server.plan("/preload", fill(), status(500))
    watched = watch(server)
    ad = watched.session.create_ad("a1")
    assert ad.iframe_url is None
    ask(watched, "u1")
    watched.session.add_message(Message.assistant("a1", "Here"))
    address = ad.iframe_url
    assert address is not None
    ask(watched, "u2")
    watched.session.add_message(Message.assistant("a2", "There"))
    assert ad.iframe_url == address
    assert watched.session.create_ad("a2").iframe_url is None


def test_only_the_newest_preload_counts_however_late_the_older_one_lands(server: VirtualAdServer) -> None:
    """One is current at any time; the other's answer, session and all, is nobody's (P-019, P-043, P-057, S-057)."""
    other = "11111111-2222-4333-8444-555555555555"
    server.plan("/preload", fill(session_id=other).in_(5), fill().in_(1))
    watched = watch(server)
    ask(watched, "u1", 0.5)
    ask(watched, "u2", 100)
    assert [(event.name, event.user_message_id) for event in watched.events] == [("ad.filled", "u2")]
    assert watched.session.session_id == SESSION_ID
    assert "Preload: cancelled" in watched.debug_names
    assert server.received("/error") == []
    assert server.preloads[0].aborted


def test_what_goes_out_is_told_before_and_what_comes_back_after(server: VirtualAdServer) -> None:
    """Ids, counts and the timeout, not the body (P-017, P-052, E-034)."""
    watched = watch(server)
    ask(watched)
    told = {event.name: event.data for event in watched.debug}
    names = watched.debug_names
    assert names.index("Preload: request-ad-start") < names.index("Preload: request-ad-response")
    assert told["Preload: request-ad-start"] == {"messageId": "u1", "timeoutMs": 16_000}
    response = told["Preload: request-ad-response"]
    assert response is not None
    assert response.keys() == {"status", "bytes"}


def test_a_status_is_in_the_debug_record(server: VirtualAdServer) -> None:
    """Where a developer looks first (#25)."""
    server.plan("/preload", status(503))
    watched = watch(server)
    ask(watched)
    (told,) = [event for event in watched.debug if event.name == "Preload: ad-generation-error"]
    assert told.data == {"messageId": "u1", "errCode": "request_failed", "status": 503}
    (event,) = watched.events
    assert isinstance(event, AdError)
    assert event.message == "HTTP 503"


def test_sessions_do_not_share_what_the_server_decided(server: VirtualAdServer, clock: VirtualClock) -> None:
    """One conversation's flags are its own, with one client between them (S-015)."""
    server.plan("/init", json_answer({"enabled": False}), json_answer({"preloadTimeout": 5000}))
    client = Client(transport=server)
    one, two = (
        create_session(publisher_token="t", user_id="u", conversation_id=conversation, client=client, scheduler=clock)
        for conversation in ("c1", "c2")
    )
    clock.advance(1)
    assert (one.is_disabled, one.preload_timeout_ms) == (True, 16_000)
    assert (two.is_disabled, two.preload_timeout_ms) == (False, 5000)

"""Messages in: what is kept, what is sent, what is cancelled. In virtual time."""

import datetime as dt
from collections.abc import Callable

import pytest
from reactivex import Observable, Subject
from reactivex.abc import DisposableBase
from reactivex.disposable import Disposable
from watched import Watched

from kontext_rx import Client, InvalidMessageError, Message
from kontext_rx.testing import (
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    json_answer,
    network_error,
    no_fill,
    silence,
    status,
    virtual_session,
)
from kontext_rx.typing import HttpRequest, HttpResponse

user, assistant = Message.user, Message.assistant


def test_a_user_message_preloads_after_the_debounce(watched: Watched) -> None:
    """Ten milliseconds, and not a moment earlier (S-026)."""
    watched.session.add_message(user("u1", "Hi"))
    watched.clock.advance(0.0099)
    assert watched.server.preloads == []
    watched.clock.advance(0.0001)
    assert [request.message_ids for request in watched.server.preloads] == [["u1"]]


def test_a_burst_becomes_one_request_for_the_newest(watched: Watched) -> None:
    """A restored history costs one request, whatever its length (S-027, S-048)."""
    for number in range(10):
        watched.session.add_message(user(f"u{number}", "question"))
        watched.session.add_message(assistant(f"a{number}", "answer"))
    watched.clock.advance(1)
    assert len(watched.server.preloads) == 1
    assert watched.told == [("ad.filled", "a9", "u9")]
    assert watched.life == [
        *(f"{step} u{number}" for number in range(9) for step in ("scheduled", "coalesced")),
        "scheduled u9",
        "sent u9",
        "resolved u9",
    ]


def test_each_user_message_within_the_window_starts_it_again(watched: Watched) -> None:
    for number in range(3):
        watched.session.add_message(user(f"u{number}", "x"))
        watched.clock.advance(0.009)
    assert watched.server.preloads == []
    watched.clock.advance(0.001)
    assert len(watched.server.preloads) == 1


def test_an_assistant_message_neither_starts_nor_extends_the_debounce(watched: Watched) -> None:
    """(S-025, #47)"""
    watched.session.add_message(assistant("a0", "Welcome"))
    watched.clock.advance(1)
    assert watched.server.preloads == []
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(0.009)
    watched.session.add_message(assistant("a1", "y"))
    watched.clock.advance(0.001)
    assert len(watched.server.preloads) == 1


def test_the_request_carries_the_conversation_as_it_is_when_the_debounce_fires(watched: Watched) -> None:
    """(S-031, #02)"""
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(0.005)
    watched.session.add_message(assistant("a1", "y"))
    watched.clock.advance(0.006)
    watched.session.add_message(assistant("a2", "too late"))
    watched.clock.advance(1)
    assert watched.server.preloads[0].message_ids == ["u1", "a1"]


def test_a_newer_user_message_lets_the_request_in_flight_go_at_once(watched: Watched, clock: VirtualClock) -> None:
    """Not a debounce later; and of the older one nothing is told (S-028, S-029)."""
    watched.server.plan("/preload", fill(bid_id="00000000-0000-0000-0000-000000000001").in_(0.2))
    watched.session.add_message(user("u1", "x"))
    clock.advance(0.1)
    watched.session.add_message(user("u2", "y"))
    first = watched.server.preloads[0]
    assert first.aborted
    assert first.ended_at == clock.at
    clock.advance(1)
    assert watched.told == [("ad.filled", None, "u2")]
    assert watched.life == ["scheduled u1", "sent u1", "cancelled u1", "scheduled u2", "sent u2", "resolved u2"]
    cancelled = watched.steps[2]
    assert cancelled.by == "u2"
    assert watched.settled("u1") == "superseded"
    assert watched.server.received("/error") == []


@pytest.mark.parametrize("after", [0.005, 0.05], ids=["in the debounce", "in flight"])
def test_an_assistant_message_cancels_nothing(watched: Watched, after: float) -> None:
    """The ad it is waiting for may be on its way (S-030, #01)."""
    watched.server.plan("/preload", fill().in_(0.2))
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(after)
    watched.session.add_message(assistant("a1", "y"))
    watched.clock.advance(1)
    assert watched.told == [("ad.filled", "a1", "u1")]
    assert not watched.server.preloads[0].aborted


def test_an_old_fill_cannot_slip_under_a_reply_within_the_next_debounce(watched: Watched) -> None:
    """(S-063, #09)"""
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(1)
    watched.session.add_message(user("u2", "y"))
    watched.session.add_message(assistant("a2", "z"))
    ad = watched.session.create_ad("a2")
    assert ad.iframe_url is None
    watched.clock.advance(1)
    assert ad.iframe_url is not None


def test_the_last_thirty_messages_are_kept_and_sent(watched: Watched) -> None:
    """(S-022, P-006)"""
    for number in range(1, 41):
        watched.session.add_message(user(f"m{number}", "x") if number % 2 else assistant(f"m{number}", "y"))
    kept = [f"m{number}" for number in range(11, 41)]
    assert [message.id for message in watched.session.messages] == kept
    watched.clock.advance(1)
    assert watched.server.preloads[0].message_ids == kept


def test_messages_are_visible_at_once_as_a_snapshot(watched: Watched) -> None:
    """(S-021, S-024)"""
    watched.session.add_message(user("u1", "x"))
    before = watched.session.messages
    watched.session.add_message(assistant("a1", "y"))
    assert [message.id for message in before] == ["u1"]
    assert [message.id for message in watched.session.messages] == ["u1", "a1"]


def test_an_id_is_accepted_once(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """Apps render again and feed their history again: it costs one debug event (#16)."""
    for _ in range(2):
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
    assert len(watched.server.preloads) == 1
    assert watched.debug_names.count("Session: message-duplicate") == 2
    assert len(watched.session.messages) == 2
    assert caplog.records == []


def test_a_repeated_id_with_another_text_warns(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    """The first text stays; the warning says what to do and shows no text (#16)."""
    watched.session.add_message(user("u1", "the first text"))
    watched.session.add_message(user("u1", "the second text"))
    (warning,) = caplog.records
    assert "new id" in warning.getMessage()
    assert "text" not in str(warning.__dict__.get("message_id"))
    assert watched.session.messages[0].content == "the first text"


def test_an_id_stays_known_after_its_message_was_trimmed(watched: Watched) -> None:
    for number in range(31):
        watched.session.add_message(assistant(f"m{number}", "x"))
    watched.session.add_message(assistant("m0", "x"))
    assert [message.id for message in watched.session.messages] == [f"m{number}" for number in range(1, 31)]


def test_track_only_is_sent_and_its_bids_are_dropped(watched: Watched) -> None:
    """The header says so, the session id is kept, the reply gets nothing (S-042, S-043, P-003)."""
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.clock.advance(0.03)
    watched.session.add_message(assistant("a1", "y"))
    watched.clock.advance(1)
    assert watched.server.preloads[0].headers["Kontextso-Is-Disabled"] == "1"
    assert watched.events == []
    assert watched.session.session_id == "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
    assert watched.session.create_ad("a1").iframe_url is None
    assert (watched.settled("u1"), watched.settled("a1")) == ("track_only", "track_only")
    assert watched.steps[-1].outcome == "track_only"
    assert "Session: preload-track-only-skip-bids" in watched.debug_names


def test_a_track_only_turn_keeps_its_reply_from_the_next_ad(watched: Watched) -> None:
    """(S-054)"""
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.clock.advance(1)
    watched.session.add_message(assistant("a1", "y"))
    watched.session.add_message(user("u2", "x"))
    watched.clock.advance(1)
    watched.session.add_message(assistant("a2", "y"))
    assert watched.session.create_ad("a1").iframe_url is None
    assert watched.session.create_ad("a2").iframe_url is not None


@pytest.mark.parametrize(
    ("answer", "name"),
    [(no_fill("ads_disabled"), "ad.no-fill"), (failure("geo_blocked"), "ad.error"), (status(503), "ad.error")],
)
def test_a_track_only_turn_still_tells_a_no_fill_and_an_error(watched: Watched, answer: object, name: str) -> None:
    """(S-044, #21)"""
    watched.server.plan("/preload", answer)  # type: ignore[arg-type]
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.clock.advance(1)
    assert watched.told == [(name, None, "u1")]


def test_in_a_burst_the_newest_message_says_whether_it_is_tracked_only(watched: Watched) -> None:
    """(S-032)"""
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.session.add_message(user("u2", "y"))
    watched.clock.advance(1)
    assert watched.server.preloads[0].headers["Kontextso-Is-Disabled"] == "0"


def test_track_only_on_an_assistant_message_has_no_effect(watched: Watched) -> None:
    """(S-045)"""
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(1)
    watched.session.add_message(assistant("a1", "y"), track_only=True)
    assert watched.session.create_ad("a1").iframe_url is not None


def test_empty_text_is_text(watched: Watched) -> None:
    """(S-047)"""
    watched.session.add_message(user("u1", ""))
    watched.clock.advance(1)
    assert watched.server.preloads[0].body["messages"][0]["content"] == ""


def test_text_goes_out_as_it_came_in(watched: Watched) -> None:
    """Quotes, Markdown, line ends, emoji, and half an emoji that a cut stream left (W-010, P-007)."""
    text = '"quoted" **bold**\r\n\t你好 🎉 \ud83c end'
    watched.session.add_message(
        user("u1", text, dt.datetime(2026, 3, 2, 9, 15, 0, 250_999, dt.timezone(dt.timedelta(hours=1))))
    )
    watched.clock.advance(1)
    assert watched.server.preloads[0].body["messages"] == [
        {"id": "u1", "role": "user", "content": text, "createdAt": "2026-03-02T08:15:00.250Z"}
    ]


def test_options_are_read_when_the_request_is_built(watched: Watched) -> None:
    """An update within the debounce already counts, and one after it waits for the next turn (S-033, S-085)."""
    watched.session.update_options(variant_id="red", user_email="a@b.example", regulatory={"gdpr": 1, "coppa": 0})
    watched.session.add_message(user("u1", "x"))
    watched.session.update_options(variant_id="blue")
    watched.clock.advance(0.02)
    watched.session.update_options(variant_id=None, regulatory={"us_privacy": "1---"})
    watched.clock.advance(1)
    watched.session.add_message(user("u2", "x"))
    watched.clock.advance(1)
    first, second = (request.body for request in watched.server.preloads)
    assert (first["variantId"], first["userEmail"]) == ("blue", "a@b.example")
    assert first["regulatory"] == {"gdpr": 1, "coppa": 0}
    assert "variantId" not in second
    assert second["userEmail"] == "a@b.example"
    assert second["regulatory"] == {"usPrivacy": "1---"}
    assert watched.debug_names.count("Session: options-updated") == 3


def test_the_session_id_is_learnt_from_any_answer_and_never_cleared(watched: Watched) -> None:
    """From a skip, from an error that carries one; an answer without one leaves it (S-034, S-068 to S-070, P-008)."""
    one, two = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
    watched.server.plan(
        "/preload",
        no_fill(session_id=one.upper()),
        failure("no id"),
        json_answer({"errCode": "x", "sessionId": two}),
        fill(session_id=two),
    )
    sent = []
    for number in range(4):
        watched.session.add_message(user(f"u{number}", "x"))
        watched.clock.advance(1)
        sent.append(watched.server.preloads[-1].body.get("sessionId"))
    assert sent == [None, one, one, two]
    assert watched.session.session_id == two


def test_after_a_failure_the_next_turn_preloads_as_usual(watched: Watched) -> None:
    """(S-039, P-032, P-056)"""
    watched.server.plan("/preload", fill(), status(503), *[network_error()] * 4, failure("rate_limited"))
    for number in range(5):
        watched.session.add_message(user(f"u{number}", "x"))
        watched.clock.advance(10)
        watched.session.add_message(assistant(f"a{number}", "y"))
    assert [name for name, *_ in watched.told] == ["ad.filled", "ad.error", "ad.error", "ad.error", "ad.filled"]
    assert watched.session.create_ad("a0").iframe_url is not None
    assert watched.session.create_ad("a1").iframe_url is None
    assert not watched.session.is_disabled


def test_a_server_that_never_answers_costs_an_error_after_all_attempts(watch: Callable[..., Watched]) -> None:
    """Four attempts of 16 s and pauses of 1, 2 and 4 s; and it is reported (H-017, P-040, P-042)."""
    watched = watch()
    watched.server.plan("/preload", *[silence()] * 4)
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(0.010 + 4 * 16 + 7 - 0.001)
    assert watched.events == []
    watched.clock.advance(0.002)
    assert watched.told == [("ad.error", None, "u1")]
    assert watched.life == ["scheduled u1", "sent u1", "retried u1", "retried u1", "retried u1", "resolved u1"]
    assert [step.delay_s for step in watched.steps if step.name == "retried"] == [1, 2, 4]
    (report,) = watched.server.received("/error")
    assert report.body["error"] == "Error preloading ads: no answer within 16 s"


class TestInbox:
    def test_takes_messages_from_many_sources(self, watched: Watched) -> None:
        """The end of one ends nothing, and its error is a debug event."""
        first: Subject[Message] = Subject()
        second: Subject[Message] = Subject()
        first.subscribe(watched.session.inbox)
        second.subscribe(watched.session.inbox)
        first.on_next(user("u1", "x"))
        first.on_completed()
        second.on_next(assistant("a1", "y"))
        second.on_error(ValueError("secret"))
        watched.session.inbox.on_next(user("u2", "z"))
        watched.clock.advance(1)
        assert watched.server.preloads[0].message_ids == ["u1", "a1", "u2"]
        (refused,) = [event for event in watched.debug if event.name == "Session: inbox-error"]
        assert refused.data == {"error": "ValueError"}

    def test_reports_what_it_cannot_take_and_does_not_raise(self, watched: Watched) -> None:
        watched.session.inbox.on_next("not a message")  # type: ignore[arg-type]
        assert [event.data for event in watched.debug if event.name == "Session: inbox-error"] == [
            {"error": "InvalidMessageError"}
        ]

    def test_after_destroy_it_stays_quiet(self, watched: Watched) -> None:
        inbox = watched.session.inbox
        watched.session.destroy()
        inbox.on_next(user("u1", "x"))
        assert watched.session.messages == ()


@pytest.mark.parametrize("wrong", ["text", None, {"id": "m1", "role": "user", "content": "x"}, 5])
def test_what_is_no_message_is_refused_at_the_call(watched: Watched, wrong: object) -> None:
    with pytest.raises(InvalidMessageError, match=r"give a kontext_rx\.Message") as caught:
        watched.session.add_message(wrong)  # type: ignore[arg-type]
    assert isinstance(caught.value, ValueError)


def test_a_month_of_silence_costs_nothing(watched: Watched, server: VirtualAdServer) -> None:
    """An idle session has no timer."""
    watched.session.add_message(user("u1", "x"))
    watched.clock.advance(1)
    before = len(server.requests)
    watched.clock.advance(30 * 86_400)
    assert len(server.requests) == before
    assert watched.told == [("ad.filled", None, "u1")]


def test_what_is_said_while_an_older_request_is_let_go_is_sent() -> None:
    """By the transport's own code, or whoever it calls: that is the newest, and the one before it is coalesced."""
    clock = VirtualClock()
    sent: list[bytes] = []

    def send(request: HttpRequest) -> Observable[HttpResponse]:
        def let_go() -> None:
            if len(sent) == 1:
                session.add_message(user("u3", "Newest"))

        def subscribe(_: object, __: object = None) -> DisposableBase:
            if request.url.endswith("/preload"):
                sent.append(request.body)
            return Disposable(let_go)

        return Observable(subscribe)

    session = virtual_session(VirtualAdServer(clock), client=Client(transport=send))
    steps: list[str] = []
    session.preloads.subscribe(lambda step: steps.append(f"{step.name} {step.user_message_id}"))
    session.add_message(user("u1", "Hi"))
    clock.advance(0.02)
    session.add_message(user("u2", "Newer"))
    clock.advance(0.02)
    assert len(sent) == 2
    assert b'"u3"' in sent[1]
    assert {"coalesced u2", "sent u3"} <= set(steps)
    assert "sent u2" not in steps

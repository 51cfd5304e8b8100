"""Events out: what is told about which message, when, to whom."""

import asyncio
from collections.abc import Callable

import pytest
from reactivex import operators as rxops
from watched import Watched

from kontext_rx import AdError, AdEvent, Filled, InvalidOptionError, Message, NoFill, ops
from kontext_rx.hosts.recording import RecordingHost
from kontext_rx.testing import VirtualAdServer, failure, fill, json_answer, no_fill, silence, status, virtual_session

user, assistant = Message.user, Message.assistant

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


class TestEvents:
    def test_a_fill_is_told_once_per_placement(self, watch: Callable[..., Watched]) -> None:
        """In the server's order, with code and revenue as sent (P-020 to P-022, P-050, P-058, #04)."""
        watched = watch(enabled_placement_codes=["inlineAd", "sidebar"])
        bids = [
            {"bidId": TWO, "code": "sidebar", "revenue": 0.05},
            {"bidId": ONE.upper(), "code": "inlineAd", "revenue": 0.1},
            {"bidId": ONE, "code": "elsewhere"},
        ]
        watched.server.plan("/preload", json_answer({"sessionId": ONE, "bids": bids}))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        first, second = watched.events
        assert isinstance(first, Filled)
        assert isinstance(second, Filled)
        assert (first.code, first.bid_id, first.revenue) == ("sidebar", TWO, 0.05)
        assert (second.code, second.bid_id, second.revenue) == ("inlineAd", ONE, 0.1)

    def test_a_second_bid_of_a_placement_is_not_told(self, watched: Watched) -> None:
        """Only what can ever be shown (S-061, #52)."""
        bids = [{"bidId": ONE, "code": "inlineAd"}, {"bidId": TWO, "code": "inlineAd"}]
        watched.server.plan("/preload", json_answer({"sessionId": ONE, "bids": bids}))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert [event.bid_id for event in watched.events if isinstance(event, Filled)] == [ONE]

    def test_a_no_fill_and_an_error_name_no_placement(self, watched: Watched) -> None:
        """(P-049, #10)"""
        watched.server.plan("/preload", no_fill("frequency_cap"), failure("geo"))
        for number in range(2):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.clock.advance(1)
        none, error = watched.events
        assert isinstance(none, NoFill)
        assert isinstance(error, AdError)
        assert (none.code, none.skip_code) == (None, "frequency_cap")
        assert (error.code, error.message, error.err_code) == (None, "Ad generation skipped", "geo")

    def test_an_event_carries_the_scheduler_s_time(self, watched: Watched) -> None:
        start = watched.clock.at
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert watched.events[0].at == pytest.approx(start + 0.010 + 0.050)

    def test_the_callback_hears_before_the_streams(self, watch: Callable[..., Watched]) -> None:
        """The same object to both (S-099)."""
        heard: list[tuple[str, AdEvent]] = []
        watched = watch(on_event=lambda event: heard.append(("callback", event)))
        watched.session.events.subscribe(lambda event: heard.append(("stream", event)))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        (first, event), (second, same) = heard
        assert (first, second) == ("callback", "stream")
        assert event is same

    def test_a_late_subscriber_sees_only_later_events(self, watched: Watched) -> None:
        """(S-100)"""
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        late: list[AdEvent] = []
        watched.session.events.subscribe(late.append)
        watched.session.add_message(user("u2", "x"))
        watched.clock.advance(1)
        assert [event.user_message_id for event in late] == ["u2"]

    def test_the_link_is_made_before_the_fill_is_told(self, watch: Callable[..., Watched]) -> None:
        """A handler that makes the ad at once finds the bid (S-064, #05)."""
        urls: list[str | None] = []
        watched = watch(on_event=lambda event: urls.append(watched.session.create_ad(event.message_id).iframe_url))
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        (url,) = urls
        assert url is not None

    def test_a_timed_operator_runs_on_the_session_s_scheduler(self, watched: Watched) -> None:
        """Chained without naming one; on a thread it would fail in this suite."""
        quiet: list[AdEvent] = []
        watched.session.events.pipe(rxops.debounce(5)).subscribe(quiet.append)
        watched.session.events.filter(lambda event: True).delay(2).subscribe(quiet.append)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(4)
        assert len(quiet) == 1
        watched.clock.advance(2)
        assert len(quiet) == 2

    @pytest.mark.reports
    def test_a_raising_subscriber_hurts_nobody(self, watch: Callable[..., Watched]) -> None:
        """It is reported, and stays subscribed; the session, the others and the app go on (#46)."""
        calls: list[str] = []

        def boom(_: object) -> None:
            calls.append("boom")
            raise ValueError("mine")

        watched = watch(on_event=boom, on_debug_event=lambda name, data: 1 / 0)
        watched.session.events.subscribe(boom)
        watched.session.for_message("u1").subscribe(boom)
        for number in range(1, 3):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.clock.advance(1)
        assert len(watched.events) == 2
        assert calls == ["boom"] * 5
        errors = [event.data for event in watched.debug if event.name == "Session: callback-error"]
        assert errors.count({"where": "events", "error": "ValueError"}) == 2
        assert errors.count({"where": "on_event", "error": "ValueError"}) == 2
        assert errors.count({"where": "for_message", "error": "ValueError"}) == 1

    @pytest.mark.reports
    def test_a_subscriber_that_asks_a_cancelled_future_hurts_nobody(self, watch: Callable[..., Watched]) -> None:
        """`CancelledError` is no `Exception`; here it is one subscriber's mistake all the same."""

        def cancelled(_: AdEvent) -> None:
            raise asyncio.CancelledError

        watched = watch(on_event=cancelled)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert [event.name for event in watched.events] == ["ad.filled"]
        assert watched.settled("u1") == "ad.filled"

    def test_a_handler_that_feeds_the_session_is_safe(self, watched: Watched) -> None:
        """Everyone sees what follows after what caused it."""
        seen: list[tuple[str, str]] = []

        def answer_back(event: AdEvent) -> None:
            seen.append(("first", event.name))
            if event.user_message_id == "u1":
                watched.session.add_message(assistant("a1", "y"))
                watched.session.add_message(user("u2", "x"))

        watched.session.events.subscribe(answer_back)
        watched.session.events.subscribe(lambda event: seen.append(("second", event.name)))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert seen == [("first", "ad.filled"), ("second", "ad.filled")] * 2
        assert [message.id for message in watched.session.messages] == ["u1", "a1", "u2"]

    @pytest.mark.parametrize("name", ["events", "preloads", "debug_events", "funnel"])
    def test_a_stream_that_was_taken_is_fed_whenever_it_is_subscribed(self, watched: Watched, name: str) -> None:
        """Also when the attribute was read again meanwhile: pipelines are built first, and subscribed later."""
        early, late = getattr(watched.session, name), getattr(watched.session, name)
        told: dict[str, list[object]] = {"early": [], "late": []}
        late.subscribe(told["late"].append)
        early.subscribe(told["early"].append)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert told["early"] == told["late"] != []


class TestForMessage:
    def test_who_subscribes_from_inside_the_replay_hears_what_follows(self, watched: Watched) -> None:
        """As does the one in whose replay that was."""
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        outer, inner = list[AdEvent](), list[AdEvent]()

        def join(event: AdEvent) -> None:
            outer.append(event)
            if len(outer) == 1:
                watched.session.for_message("u1").subscribe(inner.append)

        watched.session.for_message("u1").subscribe(join)
        assert len(outer) == len(inner) == 1
        watched.session.add_message(assistant("a1", "y"))
        watched.session.render(message_id="a1", element=(slot := RecordingHost()))
        slot.say("event-iframe", name="ad.render-started", payload={"id": "x"})
        assert len(outer) == len(inner) == 2

    def test_replays_what_was_told_before_the_reply_was_there(self, watched: Watched) -> None:
        """As a copy with its message_id; `events` does not tell it again."""
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        watched.session.add_message(assistant("a1", "y"))
        seen: list[AdEvent] = []
        watched.session.for_message("a1").subscribe(seen.append)
        (copy,) = seen
        (told,) = watched.events
        assert (told.message_id, copy.message_id) == (None, "a1")
        assert (copy.at, copy.user_message_id) == (told.at, "u1")

    def test_can_be_asked_before_the_message_is_there(self, watched: Watched) -> None:
        seen: list[AdEvent] = []
        watched.session.for_message("a1").subscribe(seen.append)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert seen == []
        watched.session.add_message(assistant("a1", "y"))
        assert [event.message_id for event in seen] == ["a1"]

    def test_knows_a_user_message_by_its_own_preload(self, watched: Watched) -> None:
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        for message_id in ("u1", "a1"):
            seen: list[AdEvent] = []
            watched.session.for_message(message_id).subscribe(seen.append)
            assert [(event.message_id, event.user_message_id) for event in seen] == [("a1", "u1")]

    def test_a_question_s_past_knows_the_reply_it_was_linked_to(self, watched: Watched) -> None:
        """Asked late, by the user message's id; whoever listened from the start heard it once."""
        seen: list[AdEvent] = []
        watched.session.for_message("u1").subscribe(seen.append)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        watched.session.add_message(assistant("a1", "y"))
        late: list[AdEvent] = []
        watched.session.for_message("u1").subscribe(late.append)
        assert [event.message_id for event in seen] == [None]
        assert [event.message_id for event in late] == ["a1"]
        words: list[object] = []
        watched.session.outcome("u1").subscribe(words.append)
        assert words == late

    def test_tells_nothing_of_what_was_superseded(self, watched: Watched) -> None:
        seen: list[AdEvent] = []
        watched.session.for_message("u1").subscribe(seen.append)
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(0.02)
        watched.session.add_message(user("u2", "x"))
        watched.clock.advance(1)
        assert seen == []

    def test_completes_when_its_message_is_trimmed(self, watched: Watched) -> None:
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        seen: list[str] = []
        watched.session.for_message("u1").subscribe(
            lambda event: seen.append(event.name), on_completed=lambda: seen.append("end")
        )
        for number in range(30):
            watched.session.add_message(assistant(f"a{number}", "y"))
        assert seen == ["ad.filled", "end"]
        late: list[str] = []
        watched.session.for_message("u1").subscribe(
            lambda event: late.append("event"), on_completed=lambda: late.append("end")
        )
        assert late == ["end"]

    def test_the_operator_matches_either_id_on_the_bare_stream(self, watched: Watched) -> None:
        by_user: list[AdEvent] = []
        by_reply: list[AdEvent] = []
        watched.session.events.pipe(ops.for_message("u1")).subscribe(by_user.append)
        watched.session.events.pipe(ops.for_message("a1")).subscribe(by_reply.append)
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        assert by_user == by_reply == watched.events


class TestOutcome:
    @pytest.mark.parametrize("reply_first", [True, False])
    def test_is_the_preload_s_word_whichever_came_first(self, watched: Watched, reply_first: bool) -> None:
        watched.server.plan("/preload", fill(), no_fill("cap"), status(503))
        outcomes: list[object] = []
        for number in range(3):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.clock.advance(0.02 if reply_first else 1)
            watched.session.add_message(assistant(f"a{number}", "y"))
            watched.clock.advance(1)
            watched.session.outcome(f"a{number}").subscribe(outcomes.append)
        assert [
            (type(one).__name__, one.message_id, one.user_message_id) for one in outcomes if isinstance(one, AdEvent)
        ] == [
            ("Filled", "a0", "u0"),
            ("NoFill", "a1", "u1"),
            ("AdError", "a2", "u2"),
        ]

    def test_says_why_nothing_can_come(self, watched: Watched) -> None:
        watched.session.add_message(assistant("greeting", "Welcome"))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(0.02)
        watched.session.add_message(assistant("a1", "y"))
        watched.session.add_message(user("u2", "x"))
        watched.clock.advance(1)
        watched.session.add_message(assistant("a2", "y"))
        watched.session.add_message(assistant("a2 more", "y"))
        words = {key: watched.settled(key) for key in ("greeting", "u1", "a1", "u2", "a2", "a2 more", "not yet")}
        assert words == {
            "greeting": "unlinked",
            "u1": "superseded",
            "a1": "superseded",
            "u2": "ad.filled",
            "a2": "ad.filled",
            "a2 more": "unlinked",
            "not yet": None,
        }
        assert [name for name, *_ in watched.told] == ["ad.filled"]

    def test_of_a_trimmed_question_is_its_preload_s_word_as_long_as_one_can_come(self, watched: Watched) -> None:
        """Thirty replies later its request is still out; only then is there nothing left to say."""
        words: list[object] = []
        watched.session.outcome("u1").subscribe(words.append)
        watched.session.add_message(user("u1", "x"))
        for number in range(30):
            watched.session.add_message(assistant(f"a{number}", "y"))
        assert words == []
        watched.clock.advance(1)
        assert [type(word).__name__ for word in words] == ["Filled"]
        assert watched.settled("u1") == "unlinked"

    def test_of_a_trimmed_reply_is_unlinked(self, watched: Watched) -> None:
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "x"))
        watched.clock.advance(1)
        assert watched.settled("a1") == "ad.filled"
        for number in range(30):
            watched.session.add_message(assistant(f"more{number}", "y"))
        assert watched.settled("a1") == "unlinked"

    @pytest.mark.parametrize("end", ["superseded", "session_destroyed"])
    def test_names_the_message_it_settles_by_its_role(self, watched: Watched, end: str) -> None:
        """A question is a `user_message_id`, a reply a `message_id`, in every local word."""
        watched.server.plan("/preload", silence())
        words: dict[str, NoFill] = {}
        for message_id in ("u1", "a1"):
            watched.session.outcome(message_id).subscribe(lambda word, key=message_id: words.setdefault(key, word))
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "x"))
        watched.clock.advance(0.1)
        if end == "superseded":
            watched.session.add_message(user("u2", "x"))
        watched.session.destroy()
        assert {key: word.skip_code for key, word in words.items()} == {"u1": end, "a1": end}
        assert (words["u1"].message_id, words["u1"].user_message_id) == (None, "u1")
        assert words["a1"].message_id == "a1"

    @pytest.mark.parametrize("wrong", [5, None, b"x", "", " "])
    def test_of_what_is_no_id_is_an_error_at_the_call(self, watched: Watched, wrong: object) -> None:
        for ask in (watched.session.outcome, watched.session.for_message):
            with pytest.raises(InvalidOptionError, match="message_id"):
                ask(wrong)  # type: ignore[arg-type]

    def test_is_the_first_fill_where_there_are_several(self, watch: Callable[..., Watched]) -> None:
        watched = watch(enabled_placement_codes=["a", "b"])
        watched.server.plan("/preload", fill("b", "a"))
        watched.session.add_message(user("u1", "x"))
        words: list[object] = []
        watched.session.outcome("u1").subscribe(words.append, on_completed=lambda: words.append("end"))
        watched.clock.advance(1)
        first, end = words
        assert isinstance(first, Filled)
        assert (first.code, end) == ("b", "end")

    async def test_can_be_awaited_any_number_of_times(self, server: VirtualAdServer) -> None:
        session = virtual_session(server)
        session.add_message(user("u1", "x"))
        waiting = [asyncio.ensure_future(_wait(session.outcome("u1"))) for _ in range(3)]
        await asyncio.sleep(0)
        server.clock.advance(1)
        first, *others = await asyncio.gather(*waiting)
        assert isinstance(first, Filled)
        assert all(one is first for one in others)
        assert await session.outcome("u1") is first
        session.destroy()


async def _wait(stream: object) -> object:
    return await stream  # type: ignore[misc]


class TestAds:
    def test_refuse_what_cannot_be_part_of_an_address(self, watched: Watched) -> None:
        """At the call, and nothing half-made is left."""
        for wrong in ({"theme": "\ud83d"}, {"theme": 5}, {"code": ""}, {"message_id": "\ud83d"}):
            with pytest.raises(InvalidOptionError):
                watched.session.create_ad(**{"message_id": "a1", **wrong})
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        assert watched.session.create_ad("a1").iframe_url is not None

    def test_resolve_by_themselves(self, watched: Watched) -> None:
        """Made before the message is there (S-071, A-001, A-007)."""
        ad = watched.session.create_ad("a1", theme="dark")
        assert (ad.iframe_url, ad.bid_id, ad.is_destroyed) == (None, None, False)
        watched.server.plan("/preload", fill(bid_id=ONE))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        watched.session.add_message(assistant("a1", "y"))
        assert ad.iframe_url == f"https://ads.test/api/frame/{ONE}?code=inlineAd&messageId=a1&sdk=sdk-python&theme=dark"
        assert ad.bid_id == ONE

    def test_are_the_same_for_the_same_message_and_placement(self, watched: Watched) -> None:
        """The theme is that of the first call; another placement is another ad (S-073 to S-077)."""
        ad = watched.session.create_ad("a1", theme="dark")
        assert watched.session.create_ad("a1", "inlineAd", "light") is ad
        assert ad.theme == "dark"
        other = watched.session.create_ad("a1", "sidebar")
        assert other is not ad
        ad.destroy()
        ad.destroy()
        fresh = watched.session.create_ad("a1")
        assert fresh is not ad
        assert not other.is_destroyed

    def test_show_the_bid_again_after_they_were_destroyed(self, watched: Watched) -> None:
        """Scrolled off and back on (S-079, #12)."""
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        first = watched.session.create_ad("a1")
        url = first.iframe_url
        first.destroy()
        assert first.iframe_url is None
        assert watched.session.create_ad("a1").iframe_url == url

    def test_of_a_user_message_or_another_placement_never_resolve(self, watched: Watched) -> None:
        """(S-060, S-066, A-006)"""
        ads = [
            watched.session.create_ad("u1"),
            watched.session.create_ad("a1", "sidebar"),
            watched.session.create_ad("nobody"),
        ]
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        assert [ad.iframe_url for ad in ads] == [None] * 3

    def test_of_earlier_turns_stay(self, watched: Watched) -> None:
        """(S-058)"""
        for number in range(3):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.session.add_message(assistant(f"a{number}", "y"))
            watched.clock.advance(1)
        urls = {watched.session.create_ad(f"a{number}").iframe_url for number in range(3)}
        assert len(urls) == 3
        assert None not in urls

    def test_go_with_their_trimmed_message_unless_they_live(self, watched: Watched) -> None:
        """(S-023, #15)"""
        for number in range(2):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.session.add_message(assistant(f"a{number}", "y"))
            watched.clock.advance(1)
        held = watched.session.create_ad("a0")
        for number in range(30):
            watched.session.add_message(assistant(f"more{number}", "y"))
        assert held.iframe_url is not None
        assert watched.session.create_ad("a0", "inlineAd") is held
        assert watched.session.create_ad("a1").iframe_url is None
        held.destroy()
        assert watched.session.create_ad("a0").iframe_url is None

    def test_expire_after_their_time_unless_they_live(self, watch: Callable[..., Watched]) -> None:
        """Counted from the answer, by the session's clock (#17)."""
        watched = watch(ad_ttl=60)
        for number in range(2):
            watched.session.add_message(user(f"u{number}", "x"))
            watched.session.add_message(assistant(f"a{number}", "y"))
            watched.clock.advance(1)
        held = watched.session.create_ad("a0")
        watched.clock.advance(100)
        assert watched.session.create_ad("a1").iframe_url is None
        assert held.iframe_url is not None
        assert "Session: bid-expired" in watched.debug_names

    def test_stay_by_default_for_an_hour(self, watched: Watched) -> None:
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(3599)
        ad = watched.session.create_ad("a1")
        assert ad.iframe_url is not None
        ad.destroy()
        watched.clock.advance(2)
        assert watched.session.create_ad("a1").iframe_url is None

    def test_their_making_and_end_are_told_to_those_who_look_inside(self, watched: Watched) -> None:
        """(A-008)"""
        watched.session.create_ad("a1").destroy()
        told = [(event.name, event.data) for event in watched.debug if event.name.startswith("Ad: ")]
        assert told == [
            ("Ad: mount", {"messageId": "a1", "code": "inlineAd", "theme": None}),
            ("Ad: destroy", {"messageId": "a1", "code": "inlineAd"}),
        ]

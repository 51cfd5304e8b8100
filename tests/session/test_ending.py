"""Disabling and destroying: what stops, what goes on, what is left."""

import datetime as dt
import gc
import threading
import weakref
from collections.abc import Callable

import pytest
from watched import Watched

from kontext_rx import AdError, Filled, Message, NoFill, SessionDestroyedError
from kontext_rx.testing import VirtualAdServer, failure, fill, json_answer, silence, status, virtual_session

user, assistant = Message.user, Message.assistant

DISABLED = json_answer({"enabled": False})


class TestDisabled:
    def test_starts_nothing_more(self, watch: Callable[..., Watched], server: VirtualAdServer) -> None:
        """One error says so; messages are kept, none is sent, not even to track it (I-018, S-035, S-036, S-108)."""
        server.plan("/init", DISABLED)
        watched = watch()
        watched.clock.advance(1)
        assert watched.session.is_disabled
        (error,) = watched.events
        assert isinstance(error, AdError)
        assert (error.message, error.err_code) == ("Session is disabled", "session_disabled_by_init")
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(user("u2", "x"), track_only=True)
        watched.session.add_message(assistant("a2", "x"))
        watched.clock.advance(1)
        assert server.preloads == []
        assert len(watched.session.messages) == 3
        assert len(watched.events) == 1
        assert (watched.settled("u1"), watched.settled("u2")) == ("session_disabled", "session_disabled")
        assert watched.settled("a2") == "session_disabled"

    def test_during_the_debounce_the_pending_preload_does_not_go_out(
        self, watch: Callable[..., Watched], server: VirtualAdServer
    ) -> None:
        """(S-037, #20)"""
        server.plan("/init", DISABLED.in_(0.005))
        watched = watch()
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert server.preloads == []
        assert watched.settled("u1") == "session_disabled"
        assert watched.life == ["scheduled u1", "cancelled u1"]
        assert watched.steps[-1].reason == "session_disabled"

    def test_what_is_in_flight_ends_as_usual(self, watch: Callable[..., Watched], server: VirtualAdServer) -> None:
        """(S-038)"""
        server.plan("/init", DISABLED.in_(0.1))
        server.plan("/preload", fill().in_(0.2))
        watched = watch()
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        assert [event.name for event in watched.events] == ["ad.error", "ad.filled"]

    def test_a_newer_message_still_cancels(self, watch: Callable[..., Watched], server: VirtualAdServer) -> None:
        server.plan("/init", DISABLED.in_(0.1))
        server.plan("/preload", fill().in_(0.5))
        watched = watch()
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(0.2)
        watched.session.add_message(user("u2", "x"))
        assert server.preloads[0].aborted
        watched.clock.advance(1)
        assert [event.name for event in watched.events] == ["ad.error"]
        assert (watched.settled("u1"), watched.settled("u2")) == ("superseded", "session_disabled")

    def test_by_a_permanent_error_for_good(self, watched: Watched) -> None:
        """(P-030, S-040)"""
        watched.server.plan("/preload", failure("geo_blocked", permanent=True))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        (error,) = watched.events
        assert isinstance(error, AdError)
        assert (error.message, error.err_code) == ("Session is disabled", "geo_blocked")
        watched.session.add_message(user("u2", "x"))
        watched.clock.advance(1)
        assert len(watched.server.preloads) == 1
        assert watched.session.is_disabled

    def test_a_permanent_403_is_only_a_status(self, watched: Watched) -> None:
        """The body of a non-2xx is not read (P-036)."""
        watched.server.plan("/preload", json_answer({"permanent": True, "errCode": "x"}, status=403))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        (error,) = watched.events
        assert isinstance(error, AdError)
        assert (error.message, error.err_code) == ("HTTP 403", "request_failed")
        assert not watched.session.is_disabled

    def test_a_session_made_without_ads_takes_everything_and_sends_nothing(self, server: VirtualAdServer) -> None:
        """No token, no loop, no request; outcomes settle, so nobody waits for ever."""
        import kontext_rx as kx

        session = kx.create_session(publisher_token=None, user_id=None, conversation_id=None, enabled=False)
        words: list[object] = []
        session.outcome("a1").subscribe(words.append)
        session.add_message(user("u1", "x"))
        session.add_message(assistant("a1", "y"))
        session.update_options(variant_id="blue")
        session.send_user_event("user.typing.started")
        assert [word.skip_code for word in words if isinstance(word, NoFill)] == ["session_disabled"]
        assert session.is_disabled
        assert session.create_ad("a1").iframe_url is None
        assert len(session.messages) == 2
        session.destroy()

    def test_a_session_made_without_ads_may_be_used_from_any_thread(self) -> None:
        """As apps do that run their script on a thread of its own each time."""
        import kontext_rx as kx

        session = kx.create_session(enabled=False)
        words: list[NoFill] = []

        def elsewhere() -> None:
            session.outcome("u1").subscribe(lambda word: words.append(word) if isinstance(word, NoFill) else None)
            session.add_message(user("u1", "x"))
            session.create_ad("a1")
            session.destroy()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        (word,) = words
        assert word.skip_code == "session_disabled"
        assert word.at > 1.7e9
        assert session.is_destroyed


class TestDestroy:
    def test_cancels_what_is_in_flight_and_completes_every_stream(self, watched: Watched) -> None:
        """(S-089 to S-091, S-095)"""
        watched.server.plan("/preload", silence())
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(0.02)
        seen: list[str] = []
        watched.session.for_message("u1").subscribe(on_completed=lambda: seen.append("for_message"))
        ad = watched.session.create_ad("a1")
        watched.session.destroy()
        watched.session.destroy()
        assert watched.server.preloads[0].aborted
        assert watched.completed == ["events", "preloads", "debug"]
        assert seen == ["for_message"]
        assert ad.is_destroyed
        assert watched.steps[-1].name == "cancelled"
        assert watched.steps[-1].reason == "session_destroyed"
        watched.clock.advance(100)
        assert watched.events == []

    def test_cancels_what_waits_in_the_debounce(self, watched: Watched) -> None:
        watched.session.add_message(user("u1", "x"))
        watched.session.destroy()
        watched.clock.advance(1)
        assert watched.server.preloads == []
        assert watched.life == ["scheduled u1", "cancelled u1"]

    def test_cancels_init(self, watch: Callable[..., Watched], server: VirtualAdServer) -> None:
        """A late answer changes nothing (I-014, I-026)."""
        server.plan("/init", DISABLED.in_(5))
        watched = watch()
        watched.session.destroy()
        watched.clock.advance(10)
        assert server.received("/init")[0].aborted
        assert not watched.session.is_disabled
        assert watched.debug_names[-2:] == ["Init: cancelled", "Session: destroyed"]

    def test_settles_every_open_outcome(self, watched: Watched) -> None:
        watched.server.plan("/preload", silence())
        words: dict[str, object] = {}
        for message_id in ("u1", "a1", "not yet there"):
            watched.session.outcome(message_id).subscribe(lambda word, key=message_id: words.setdefault(key, word))
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "y"))
        watched.clock.advance(1)
        assert words == {}
        watched.session.destroy()
        assert {key: word.skip_code for key, word in words.items() if isinstance(word, NoFill)} == dict.fromkeys(
            ("u1", "a1", "not yet there"), "session_destroyed"
        )
        assert watched.settled("asked later") == "session_destroyed"
        assert watched.events == []

    def test_afterwards_mutators_raise_and_readers_read(self, watched: Watched) -> None:
        """(S-092 to S-094, #18, #19)"""
        session = watched.session
        session.add_message(user("u1", "x"))
        watched.clock.advance(1)
        session.add_message(assistant("a1", "y"))
        ad = session.create_ad("a1")
        session.destroy()
        for call in (
            lambda: session.add_message(user("u2", "x")),
            lambda: session.create_ad("a1"),
            lambda: session.update_options(variant_id="x"),
            lambda: session.send_user_event("user.typing.started"),
        ):
            with pytest.raises(SessionDestroyedError, match="create a new one"):
                call()
        assert session.is_destroyed
        assert session.messages == ()
        assert session.session_id == "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
        assert session.preload_timeout_ms == 16_000
        assert not session.is_disabled
        assert ad.iframe_url is None
        late: list[str] = []
        for stream in (session.events, session.preloads, session.debug_events, session.for_message("a1")):
            stream.subscribe(on_completed=lambda: late.append("completed"))
        assert late == ["completed"] * 4

    def test_from_inside_an_event_is_safe_and_everyone_sees_that_event(self, watched: Watched) -> None:
        order: list[str] = []
        watched.session.events.subscribe(lambda event: watched.session.destroy())
        watched.session.events.subscribe(
            lambda event: order.append(event.name), on_completed=lambda: order.append("end")
        )
        watched.session.add_message(user("u1", "x"))
        watched.session.add_message(assistant("a1", "x"))
        word: list[object] = []
        watched.session.outcome("a1").subscribe(word.append)
        watched.clock.advance(1)
        assert order == ["ad.filled", "end"]
        assert isinstance(word[0], Filled)

    def test_leaves_nothing_that_keeps_the_conversation_in_memory(self, server: VirtualAdServer) -> None:
        class Moment(dt.datetime):
            """One that can be referred to weakly."""

        moment = Moment(2026, 3, 2, tzinfo=dt.UTC)
        session = virtual_session(server)
        session.add_message(user("u1", "x", moment))
        server.clock.advance(1)
        session.add_message(assistant("a1", "y"))
        session.create_ad("a1")
        kept = weakref.ref(moment)
        session.destroy()
        del moment
        server.clock.advance(20)  # RxPY's virtual queue keeps a cancelled timer until its time has come
        gc.collect()
        assert kept() is None
        assert session.is_destroyed

    def test_closes_as_a_context_manager(self, server: VirtualAdServer) -> None:
        with virtual_session(server) as session:
            assert not session.is_destroyed
        assert session.is_destroyed

    def test_a_status_answer_on_its_way_is_not_told(self, watched: Watched) -> None:
        """(S-091)"""
        watched.server.plan("/preload", status(503).in_(0.5))
        watched.session.add_message(user("u1", "x"))
        watched.clock.advance(0.1)
        watched.session.destroy()
        watched.clock.advance(1)
        assert watched.events == []

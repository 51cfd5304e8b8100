"""A cap on the preloads of a client: the rest wait, the newest goes first, and none for ever."""

from typing import Any

import pytest
from watched import Watched

from kontext_rx import AdError, Client, ClientStats, Message, record
from kontext_rx.client import backend_of
from kontext_rx.gate import Gate
from kontext_rx.testing import VirtualAdServer, fill, network_error, silence, status

user, assistant = Message.user, Message.assistant


class Caller:
    """What stands at a gate; it may leave as soon as it is admitted."""

    def __init__(self, name: str, admitted: list[str], gate: Gate | None = None) -> None:
        self.name, self.admitted, self._leaves = name, admitted, gate

    def admit(self) -> None:
        self.admitted.append(self.name)
        if self._leaves is not None:
            self._leaves.leave(self)


class TestGate:
    def test_it_lets_so_many_through_and_the_newest_next(self) -> None:
        gate, admitted = Gate(2), list[str]()
        callers = [Caller(name, admitted) for name in "abcd"]
        assert [gate.enter(caller) for caller in callers] == [True, True, False, False]
        assert (gate.in_flight, gate.queued) == (2, 2)
        gate.leave(callers[0])
        assert admitted == ["d"]
        assert (gate.in_flight, gate.queued) == (2, 1)

    def test_who_leaves_the_queue_makes_room_for_nobody(self) -> None:
        gate, admitted = Gate(1), list[str]()
        first, second, third = (Caller(name, admitted) for name in "abc")
        for caller in (first, second, third):
            gate.enter(caller)
        gate.leave(third)
        assert (gate.in_flight, gate.queued, admitted) == (1, 1, [])
        gate.leave(first)
        gate.leave(second)
        assert (gate.in_flight, gate.queued, admitted) == (0, 0, ["b"])

    def test_a_crowd_that_leaves_as_it_is_admitted_is_let_through_at_once(self) -> None:
        """Ten thousand requests of a transport that fails at the call: no recursion."""
        gate, admitted = Gate(1), list[str]()
        first = Caller("first", admitted)
        gate.enter(first)
        for number in range(10_000):
            gate.enter(Caller(str(number), admitted, gate))
        gate.leave(first)
        assert admitted == [str(number) for number in reversed(range(10_000))]
        assert (gate.in_flight, gate.queued) == (0, 0)


class Crowd:
    """Sessions that share a client, in virtual time."""

    def __init__(self, server: VirtualAdServer, limit: int, names: str, **options: Any) -> None:
        self.server, self.clock = server, server.clock
        self.client = Client(transport=server, max_preloads=limit)
        self.sessions = {
            name: Watched(server, {"client": self.client, "conversation_id": name, **options}) for name in names
        }
        self.clock.advance(1)

    def ask(self, names: str, message_id: str = "u1") -> None:
        """A question in each of these conversations, one after the other, each settled before the next."""
        for name in names:
            self.sessions[name].session.add_message(user(message_id, "x"))
            self.clock.advance(0.010)

    @property
    def sent(self) -> str:
        """The conversations whose preloads the server got, in order."""
        return "".join(request.body["conversationId"] for request in self.server.preloads)

    @property
    def now(self) -> tuple[int, int]:
        return self.client.stats.in_flight, self.client.stats.queued


class TestSessions:
    def test_the_rest_wait_and_the_newest_goes_first(self, server: VirtualAdServer) -> None:
        server.latency = 1.0
        crowd = Crowd(server, 2, "abcde")
        crowd.ask("abcde")
        assert (crowd.sent, crowd.now) == ("ab", (2, 3))
        crowd.clock.advance(1)
        assert (crowd.sent, crowd.now) == ("abed", (2, 1))
        crowd.clock.advance(2)
        assert (crowd.sent, crowd.now) == ("abedc", (0, 0))
        assert all(watched.told == [("ad.filled", None, "u1")] for watched in crowd.sessions.values())

    def test_one_noisy_conversation_has_one_place(self, server: VirtualAdServer) -> None:
        """Each of its messages supersedes the one before, also in the queue: the others are served all the same."""
        server.latency = 1.0
        crowd = Crowd(server, 1, "anb")
        crowd.ask("ab")
        for number in range(50):
            crowd.ask("n", f"u{number}")
        assert crowd.now == (1, 2)
        crowd.clock.advance(3)
        assert crowd.sent == "anb"
        assert crowd.sessions["n"].told == [("ad.filled", None, "u49")]
        assert crowd.client.stats.cancelled == 49

    def test_one_that_waits_past_its_timeout_is_an_error_and_no_retry(self, server: VirtualAdServer) -> None:
        server.plan("/preload", silence(), silence())
        crowd = Crowd(server, 1, "abc")
        crowd.ask("abc")  # the first times out, and the newest takes its place
        crowd.clock.advance(15.9)
        assert crowd.sessions["b"].events == []
        crowd.clock.advance(0.2)
        (error,) = crowd.sessions["b"].events
        assert isinstance(error, AdError)
        assert (error.err_code, error.user_message_id) == ("request_failed", "u1")
        assert "too many preloads" in error.message
        assert [step for step in crowd.sessions["b"].life if "retried" in step] == []
        assert "b" not in crowd.sent

    def test_once_sent_it_has_its_whole_timeout(self, server: VirtualAdServer) -> None:
        server.plan("/preload", fill().in_(10), fill().in_(15.5))
        crowd = Crowd(server, 1, "ab")
        crowd.ask("ab")
        crowd.clock.advance(26)
        assert crowd.sessions["b"].told == [("ad.filled", None, "u1")]

    @pytest.mark.parametrize("end", ["destroy", "newer"])
    def test_one_that_is_let_go_while_it_waits_is_never_sent(self, server: VirtualAdServer, end: str) -> None:
        server.latency = 1.0
        crowd = Crowd(server, 1, "ab")
        crowd.ask("ab")
        if end == "destroy":
            crowd.sessions["b"].session.destroy()
        else:
            crowd.ask("b", "u2")
        crowd.clock.advance(5)
        asked = [(request.body["conversationId"], request.body["messages"][-1]["id"]) for request in server.preloads]
        assert asked == [("a", "u1"), *([("b", "u2")] if end == "newer" else [])]
        assert crowd.now == (0, 0)

    @pytest.mark.parametrize("failure", [status(503), status(429), network_error(), silence()])
    def test_whatever_ends_an_attempt_makes_room(self, server: VirtualAdServer, failure: Any) -> None:
        """Also for the pause before the next: who waits for a server's mercy holds nobody up."""
        server.plan("/preload", failure, fill().in_(0.01))
        crowd = Crowd(server, 1, "ab")
        crowd.ask("a")
        crowd.clock.advance(15.98)
        crowd.ask("b")
        crowd.clock.advance(0.5)
        assert crowd.sessions["b"].told == [("ad.filled", None, "u1")]
        crowd.clock.advance(100)
        assert crowd.now == (0, 0)

    def test_neither_init_nor_a_report_stands_at_the_gate(self, server: VirtualAdServer) -> None:
        server.plan("/preload", silence())
        crowd = Crowd(server, 1, "a")
        crowd.ask("a")
        more = Watched(server, {"client": crowd.client})
        crowd.clock.advance(1)
        assert len(server.received("/init")) == 2
        more.session.destroy()

    def test_a_recording_of_one_that_waited_replays(self, server: VirtualAdServer) -> None:
        """What other sessions did is not in it, and need not be: how its own wait ended is."""
        server.plan("/preload", fill().in_(3), fill().in_(1), silence(), silence())
        crowd = Crowd(server, 1, "ac")
        waits = Watched(server, {"client": crowd.client, "conversation_id": "b"})
        recording = record(waits.session)
        crowd.ask("a")
        waits.session.add_message(user("u1", "x"))
        crowd.clock.advance(10)
        waits.session.add_message(assistant("a1", "y"))
        crowd.ask("a", "u2")
        waits.session.add_message(user("u2", "x"))
        crowd.clock.advance(1)
        crowd.ask("c")
        crowd.clock.advance(60)
        waits.session.destroy()
        assert [event.name for event in waits.events] == ["ad.filled", "ad.error"]
        assert recording.replay().traces == recording.traces


class TestStats:
    def test_they_count_what_the_sessions_do(self, server: VirtualAdServer) -> None:
        server.latency = 1.0
        crowd = Crowd(server, 10, "ab")
        a, b = crowd.sessions["a"].session, crowd.sessions["b"].session
        a.add_message(user("u1", "x"))
        a.add_message(user("u2", "x"))  # the first is coalesced
        crowd.clock.advance(0.5)
        a.add_message(user("u3", "x"))  # the second is cancelled
        crowd.ask("b")
        crowd.clock.advance(0.5)
        assert crowd.client.stats == ClientStats(
            sessions=2, in_flight=2, queued=0, coalesced=1, cancelled=1, dropped=0, internal_errors=0
        )
        b.destroy()
        crowd.clock.advance(5)
        assert crowd.client.stats == ClientStats(
            sessions=1, in_flight=0, queued=0, coalesced=1, cancelled=2, dropped=0, internal_errors=0
        )

    @pytest.mark.parametrize("given", [0, -1, True, 1.5, "10", None])
    def test_a_limit_that_is_none_is_refused(self, given: Any) -> None:
        with pytest.raises(ValueError, match="max_preloads"):
            Client(max_preloads=given)

    def test_a_client_has_a_limit_of_a_thousand(self) -> None:
        assert backend_of(Client()).gate.limit == 1000

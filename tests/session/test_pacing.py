"""Where pacing stands: after the debounce, before the request; it marks and does not drop."""

from collections.abc import Callable

import pytest
from watched import Watched

from kontext_rx import InvalidOptionError, Message, Turn
from kontext_rx.pacing import Decision, Go, Hold, Rule
from kontext_rx.testing import VirtualAdServer, fill, virtual_session

user, assistant = Message.user, Message.assistant


def every_second(seen: int, turn: Turn) -> tuple[int, Decision]:
    seen += 1
    return seen, Go("its turn") if seen % 2 == 0 else Hold("every second turn")


def recording(turns: list[Turn]) -> Rule[None]:
    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        turns.append(turn)
        return state, Go("recorded")

    return Rule(step, start=None)


def converse(watched: Watched, turns: int) -> None:
    for number in range(1, turns + 1):
        watched.session.add_message(user(f"u{number}", "x"))
        watched.clock.advance(1)
        watched.session.add_message(assistant(f"a{number}", "y"))
        watched.clock.advance(1)


def test_a_turn_that_is_held_back_is_sent_as_track_only(watch: Callable[..., Watched]) -> None:
    """The server keeps the context; no ad comes of it."""
    watched = watch(pacing=Rule(every_second, start=0))
    converse(watched, 4)
    assert [request.headers["Kontextso-Is-Disabled"] for request in watched.server.preloads] == ["1", "0", "1", "0"]
    assert [user_message for _, _, user_message in watched.told] == ["u2", "u4"]
    assert [watched.settled(f"a{number}") for number in range(1, 5)] == ["track_only", "ad.filled"] * 2
    assert [step.reason for step in watched.steps if step.name == "sent"] == ["every second turn", "its turn"] * 2


def test_only_turns_that_are_really_sent_move_a_rule(watch: Callable[..., Watched]) -> None:
    """A burst is one turn, whatever its number."""
    watched = watch(pacing=Rule(every_second, start=0))
    for number in range(3):
        watched.session.add_message(user(f"u{number}", "x"))
    watched.clock.advance(1)
    watched.session.add_message(user("u3", "x"))
    watched.clock.advance(1)
    assert [request.headers["Kontextso-Is-Disabled"] for request in watched.server.preloads] == ["1", "0"]


def test_an_explicit_track_only_wins_and_touches_no_state(watch: Callable[..., Watched]) -> None:
    """It still counts in the number of the turn."""
    turns: list[Turn] = []
    watched = watch(pacing=recording(turns))
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.clock.advance(1)
    watched.session.add_message(user("u2", "x"))
    watched.clock.advance(1)
    assert [(turn.message.id, turn.number, turn.passed) for turn in turns] == [("u2", 2, None)]


def test_a_turn_carries_what_a_rule_may_look_at(watch: Callable[..., Watched], server: VirtualAdServer) -> None:
    """The conversation as it is when the debounce fires, and what came of earlier turns."""
    turns: list[Turn] = []
    server.plan("/preload", fill())
    watched = watch(pacing=recording(turns))
    start = watched.clock.at
    converse(watched, 2)
    first, second = turns
    assert (first.number, first.at) == (1, pytest.approx(start))
    assert (first.passed, first.filled, first.viewed, first.clicked) == (None, None, None, None)
    assert [message.id for message in second.conversation] == ["u1", "a1", "u2"]
    assert (second.user_id, second.conversation_id) == ("user-1", "conversation-1")
    assert second.passed is not None
    assert (second.passed.count, second.passed.number, second.passed.at) == (1, 1, pytest.approx(start))
    assert second.filled is not None
    assert (second.filled.count, second.filled.number) == (1, 1)
    assert second.filled.at == pytest.approx(start + 0.06)


def test_a_restored_history_counts_in_the_number(watch: Callable[..., Watched]) -> None:
    turns: list[Turn] = []
    watched = watch(pacing=recording(turns))
    for number in range(40):
        watched.session.add_message(user(f"u{number}", "x"))
    watched.clock.advance(1)
    assert [turn.number for turn in turns] == [40]
    assert len(turns[0].conversation) == 30


@pytest.mark.reports
def test_a_rule_that_raises_lets_the_ad_pass(watch: Callable[..., Watched]) -> None:
    def broken(state: None, turn: Turn) -> tuple[None, Decision]:
        raise ZeroDivisionError

    watched = watch(pacing=Rule(broken, start=None))
    converse(watched, 1)
    assert watched.told == [("ad.filled", None, "u1")]
    assert {"where": "pacing", "error": "ZeroDivisionError"} in [event.data for event in watched.debug]


def test_each_session_folds_its_own_state(server: VirtualAdServer) -> None:
    rule = Rule(every_second, start=0)
    for name in ("one", "two"):
        session = virtual_session(server, pacing=rule, conversation_id=name)
        session.add_message(user("u1", "x"))
        server.clock.advance(1)
    assert [request.headers["Kontextso-Is-Disabled"] for request in server.preloads] == ["1", "1"]


def test_a_bare_operator_is_no_rule(server: VirtualAdServer) -> None:
    """One that drops turns would lose them."""
    with pytest.raises(InvalidOptionError, match="pacing"):
        virtual_session(server, pacing=lambda turns: turns)

"""Where pacing stands: after the debounce, before the request; it marks and does not drop."""

from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Subject
from reactivex import operators as rxops
from reactivex.subject import BehaviorSubject
from watched import Watched

from kontext_rx import Clicked, InvalidOptionError, Message, Turn, pacing
from kontext_rx.hosts import RecordingHost
from kontext_rx.pacing import AnyRule, Decision, Go, Hold, Rule
from kontext_rx.testing import VirtualAdServer, VirtualClock, fill, no_fill, virtual_session

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
def test_a_rule_that_raises_lets_the_ad_pass_and_is_reported_once(watch: Callable[..., Watched]) -> None:
    """Its reason is there at every turn; the parts beside it still decide."""

    def broken(state: None, turn: Turn) -> tuple[None, Decision]:
        raise ZeroDivisionError

    watched = watch(pacing=Rule(broken, start=None) & pacing.skip_first(1))
    converse(watched, 3)
    assert [name for name, _, _ in watched.told] == ["ad.filled", "ad.filled"]
    reports = [event.data for event in watched.debug if event.name == "Session: callback-error"]
    assert reports == [{"where": "pacing", "error": "ZeroDivisionError"}]
    assert [step.reason for step in watched.steps if step.name == "sent"] == [
        "skip_first(1): turn 1 is among the first 1; broken failed: ZeroDivisionError",
        "broken failed: ZeroDivisionError; skip_first(1): turn 2 is past the first 1",
        "broken failed: ZeroDivisionError; skip_first(1): turn 3 is past the first 1",
    ]


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


# --- the rules, in a session ---


def sent(watched: Watched) -> str:
    """What each request that went out was: `g` for an ad, `h` for the context only."""
    return "".join("h" if step.track_only else "g" for step in watched.steps if step.name == "sent")


def say(watched: Watched, *numbers: int, every: float = 1.0) -> None:
    """These messages, one after the other."""
    for number in numbers:
        watched.session.add_message(user(f"u{number}", "x"))
        watched.clock.advance(every)


def test_the_rule_of_the_readme_holds_in_a_session(watch: Callable[..., Watched]) -> None:
    """No ad in the first three turns, then every fifth, never two within a minute, and none after a click."""
    rule = pacing.skip_first(3) & pacing.every(5) & pacing.cooldown(60) & ~pacing.after(Clicked, 120)
    watched = watch(pacing=rule)
    say(watched, *range(1, 11), every=10)
    assert sent(watched) == "hhhhghhhhh"  # the 10th is 50 s after the 5th
    watched.session.add_message(assistant("a10", "y"))
    say(watched, *range(11, 16), every=10)
    assert sent(watched)[10:] == "hhhhg"
    watched.session.add_message(assistant("a15", "y"))
    slot = RecordingHost()
    watched.session.render(message_id="a15", element=slot)
    slot.say("event-iframe", name="ad.clicked", payload={"content": "x", "url": "/", "format": "y", "area": "z"})
    assert watched.told[-1][0] == "ad.clicked"
    say(watched, *range(16, 31), every=10)
    assert sent(watched)[15:] == "hhhhhhhhhhhhhhg"  # the 20th and the 25th are within 120 s of the click
    held = [step.reason for step in watched.steps if step.name == "sent" and step.user_message_id == "u25"]
    assert held == ["not after(Clicked, 120): the last click was 90 s ago"]


def test_a_burst_that_jumps_over_the_fifth_sends_another_in_its_place(watch: Callable[..., Watched]) -> None:
    watched = watch(pacing=pacing.every(5))
    say(watched, 1, 2, 3)
    for number in (4, 5, 6):
        watched.session.add_message(user(f"u{number}", "x"))
    watched.clock.advance(1)
    say(watched, 7, 8, 9, 10)
    assert sent(watched) == "hhhghhhg"
    reasons = [step.reason for step in watched.steps if step.name == "sent"]
    assert reasons[3] == "every(5): turn 6 stands in for turn 5"


def test_an_explicit_track_only_is_not_let_through_and_begins_no_cooldown(watch: Callable[..., Watched]) -> None:
    watched = watch(pacing=pacing.cooldown(60) & pacing.at_most(1))
    watched.session.add_message(user("u1", "x"), track_only=True)
    watched.clock.advance(1)
    say(watched, 2, 3)
    assert sent(watched) == "hgh"


def test_an_explicit_track_only_that_was_due_leaves_its_turn_to_the_next(watch: Callable[..., Watched]) -> None:
    """No rule has seen it, and it counts in the number: as if a burst had jumped over it."""
    watched = watch(pacing=pacing.every(3))
    say(watched, 1, 2)
    watched.session.add_message(user("u3", "x"), track_only=True)
    watched.clock.advance(1)
    say(watched, 4, 5, 6)
    assert sent(watched) == "hhhghg"


def test_an_ad_that_was_let_through_and_did_not_fill_counts(
    watch: Callable[..., Watched], server: VirtualAdServer
) -> None:
    """Pacing goes by what it has let through; what the server made of it is `after(Filled, ...)`."""
    server.plan("/preload", no_fill())
    watched = watch(pacing=pacing.at_most(1))
    say(watched, 1, 2)
    assert sent(watched) == "gh"


def test_a_session_watches_an_observable_from_its_beginning_to_its_end(watch: Callable[..., Watched]) -> None:
    paying = BehaviorSubject(False)
    watched = watch(pacing=~pacing.when(paying, name="paying"))
    assert len(paying.observers) == 1
    say(watched, 1)
    paying.on_next(True)
    say(watched, 2)
    assert sent(watched) == "gh"
    watched.session.destroy()
    assert paying.observers == []


def test_what_is_watched_runs_on_the_session_s_clock(watch: Callable[..., Watched]) -> None:
    """A timer of the app's, without a scheduler of its own, is virtual here as well."""
    watched = watch(pacing=pacing.when(rx.timer(2.5).pipe(rxops.map(lambda _: True))))
    say(watched, 1, 2, 3, 4)
    assert sent(watched) == "hhhg"


@pytest.mark.reports
def test_an_observable_that_fails_is_reported_once_and_keeps_its_last_value(watch: Callable[..., Watched]) -> None:
    allowed: Subject[bool] = Subject()
    watched = watch(pacing=pacing.when(allowed))
    allowed.on_next(True)
    allowed.on_error(OSError("gone"))
    say(watched, 1, 2)
    assert sent(watched) == "gg"
    assert watched.debug_names.count("Session: callback-error") == 1


def two_sessions(server: VirtualAdServer, rule: AnyRule) -> list[Watched]:
    return [Watched(server, {"pacing": rule, "conversation_id": name, "user_id": "user-7"}) for name in ("one", "two")]


def test_two_sessions_of_one_user_share_a_frequency_cap(server: VirtualAdServer) -> None:
    """What one lets through counts for the other at once; a stranger's session is not touched by it."""
    rule = pacing.per_user(pacing.at_most(2, per=3600)) & pacing.every(1)
    one, two = two_sessions(server, rule)
    say(one, 1)
    say(two, 1, 2)
    say(one, 2)
    assert (sent(one), sent(two)) == ("gh", "gh")
    stranger = Watched(server, {"pacing": rule, "user_id": "user-8"})
    say(stranger, 1)
    assert sent(stranger) == "g"
    server.clock.advance(3600)
    say(two, 3)
    assert sent(two) == "ghg"


def test_a_fill_in_one_session_is_known_in_the_other(server: VirtualAdServer) -> None:
    one, two = two_sessions(server, ~pacing.per_user(pacing.after("ad.filled", 60)))
    say(one, 1)
    say(two, 1)
    assert (sent(one), sent(two)) == ("g", "h")


@pytest.mark.reports
def test_a_store_that_fails_costs_no_ad_and_is_reported_once(watch: Callable[..., Watched]) -> None:
    class Down:
        def load(self, user_id: str) -> Any:
            raise ConnectionError

        def save(self, user_id: str, record: Any) -> None:
            raise ConnectionError

    watched = watch(pacing=pacing.per_user(pacing.at_most(1), Down()))
    say(watched, 1, 2)
    assert sent(watched) == "gg"
    assert watched.debug_names.count("Session: callback-error") == 1


def test_a_schedule_goes_by_where_the_context_says_the_user_is() -> None:
    """It may change while the session goes on; without a context it is UTC."""
    server = VirtualAdServer(VirtualClock("2026-03-02T08:15:00Z"))
    watched = Watched(server, {"pacing": pacing.schedule(9, 17)})
    say(watched, 1)
    watched.session.update_options(context={"timezone": "Europe/Prague"})
    say(watched, 2)
    watched.session.update_options(context={"timezone": "Asia/Tokyo"})
    say(watched, 3)
    watched.session.update_options(context=None)
    say(watched, 4)
    reasons = [step.reason for step in watched.steps if step.name == "sent"]
    assert reasons == [
        "schedule(9, 17): it is Mon 08:15 in Etc/UTC",
        "schedule(9, 17): it is Mon 09:15 in Europe/Prague",
        "schedule(9, 17): it is Mon 17:15 in Asia/Tokyo",
        "schedule(9, 17): it is Mon 08:15 in Etc/UTC",
    ]
    assert sent(watched) == "hghh"


def test_the_operator_says_what_the_session_did(watch: Callable[..., Watched]) -> None:
    """The turns that a session's rule was asked about, given to the rule as a stream, are decided in the same way."""
    turns: list[Turn] = []
    rule = (pacing.every(2) | pacing.after("ad.filled", turns=1)) & pacing.cooldown(4) & ~pacing.sample(0.2)
    watched = watch(pacing=recording(turns) & rule)
    say(watched, *range(1, 30), every=1.5)
    said: list[str] = []
    rx.from_iterable(turns).pipe(rule).subscribe(lambda paced: said.append("gh"[isinstance(paced.decision, Hold)]))
    assert sent(watched) == "".join(said)
    assert {"g", "h"} == set(said)

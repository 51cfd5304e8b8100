"""A rule as an operator: turns in, turns with decisions out."""

from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Subject
from reactivex import operators as rxops
from reactivex.subject import BehaviorSubject

from kontext_rx import Turn
from kontext_rx.pacing import Go, Paced, Rule, Seen, at_most, cooldown, every, per_user, when
from kontext_rx.testing import Marbles

from .turns import START, at, numbers, says, turn


def short(paced: Paced) -> str:
    return "g" if isinstance(paced.decision, Go) else "h"


def collected(turns: rx.Observable[Turn], rule: Rule[Any]) -> list[Paced]:
    came: list[Paced] = []
    turns.pipe(rule).subscribe(came.append)
    return came


def test_each_turn_comes_with_its_decision(marbles: Marbles) -> None:
    turns = marbles.hot("--1--2--3--4--|", **{str(n): turn(n) for n in range(1, 5)})
    decided = turns.pipe(every(2), rxops.map(short))
    marbles.check(decided, "--h--g--h--g--|")


def test_it_fills_in_what_the_rule_has_let_through() -> None:
    """Whatever the turns said of it: `passed` is that of these decisions."""
    claimed = Seen(9, START, 9)
    came = collected(rx.of(*[turn(n, passed=claimed) for n in (1, 2, 3, 4, 5)]), every(2))
    assert [paced.turn.passed for paced in came] == [
        None, None, Seen(1, START + 2, 2), Seen(1, START + 2, 2), Seen(2, START + 4, 4)
    ]  # fmt: skip


def test_it_says_what_the_pure_fold_says() -> None:
    rule = every(2) & cooldown(5) | at_most(1, per=30)
    turns = at(*range(0, 100, 3))
    assert "".join(map(short, collected(rx.of(*turns), rule))) == says(rule, turns)


def test_each_subscription_begins_anew() -> None:
    decided = rx.of(*numbers(1, 2)).pipe(at_most(1))
    for _ in range(2):
        came: list[Paced] = []
        decided.subscribe(came.append)
        assert list(map(short, came)) == ["g", "h"]


def test_it_reads_the_latest_value_of_an_observable() -> None:
    allowed, turns = BehaviorSubject(True), Subject[Turn]()
    came = collected(turns, when(allowed))
    turns.on_next(turn(1))
    allowed.on_next(False)
    turns.on_next(turn(2))
    assert list(map(short, came)) == ["g", "h"]


@pytest.mark.parametrize(
    "end",
    [
        lambda turns, subscription: turns.on_completed(),
        lambda turns, subscription: turns.on_error(ValueError("x")),
        lambda turns, subscription: subscription.dispose(),
    ],
    ids=["completed", "error", "disposed"],
)
def test_it_lets_go_of_what_it_watches_when_it_ends(end: Callable[..., None]) -> None:
    allowed, turns = BehaviorSubject(True), Subject[Turn]()
    subscription = turns.pipe(when(allowed)).subscribe(on_error=lambda _: None)
    assert len(allowed.observers) == 1
    end(turns, subscription)
    assert allowed.observers == []


def test_the_scheduler_is_handed_on(marbles: Marbles) -> None:
    """To the turns and to what is watched: a timer in either runs on the subscriber's clock."""
    allowed = rx.timer(2.5).pipe(rxops.map(lambda _: True))
    turns = rx.interval(1.0).pipe(rxops.take(4), rxops.map(lambda n: turn(n + 1)))
    marbles.check(turns.pipe(when(allowed), rxops.map(short)), "-hhg(g|)")


def test_one_user_s_streams_know_of_each_other() -> None:
    rule = per_user(at_most(1))
    one, two = Subject[Turn](), Subject[Turn]()
    came = [collected(one, rule), collected(two, rule)]
    one.on_next(turn(1))
    two.on_next(turn(1))
    assert [list(map(short, paced)) for paced in came] == [["g"], ["h"]]


def test_a_rule_that_raises_does_not_end_the_stream() -> None:
    def bad(state: None, turn: Turn) -> Any:
        raise KeyError

    came = collected(rx.of(*numbers(1, 2)), Rule(bad, None))
    assert list(map(short, came)) == ["g", "g"]
    assert isinstance(came[0].decision.error, KeyError)

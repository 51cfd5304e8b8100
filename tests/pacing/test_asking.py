"""Rules that ask the app."""

from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, Subject
from reactivex.subject import BehaviorSubject

from kontext_rx import Message
from kontext_rx.pacing import Pace, Paced, only_if, when

from .turns import decisions, numbers, reasons, says, turn


def short(paced: Paced) -> str:
    return type(paced.decision).__name__


def test_when_goes_by_the_latest_value_and_holds_until_the_first() -> None:
    allowed: Subject[Any] = Subject()
    pace = Pace(when(allowed))
    said = [short(pace.decide(turn(1)))]
    for number, value in enumerate((True, False, 1, 0, "yes", ""), start=2):
        allowed.on_next(value)
        said.append(short(pace.decide(turn(number))))
    assert said == ["Hold", "Go", "Hold", "Go", "Hold", "Go", "Hold"]


def test_a_subject_with_a_value_is_known_at_once() -> None:
    assert short(Pace(when(BehaviorSubject(True))).decide(turn())) == "Go"


@pytest.mark.parametrize("value", [True, False])
def test_the_end_of_the_observable_leaves_its_last_value_in_force(value: bool) -> None:
    pace = Pace(when(rx.of(not value, value)))
    assert short(pace.decide(turn())) == ("Go" if value else "Hold")


def test_so_does_its_error_which_is_told_with_the_decision() -> None:
    allowed: Subject[bool] = Subject()
    pace = Pace(when(allowed, name="paying"))
    allowed.on_next(True)
    allowed.on_error(OSError("gone"))
    decision = pace.decide(turn()).decision
    assert decision.reason == "when(paying): it says yes, and failed since: OSError"
    assert isinstance(decision.error, OSError)


def test_an_observable_that_fails_before_it_says_anything_holds_back() -> None:
    """Until it knows better it does not show ads: that is what `when` is for."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no")

    class Broken(Observable[Any]):
        subscribe = fail

    for broken in (rx.throw(OSError("no")), rx.create(fail), Broken()):
        decision = Pace(when(broken)).decide(turn()).decision
        assert decision.reason == "when(observable): it has said nothing yet, and failed since: OSError"
        assert isinstance(decision.error, OSError)


def test_a_value_whose_truth_cannot_be_told_is_a_failure() -> None:
    class Odd:
        def __bool__(self) -> bool:
            raise ArithmeticError

    decision = Pace(when(BehaviorSubject(Odd()))).decide(turn()).decision
    assert decision.reason == "when(observable) failed: ArithmeticError"


def test_the_observable_is_let_go_with_the_conversation() -> None:
    allowed = BehaviorSubject(True)
    pace = Pace(when(allowed) & ~when(allowed))
    assert len(allowed.observers) == 2
    pace.dispose()
    pace.dispose()
    assert allowed.observers == []


def test_the_step_itself_subscribes_to_nothing() -> None:
    """The value comes with the turn."""
    allowed = BehaviorSubject(True)
    assert says(when(allowed), numbers(1)) == "h"
    assert allowed.observers == []


def test_only_if_asks_a_predicate_of_the_message() -> None:
    def asks(message: Message) -> bool:
        return message.content.endswith("?")

    said = decisions(only_if(asks), [turn(1, text="Why?"), turn(2, text="Because.")])
    assert [decision.reason for decision in said] == ["only_if(asks): it says yes", "only_if(asks): it says no"]


def test_a_name_stands_for_what_has_none() -> None:
    assert str(only_if(lambda message: message.content, name="has_text")) == "only_if(has_text)"
    assert reasons(only_if(bool), [turn(1)]) == ["only_if(bool): it says yes"]

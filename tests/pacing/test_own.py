"""`rule`: a function becomes a rule."""

import functools
from typing import Any

import pytest

from kontext_rx import InvalidOptionError, Turn
from kontext_rx.pacing import Decision, Go, Hold, every, rule

from .turns import decisions, numbers, reasons, says, turn


@rule
def even(turn: Turn) -> bool:
    return turn.number % 2 == 0


@rule(start=0)
def after_two_looks(looks: int, turn: Turn) -> tuple[int, bool]:
    return looks + 1, looks >= 2


def test_a_predicate_over_turns_is_a_rule() -> None:
    assert says(even, numbers(1, 2, 3, 4)) == "hghg"
    assert reasons(even, numbers(1, 2)) == ["even: it says no", "even: it says yes"]


def test_a_step_with_a_state_is_a_rule() -> None:
    assert says(after_two_looks, numbers(5, 6, 7, 8)) == "hhgg"


def test_they_compose_and_are_written_by_their_names() -> None:
    assert str(even & ~after_two_looks | every(5)) == "even & ~after_two_looks | every(5)"
    assert says(even & after_two_looks, numbers(1, 2, 3, 4)) == "hhhg"


def test_an_answer_may_bring_its_reason() -> None:
    @rule
    def long(turn: Turn) -> Decision:
        return Go("enough to go by") if len(turn.message.content) > 3 else Hold("too short")

    assert reasons(long, [turn(text="long one"), turn(text="hi")]) == ["long: enough to go by", "long: too short"]


def test_a_call_is_as_good_as_a_decorator() -> None:
    def step(seen: int, turn: Turn) -> tuple[int, Decision]:
        return seen + 1, Go("first") if seen == 0 else Hold("not the first")

    assert says(rule(step, start=0), numbers(1, 2)) == "gh"
    assert says(rule(lambda turn: turn.number > 1), numbers(1, 2)) == "hg"


def test_a_step_without_a_start_begins_with_none() -> None:
    def once(state: Any, turn: Turn) -> tuple[Any, bool]:
        return "seen", state is None

    assert says(rule(once), numbers(1, 2)) == "gh"


def test_anything_that_can_be_called_will_do() -> None:
    class Longer:
        def __init__(self, least: int) -> None:
            self.least = least

        def __call__(self, turn: Turn) -> bool:
            return len(turn.message.content) > self.least

        def method(self, turn: Turn) -> bool:
            return self(turn)

    def longer(turn: Turn, least: int = 3) -> bool:
        return len(turn.message.content) > least

    made = (Longer(3), Longer(3).method, functools.partial(longer, least=3))
    assert [says(rule(function), [turn(text="long"), turn(text="no")]) for function in made] == ["gh"] * 3
    assert [str(rule(function)) for function in made] == ["Longer", "method", "partial"]


@pytest.mark.parametrize("answer", [None, 1, "no", (True,), (1, 2, 3)])
def test_an_answer_that_is_none_is_a_failure(answer: object) -> None:
    """A forgotten `return` must not hold every ad back."""

    @rule
    def odd(turn: Turn) -> Any:
        return answer

    (decision,) = decisions(odd, [turn()])
    assert (type(decision), decision.reason, type(decision.error)) == (Go, "odd failed: TypeError", TypeError)


async def later(turn: Turn) -> bool:
    return True


@pytest.mark.parametrize("given", [3, None, "every(5)", later, lambda: True, lambda a, b, c: True, max])
def test_what_is_no_function_of_a_turn_is_refused(given: Any) -> None:
    with pytest.raises(InvalidOptionError, match=r"^rule="):
        rule(given)
    with pytest.raises(InvalidOptionError, match=r"^rule="):
        rule(start=0)(given)

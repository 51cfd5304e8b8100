"""`&`, `|`, `~` and `>>`: what rules make of each other."""

import pytest

from kontext_rx import Clicked, Turn
from kontext_rx.pacing import AnyRule, Decision, Go, Hold, Rule, after, at_most, cooldown, every, only_if, skip_first

from .turns import at, decisions, numbers, reasons, says, turn


def yes(state: None, turn: Turn) -> tuple[None, Decision]:
    return state, Go("yes")


def no(state: None, turn: Turn) -> tuple[None, Decision]:
    return state, Hold("no")


def bad(state: None, turn: Turn) -> tuple[None, Decision]:
    raise KeyError("secret")


YES, NO, BAD = Rule(yes, None), Rule(no, None), Rule(bad, None)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (YES & YES, "g"), (YES & NO, "h"), (NO & YES, "h"), (NO & NO, "h"),
        (YES | YES, "g"), (YES | NO, "g"), (NO | YES, "g"), (NO | NO, "h"),
        (YES >> NO, "h"), (YES >> YES, "g"), (~YES, "h"), (~NO, "g"), (~~NO, "h"),
        (~(YES & NO), "g"), (~(YES | NO), "h"),
    ],
    ids=repr,
)  # fmt: skip
def test_the_truth_table(rule: AnyRule, said: str) -> None:
    assert says(rule, [turn()]) == said


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (BAD, "g"), (~BAD, "g"), (~~BAD, "g"),
        (BAD & YES, "g"), (BAD & NO, "h"), (BAD | YES, "g"), (BAD | NO, "g"),
        (~(BAD & YES), "g"), (~(BAD | NO), "g"),  # it depended on what failed: it still passes
        (~(BAD & NO), "g"), (~(BAD | YES), "h"),  # it did not
        (~BAD & NO, "h"), (~BAD & YES, "g"), (BAD & BAD, "g"), (~(BAD | BAD), "g"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_part_that_fails_lets_the_ad_pass_and_the_others_still_decide(rule: AnyRule, said: str) -> None:
    """Nothing turns a failure round; what it raised is always told."""
    (decision,) = decisions(rule, [turn()])
    assert isinstance(decision, Go if said == "g" else Hold)
    assert isinstance(decision.error, KeyError)


def test_the_reason_of_a_failure_names_the_part_and_the_kind_of_error() -> None:
    """And nothing of what the error says: that may be the user's text."""
    assert reasons(every(1) & BAD, [turn()]) == ["every(1): turn 1 is due; bad failed: KeyError"]


@pytest.mark.parametrize("answer", [None, True, "no", (), (None,), (None, True), (None, Go), (None, Go("x"), 1), 7])
def test_what_is_no_state_and_decision_is_a_failure(answer: object) -> None:
    """It lets the ad pass, and the state stays as it was."""

    def odd(state: int, turn: Turn) -> tuple[int, Decision]:
        return answer if turn.number == 2 else (state + 1, Hold(str(state)))

    assert reasons(Rule(odd, 0), numbers(1, 3)) == ["0", "1"]
    first, failed, third = decisions(Rule(odd, 0), numbers(1, 2, 3))
    assert (first, third) == (Hold("0"), Hold("1"))
    assert failed.reason.startswith("odd failed: ")
    assert isinstance(failed, Go)


def test_every_part_sees_every_turn() -> None:
    """None is skipped for another's answer: every(2) has counted the turns that the other part held back."""
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def noting(name: str, answer: Decision) -> Rule[None]:
        def step(state: None, turn: Turn) -> tuple[None, Decision]:
            seen[name].append(turn.number)
            return state, answer

        return Rule(step, None)

    a, b = noting("a", Hold("a")), noting("b", Go("b"))
    for rule in (a & b, b & a, a | b, b | a, ~(a & ~b)):
        seen["a"], seen["b"] = [], []
        decisions(rule, numbers(1, 2, 3))
        assert seen == {"a": [1, 2, 3], "b": [1, 2, 3]}
    assert says(skip_first(3) & every(2), numbers(1, 2, 3, 4, 5, 6)) == "hhhghg"


def test_a_turn_that_is_due_and_held_back_is_not_made_up_for() -> None:
    """The cooldown ends with turn 6; the 5th was due, and the next that is due is the 10th."""
    turns = at(*range(0, 100, 10))
    assert says(every(4) & cooldown(35), turns) == "hhhghhhghh"
    assert says(every(4) & cooldown(45), turns) == "hhhghhhhhh"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (skip_first(3) & every(5) & ~after(Clicked, 120), "skip_first(3) & every(5) & ~after(Clicked, 120)"),
        (skip_first(3) >> every(5), "skip_first(3) & every(5)"),
        (skip_first(3) & (every(5) & at_most(2)), "skip_first(3) & every(5) & at_most(2)"),
        ((skip_first(3) | every(5)) & at_most(2), "(skip_first(3) | every(5)) & at_most(2)"),
        (skip_first(3) | every(5) & at_most(2), "skip_first(3) | every(5) & at_most(2)"),
        (~(skip_first(3) | every(5)), "~(skip_first(3) | every(5))"),
        (~(skip_first(3) & every(5)) | ~~every(2), "~(skip_first(3) & every(5)) | every(2)"),
        (cooldown(60.0) & cooldown(0.5), "cooldown(60) & cooldown(0.5)"),
        (at_most(1, per=3600) & after("ad.viewed", turns=2), "at_most(1, per=3600) & after(Viewed, turns=2)"),
    ],
)
def test_a_rule_is_written_as_one_would_type_it(rule: AnyRule, text: str) -> None:
    """With brackets where the precedence of the operators needs them."""
    assert str(rule) == repr(rule) == text


def test_reasons_are_those_of_the_parts_that_decided() -> None:
    """`&` that holds gives those that hold, `|` that passes those that pass; otherwise all had their say."""
    rule = skip_first(1) & every(2) & at_most(9)
    assert reasons(rule, numbers(1, 2, 3)) == [
        "skip_first(1): turn 1 is among the first 1; every(2): turn 1 is not due, turn 2 is",
        "skip_first(1): turn 2 is past the first 1; every(2): turn 2 is due; at_most(9): 0 of 9 so far",
        "every(2): turn 3 is not due, turn 4 is",
    ]
    assert reasons(skip_first(2) | every(2), numbers(1, 2, 3)) == [
        "skip_first(2): turn 1 is among the first 2; every(2): turn 1 is not due, turn 2 is",
        "every(2): turn 2 is due",
        "skip_first(2): turn 3 is past the first 2",
    ]
    assert reasons(~(skip_first(2) | every(9)), numbers(1, 3)) == [
        "not (skip_first(2): turn 1 is among the first 2; every(9): turn 1 is not due, turn 9 is)",
        "not (skip_first(2): turn 3 is past the first 2)",
    ]


def test_a_long_chain_is_one_level_deep() -> None:
    """It does not recurse, and reads in a line."""
    chain: AnyRule = every(1)
    other: AnyRule = skip_first(1)
    for _ in range(2000):
        chain, other = chain & every(1), skip_first(1) | other
    assert says(chain, numbers(1, 2)) == "gg"
    assert says(other, numbers(1, 2)) == "hg"
    assert len(chain.start) == 2001
    assert str(chain) == " & ".join(["every(1)"] * 2001)
    turned: AnyRule = every(1)
    for _ in range(2001):
        turned = ~turned
    assert (str(turned), says(turned, numbers(1))) == ("~every(1)", "h")


def test_rules_compose_with_rules_alone() -> None:
    for other in (1, None, "every(5)", every, lambda turns: turns):
        with pytest.raises(TypeError):
            every(5) & other
        with pytest.raises(TypeError):
            other | every(5)


def test_python_s_own_and_or_and_not_are_refused() -> None:
    """They would silently drop a part."""
    for careless in (lambda: every(2) and every(3), lambda: every(2) or every(3), lambda: not every(2)):
        with pytest.raises(TypeError, match=r"with & \| ~, not with and"):
            careless()


def test_a_rule_serves_any_number_of_conversations() -> None:
    """It keeps nothing: each fold starts from the start."""
    rule = every(2) & cooldown(5) & only_if(lambda message: True)
    assert says(rule, numbers(1, 2)) == says(rule, numbers(1, 2)) == "hg"

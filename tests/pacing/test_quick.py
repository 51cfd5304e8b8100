"""The quick form of a rule answers as the rule does, without the words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontext_rx import Clicked, Filled, Message, Turn, Viewed, pacing
from kontext_rx.pacing import AnyRule, Go, Seen, Standing, decide

QUICK: list[AnyRule] = [
    pacing.skip_first(2),
    pacing.every(3),
    pacing.cooldown(10),
    pacing.at_most(2),
    pacing.at_most(2, per=25),
    pacing.sample(0.5),
    pacing.sample(0.3, seed=9),
    pacing.after(Clicked, 15),
    pacing.after(Viewed, turns=2),
    pacing.after(Filled, 5),
]

RULES = st.recursive(
    st.sampled_from(QUICK),
    lambda parts: st.one_of(
        st.tuples(parts, parts).map(lambda pair: pair[0] & pair[1]),
        st.tuples(parts, parts).map(lambda pair: pair[0] | pair[1]),
        parts.map(lambda rule: ~rule),
    ),
    max_leaves=6,
)

SEEN = st.one_of(st.none(), st.builds(Seen, st.integers(1, 5), st.floats(0, 60), st.integers(1, 12)))


@settings(max_examples=300, deadline=None)
@given(RULES, st.lists(st.tuples(st.integers(1, 3), st.floats(0, 30), SEEN, SEEN, SEEN), max_size=12))
def test_a_quick_rule_and_its_step_agree(rule: AnyRule, turns: list[Any]) -> None:
    assert rule.quick is not None
    standing, state, passed = Standing(rule.start), rule.start, None
    number, at = 0, 0.0
    for more, pause, filled, viewed, clicked in turns:
        number, at = number + more, at + pause
        turn = Turn(
            message=Message.user("m", "x"),
            number=number,
            at=at,
            conversation=(),
            conversation_id="c",
            user_id="u",
            passed=passed,
            filled=filled,
            viewed=viewed,
            clicked=clicked,
        )
        standing, decision = decide(rule, standing, turn)
        state, passes = rule.quick(state, turn)
        assert (state, passes) == (standing.state, isinstance(decision, Go))
        passed = standing.passed


@pytest.mark.parametrize(
    "rule",
    [
        pacing.only_if(lambda message: True, name="any"),
        pacing.per_user(pacing.every(2)),
        pacing.every(2) & pacing.schedule(9, 17),
        ~pacing.rule(lambda turn: True),
    ],
    ids=str,
)
def test_a_rule_with_a_part_that_has_no_quick_form_has_none(rule: AnyRule) -> None:
    assert rule.quick is None

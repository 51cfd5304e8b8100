"""The pure fold, for those who simulate."""

from kontext_rx.pacing import Go, Hold, Seen, Standing, at_most, decide, every

from .turns import START, turn


def test_a_fold_starts_from_the_rule_s_start_and_knows_what_passed() -> None:
    rule = every(2)
    standing, first = decide(rule, Standing(rule.start), turn(1))
    assert (type(first), standing) == (Hold, Standing(1))
    standing, second = decide(rule, standing, turn(2))
    assert (type(second), standing) == (Go, Standing(2, Seen(1, START + 2, 2)))


def test_what_the_turn_says_of_the_past_is_replaced_by_what_the_fold_knows() -> None:
    """A recorded turn can be decided anew: what passed then is not what passes now."""
    rule = at_most(1)
    then = turn(9, passed=Seen(4, START, 8))
    _, decision = decide(rule, Standing(rule.start), then)
    assert isinstance(decision, Go)
    _, decision = decide(rule, Standing(rule.start, Seen(1, START, 3)), turn(9))
    assert isinstance(decision, Hold)

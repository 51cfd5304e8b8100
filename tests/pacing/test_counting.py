"""Rules that go by the number of the turn."""

import pytest

from kontext_rx.pacing import every, sample, skip_first

from .turns import numbers, reasons, says, turn


def test_skip_first_holds_the_first_turns_back() -> None:
    assert says(skip_first(3), numbers(1, 2, 3, 4, 5)) == "hhhgg"
    assert says(skip_first(0), numbers(1, 2)) == "gg"


def test_skip_first_goes_by_the_number_and_not_by_what_it_has_seen() -> None:
    """A restored history counts, and so does a burst."""
    assert says(skip_first(3), numbers(40)) == "g"
    assert says(skip_first(3), numbers(3, 4)) == "hg"


def test_every_lets_each_nth_turn_pass() -> None:
    assert says(every(3), numbers(*range(1, 10))) == "hhghhghhg"
    assert says(every(1), numbers(1, 2, 3)) == "ggg"


def test_a_turn_stands_in_for_a_due_one_that_a_burst_jumped_over() -> None:
    """4 and 5 were one burst, sent as 6: the 5th is due, and comes as the 6th; the 10th is due as ever."""
    assert says(every(5), numbers(3, 4, 6, 7, 9, 10)) == "hhghhg"


def test_two_due_turns_that_were_jumped_over_are_one() -> None:
    assert says(every(5), numbers(4, 17, 18, 20)) == "hghg"


def test_every_counts_a_restored_history() -> None:
    """Its 40th was in it: the first turn that is sent stands in for it."""
    assert says(every(5), numbers(42, 43, 44, 45)) == "ghhg"


def test_a_sample_gives_the_same_answer_every_time() -> None:
    turns = numbers(*range(1, 200))
    assert says(sample(0.3, seed=7), turns) == says(sample(0.3, seed=7), turns)
    assert says(sample(0.3, seed=7), reversed(turns)) == says(sample(0.3, seed=7), turns)[::-1]


def test_a_sample_s_answers_do_not_depend_on_the_process() -> None:
    """They are a hash of the seed, the conversation and the number: these were worked out with coreutils' b2sum."""
    assert says(sample(0.5), [turn(number, conversation_id="c") for number in (1, 2, 3, 4)]) == "ghhg"


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_a_sample_is_as_large_as_asked(p: float) -> None:
    """Within four standard deviations, over many turns as over many conversations."""
    many = 4000
    allowed = 4 * (many * p * (1 - p)) ** 0.5
    over_turns = says(sample(p), numbers(*range(1, many + 1))).count("g")
    over_conversations = sum(says(sample(p), [turn(1, conversation_id=f"c{n}")]) == "g" for n in range(many))
    assert abs(over_turns - many * p) < allowed
    assert abs(over_conversations - many * p) < allowed


def test_another_seed_or_conversation_is_another_draw() -> None:
    turns = numbers(*range(1, 100))
    assert says(sample(0.5, seed=1), turns) != says(sample(0.5, seed=2), turns)
    assert says(sample(0.5), turns) != says(sample(0.5), [turn(n, conversation_id="d") for n in range(1, 100)])


def test_none_and_all_are_samples() -> None:
    assert says(sample(0), numbers(*range(1, 50))) == "h" * 49
    assert says(sample(1), numbers(*range(1, 50))) == "g" * 49


def test_a_larger_sample_holds_the_smaller_one() -> None:
    """So raising the share takes no ad away."""
    turns = numbers(*range(1, 200))
    small, large = says(sample(0.2), turns), says(sample(0.6), turns)
    assert all(b == "g" for a, b in zip(small, large, strict=True) if a == "g")


def test_their_reasons_can_be_read() -> None:
    assert reasons(skip_first(3), numbers(2, 4)) == [
        "skip_first(3): turn 2 is among the first 3",
        "skip_first(3): turn 4 is past the first 3",
    ]
    assert reasons(every(5), numbers(4, 6, 7, 10)) == [
        "every(5): turn 4 is not due, turn 5 is",
        "every(5): turn 6 stands in for turn 5",
        "every(5): turn 7 is not due, turn 10 is",
        "every(5): turn 10 is due",
    ]
    assert reasons(sample(1, seed=3), numbers(1)) == ["sample(1, seed=3): turn 1 was drawn"]
    assert reasons(sample(0), numbers(1)) == ["sample(0): turn 1 was not drawn"]

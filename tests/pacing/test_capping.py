"""Rules that go by what the whole rule has let through."""

import pytest

from kontext_rx.pacing import Hold, Seen, at_most, cooldown, every, only_if, skip_first

from .turns import START, at, numbers, reasons, says, turn


def test_a_cooldown_begins_with_a_turn_that_was_let_through() -> None:
    """And not with one that it held back."""
    assert says(cooldown(5), at(0, 2, 4, 6, 8, 11)) == "ghhghg"


@pytest.mark.parametrize(("later", "said"), [(4.999, "gh"), (4.999_998, "gh"), (5.0, "gg"), (5.001, "gg")])
def test_the_end_of_a_cooldown_is_exact(later: float, said: str) -> None:
    """Exactly *seconds* later it is over."""
    assert says(cooldown(5), at(0, later)) == said


@pytest.mark.parametrize("began", [0.06, 0.1, 0.3, 1.7, 1e6 + 0.01])
def test_the_end_is_exact_wherever_on_the_clock_it_began(began: float) -> None:
    """Epoch seconds in a float are not: the last digits are off."""
    for seconds in (0.1, 5.0, 60.0, 3600.3):
        assert says(cooldown(seconds), at(began, began + seconds)) == "gg"
        assert says(at_most(1, per=seconds), at(began, began + seconds)) == "gg"


def test_a_cooldown_of_zero_holds_nothing_back() -> None:
    assert says(cooldown(0), at(0, 0, 1)) == "ggg"


def test_a_cooldown_goes_by_the_whole_rule() -> None:
    """Turn 2 passed the cooldown alone and was held back by the other part: no cooldown begins with it."""
    calm = only_if(lambda message: message.id != "u2")
    assert says(cooldown(5) & calm, at(0, 6, 7, 8)) == "ghgh"


def test_a_clock_that_goes_back_does_not_end_a_cooldown() -> None:
    assert says(cooldown(5), at(10, 3, 14, 15)) == "ghhg"


def test_at_most_caps_a_conversation() -> None:
    assert says(at_most(2), at(0, 1, 2, 9999)) == "gghh"


def test_at_most_goes_by_the_whole_rule() -> None:
    """What another part held back is not used up."""
    assert says(skip_first(2) & at_most(2), numbers(1, 2, 3, 4, 5)) == "hhggh"


def test_at_most_per_caps_any_such_stretch_of_time() -> None:
    """Not calendar hours: the window ends with the turn that asks."""
    assert says(at_most(2, per=9), at(0, 3, 6, 9, 11, 12, 18)) == "gghghgg"


@pytest.mark.parametrize(("later", "said"), [(8.999, "gh"), (9.0, "gg"), (9.001, "gg")])
def test_the_edge_of_the_window_is_exact(later: float, said: str) -> None:
    """A turn that passed exactly *per* seconds ago counts no more."""
    assert says(at_most(1, per=9), at(0, later)) == said


def test_at_most_one_per_time_is_a_cooldown() -> None:
    turns = at(0, 1, 4, 5, 9, 10, 11, 15.5, 30)
    assert says(at_most(1, per=5), turns) == says(cooldown(5), turns)


def test_at_most_per_goes_by_the_whole_rule() -> None:
    assert says(at_most(1, per=10) & every(2), at(0, 1, 2, 3, 4, 11)) == "hghhhg"


def test_a_window_that_is_asked_about_late_has_not_forgotten() -> None:
    """It is in the state: the turn's `passed` tells of the last one only."""
    rule = at_most(3, per=100)
    assert says(rule, at(0, 1, 2, 50, 99.5, 100, 101, 101.5)) == "ggghhggh"


def test_a_window_keeps_no_more_than_it_needs() -> None:
    """Though the whole rule lets more pass than this part would."""
    rule = at_most(2, per=1000)
    state = rule.start
    for count in range(1, 500):
        state, _ = rule.step(state, turn(count + 1, count + 1, passed=Seen(count, START + count, count)))
    assert state == (499, (START + 498, START + 499))


def test_what_passed_unseen_counts_as_passing_when_the_last_one_did() -> None:
    """Several turns may have passed between two steps of a user's rule: the cap holds rather than gives way."""
    rule = at_most(3, per=10)
    state, _ = rule.step(rule.start, turn(1, 0))
    _, decision = rule.step(state, turn(5, 9, passed=Seen(3, START + 8, 4)))
    assert isinstance(decision, Hold)


def test_their_reasons_can_be_read() -> None:
    assert reasons(cooldown(60), at(0, 46, 59.5, 75)) == [
        "cooldown(60): no turn was let through before",
        "cooldown(60): 14 s left",
        "cooldown(60): 0.5 s left",
        "cooldown(60): the last turn let through was 75 s ago",
    ]
    assert reasons(at_most(1), at(0, 1)) == ["at_most(1): 0 of 1 so far", "at_most(1): 1 of 1 so far"]
    assert reasons(at_most(2, per=3600), at(0, 1, 2)) == [
        "at_most(2, per=3600): 0 of 2 in the last 3600 s",
        "at_most(2, per=3600): 1 of 2 in the last 3600 s",
        "at_most(2, per=3600): 2 of 2 in the last 3600 s, 3598 s until the next",
    ]

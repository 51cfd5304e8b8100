"""`after`: what came of earlier ads."""

import pytest

from kontext_rx import Clicked, Filled, Viewed
from kontext_rx.pacing import Seen, after

from .turns import START, reasons, says, turn

CLICK = Seen(1, START + 100, 5)


@pytest.mark.parametrize(
    ("at", "said"), [(99.9, "g"), (100, "g"), (100.001, "g"), (219.9, "g"), (220, "h"), (220.001, "h"), (9999, "h")]
)
def test_it_passes_for_so_many_seconds(at: float, said: str) -> None:
    """From the click on, known to the turn though it may be a moment ahead of it; exactly 120 s later it is over."""
    assert says(after(Clicked, 120), [turn(7, at, clicked=CLICK)]) == said
    assert says(~after(Clicked, 120), [turn(7, at, clicked=CLICK)]) != said


@pytest.mark.parametrize(("number", "said"), [(5, "g"), (6, "g"), (7, "g"), (8, "h"), (99, "h")])
def test_it_passes_for_so_many_turns(number: int, said: str) -> None:
    """The click was in turn 5: two turns after it are 6 and 7."""
    assert says(after(Clicked, turns=2), [turn(number, clicked=CLICK)]) == said


def test_without_such_an_event_it_holds_back() -> None:
    """So `~after(...)` passes."""
    for rule in (after(Clicked, 120), after(Clicked, turns=2)):
        assert says(rule, [turn(filled=CLICK, viewed=CLICK)]) == "h"
        assert says(~rule, [turn(filled=CLICK, viewed=CLICK)]) == "g"


@pytest.mark.parametrize(("kind", "where"), [(Filled, "filled"), (Viewed, "viewed"), (Clicked, "clicked")])
def test_each_event_is_told_by_its_class_or_its_name(kind: type[Clicked], where: str) -> None:
    there = turn(6, 101, **{where: CLICK})
    assert says(after(kind, 10), [there]) == says(after(kind.name, 10), [there]) == "g"
    assert str(after(kind.name, 10)) == f"after({kind.__name__}, 10)"


def test_its_reasons_can_be_read() -> None:
    assert reasons(after(Viewed, 120), [turn(7, 130, viewed=CLICK)]) == [
        "after(Viewed, 120): the last view was 30 s ago"
    ]
    assert reasons(after(Filled, 9), [turn(7, 130)]) == ["after(Filled, 9): no fill yet"]
    assert reasons(~after(Clicked, turns=2), [turn(7, clicked=CLICK)]) == [
        "not after(Clicked, turns=2): the last click was in turn 5, this is turn 7"
    ]

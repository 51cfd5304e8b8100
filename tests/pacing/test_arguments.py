"""What rules are given is checked at once, with a word on what to do."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx

from kontext_rx import AdError, Clicked, InvalidOptionError, NoFill
from kontext_rx.pacing import MemoryStore, after, at_most, cooldown, every, only_if, per_user, sample, schedule, when
from kontext_rx.pacing import skip_first as skip

NOT_WHOLE = (-1, 1.0, 2.5, True, False, math.nan, math.inf, "3", None, [3])
NOT_SECONDS = (-1, -0.001, True, False, math.nan, math.inf, -math.inf, 10**400, "60", [60], 1j)


async def later(message: object) -> bool:
    return True


class LaterToo:
    async def __call__(self, message: object) -> bool:
        return True


WRONG: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
    ("skip_first", skip, NOT_WHOLE),
    ("every", every, (0, *NOT_WHOLE)),
    ("cooldown", cooldown, (None, *NOT_SECONDS)),
    ("at_most", at_most, (0, *NOT_WHOLE)),
    ("at_most.per", lambda per: at_most(1, per=per), (0, *NOT_SECONDS)),
    ("after", lambda event: after(event, 60), (NoFill, AdError, "clicked", "Clicked", "", None, 1, object, [Clicked])),
    ("after.seconds", lambda seconds: after(Clicked, seconds), (0, None, *NOT_SECONDS)),
    ("after.seconds", lambda seconds: after(Clicked, seconds, turns=1), (0, 1, 60.0)),
    ("after.turns", lambda turns: after(Clicked, turns=turns), (0, *(n for n in NOT_WHOLE if n is not None))),
    ("when", when, (True, None, lambda: True, [True])),
    ("when.name", lambda name: when(rx.never(), name=name), ("", " ", None, 3)),
    ("only_if", only_if, (True, None, "x", later, LaterToo())),
    ("only_if.name", lambda name: only_if(bool, name=name), ("", 3)),
    ("sample", sample, (-0.1, 1.001, 2, True, math.nan, math.inf, "0.5", None)),
    ("sample.seed", lambda seed: sample(0.5, seed), (1.5, True, "7", None)),
    ("schedule.start", lambda hour: schedule(hour, 17), (-1, 24.5, 25, True, math.nan, "9", "9-17", None)),
    ("schedule.end", lambda hour: schedule(9, hour), (-1, 24.5, True, math.nan, None)),
    ("schedule", lambda hours: schedule(*hours), ((9, 9), (0, 0), (24, 24), (24, 6))),
    ("schedule.days", lambda days: schedule(9, 17, days=days), ((), 1, "mon", ("mon",), (0,), (8,), (True,), (1.0,))),
    ("per_user", per_user, (None, at_most, lambda turns: turns)),
    ("per_user", lambda inner: per_user(inner), (per_user(every(2)), every(2) & ~per_user(every(3)))),
    ("per_user.store", lambda store: per_user(every(2), store), ({}, "redis", object())),
    ("MemoryStore", MemoryStore, (0, *NOT_WHOLE)),
]


@pytest.mark.parametrize(
    ("option", "make", "given"),
    [(option, make, given) for option, make, wrong in WRONG for given in wrong],
    ids=lambda value: repr(value)[:30] if not callable(value) else "",
)
def test_what_cannot_be_used_is_refused_with_a_cure(option: str, make: Callable[..., Any], given: Any) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        make(given)
    assert refused.value.option == option
    assert refused.value.wanted.startswith(("give ", "leave "))
    assert isinstance(refused.value, ValueError)


def test_the_edges_of_what_can_be_used_can() -> None:
    for rule in (skip(0), every(1), cooldown(0), at_most(1, per=0.001), after(Clicked, 0.001), after(Clicked, turns=1)):
        assert str(rule)
    for rule in (sample(0), sample(1), sample(0.5, seed=-1), schedule(0, 24), schedule(23.99, 0), skip(10**30)):
        assert str(rule)

"""The time axis: a debounce of 10 ms and a pause of half a minute in one picture."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.marbles.axis import Axis, stretched
from kontext_rx.marbles.items import Item
from kontext_rx.marbles.palette import Kind, Lane


def item(start: float, end: float | None = None, lane: Lane = "reply", kind: Kind = "reply") -> Item:
    return Item(lane=lane, kind=kind, start=start, end=start if end is None else end, turn=0)


def plain(weight: float) -> float:
    return weight


def test_a_stretch_grows_with_its_time_and_ever_less() -> None:
    lengths = [stretched(seconds) for seconds in (0, 0.01, 0.1, 1, 10)]
    assert lengths == pytest.approx([0, 0.693, 2.398, 4.615, 6.909], abs=0.001)


def test_a_debounce_can_be_seen_beside_half_a_minute() -> None:
    axis = Axis([item(0, 0.01, "debounce", "debounce"), item(0.01, 30.0, "request", "filled")], plain)
    assert axis.place(0.01) > axis.width / 20


def test_a_pause_without_a_request_is_cut_to_one_width() -> None:
    axis = Axis([item(0), item(3), item(3003)], plain)
    assert [(pause.start, pause.end, pause.label) for pause in axis.pauses] == [(0, 3, "3 s"), (3, 3003, "50 min")]
    assert axis.place(3) == axis.width / 2


def test_a_long_request_is_no_pause() -> None:
    axis = Axis([item(0, 71.0, "request", "error")], plain)
    assert axis.pauses == []
    assert axis.width == stretched(71.0)


def test_moments_closer_than_half_a_millisecond_are_one() -> None:
    axis = Axis([item(0), item(0.0004), item(0.002)], plain)
    assert axis.place(0.0004) == 0
    assert axis.place(0.002) > 0


@given(st.lists(st.floats(0, 1e5, allow_nan=False), min_size=1, max_size=50))
def test_later_is_never_to_the_left(moments: list[float]) -> None:
    axis = Axis([item(at) for at in moments], plain)
    places = [axis.place(at) for at in sorted(moments)]
    assert places[0] == 0
    assert all(left <= right for left, right in pairwise(places))
    assert places[-1] == axis.width

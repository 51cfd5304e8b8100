"""Chance that can be repeated."""

import random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.simulate import Empirical, Fixed, Lognormal
from kontext_rx.simulate.delays import Delay, quantiles
from kontext_rx.simulate.dice import Dice, Purpose, key_of, seeded, seeded_all, share, shares, threshold, throw

BITS = st.integers(0, 2**64 - 1)


@given(BITS, st.integers(0, 10_000), st.integers(0, 10**6), st.sampled_from(Purpose))
def test_many_draws_at_once_are_the_same_as_one_by_one(key: int, seed: int, place: int, purpose: int) -> None:
    one = Dice(seeded(key, seed)).throw(place, purpose)
    keys = seeded_all(np.array([key], np.uint64), seed)
    many = throw(keys, np.array([place], np.uint64), purpose)
    assert int(many[0]) == one
    assert int(shares(many)[0]) == share(one)


@given(
    BITS,
    st.one_of(
        st.floats(0, 10**6).map(Fixed),
        st.builds(Lognormal, st.floats(0, 10**4), st.floats(0, 10)),
        st.lists(st.floats(0, 10**6), min_size=1, max_size=9).map(lambda values: Empirical(tuple(values))),
    ),
)
def test_many_delays_at_once_are_the_same_as_one_by_one(draw: int, delay: Delay) -> None:
    assert int(quantiles(delay).all_us(np.array([draw], np.uint64))[0]) == quantiles(delay).us(draw)


def test_draws_for_different_things_have_nothing_to_do_with_each_other() -> None:
    """Each is even between 0 and 1, and knows nothing of the next place, purpose, seed or conversation."""
    size = 20_000
    places = np.arange(size, dtype=np.uint64)
    keys = np.full(size, seeded(key_of("c"), 0), np.uint64)
    base = shares(throw(keys, places, Purpose.FILL)) / 2**53
    others = [
        shares(throw(keys, places + np.uint64(1), Purpose.FILL)) / 2**53,
        shares(throw(keys, places, Purpose.VIEW)) / 2**53,
        shares(throw(np.full(size, seeded(key_of("c"), 1), np.uint64), places, Purpose.FILL)) / 2**53,
        shares(throw(np.full(size, seeded(key_of("d"), 0), np.uint64), places, Purpose.FILL)) / 2**53,
    ]
    counts, _ = np.histogram(base, bins=20, range=(0, 1))
    assert abs(counts - size / 20).max() < 5 * (size / 20) ** 0.5
    for other in others:
        assert abs(np.corrcoef(base, other)[0, 1]) < 5 / size**0.5


@pytest.mark.parametrize(("probability", "hits"), [(0.0, 0), (1.0, 1000)])
def test_never_is_never_and_always_is_always(probability: float, hits: int) -> None:
    dice = Dice(seeded(key_of("c"), 0))
    draws = [dice.throw(place, Purpose.VIEW) for place in range(998)] + [0, 2**64 - 1]
    assert sum(share(draw) < threshold(probability) for draw in draws) == hits


def test_a_lognormal_delay_has_its_median_and_its_tail() -> None:
    chance = random.Random(1)
    draws = np.array([chance.getrandbits(64) for _ in range(40_000)], np.uint64)
    seconds = quantiles(Lognormal(2.0, 0.6)).all_us(draws) / 1e6
    assert np.quantile(seconds, 0.5) == pytest.approx(2.0, rel=0.02)
    assert np.quantile(seconds, 0.95) == pytest.approx(2.0 * np.exp(0.6 * NormalDist().inv_cdf(0.95)), rel=0.03)


def test_an_empirical_delay_is_one_of_those_measured_each_as_likely() -> None:
    chance = random.Random(1)
    draws = np.array([chance.getrandbits(64) for _ in range(9_000)], np.uint64)
    values, counts = np.unique(quantiles(Empirical((3.0, 1.0, 2.0))).all_us(draws), return_counts=True)
    assert values.tolist() == [1_000_000, 2_000_000, 3_000_000]
    assert counts.min() > 2_800

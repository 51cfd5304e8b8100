from __future__ import annotations

from uuid import UUID

from kontext_rx.adserver.draw import share, uuid


def test_the_same_key_draws_the_same() -> None:
    """Nothing but the seed and the key counts."""
    assert share(1, "fill", "u", 2) == share(1, "fill", "u", 2)
    assert uuid(1, "bid", "u") == uuid(1, "bid", "u")


def test_another_seed_or_key_draws_something_else() -> None:
    """Parts are kept apart: where one ends matters."""
    keys = [("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("1",), (1,)]
    assert len({share(seed, *key) for seed in (1, 2) for key in keys}) == 12


def test_shares_are_strictly_between_0_and_1_and_even() -> None:
    """A rate of 0 never hits and one of 1 always does."""
    drawn = [share(0, number) for number in range(5_000)]
    assert 0 < min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    assert abs(sum(one < 0.3 for one in drawn) / 5_000 - 0.3) < 0.02


def test_uuids_are_real_and_in_lower_case() -> None:
    """As the session API wants them."""
    drawn = uuid(0, "x")
    assert drawn == str(UUID(drawn)) == drawn.lower()
    assert UUID(drawn).version == 4


def test_half_a_surrogate_pair_is_a_key_like_any_other() -> None:
    """A browser may cut an emoji in two; that is no reason to fail."""
    assert share(0, "\ud83d") != share(0, "\ude00")

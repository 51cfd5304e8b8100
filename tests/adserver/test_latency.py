from __future__ import annotations

import pytest

from kontext_rx.adserver import Fixed, InvalidSettingError, Latency, Lognormal, Uniform, parse_latency
from kontext_rx.adserver.draw import share
from kontext_rx.adserver.latency import held_back

SHARES = [share(0, "test", number) for number in range(2_000)]


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("0.2", Fixed(0.2)),
        (" 1 ", Fixed(1.0)),
        ("fixed:0.2", Fixed(0.2)),
        ("uniform:0.1,0.5", Uniform(0.1, 0.5)),
        ("Uniform: 0.1, 0.5", Uniform(0.1, 0.5)),
        ("lognormal:0.2,0.6", Lognormal(0.2, 0.6)),
    ],
)
def test_a_latency_is_read_from_an_options_text(text: str, latency: Latency) -> None:
    """Seconds alone, or a distribution with its numbers."""
    assert parse_latency(text) == latency


@pytest.mark.parametrize("text", ["", "fast", "uniform", "uniform:1", "uniform:1,2,3", "lognormal:a,b", "normal:1,2"])
def test_another_text_is_refused_with_the_forms_there_are(text: str) -> None:
    """The message shows each form."""
    with pytest.raises(InvalidSettingError, match=r"uniform:0\.1,0\.5"):
        parse_latency(text)


@pytest.mark.parametrize(
    "text", ["-1", "nan", "inf", "uniform:0.5,0.1", "uniform:-1,1", "lognormal:1,-1", "lognormal:1,99"]
)
def test_numbers_that_are_no_latency_are_refused(text: str) -> None:
    """Less than nothing, endless, or upside down."""
    with pytest.raises(InvalidSettingError, match="cannot be used"):
        parse_latency(text)


def test_fixed_is_the_same_for_all() -> None:
    """Every answer waits as long."""
    assert {held_back(Fixed(0.2), one) for one in SHARES} == {0.2}


def test_uniform_stays_between_its_ends_and_uses_all_of_it() -> None:
    """No answer is outside, and the mean is in the middle."""
    waits = [held_back(Uniform(0.1, 0.5), one) for one in SHARES]
    assert min(waits) >= 0.1
    assert max(waits) <= 0.5
    assert sum(waits) / len(waits) == pytest.approx(0.3, abs=0.01)


def test_half_of_lognormal_is_below_its_median_and_its_tail_is_long() -> None:
    """At a sigma of 0.6, one in 20 takes over 2.7 medians."""
    waits = [held_back(Lognormal(0.2, 0.6), one) for one in SHARES]
    assert sum(wait < 0.2 for wait in waits) / len(waits) == pytest.approx(0.5, abs=0.03)
    assert sum(wait > 0.54 for wait in waits) / len(waits) == pytest.approx(0.05, abs=0.015)

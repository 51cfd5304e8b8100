from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kontext_rx.adserver import AdServerError, Fixed, InvalidSettingError, Settings


def test_without_options_every_turn_fills_at_once() -> None:
    """As it starts: fill rate 1, no latency, no cap, no pacing, nothing broken."""
    settings = Settings()
    assert settings.fill_rate == 1.0
    assert settings.latency == Fixed(0.0)
    assert settings.frequency_cap is None
    assert settings.every == 1
    assert settings.enabled is True
    assert sum(getattr(settings, name) for name in settings.__struct_fields__ if name.endswith("_rate")) == 1.0


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("seed", "1"),
        ("seed", 1.5),
        ("fill_rate", 1.01),
        ("fill_rate", -0.1),
        ("fill_rate", "0.5"),
        ("fill_rate", True),
        ("fill_rate", float("nan")),
        ("error_rate", 2),
        ("reset_rate", -1),
        ("hang_rate", None),
        ("half_sent_rate", 1.5),
        ("malformed_rate", 7),
        ("rate_limit_rate", "all"),
        ("no_content_rate", 1.5),
        ("every", 0),
        ("every", 2.0),
        ("skip_code", ""),
        ("pacing_skip_code", None),
        ("err_code", " "),
        ("frequency_cap", -1),
        ("frequency_cap", 1.5),
        ("preload_timeout_ms", 0),
        ("preload_timeout_ms", 1.5),
        ("error_status", 200),
        ("error_status", 600),
        ("retry_after", -1),
        ("retry_after", "soon"),
        ("enabled", 1),
        ("report_errors", "yes"),
        ("report_debug", None),
        ("permanent", 0),
        ("fill_track_only", 1),
        ("latency", 0.2),
        ("init_latency", "0.2"),
        ("log_size", 0),
        ("kinds", ()),
        ("kinds", "video"),
        ("kinds", ["video"]),
        ("kinds", ("video", "poster")),
        ("bid_ttl", -1),
        ("bid_ttl", float("nan")),
        ("bid_ttl", None),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, given: Any) -> None:
    """The message names the field, what was given and what to give."""
    with pytest.raises(InvalidSettingError) as caught:
        Settings(**{name: given})
    assert caught.value.setting == name
    assert str(caught.value).startswith(f"{name}={given!r} cannot be used: ")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AdServerError)


def test_the_shares_of_broken_answers_must_fit_into_one() -> None:
    """More than every answer cannot be broken; the message names the shares that add up to too much."""
    with pytest.raises(InvalidSettingError, match=r"reset_rate \+ error_rate=1.1 cannot be used"):
        Settings(reset_rate=0.6, error_rate=0.5)
    Settings(reset_rate=0.7, error_rate=0.2, no_content_rate=0.1)  # 0.1 + 0.2 + 0.7 in floats is a hair off


def test_settings_are_checked_again_when_they_are_changed() -> None:
    """A changed copy is no way round the checks."""
    with pytest.raises(InvalidSettingError, match="fill_rate"):
        msgspec.structs.replace(Settings(), fill_rate=3)


def test_settings_are_read_from_plain_data() -> None:
    """A configuration file's data becomes settings, latencies by their type."""
    data = {"fill_rate": 0.5, "latency": {"type": "fixed", "seconds": 0.2}, "kinds": ["video", "text"]}
    assert msgspec.convert(data, Settings) == Settings(fill_rate=0.5, latency=Fixed(0.2), kinds=("video", "text"))

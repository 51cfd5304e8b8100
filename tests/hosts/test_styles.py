"""Which CSS an ad may give itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.hosts.styles import safe_styles


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ({"marginTop": "12"}, {"margin-top": "12px"}),
        ({"margin-top": "1em"}, {"margin-top": "1em"}),
        ({"borderRadius": "8px", "border": "1px solid #ccc"}, {"border-radius": "8px", "border": "1px solid #ccc"}),
        ({"opacity": "0.5"}, {"opacity": "0.5"}),
        ({"background": "rgb(1, 2, 3)"}, {"background": "rgb(1, 2, 3)"}),
        ({"width": "calc(100% / 2)", "maxWidth": "600"}, {"width": "calc(100% / 2)", "max-width": "600px"}),
        ({"padding": "0"}, {"padding": "0"}),
    ],
)
def test_what_stays_inside_the_slot_is_applied(given: dict[str, str], safe: dict[str, str]) -> None:
    """Names as React writes them or as CSS does; a bare number is pixels, as in React."""
    assert safe_styles(given) == safe


@pytest.mark.parametrize(
    "given",
    [
        {"position": "fixed"},
        {"zIndex": "999"},
        {"inset": "0"},
        {"top": "0"},
        {"transform": "scale(100)"},
        {"display": "block"},
        {"height": "100vh"},
        {"minHeight": "100vh"},
        {"content": "x"},
        {"--anything": "x"},
        {"marginTop": "-500px"},
        {"margin": "0 -500px"},
        {"margin": "calc(-1 * 500px)"},
        {"width": "1000000000px"},
        {"background": "url(https://spy.example/x.png)"},
        {"background": "URL (//spy.example)"},
        {"background": "image-set('x')"},
        {"color": "red; position: fixed"},
        {"color": "red\\9"},
        {"color": "var(--secret)"},
        {"color": ""},
        {"color": "red !important"},
        {"Position": "fixed"},
    ],
)
def test_what_would_leave_it_or_load_something_is_not(given: dict[str, str]) -> None:
    assert safe_styles(given) == {}


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_is_given_comes_out_smaller_or_not_at_all(given: dict[str, str]) -> None:
    for name, value in safe_styles(given).items():
        assert ";" not in name + value
        assert "url" not in value.lower()

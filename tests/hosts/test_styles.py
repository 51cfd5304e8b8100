"""Which CSS an ad may give to its container and its frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.hosts.styles import container_styles, frame_styles


@pytest.mark.parametrize(
    "given",
    [
        {"margin-top": "12px", "padding": "0"},
        {"border": "1px solid #ccc", "border-radius": "8px", "box-shadow": "0 1px 4px rgb(0 0 0 / 20%)"},
        {"background": "linear-gradient(red, blue)", "color-scheme": "dark", "opacity": "0.5"},
        {"width": "calc(100% - 16px)", "max-width": "600px", "min-height": "3em", "aspect-ratio": "16 / 9"},
        {"display": "flex", "height": "50px", "justify-content": "center", "gap": "4px"},
        {"position": "relative", "z-index": "2", "margin": "-8px", "transform": "scale(1.1)"},
    ],
)
def test_what_lays_out_or_paints_is_applied(given: dict[str, str]) -> None:
    """The page's slot clips what is drawn outside of it, so nothing here has to."""
    assert container_styles(given) == given


@pytest.mark.parametrize(
    "given",
    [
        {"background": "url(//spy.example/x.png)"},
        {"background": "URL (//spy.example)"},
        {"background": "image-set(x)"},
        {"border-image": "url(x) 3"},
        {"cursor": "url(x), auto"},
        {"color": "red; position: fixed"},
        {"color": "red\\9"},
        {"color": "var(--secret)"},
        {"color": "red !important"},
        {"color": "'"},
        {"color": ""},
        {"color": "x" * 201},
        {"--anything": "x"},
        {"view-transition-name": "root"},
        {"anchor-name": "x"},
        {"content": "x"},
        {"animation": "page-s-own"},
        {"Position": "fixed"},
        {"margin;": "0"},
        {"": "0"},
    ],
)
def test_what_would_load_something_or_is_no_style_is_not(given: dict[str, str]) -> None:
    """A page asks for what its styles name, with its own address as the referrer."""
    assert container_styles(given) == {}


def test_whether_and_how_high_a_frame_is_shown_is_for_the_protocol_to_say() -> None:
    given = {"display": "block", "height": "9999px", "visibility": "hidden", "min-height": "20px"}
    assert frame_styles(given) == {"min-height": "20px"}


@given(st.dictionaries(st.text() | st.sampled_from(["color", "background"]), st.text()))
def test_whatever_is_given_comes_out_smaller_or_not_at_all(given: dict[str, str]) -> None:
    applied = container_styles(given)
    assert applied.items() <= given.items()
    for name, value in applied.items():
        assert not set(name + value) & set(";:{}\\\"'!<>@")
        assert "url" not in value.lower()

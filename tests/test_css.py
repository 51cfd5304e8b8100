"""Styles as creatives write them become declarations."""

import math

import pytest

from kontext_rx.css import declarations


@pytest.mark.parametrize(
    ("given", "declared"),
    [
        ({"marginTop": 12}, {"margin-top": "12px"}),
        ({"marginTop": 12.5}, {"margin-top": "12.5px"}),
        ({"marginTop": -8}, {"margin-top": "-8px"}),
        ({"margin-top": "1em"}, {"margin-top": "1em"}),
        ({"padding": 0}, {"padding": "0"}),
        ({"opacity": 0.5, "flexGrow": 1, "lineHeight": 1.4, "zIndex": 2}, {
            "opacity": "0.5", "flex-grow": "1", "line-height": "1.4", "z-index": "2",
        }),
        ({"WebkitLineClamp": "3"}, {"-webkit-line-clamp": "3"}),
        ({"margin": " 4px\n"}, {"margin": "4px"}),
    ],
)  # fmt: skip
def test_names_are_those_of_a_style_sheet_and_numbers_have_their_unit(
    given: dict[str, object], declared: dict[str, str]
) -> None:
    assert declarations(given) == declared


def test_a_text_is_taken_as_it_is() -> None:
    """As React does: `"12"` is no length, and a browser leaves it out."""
    assert declarations({"margin": "12"}) == {"margin": "12"}


@pytest.mark.parametrize("value", [None, True, [], {}, ["4px"]], ids=repr)
def test_what_is_neither_text_nor_number_is_left_out(value: object) -> None:
    assert declarations({"margin": value, "color": "red"}) == {"color": "red"}


@pytest.mark.parametrize("given", [None, 5, "margin:0", ["margin"], math.nan], ids=repr)
def test_what_is_no_object_has_no_styles(given: object) -> None:
    assert declarations(given) == {}

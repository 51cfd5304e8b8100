from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest

from kontext_rx.adserver import CREATIVES, Creative
from kontext_rx.adserver.art import draw


@pytest.mark.parametrize("creative", CREATIVES, ids=lambda one: one.id)
def test_each_creative_has_a_picture_of_its_own_colour(creative: Creative) -> None:
    """Well-formed, small, and of this page alone: it asks for nothing from elsewhere."""
    svg = draw(creative)
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(svg) < 20_000
    assert f" {creative.hue})" in svg
    assert "href" not in svg
    assert "script" not in svg


def test_a_brand_is_text_in_its_picture() -> None:
    """An ampersand does not break it."""
    odd = msgspec.structs.replace(CREATIVES[0], brand='<Salt> & "Marsh"')
    assert ET.fromstring(draw(odd)).get("aria-label") == '<Salt> & "Marsh"'

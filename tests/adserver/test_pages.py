"""The pages as values; what they do in a browser is in test_frames_*.py."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from kontext_rx.adserver import CREATIVES, KINDS, Bid, Kind, pages

ODD = '<b>"it\'s" & so on</b>'


class Read(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def bid(kind: Kind, **changes: Any) -> Bid:
    creative = next(creative for creative in CREATIVES if creative.kind == kind)
    return Bid(
        bid_id="0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f",
        code="inlineAd",
        creative=msgspec.structs.replace(creative, **changes),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_tells_its_script_about_the_ad(kind: Kind) -> None:
    """All that the messages of the protocol need; what it says is left to stream."""
    offered = bid(kind)
    page = Read(pages.frame(offered))
    (body,) = page.all("body")
    assert json.loads(body["data-ad"] or "") == {
        "id": offered.bid_id,
        "code": "inlineAd",
        "format": kind,
        "content": offered.creative.text,
        "revenue": offered.creative.revenue,
        "hue": offered.creative.hue,
        "link": offered.creative.link,
        "trigger": "component" if kind in ("interstitial", "rewarded") else "immediate",
    }
    assert offered.creative.text not in page.text
    assert "Sponsored" in page.text
    assert offered.creative.brand in page.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [pages.frame, pages.modal])
def test_what_a_bid_says_is_escaped(make: Any, kind: Kind) -> None:
    """In the text as in the attributes; nothing stands inline that the policy would refuse."""
    odd = msgspec.structs.replace(bid(kind, brand=ODD, text=ODD, action=ODD, reward=ODD), code=ODD, bid_id=ODD)
    page = make(odd)
    assert "<b>" not in page
    read = Read(page)
    (body,) = read.all("body")
    assert json.loads(body["data-ad"] or "")["content"] == ODD
    assert ODD in read.text
    assert all("src" in script for script in read.all("script"))
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
    (link,) = read.all("a")
    assert link["data-to"] == (
        "/click/%3Cb%3E%22it%27s%22%20%26%20so%20on%3C%2Fb%3E"
        f"?creative={odd.creative.id}&code=%3Cb%3E%22it%27s%22%20%26%20so%20on%3C%2Fb%3E"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_address_is_relative_to_the_page(kind: Kind) -> None:
    """So nothing is asked of anyone else, and the server may stand below a prefix."""
    for page in (Read(pages.frame(bid(kind))), Read(pages.modal(bid(kind)))):
        addresses = [value for _, tag in page.tags for name, value in tag.items() if name in ("src", "href", "poster")]
        assert addresses
        assert all(str(address).startswith("../") for address in addresses)


def test_the_buttons_can_be_found_by_their_test_ids() -> None:
    """Where there is a modal, and there alone."""
    for kind in KINDS:
        has_modal = kind in ("interstitial", "rewarded")
        ids = [button.get("data-testid") for button in Read(pages.frame(bid(kind))).all("button")]
        assert ("open-modal" in ids) is has_modal
    for kind in ("interstitial", "rewarded"):
        closers = [button for button in Read(pages.modal(bid(kind))).all("button") if button.get("data-testid")]
        assert [button["data-testid"] for button in closers] == ["close-modal"]
        assert all(button["aria-label"] for button in closers)


def test_every_button_says_what_it_does_and_what_cannot_be_pressed_is_no_link() -> None:
    """For those who hear the page instead of seeing it; the link opens beside the app, and tells nobody who sent it."""
    for kind in KINDS:
        for make in (pages.frame, pages.modal):
            (link,) = Read(make(bid(kind))).all("a")
            assert link["target"] == "_blank"
            assert link["rel"] == "noopener noreferrer"
            assert link["aria-label"]


def test_a_page_that_shows_nothing_has_nothing_in_it() -> None:
    """But the script that tells the host, and whether it is the modal that is missing."""
    (body,) = Read(pages.gone("It has expired")).all("body")
    assert body == {"data-problem": "It has expired"}
    page = Read(pages.gone("It has expired", "modal"))
    assert page.all("body") == [{"data-problem": "It has expired", "data-component": "modal"}]
    assert page.text == "No ad"  # its title
    assert [script["src"] for script in page.all("script")] == ["../static/gone.js"]


def test_where_a_click_leads_nothing_is_sold() -> None:
    """It says whose ad it was, where that is known."""
    creative = msgspec.structs.replace(CREATIVES[0], brand=ODD)
    assert f"You clicked {ODD}" in Read(pages.landing(creative)).text
    assert "You clicked an ad" in Read(pages.landing(None)).text
    assert "nothing was bought" in pages.landing(None)

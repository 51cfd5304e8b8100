"""
The pages of an ad, as HTML: inline, modal, gone, and where a click leads.

Each is a pure function of the bid. All that a bid says is escaped here; a page finds its scripts and pictures by
addresses relative to its own, so the server may stand below any prefix.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Literal
from urllib.parse import quote

from .creatives import Creative, Kind
from .decide import Bid

__all__ = ["click_path", "frame", "gone", "landing", "modal"]


def click_path(bid: Bid) -> str:
    """Give the address that a click on *bid* leads to, relative to the server's own."""
    return f"/click/{quote(bid.bid_id, safe='')}?creative={bid.creative.id}&code={quote(bid.code, safe='')}"


def frame(bid: Bid) -> str:
    """Give the inline page of *bid*."""
    body = _INLINE[bid.creative.kind](bid)
    return _page(bid.creative.brand, "frame.js", body, ad=_facts(bid), kind=bid.creative.kind)


def modal(bid: Bid) -> str:
    """Give the modal of *bid*: with a video to watch where it gives a reward, with its picture otherwise."""
    rewarded = bid.creative.kind == "rewarded"
    body = _reward_sheet(bid) if rewarded else _poster_sheet(bid)
    return _page(bid.creative.brand, "modal.js", body, ad=_facts(bid), kind=bid.creative.kind, component="modal")


def gone(problem: str, component: Literal["modal"] | None = None) -> str:
    """Give the page that shows nothing and tells the host so; *problem* is for whoever looks at its source."""
    return _page("No ad", "gone.js", "", problem=problem, component=component)


def landing(creative: Creative | None) -> str:
    """Give the page that a click leads to; without a *creative* when nobody knows whose ad it was."""
    brand = "an ad" if creative is None else creative.brand
    picture = "generic-notebook" if creative is None else creative.id
    sold = "" if creative is None else f"<p>{escape(creative.text)}</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(brand)}</title>"
        f'<link rel="icon" href="../api/art/{escape(picture)}.svg">'
        '<link rel="stylesheet" href="../api/static/ad.css"></head>'
        f'<body class="landing"><main><h1>You clicked {escape(brand)}</h1>{sold}'
        "<p>This is the end of the road: the brand is made up, and nothing was bought.</p></main></body></html>"
    )


# The parts


def _page(title: str, script: str, body: str, *, ad: Mapping[str, object] | None = None, **data: str | None) -> str:
    facts = {"ad": None if ad is None else json.dumps(ad), **data}
    marks = "".join(f' data-{name}="{escape(value)}"' for name, value in facts.items() if value is not None)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title>"
        '<link rel="stylesheet" href="../static/ad.css">'
        f'<script type="module" src="../static/{script}"></script></head>'
        f"<body{marks}>{body}</body></html>"
    )


def _facts(bid: Bid) -> dict[str, object]:
    creative = bid.creative
    return {
        "id": bid.bid_id,
        "code": bid.code,
        "format": creative.kind,
        "content": creative.text,
        "revenue": creative.revenue,
        "hue": creative.hue,
        "link": creative.link,
        "trigger": creative.impression_trigger,
    }


def _link(bid: Bid, style: str = "action") -> str:
    to = click_path(bid)
    said = escape(bid.creative.action)
    return (
        f'<a class="{style}" data-area="action" href="../..{escape(to)}" data-to="{escape(to)}"'
        f' target="_blank" rel="noopener noreferrer" aria-label="{said}: {escape(bid.creative.brand)}">{said}</a>'
    )


def _head(bid: Bid) -> str:
    brand = escape(bid.creative.brand)
    return (
        f'<header data-area="brand"><span class="badge" aria-hidden="true">{_initials(bid.creative.brand)}</span>'
        f'<strong>{brand}</strong><span class="label">Sponsored</span></header>'
    )


def _initials(brand: str) -> str:
    words = [word for word in brand.removeprefix("The ").split() if word[0].isalnum()]
    return escape("".join(word[0] for word in words[:2]).upper())


def _picture(bid: Bid) -> str:
    return f'<img class="art" data-area="image" src="../art/{escape(bid.creative.id)}.svg" alt="">'


def _film(bid: Bid, loading: str) -> str:
    return (
        f'<div class="film" data-area="video"><video muted playsinline preload="{loading}" disablepictureinpicture'
        ' src="../static/spot.webm"></video>'
        f'<div class="last" aria-hidden="true"><strong>{escape(bid.creative.brand)}</strong></div>'
        '<div class="bar" aria-hidden="true" data-bar></div>'
        '<button class="play" type="button" data-play hidden aria-label="Play the video"></button></div>'
    )


_STREAM = '<p class="says" data-area="text" data-stream></p>'


def _card(bid: Bid, inside: str) -> str:
    return (
        f'<div class="room" data-card><article class="card {bid.creative.kind}"'
        f' aria-label="Sponsored: {escape(bid.creative.brand)}">{inside}</article></div>'
    )


# Inline


def _text(bid: Bid) -> str:
    foot = f'<footer><span class="label">Sponsored</span><strong>{escape(bid.creative.brand)}</strong>'
    return _card(bid, f"{_STREAM}{foot}{_link(bid, 'action plain')}</footer>")


def _image(bid: Bid) -> str:
    return _card(bid, f'{_picture(bid)}<div class="copy">{_head(bid)}{_STREAM}{_link(bid)}</div>')


def _video(bid: Bid) -> str:
    return _card(bid, f'{_film(bid, "auto")}<div class="copy">{_head(bid)}{_STREAM}{_link(bid)}</div>')


def _banner(bid: Bid) -> str:
    return _card(bid, f'{_picture(bid)}<div class="copy">{_head(bid)}{_STREAM}</div>{_link(bid)}')


def _interstitial(bid: Bid) -> str:
    opener = '<button class="action" type="button" data-testid="open-modal">Take a look</button>'
    return _card(
        bid,
        f'{_picture(bid)}<div class="copy">{_head(bid)}{_STREAM}'
        f'<div class="choices">{opener}{_link(bid, "action plain")}</div></div>',
    )


def _rewarded(bid: Bid) -> str:
    reward = escape(bid.creative.reward or "a reward")
    opener = '<button class="action" type="button" data-testid="open-modal">Watch</button>'
    return _card(
        bid,
        f'{_picture(bid)}<div class="copy">{_head(bid)}{_STREAM}'
        f'<p class="prize" data-area="reward"><span class="before">Watch 5 seconds, get {reward}</span>'
        f'<span class="after">Yours: {reward}</span></p>'
        f'<div class="choices">{opener}{_link(bid, "action plain")}</div></div>',
    )


_INLINE: Mapping[Kind, Callable[[Bid], str]] = {
    "text": _text,
    "image": _image,
    "video": _video,
    "banner": _banner,
    "interstitial": _interstitial,
    "rewarded": _rewarded,
}


# Modals


def _sheet(bid: Bid, inside: str, closer: str) -> str:
    return (
        '<div class="scrim" data-scrim></div>'
        '<div class="stage"><article class="sheet" role="dialog" aria-modal="true" data-card'
        f' aria-label="Sponsored: {escape(bid.creative.brand)}">{inside}'
        f'<button class="close" type="button" data-testid="close-modal" aria-label="{closer}"></button></article></div>'
    )


def _poster_sheet(bid: Bid) -> str:
    copy = f'<div class="copy">{_head(bid)}<p class="says" data-area="text">{escape(bid.creative.text)}</p>'
    return _sheet(bid, f"{_picture(bid)}{copy}{_link(bid)}</div>", "Close")


def _reward_sheet(bid: Bid) -> str:
    reward = escape(bid.creative.reward or "a reward")
    copy = (
        f'<div class="copy">{_head(bid)}<p class="says" data-area="text">{escape(bid.creative.text)}</p>'
        f'<p class="prize" data-area="reward" role="status"><span class="before" data-left>Reward in 5 s</span>'
        f'<span class="after">Yours: {reward}</span></p>{_link(bid)}</div>'
    )
    return _sheet(bid, _film(bid, "auto") + copy, "Close without the reward")

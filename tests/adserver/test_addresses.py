"""The addresses that a browser asks for, without a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from kontext_rx.adserver import CREATIVES, AdServer, Answer, Settings, answers

from .conftest import Caller, Serve
from .wire import HEADERS, preload_body

NOBODY = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"
STATIC = files("kontext_rx.adserver") / "static"


async def bid_id(caller: Caller) -> str:
    return str((await caller.preload("dinner")).json["bids"][0]["bidId"])


@pytest.mark.parametrize("path", ["frame", "modal"])
async def test_a_frame_is_a_page_that_may_load_only_from_here(caller: Caller, path: str) -> None:
    """It is not kept, tells nobody where it stood, and may be held by any page."""
    page = await caller.request("GET", f"/api/{path}/{await bid_id(caller)}?code=inlineAd&messageId=m-4&sdk=sdk-python")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'"
    )
    assert "unsafe" not in policy
    assert "frame-ancestors" not in policy
    assert "X-Frame-Options" not in page.headers


async def test_a_bid_that_is_not_known_is_a_404_and_one_that_expired_a_410(serve: Serve) -> None:
    """Both with a page, for the host to be told; a newer setting counts at once."""
    caller = await serve(bid_ttl=0.0)
    offered = await bid_id(caller)
    for path in ("frame", "modal"):
        unknown = await caller.request("GET", f"/api/{path}/{NOBODY}")
        expired = await caller.request("GET", f"/api/{path}/{offered}")
        assert (unknown.status, expired.status) == (404, 410)
        assert b"gone.js" in unknown.raw
        assert b"expired" in expired.raw
    assert caller.server.bid(offered) is not None
    caller.server.settings = Settings(bid_ttl=60.0)
    assert (await caller.request("GET", f"/api/frame/{offered.upper()}")).status == 200


async def test_a_bid_whose_answer_never_arrived_can_be_shown_all_the_same(caller: Caller) -> None:
    """The server cannot know what the other side has read of it."""
    caller.server.script("/preload", answers.fill({"bidId": NOBODY, "code": "inlineAd"}), Answer(json={"bids": 7}))
    await caller.request("POST", "/preload", data=b"not json", headers=HEADERS)
    assert (await caller.request("GET", f"/api/frame/{NOBODY}")).status == 200
    assert (await caller.preload()).json == {"bids": 7}


async def test_everything_a_page_asks_for_is_there(caller: Caller) -> None:
    """Scripts, styles, pictures and the video, each with its type; no script or style names another file of none."""
    offered = await bid_id(caller)
    asked = {f"/api/art/{creative.id}.svg" for creative in CREATIVES}
    for path in ("frame", "modal"):
        page = (await caller.request("GET", f"/api/{path}/{offered}")).raw.decode()
        asked |= {f"/api{address}" for address in re.findall(r'(?:src|href)="\.\.(/[^.][^"]*)"', page)}
    asked |= {f"/api/static/{one.name}" for one in STATIC.iterdir()}
    assert len(asked) >= len(CREATIVES) + 6
    types = {"svg": "image/svg+xml", "css": "text/css", "js": "text/javascript", "webm": "video/webm"}
    for path in asked:
        part = await caller.request("GET", path)
        assert part.status == 200, path
        assert part.headers["Content-Type"].split(";")[0] == types[path.rpartition(".")[2]]
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        assert part.raw


async def test_the_video_can_be_had_in_parts(caller: Caller) -> None:
    """Some browsers play none otherwise."""
    whole = (await caller.request("GET", "/api/static/spot.webm")).raw
    for asked, status, expected in (
        ("bytes=0-99", 206, whole[:100]),
        ("bytes=100-", 206, whole[100:]),
        ("bytes=-50", 206, whole[-50:]),
        (f"bytes=0-{len(whole) * 2}", 206, whole),
        (f"bytes={len(whole)}-", 416, b""),
        ("bytes=a-b", 200, whole),
        ("lines=1-2", 200, whole),
    ):
        part = await caller.request("GET", "/api/static/spot.webm", headers={"Range": asked})
        assert (part.status, part.raw) == (status, expected), asked
        if status == 206:
            first, last = whole.find(expected), whole.find(expected) + len(expected) - 1
            assert part.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"


def test_the_files_are_small() -> None:
    """They come with every installation."""
    sizes = {one.name: len(one.read_bytes()) for one in STATIC.iterdir()}
    assert sizes["spot.webm"] < 60_000
    assert sum(size for name, size in sizes.items() if name != "spot.webm") < 40_000


@pytest.mark.parametrize(
    "path",
    ["/api/static/nothing.js", "/api/static/..%2Fapp.py", "/api/static/%2e%2e", "/api/art/nobody.svg", "/api/art/x"],
)
async def test_a_part_that_is_none_is_a_404(caller: Caller, path: str) -> None:
    """Nothing but the parts of an ad is served from the disk."""
    assert (await caller.request("GET", path)).status == 404


async def test_a_click_leads_to_a_page_that_sells_nothing(caller: Caller) -> None:
    """It says whose ad it was, long after too; no other page may hold it."""
    offered = await bid_id(caller)
    caller.server.settings = Settings(bid_ttl=0.0)
    page = await caller.request("GET", f"/click/{offered}?creative=restaurants")
    assert b"You clicked Saltmarsh Table" in page.raw
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert b"You clicked an ad" in (await caller.request("GET", f"/click/{NOBODY}")).raw


async def test_frames_and_clicks_are_logged_and_their_parts_are_not(caller: Caller) -> None:
    """Counted by what they are, so that the counts do not grow with the bids; a HEAD is a GET without its body."""
    offered = await bid_id(caller)
    for path in (
        f"/api/frame/{offered}?code=inlineAd",
        f"/api/modal/{offered}",
        f"/click/{offered}",
        "/api/static/ad.js",
    ):
        await caller.request("GET", path)
    assert (await caller.request("HEAD", f"/api/frame/{NOBODY}")).status == 404
    logged = [(entry.method, entry.path, entry.status) for entry in caller.server.requests]
    assert logged == [
        ("POST", "/preload", 200),
        ("GET", f"/api/frame/{offered}", 200),
        ("GET", f"/api/modal/{offered}", 200),
        ("GET", f"/click/{offered}", 200),
        ("HEAD", f"/api/frame/{NOBODY}", 404),
    ]
    assert caller.server.stats.paths == {
        "/preload": 1,
        "/api/frame/{bidId}": 2,
        "/api/modal/{bidId}": 1,
        "/click/{bidId}": 1,
    }


async def test_frames_are_got_and_not_posted_to(caller: Caller) -> None:
    """As any path that is none."""
    assert (await caller.post(f"/api/frame/{NOBODY}", {})).status == 404
    assert (await caller.request("GET", "/api/frame/")).status == 404
    assert (await caller.request("GET", "/api/frame/a/b")).status == 404


async def test_the_front_page_names_the_frames(caller: Caller) -> None:
    """For whoever opens the address."""
    assert "GET /api/frame/{bidId}" in (await caller.request("GET", "/")).json["endpoints"]


@pytest.fixture
async def below() -> AsyncIterator[str]:
    """The address of a server below a prefix of another application."""
    outer = web.Application()
    outer.add_subapp("/ads", AdServer().app)
    runner = web.AppRunner(outer, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/ads"
    await runner.cleanup()


async def test_ads_are_shown_below_a_prefix_too(below: str) -> None:
    """Their pages find what they ask for."""
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        async with http.post(f"{below}/preload", json=preload_body("dinner"), headers=HEADERS) as answer:
            offered = (await answer.json())["bids"][0]["bidId"]
        async with http.get(f"{below}/api/frame/{offered}") as page:
            addresses = re.findall(r'(?:src|href)="([^"]+)"', await page.text())
            assert len(addresses) >= 4
            for address in addresses:
                async with http.get(page.url.join(URL(address))) as part:
                    assert await part.read()

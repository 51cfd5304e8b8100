"""
The bridge: how long an iframe's message takes to its event in Python, and how large the page's script is.

    python tests/benchmarks/bridge.py [--messages 1000] [--rate 50] [--json FILE]

A headless Chromium shows an ad of the embedded server through `browser.js`. The ad's frame posts a `resize-iframe`,
each with a height of its own, and notes its time; a subscriber of the session's events notes ours when the `AdHeight`
is there. All of it is on this machine: the frame in one process, the page in another, and bridge, session and ad server
on one loop in ours.

The frame's time is `performance.timeOrigin + performance.now()`, which a browser coarsens to 0.1 ms; ours is
`time.time()`. How far the two clocks are apart is bounded before and after: asked for its time, the frame answers
between our asking and our hearing it, and over hundreds of answers little room is left. Delays are corrected by the
middle of it; half of it, and the 0.1 ms, are the error that is printed.

Minified is by rjsmin, which leaves names as they are: a bundler's output is smaller.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import importlib
import json
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from measure import OURS, Bench, Cell, Row, SkippedError, percentiles
from processes import CORES, kept_to

import kontext_rx as kx
from kontext_rx import hosts
from kontext_rx.adserver import AdServer, Settings
from kontext_rx.hosts import aiohttp as face
from kontext_rx.hosts import script

if TYPE_CHECKING:
    from playwright.async_api import Frame

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
RESOLUTION_MS = 0.1
"""Of a frame's clock. Source: the High Resolution Time specification, for pages that are not cross-origin isolated."""
GOAL_P50_MS, GOAL_BYTES = 5.0, 6000
RATE = 50.0
"""Messages a second."""

PAGE = """<!doctype html><meta charset="utf-8"><title>A chat</title><meta name="kontext-token" content="{token}">
<script type="module" src="/kontext/browser.js"></script><kontext-ad message-id="reply"></kontext-ad>"""

NOW = "performance.timeOrigin + performance.now()"

POST = f"""async ([messages, pause]) => {{
  const sent = [], code = new URLSearchParams(location.search).get("code");
  for (let n = 0; n < messages; n++) {{
    await new Promise((done) => setTimeout(done, pause * (0.5 + Math.random()))); // in step with no other timer
    const height = 1000 + n / 10;
    sent.push([height, {NOW}]);
    parent.postMessage({{ type: "resize-iframe", data: {{ height, code }} }}, "*");
  }}
  await new Promise((done) => setTimeout(done, 200)); // what is returned shall not stand before the last message
  return sent;
}}"""


async def delays(messages: int, rate: float) -> dict[str, Any]:
    """Milliseconds from `postMessage` to the subscriber, corrected, in the order sent; and the clocks' error."""
    heard: dict[float, float] = {}
    rendered = asyncio.Event()

    def note(event: kx.AdEvent) -> None:
        match event:
            case kx.AdHeight(height=height):
                heard[height] = time.time() * 1000
            case kx.RenderCompleted():
                rendered.set()
            case _:
                pass

    async with AdServer(Settings(kinds=("image",))) as ads, chat(ads) as (session, url), chromium() as browser:
        session.events.subscribe(note)
        page = await browser.new_page()
        await page.goto(url)
        try:
            await asyncio.wait_for(rendered.wait(), 30)
        except TimeoutError:
            raise RuntimeError("the ad was not rendered within 30 s") from None
        frame = next(one for one in page.frames if one.url.startswith(ads.url))
        asked = await ask(frame)
        sent = await frame.evaluate(POST, [messages, 1000 / rate])
        asked += await ask(frame)
        ahead, error = difference(asked)
    lost = [height for height, _ in sent if height not in heard]
    if lost:
        raise RuntimeError(f"{len(lost)} of {messages} messages never came: is the rate above what a frame may say?")
    return {"delay_ms": [heard[height] - (at - ahead) for height, at in sent], "error_ms": error}


async def ask(frame: Frame, times: int = 300) -> list[tuple[float, float, float]]:
    """Our milliseconds before asking a frame for its time, what it said, and ours when it was heard."""
    answers: list[tuple[float, float, float]] = []
    for _ in range(times):
        before = time.time() * 1000
        said = await frame.evaluate(NOW)
        answers.append((before, said, time.time() * 1000))
    return answers


def difference(asked: list[tuple[float, float, float]]) -> tuple[float, float]:
    """How many milliseconds the frame's clock is ahead of ours, and how wrong that may be."""
    least = max(said - after for _, said, after in asked)
    most = min(said - before for before, said, _ in asked)
    return (least + most) / 2, abs(most - least) / 2 + RESOLUTION_MS


@asynccontextmanager
async def chat(ads: AdServer) -> AsyncGenerator[tuple[kx.Session, str], None]:
    """A session with an ad for its one reply, and the page that shows it: on another site than the ad, as ads are."""
    bridge = hosts.Bridge()
    async with kx.create_session(
        publisher_token="bench", user_id="user", conversation_id="chat", ad_server_url=ads.url
    ) as session:
        session.add_message(kx.Message.user("question", "Any tent for two?"))
        session.add_message(kx.Message.assistant("reply", "For summer or winter?"))
        if not isinstance(await session.outcome("reply"), kx.Filled):
            raise RuntimeError("the embedded ad server has no ad")
        app = web.Application()
        app.add_subapp("/kontext", face.app(bridge))

        async def index(_: web.Request) -> web.Response:
            return web.Response(text=PAGE.format(token=bridge.admit(session)), content_type="text/html")

        app.router.add_get("/", index)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield session, f"http://localhost:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()


@asynccontextmanager
async def chromium() -> AsyncGenerator[Any, None]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise SkippedError("no Chromium on this machine: apt-get install chromium")
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        raise SkippedError("playwright is not installed") from None
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=QUIET)
        try:
            yield browser
        finally:
            await browser.close()


def sizes() -> dict[str, int]:
    """Bytes of `browser.js`."""
    try:
        minified: Any = importlib.import_module("rjsmin").jsmin
    except ImportError:
        raise SkippedError("rjsmin is not installed") from None
    raw = script.body()
    small = minified(raw.decode()).encode()
    return {
        "raw": len(raw),
        "raw_gzip": len(gzip.compress(raw, 9)),
        "minified": len(small),
        "minified_gzip": len(gzip.compress(small, 9)),
    }


def report(results: dict[str, Any]) -> None:
    values, size = results["delay_ms"], results["bytes"]
    cuts = percentiles("delay", values)
    print(f"iframe to event, {len(values)} messages, each ±{results['error_ms']:.2f} ms")
    print(f"{'p50':>12} {'p99':>8} {'max':>8}    goal")
    print(f"{cuts['delay_p50']:>9.2f} ms {cuts['delay_p99']:>8.2f} {max(values):>8.2f}    p50 < {GOAL_P50_MS:g} ms")
    print(f"{script.NAME}, bytes")
    print(f"{'raw':>12} {'gzipped':>8} {'minified':>8} {'both':>8}    goal")
    print(
        f"{size['raw']:>12,} {size['raw_gzip']:>8,} {size['minified']:>8,} {size['minified_gzip']:>8,}"
        f"    both < {GOAL_BYTES:,}"
    )


def measured(bench: Bench) -> dict[str, float]:
    """The numbers of the table that has everything."""
    with kept_to(CORES):  # a browser takes several
        found = asyncio.run(delays(bench.size(1000, 200), RATE))
    return percentiles("delay", found["delay_ms"]) | {"bytes": sizes()["minified_gzip"]}


CELLS: Final = [
    Cell(
        name="bridge",
        kinds={OURS: measured},
        rows=[
            Row(what="iframe to event, p50", number="delay_p50", unit="ms", over=None, at_most=GOAL_P50_MS),
            Row(what="iframe to event, p99", number="delay_p99", unit="ms", over=None),
            Row(what="browser.js, minified, gzipped", number="bytes", unit="bytes", over=None, at_most=GOAL_BYTES),
        ],
        rounds=1,
    )
]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=1000)
    options.add_argument("--rate", type=float, default=RATE, help="messages a second; a frame may say 100")
    options.add_argument("--json", type=Path, metavar="FILE", help="where all delays go, beside the table")
    given = options.parse_args()
    try:
        results = {**asyncio.run(delays(given.messages, given.rate)), "bytes": sizes()}
    except SkippedError as why:
        raise SystemExit(str(why)) from None
    report(results)
    if given.json is not None:
        given.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()

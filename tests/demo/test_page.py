"""The demo chat as a visitor sees it: a real browser, real sockets, real frames."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from chromium import Browser, open_browser
from playwright.async_api import Page

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat
from kontext_rx.demo.model import ChatModel
from kontext_rx.demo.scripts import Line, Script, Scripts

pytestmark = pytest.mark.asyncio(loop_scope="module")  # for one browser

SOON = 20_000  # milliseconds
STORY = Script("leek-soup", (Line("user", "Any tent?"), Line("assistant", "Yes."), Line("user", "For two?")))
OTHER = Script("the other", (Line("assistant", "Welcome."), Line("user", "Hello.")))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def demo() -> AsyncIterator[str]:
    async with AdServer() as ads, DemoChat(ads).serving() as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a new visitor's; an exception in it fails the test."""
    failed: list[str] = []
    context = await browser.new_context(viewport={"width": 1400, "height": 850})
    context.set_default_timeout(SOON)
    opened = await context.new_page()
    opened.on("pageerror", lambda error: failed.append(str(error)))
    yield opened
    await context.close()
    assert failed == []


async def ask(page: Page, text: str) -> None:
    await page.fill("input[name=text]", text)
    await page.keyboard.press("Enter")


async def told(page: Page, text: str) -> None:
    """Wait until the timeline has told something."""
    await page.locator(".log").get_by_text(text).first.wait_for()


async def test_a_question_gets_a_reply_and_an_ad_under_it(page: Page, demo: str) -> None:
    """It renders in its frame, grows to its height, is counted as viewed; and the timeline tells each of it."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(demo)
    await page.click("text=Any tent for two?")
    await page.frame_locator("#a1 kontext-ad iframe").get_by_text("Sponsored").wait_for()
    await told(page, "ad.viewed")
    log = await page.locator(".log").inner_text()
    for text in (
        "q1 message: Any tent for two?",
        "q1 waits 10 ms",
        "request for q1",
        "q1 filled after",
        "q1 carried no consent",
        "ad.filled",
        "q1 linked to a1",
        "ad.render-started",
        "ad.height",
    ):
        assert text in log
    height = await page.locator("#a1 kontext-ad iframe").evaluate("iframe => iframe.clientHeight")
    assert height > 40
    assert {url.split("/")[2].split(":")[0] for url in asked if url.startswith("http")} == {"127.0.0.1"}


async def test_a_click_on_a_line_or_a_marble_shows_all_there_is(page: Page, demo: str) -> None:
    await page.goto(demo)
    await page.click("text=Any tent for two?")
    await told(page, "ad.filled")
    await page.locator(".log button", has_text="ad.filled").click()
    assert '"name": "ad.filled"' in await page.locator(".raw").inner_text()
    await page.locator(".marbles .mark.accent circle").click()
    assert '"content": "Any tent for two?"' in await page.locator(".raw").inner_text()


async def test_a_request_lives_in_the_diagram_and_is_cut_off_when_it_is_cancelled(page: Page, demo: str) -> None:
    await page.goto(demo)
    await page.select_option("[name=server]", "slow")
    await ask(page, "Where should we eat tonight?")
    await page.locator(".marbles .mark.open rect").wait_for()
    assert await page.locator(".marbles .cut").count() == 0
    await ask(page, "Somewhere quiet.")
    await told(page, "request for q1 cancelled by q2")
    await page.locator(".marbles .bad .cut").wait_for()
    await told(page, "q2 filled after")
    await page.locator(".marbles .good rect").wait_for()
    assert await page.locator(".marbles .cut").count() == 1


async def test_the_switches_change_what_comes_next(page: Page, demo: str) -> None:
    await page.goto(demo)
    await page.select_option("[name=server]", "empty")
    await ask(page, "Where should we eat tonight?")
    await told(page, "ad.no-fill: unfilled_bid")
    await page.select_option("[name=server]", "broken")
    await ask(page, "And tomorrow?")
    await told(page, "ad.error: request_failed")
    await page.select_option("[name=server]", "fast")
    await page.select_option("[name=kind]", "video")
    await ask(page, "And a film?")
    await page.frame_locator("#a3 kontext-ad iframe").locator("video").wait_for()


async def test_pacing_is_a_rule_and_holds_by_its_reason(page: Page, demo: str) -> None:
    """What it offers are rules of `kontext_rx.pacing`, by the expressions that make them."""
    await page.goto(demo)
    await page.select_option("[name=pacing]", "skip_first(2)")
    await ask(page, "Where should we eat tonight?")
    await told(page, "request for q1, no ad wanted: skip_first(2)")
    await page.select_option("[name=pacing]", "no turn")
    await ask(page, "And tomorrow?")
    await told(page, "request for q2, no ad wanted: turn 2 is none that may have an ad")
    await page.select_option("[name=pacing]", "every turn")
    await ask(page, "And on Sunday?")
    await told(page, "q3 filled after")


async def test_the_next_request_carries_what_the_consent_platform_says(page: Page, demo: str) -> None:
    """The page has a `__tcfapi`; what reached the ad server is shown, and all of it on a click."""
    await page.goto(demo)
    await page.wait_for_selector("html[data-ready]")
    for number, (choice, carried) in enumerate(
        (
            ("granted", "carried gdpr=1 gdprConsent=CQdWToAQdWTo…"),
            ("refused", "carried gdpr=1 gdprConsent=CQdWToAQdWTo…"),
            ("none", "carried no consent"),
        ),
        1,
    ):
        await page.select_option("[name=consent]", choice)
        await ask(page, f"Question {number}?")
        await told(page, f"q{number} {carried}")
    strings = []
    for number in (1, 2):
        await page.locator(".log button", has_text=f"q{number} carried").click()
        strings.append((await page.locator(".raw").inner_text()).partition('"gdprConsent": "')[2].partition('"')[0])
    assert len(set(strings)) == 2
    assert all(len(text) > 40 for text in strings)


async def test_the_theme_is_that_of_the_system_until_it_is_chosen_and_stays(browser: Browser, demo: str) -> None:
    context = await browser.new_context(color_scheme="dark")
    page = await context.new_page()
    await page.goto(demo)
    theme = "document.documentElement.dataset.theme"
    await page.wait_for_selector("html[data-ready]")
    assert await page.evaluate(theme) == "dark"
    await page.select_option("[name=theme]", "light")
    await page.reload()
    await page.wait_for_selector("html[data-ready]")
    assert await page.evaluate(theme) == "light"
    await ask(page, "Any tent for two?")
    assert await page.locator("#a1 kontext-ad").get_attribute("theme", timeout=SOON) == "light"
    await context.close()


@pytest.mark.parametrize("width", [360, 800, 1400])
async def test_nothing_is_wider_than_the_screen(page: Page, demo: str, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 740})
    await page.goto(demo)
    await ask(page, "A" * 300)
    await told(page, "ad.viewed")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    box = await page.locator(".marbles").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width


async def test_going_on_interrupts_the_reply(page: Page, demo: str) -> None:
    """What was never finished is never fed, and has no ad."""
    await page.goto(demo)
    for text in ("Where should we eat tonight?", "Somewhere quiet."):
        await ask(page, text)
        await page.locator(".bubble", has_text=text).wait_for()
    await told(page, "a1 reply interrupted")
    await page.frame_locator("#a2 kontext-ad iframe").get_by_text("Sponsored").wait_for()
    assert await page.locator("#a1 kontext-ad").count() == 0


# --- conversations that are played ------------------------------------------------------------------------------------


TYPED = """
window.typed = [];
addEventListener("DOMContentLoaded", () => {
  const input = document.querySelector(".say input");
  if (!input) return; // the frame of an ad
  new MutationObserver(() => typed.push(input.value)).observe(input, { attributeFilter: ["class"] });
});
"""
"""Keeps what stands in the input as a played user begins, and ends, to type."""


async def scripts() -> AsyncIterator[Script]:
    yield STORY
    yield OTHER


@pytest_asyncio.fixture(loop_scope="module")
async def played() -> AsyncIterator[str]:
    async with AdServer() as ads, DemoChat(ads, scripts=Scripts(scripts()), speed=4).serving() as url:
        yield url


async def test_a_conversation_is_played_and_then_the_next(page: Page, played: str) -> None:
    """The user is seen typing; each conversation is one of its own, with its own session."""
    await page.add_init_script(TYPED)
    await page.goto(played)
    await page.wait_for_selector("html[data-played=end]")
    assert (await page.evaluate("typed"))[0] == "A"
    assert await page.locator(".bubble").all_inner_texts() == ["Any tent?", "Yes.", "For two?"]
    assert await page.input_value(".say input") == ""
    assert (await page.locator(".status").inner_text()).split("\n") == [
        "Conversation 1: leek-soup, played to its end",
        "Next conversation",
    ]
    await page.frame_locator("#a1 kontext-ad iframe").get_by_text("Sponsored").wait_for()
    await page.click("text=Next conversation")
    await page.wait_for_selector("html[data-played=end]")
    assert await page.locator(".bubble").all_inner_texts() == ["Welcome.", "Hello."]
    assert await page.locator(".next").count() == 0


async def test_who_types_takes_over(page: Page, played: str) -> None:
    await page.goto(played)
    await page.locator(".bubble", has_text="Yes.").wait_for()
    await page.locator(".say input").press_sequentially("My own question")
    await page.keyboard.press("Enter")
    await page.locator(".bubble", has_text="My own question").wait_for()
    await page.locator("#a2 kontext-ad").wait_for(state="attached")
    assert "yours now" in await page.locator(".status").inner_text()
    assert await page.locator(".bubble", has_text="For two?").count() == 0


async def test_a_conversation_that_does_not_exist_is_an_empty_page(page: Page, played: str) -> None:
    for number in ("3", "0", "x", "9" * 40):
        await page.goto(f"{played}?conversation={number}")
        await page.wait_for_selector("html[data-ready]")
        assert await page.locator(".bubble").count() == 0


# --- a model that answers ---------------------------------------------------------------------------------------------


async def completions(request: web.Request) -> web.StreamResponse:
    """Answers with how many messages it was given; refuses, or does not stream, when it is asked to."""
    messages = (await request.json())["messages"]
    if "fail" in messages[-1]["content"]:
        return web.json_response({"error": {"message": "out of credit"}}, status=429)
    if "at once" in messages[-1]["content"]:
        return web.json_response({"choices": [{"message": {"content": "All at once."}}]})
    if "nothing" in messages[-1]["content"]:
        return web.json_response({"choices": [{"message": {"content": ""}}]})
    response = web.StreamResponse()
    await response.prepare(request)
    for word in ("I", " was", f" given {len(messages)}."):
        event = {"choices": [{"delta": {"content": word}}]}
        await response.write(f"data: {json.dumps(event)}\n\n".encode())
    return response


@pytest_asyncio.fixture(loop_scope="module")
async def answered() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", completions)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model = ChatModel("small", f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    async with AdServer() as ads, DemoChat(ads, model=model).serving() as url:
        yield url
    await runner.cleanup()


async def test_a_model_answers_and_when_it_fails_the_chat_goes_on(page: Page, answered: str) -> None:
    """Its failure is a line under the question; nothing of it is fed, and it has no ad."""
    await page.goto(answered)
    await ask(page, "Any tent for two?")
    await page.locator("#a1 .bubble", has_text="I was given 1.").wait_for()
    await page.frame_locator("#a1 kontext-ad iframe").get_by_text("Sponsored").wait_for()
    await ask(page, "Please fail.")
    problem = page.locator("#a2 .problem")
    await problem.wait_for()
    assert await problem.inner_text() == "No reply: the endpoint answered HTTP 429: out of credit."
    await ask(page, "And now?")
    await page.locator("#a3 .bubble", has_text="I was given 4.").wait_for()
    assert await page.locator("#a2 kontext-ad").count() == 0
    await ask(page, "Say nothing.")
    await page.locator("#a4 .problem", has_text="No reply: the answer of small has no text in it").wait_for()
    await ask(page, "Say it at once.")
    await page.locator("#a5 .bubble", has_text="All at once.").wait_for()
    await page.frame_locator("#a5 kontext-ad iframe").get_by_text("Sponsored").wait_for()
    assert await page.locator("#a4 kontext-ad").count() == 0
    assert "small" in await page.locator(".who").inner_text()

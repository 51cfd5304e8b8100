"""The browser half in a real browser: frames, places, and what a page and its ads may do to each other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Error

import kontext_rx as kx

from .stage import Stage, names, until

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEWED = "say('event-iframe', {name: 'ad.viewed', payload: {content: 'c', format: 'text'}})"


async def settle(page: Page) -> None:
    """Long enough for a message to go all the way, had it been heard."""
    await page.wait_for_timeout(200)


async def box(frame: Frame) -> dict[str, float]:
    found = await (await frame.frame_element()).bounding_box()
    assert found is not None
    return dict(found)


# --- an ad's life ---


async def test_an_ad_shows_itself_under_its_message(stage: Stage) -> None:
    """Loaded hidden, answered, resized, shown; what it tells arrives as events."""
    session = stage.session()
    events = stage.told(session)
    page = await stage.page(session)
    frame = await stage.shown(page, session, "m1", theme="dark")
    assert (await box(frame))["height"] == 120
    got = await frame.evaluate("got.find((one) => one.type === 'update-iframe')")
    assert (got["origin"], got["host"]) == (stage.url, True)
    assert got["data"]["messages"][0]["content"] == "Hi"
    assert got["data"]["otherParams"] == {"theme": "dark"}
    await frame.evaluate("say('event-iframe', {name: 'ad.render-completed'})")
    await frame.evaluate(VIEWED)
    await until(lambda: "ad.viewed" in names(events))
    assert names(events) == ["ad.filled", "ad.height", "ad.render-completed", "ad.viewed"]
    await frame.evaluate("say('hide-iframe')")
    await (await frame.frame_element()).wait_for_element_state("hidden")


async def test_the_frame_is_as_bare_as_the_protocol_allows(stage: Stage) -> None:
    _, frame = await stage.silent_ad()
    element = await frame.frame_element()
    got = await element.evaluate(
        """(frame) => ({sandbox: [...frame.sandbox].sort().join(" "), referrer: frame.referrerPolicy,
        title: frame.title, loading: frame.loading, display: getComputedStyle(frame).display,
        border: getComputedStyle(frame).borderWidth})"""
    )
    assert got == {
        "sandbox": "allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts",
        "referrer": "strict-origin",
        "title": "Advertisement",
        "loading": "eager",
        "display": "none",
        "border": "0px",
    }
    assert stage.ads.asked[0].headers["Referer"] == f"{stage.url}/"
    refused = await frame.evaluate(
        "(() => { try { top.location = 'https://evil.example'; } catch (e) { return e.name; } })()"
    )
    assert refused == "SecurityError"


async def test_two_placements_of_one_message_keep_apart(stage: Stage) -> None:
    session = stage.session(enabled_placement_codes=["inlineAd", "sidebar"])
    events = stage.told(session)
    page = await stage.page(session)
    await stage.turn(session, "m1")
    await page.evaluate("place('m1'), void place('m1', {code: 'sidebar'})")
    inline = await stage.frame(page, "m1", code="inlineAd")
    side = await stage.frame(page, "m1", code="sidebar")
    await until(lambda: names(events).count("ad.height") == 2)
    await side.evaluate("say('resize-iframe', {height: 77})")
    await until(lambda: isinstance(events[-1], kx.AdHeight) and events[-1].height == 77)
    assert events[-1].code == "sidebar"
    assert (await box(inline))["height"] == 120
    assert (await box(side))["height"] == 77
    await side.evaluate("say('resize-iframe', {height: 300, code: 'inlineAd'})")  # of another placement: a lie
    await settle(page)
    assert ((await box(inline))["height"], (await box(side))["height"]) == (120, 77)


async def test_an_app_mounts_in_a_named_place(stage: Stage) -> None:
    """With a host from Python, also before the page has the place, and across a re-rendering."""
    session = stage.session()
    await stage.turn(session, "m1")
    ad = session.render(message_id="m1", element=stage.bridge.slot(session, "under-m1"))
    page = await stage.page(session)
    show = "document.querySelector('#chat').innerHTML = '<div data-kontext-slot=under-m1></div>'"
    await page.evaluate(show)
    first = await stage.visible(page, "m1")
    assert (await box(first))["height"] == 120
    await page.evaluate(show)
    await until(lambda: first.is_detached())
    second = await stage.visible(page, "m1")
    assert (await box(second))["height"] == 120
    assert not ad.is_destroyed
    await second.evaluate("say('resize-iframe', {height: 99})")
    await until(lambda: ad.height == 99)
    ad.destroy()
    await until(lambda: second.is_detached())


async def test_a_user_event_reaches_the_frame(stage: Stage) -> None:
    session = stage.session()
    _, frame = await stage.ad(session)
    session.send_user_event("user.typing.started", {"n": 1})
    got = await until(lambda: frame.evaluate("got.find((one) => one.type === 'user-event-iframe')"))
    assert got["data"] == {"name": "user.typing.started", "code": "inlineAd", "payload": {"n": 1}}


# --- the page re-renders ---

FOUND = "const chat = document.querySelector('#chat'), ad = document.querySelector('kontext-ad')"

RERENDERED = {
    "scrolled off and on": "ad.remove(); setTimeout(() => chat.append(ad), 100)",
    "swapped for an equal one": "ad.replaceWith(ad.cloneNode(false))",
    "swapped as HTML": "chat.innerHTML = '<kontext-ad message-id=m1></kontext-ad>'",
    "moved": "const other = document.createElement('div'); chat.append(other); other.append(ad)",
    "emptied": "ad.innerHTML = ''",
    "the new one first": "place('m1'); setTimeout(() => ad.remove(), 100)",
    "the whole body": "document.body.innerHTML = '<p><kontext-ad message-id=m1 code=inlineAd></kontext-ad></p>'",
}


@pytest.mark.parametrize("how", RERENDERED)
async def test_a_place_that_is_rendered_anew_shows_its_ad_again(stage: Stage, how: str) -> None:
    """The bid is kept, no preload is made, and the new frame is the one that is heard."""
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    await frame.evaluate("window.old = true")
    await page.evaluate(f"() => {{ {FOUND}; {RERENDERED[how]} }}")

    async def anew() -> Frame | None:
        for one in page.frames:
            if "/api/frame/" in one.url and not one.is_detached() and not await one.evaluate("!!window.old"):
                return one
        return None

    async def found() -> Frame | None:
        try:
            return await anew()
        except Exception:  # it goes away while it is asked
            return None

    again = await until(found)
    await (await again.frame_element()).wait_for_element_state("visible")
    assert (await box(again))["height"] == 120
    assert await page.evaluate("document.querySelectorAll('iframe').length") == 1
    await again.evaluate(VIEWED)
    await until(lambda: "ad.viewed" in names(events))
    assert names(events).count("ad.viewed") == 1
    assert len(stage.ads.preloads) == 1


async def test_a_place_whose_message_changes_shows_the_other_ad(stage: Stage) -> None:
    session = stage.session()
    page, frame = await stage.ad(session)
    await stage.turn(session, "m2")
    await page.evaluate("document.querySelector('kontext-ad').setAttribute('message-id', 'm2')")
    await stage.visible(page, "m2")
    await until(frame.is_detached)


async def test_unmounting_leaves_nothing(stage: Stage) -> None:
    """No frame, no socket, no listener that answers; the ads are let go at once."""
    session = stage.session()
    page = await stage.page(session)
    await stage.shown(page, session, "m1")
    ad = session.create_ad("m1")
    await page.evaluate("unmount(), unmount()")
    assert await page.evaluate("document.querySelectorAll('iframe, dialog').length") == 0
    await until(lambda: ad.is_destroyed)
    await page.evaluate("void place('m2')")
    await settle(page)
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session))
    await stage.visible(page, "m1")


async def test_a_page_without_code_mounts_by_its_meta_element(stage: Stage) -> None:
    session = stage.session()
    await stage.turn(session, "m1")
    page = await stage.page()
    await page.goto(f"{stage.url}/plain?token={stage.bridge.admit(session)}")
    await stage.visible(page, "m1")


# --- who is heard ---


async def test_only_the_very_frame_is_heard(stage: Stage) -> None:
    """Not the page, not a sibling of the ad's own origin, not one of another."""
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    before = names(events)
    forged = "{type: 'event-iframe', data: {code: 'inlineAd', name: 'reward.granted'}}"
    await page.evaluate(f"postMessage({forged}, '*')")
    await page.evaluate("""(url) => {
        const sibling = document.createElement('iframe');
        sibling.id = 'sibling';
        sibling.src = url;
        document.body.append(sibling);
    }""", frame.url.replace("messageId=m1", "messageId=m0"))  # fmt: skip
    sibling = await stage.frame(page, "m0")
    await sibling.evaluate(f"parent.postMessage({forged}, '*')")
    await sibling.evaluate(f"parent.frames[0].postMessage({forged}, '*')")
    await settle(page)
    assert names(events) == before
    # The host posts to the frame alone: the sibling, of the same origin, was told nothing.
    assert await sibling.evaluate("got.filter((one) => one.host).length") == 0
    await frame.evaluate(f"parent.postMessage({forged}, '*')")
    await until(lambda: "reward.granted" in names(events))


async def test_an_ad_of_the_pages_own_origin_is_not_loaded(stage: Stage) -> None:
    """A sandbox with scripts and the page's origin would be none."""
    session = stage.session(ad_server_url=stage.url, enabled=False)
    page = await stage.page(session)
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    await page.evaluate("document.querySelector('#chat').innerHTML = '<div data-kontext-slot=top></div>'")
    host = stage.bridge.slot(session, "top")
    await until(lambda: host.is_attached)
    for url in (f"{stage.url}/", "javascript:alert(1)", "data:text/html,x", "nonsense"):
        host.load(url)
    await until(lambda: len(errors) == 4)
    assert await page.evaluate("document.querySelectorAll('iframe').length") == 0


async def test_two_users_do_not_see_each_other(stage: Stage) -> None:
    """The same message id in both; one says something nobody else may read."""
    ann, ben = stage.session(), stage.session()
    events = stage.told(ann)
    pages = [await stage.page(one) for one in (ann, ben)]
    await stage.turn(ann, "m1", text="a secret of Ann's")
    await stage.turn(ben, "m1")
    for page in pages:
        await page.evaluate("void place('m1')")
    frames = [await stage.visible(page, "m1") for page in pages]
    told_frames = [await frame.evaluate("JSON.stringify(got)") for frame in frames]
    assert "secret" in told_frames[0]
    assert "secret" not in told_frames[1]
    before = names(events)
    await frames[1].evaluate(VIEWED)
    await settle(pages[1])
    assert names(events) == before


# --- what goes wrong ---


async def test_a_frame_that_never_answers_stays_hidden(stage: Stage) -> None:
    session = stage.session()
    page, frame = await stage.silent_ad(session)
    await settle(page)
    assert await (await frame.frame_element()).is_hidden()
    assert await page.evaluate("document.querySelector('kontext-ad').getBoundingClientRect().height") == 0
    stage.ads.auto = True
    await stage.shown(page, session, "m2")


async def test_ten_thousand_messages_do_not_hurt_the_page(stage: Stage) -> None:
    """A hundred a second are passed on; the rest is dropped in the page, and counted."""
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    await stage.shown(page, session, "m2")
    await frame.evaluate("for (let i = 0; i < 10_000; i++) say('event-iframe', {name: 'video.started'})")
    await settle(page)
    other = await stage.frame(page, "m2")
    await other.evaluate("say('event-iframe', {name: 'video.completed'})")
    await until(lambda: "video.completed" in names(events))
    await page.wait_for_timeout(1000)
    await frame.evaluate(VIEWED)
    await until(lambda: "ad.viewed" in names(events))
    assert 50 <= names(events).count("video.started") <= 500
    assert stage.bridge.stats.dropped + names(events).count("video.started") == 10_000
    assert stage.bridge.stats.violations == 0


GARBAGE = """
    const all = [null, 7, "text", [], {}, {type: 7}, {type: "init"}, {type: ["x-iframe"]}, {type: "resize-iframe"},
      {type: "resize-iframe", data: {height: 1e9}}, {type: "resize-iframe", data: {height: "90"}}, 10n, new Map(),
      {type: "x-iframe", data: 10n}, {type: "x-iframe", data: "x".repeat(1e6)}, {type: "x-iframe", data: "\\ud800"},
      "{", '{"type":"x-iframe","data":"\\ud800"}'];
    const circle = {type: "x-iframe"}; circle.data = circle; all.push(circle);
    let deep = []; for (let i = 0; i < 3000; i++) deep = [deep]; all.push({type: "x-iframe", data: deep});
    for (const one of all) parent.postMessage(one, "*");
"""


async def test_garbage_does_nothing(stage: Stage) -> None:
    """Whatever a frame posts: its page, its ad and the others go on."""
    session = stage.session()
    _, frame = await stage.ad(session)
    events = stage.told(session)
    await frame.evaluate(f"() => {{ {GARBAGE} }}")
    await frame.evaluate("parent.postMessage(JSON.stringify({type: 'resize-iframe', data: {height: 91}}), '*')")
    await until(lambda: isinstance(events[-1], kx.AdHeight) and events[-1].height == 91)
    assert (await box(frame))["height"] == 91
    assert stage.bridge.stats.violations == 0


async def test_a_page_that_reloads_in_mid_ad_shows_it_anew(stage: Stage) -> None:
    session = stage.session()
    events = stage.told(session)
    page = await stage.page(session)
    await stage.shown(page, session, "m1")
    await page.reload()
    await page.wait_for_function("window.ready")
    await page.evaluate("(token) => { start(token); place('m1'); }", stage.bridge.admit(session))
    frame = await stage.visible(page, "m1")
    await frame.evaluate(VIEWED)
    await until(lambda: "ad.viewed" in names(events))
    await stage.shown(page, session, "m2")


async def test_the_newest_tab_takes_an_ad_over(stage: Stage) -> None:
    """The older one's place is emptied; its other ads stay."""
    session = stage.session()
    first = await stage.page(session)
    await stage.shown(first, session, "m1")
    await stage.shown(first, session, "m2")
    second = await stage.tab(first.context, session)
    await second.evaluate("void place('m1')")
    await stage.visible(second, "m1")
    await until(lambda: first.evaluate("document.querySelectorAll('iframe').length === 1"))
    await stage.visible(first, "m2")


async def test_a_tab_that_is_closed_gives_its_ads_back(stage: Stage) -> None:
    """At once; a place that is only rendered anew keeps its ad in between."""
    session = stage.session()
    first = await stage.page(session)
    await stage.shown(first, session, "m1")
    second = await stage.tab(first.context, session)
    await second.evaluate("void place('m1')")
    await stage.visible(second, "m1")
    await until(lambda: first.evaluate("document.querySelectorAll('iframe').length === 0"))
    loaded = len(stage.ads.asked)
    await second.evaluate("(ad => ad.replaceWith(ad.cloneNode()))(document.querySelector('kontext-ad'))")
    await until(lambda: len(stage.ads.asked) > loaded)
    await settle(first)
    assert len(stage.ads.asked) == loaded + 1
    await second.close(run_before_unload=False)
    await stage.visible(first, "m1")


async def test_a_socket_that_dies_between_fill_and_view_loses_nothing(stage: Stage) -> None:
    """What a frame says meanwhile arrives when the page is back, once; the ad is not even reloaded."""
    session = stage.session()
    _, frame = await stage.ad(session)
    events = stage.told(session)
    await frame.evaluate("window.old = true")
    await stage.drop_sockets()
    await frame.evaluate(VIEWED)
    await frame.evaluate("say('resize-iframe', {height: 99})")
    session.send_user_event("user.typing.started")
    await until(lambda: isinstance(events[-1], kx.AdHeight) and events[-1].height == 99)
    await until(lambda: frame.evaluate("got.filter((one) => one.type === 'user-event-iframe').length === 1"))
    assert names(events) == ["ad.filled", "ad.height", "ad.viewed", "ad.height"]
    assert stage.bridge.stats.resumed == 1
    assert await frame.evaluate("window.old")


async def test_sockets_that_die_again_and_again_lose_nothing(stage: Stage) -> None:
    """In the middle of what is said, in both directions."""
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    for number in range(60):
        await frame.evaluate("(height) => say('resize-iframe', {height})", 200 + number)
        session.send_user_event("user.typing.started", {"number": number})
        if number % 10 == 5:
            await stage.drop_sockets()
            await page.wait_for_timeout(number * 12)
    await until(lambda: sum(isinstance(event, kx.AdHeight) for event in events) == 61)
    heights = [event.height for event in events if isinstance(event, kx.AdHeight)]
    assert heights == [120, *range(200, 260)]
    numbers = "got.filter((one) => one.type === 'user-event-iframe').map((one) => one.data.payload.number)"
    assert await until(lambda: frame.evaluate(f"{numbers}.length === 60 && {numbers}")) == list(range(60))
    assert stage.bridge.stats.resumed >= 2
    assert stage.bridge.stats.violations == 0


async def test_a_page_that_is_too_far_behind_starts_afresh(stage: Stage) -> None:
    """Neither side keeps more than it may; the ads are shown anew and are heard again."""
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    frames = [frame, *[await stage.shown(page, session, f"m{number}") for number in range(2, 8)]]
    await page.context.set_offline(True)
    await stage.drop_sockets()
    with contextlib.suppress(Error):  # the last ones may be gone before they have spoken
        for one in frames:
            await one.evaluate("for (let i = 0; i < 100; i++) say('event-iframe', {name: 'video.started'})")
    await until(frame.is_detached)
    await page.context.set_offline(False)
    again = await stage.visible(page, "m1")
    await again.evaluate("say('event-iframe', {name: 'video.completed'})")
    await until(lambda: "video.completed" in names(events))
    assert "video.started" not in names(events)


async def test_a_destroyed_session_empties_its_page(stage: Stage) -> None:
    """And the page does not come back by itself."""
    session = stage.session()
    page, frame = await stage.ad(session)
    await session.aclose()
    await until(lambda: page.evaluate("refused[0] === 'session'"))
    await until(frame.is_detached)
    sockets = len(stage.sockets)
    await page.wait_for_timeout(1500)
    assert len(stage.sockets) == sockets


async def test_a_page_may_ask_for_a_new_token(stage: Stage) -> None:
    """With a function it comes back: to the next session of the user, for one."""
    first, second = stage.session(), stage.session()
    page = await stage.page()
    tokens = [stage.bridge.admit(first), stage.bridge.admit(second)]
    await page.evaluate("(tokens) => start(async () => tokens.shift())", tokens)
    old = await stage.shown(page, first, "m1")
    await first.aclose()
    await until(lambda: page.evaluate("refused.length"))
    await until(old.is_detached)  # the next one has the same address
    await stage.turn(second, "m1")
    await stage.visible(page, "m1")

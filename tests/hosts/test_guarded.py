"""What an ad cannot do to its page: draw elsewhere, load through it, go elsewhere unseen, or keep it waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import kontext_rx as kx

from .stage import Ads, Stage, names, served, until

if TYPE_CHECKING:
    from playwright.async_api import ElementHandle, Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def styled(frame: Frame, container: dict[str, Any], iframe: dict[str, Any], done: str) -> ElementHandle:
    """Have the ad ask for styles; gives its frame when *done* holds for it."""
    await frame.evaluate(
        "([containerStyles, iframeStyles]) => say('set-styles-iframe', {containerStyles, iframeStyles})",
        [container, iframe],
    )
    element = await frame.frame_element()
    await until(lambda: element.evaluate(f"(frame) => {done}"), what=done)
    return element


# --- what it draws ---


async def test_styles_are_for_the_container_and_the_frame_and_not_for_the_pages_element(stage: Stage) -> None:
    """As React applies them; whether and how high the frame is shown stays the protocol's."""
    page, frame = await stage.ad()
    element = await styled(
        frame, {"marginTop": 12, "display": "flex"}, {"borderRadius": 8, "height": "9999px", "display": "none"},
        "getComputedStyle(frame).borderRadius === '8px'",
    )  # fmt: skip
    around = "(({marginTop, display}) => [marginTop, display])(getComputedStyle(frame.parentElement))"
    assert await element.evaluate(f"(frame) => {around}") == ["12px", "flex"]
    assert await page.evaluate("document.querySelector('kontext-ad').style.cssText") == "display: block;"
    own = "(({height, display, width}) => [height, display, width])(frame.style)"
    assert await element.evaluate(f"(frame) => {own}") == ["120px", "block", "100%"]


async def test_the_next_styles_take_the_place_of_those_before(stage: Stage) -> None:
    """As in the official web SDK."""
    _, frame = await stage.ad()
    await styled(frame, {"marginTop": 12}, {"borderRadius": 8}, "frame.style.borderRadius === '8px'")
    element = await styled(frame, {"color": "red"}, {"width": "50%"}, "frame.style.width === '50%'")
    assert await element.evaluate("(frame) => frame.style.borderRadius") == ""
    assert await element.evaluate("(frame) => frame.parentElement.style.cssText") == "color: red;"


GREEDY: dict[str, dict[str, Any]] = {
    "over everything": {"position": "fixed", "inset": 0, "zIndex": 2147483647},
    "blown up": {"transform": "scale(100)", "transformOrigin": "0 0"},
    "wide": {"width": "99999px", "minWidth": "9999vw"},
    "elsewhere": {"position": "absolute", "top": 0, "left": 0, "width": 3000, "background": "red"},
    "a shadow": {"boxShadow": "0 0 0 9999px red", "outline": "9999px solid red"},
    "pulled up": {"margin": "-300px", "padding": "300px", "background": "red"},
}


@pytest.mark.parametrize("how", GREEDY)
async def test_whatever_its_styles_an_ad_stays_in_its_place(stage: Stage, how: str) -> None:
    """Nothing of it is painted over the page around, nor clicked there, nor does it push the page aside."""
    session = stage.session()
    page = await stage.page(session)
    await page.evaluate("""() => {
        const chat = document.querySelector('#chat');
        chat.style.cssText = 'display:flex;padding:200px 300px';
        chat.innerHTML = '<div id=slot style="width:300px;height:150px"></div><p style="width:100px">Beside</p>';
        window.place = (id) => {
          const made = document.createElement('kontext-ad');
          made.setAttribute('message-id', id);
          document.querySelector('#slot').append(made);
        };
    }""")
    frame = await stage.shown(page, session, "m1")
    around = await outside(page)
    await styled(frame, GREEDY[how], GREEDY[how], "frame.parentElement.style.cssText !== ''")
    await page.wait_for_timeout(50)
    assert await outside(page) == around
    hit = "[[50, 50], [290, 260], [620, 300], [400, 500]].map(([x, y]) => document.elementFromPoint(x, y)?.tagName)"
    assert "IFRAME" not in await page.evaluate(hit)
    assert "KONTEXT-AD" not in await page.evaluate(hit)


async def outside(page: Page) -> list[bytes]:
    """Pictures of what is around the slot."""
    parts = [(0, 0, 800, 195), (0, 180, 295, 250), (605, 180, 300, 250), (0, 380, 800, 200)]
    clips: list[Any] = [{"x": x, "y": y, "width": width, "height": height} for x, y, width, height in parts]
    return [await page.screenshot(clip=clip) for clip in clips]


async def test_no_style_is_higher_than_the_tallest_frame(stage: Stage) -> None:
    page, frame = await stage.ad()
    await styled(frame, {"paddingTop": "9999vh"}, {}, "frame.parentElement.style.cssText !== ''")
    height = await page.evaluate("document.querySelector('kontext-ad').getBoundingClientRect().height")
    assert height == 10_000


async def test_no_style_loads_anything(stage: Stage) -> None:
    """The page would ask for it, under its own address."""
    page, frame = await stage.ad()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    loads = {"background": "url(/spy.png)", "borderImage": "url(/spy.png) 3", "cursor": "url(/spy.png), auto"}
    await styled(frame, {**loads, "color": "red"}, loads, "frame.parentElement.style.color === 'red'")
    await page.wait_for_timeout(100)
    assert asked == []


# --- where it goes ---


async def test_a_frame_that_has_gone_elsewhere_is_not_heard(stage: Stage) -> None:
    """It may navigate itself. The origin is not the ad server's any more: it is told nothing, and noted once."""
    session = stage.session()
    notes: list[kx.DebugEvent] = []
    session.debug_events.subscribe(notes.append)
    page, frame = await stage.ad(session)
    events = stage.told(session)
    before = names(events)
    async with served(Ads().app) as elsewhere:
        await frame.evaluate(
            "(url) => void (location.href = url)", f"{elsewhere}/api/frame/x?messageId=m9&code=inlineAd"
        )
        moved = await stage.frame(page, "m9")
        for _ in range(3):
            await moved.evaluate("say('event-iframe', {name: 'reward.granted'})")
        session.send_user_event("user.typing.started")
        found = await until(lambda: [note.data for note in notes if note.name == "Ad: foreign-origin"])
        assert found == [{"messageId": "m1", "code": "inlineAd", "origin": elsewhere}]
        await page.wait_for_timeout(200)
        assert names(events) == before
        assert await moved.evaluate("got.length") == 0


# --- under a policy ---


async def test_a_page_with_a_strict_policy_needs_three_words(stage: Stage) -> None:
    """No `unsafe-inline`, for scripts or for styles: what the how-to says is all it takes."""
    session = stage.session()
    await stage.turn(session, "m1")
    words = {"script-src": "'self'", "connect-src": stage.url.replace("http", "ws"), "frame-src": stage.ads.url}
    policy = "; ".join(["default-src 'none'", *(f"{name} {value}" for name, value in words.items())])
    stage.headers["Content-Security-Policy"] = policy
    page = await stage.page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)

    await page.goto(f"{stage.url}/plain?token={stage.bridge.admit(session)}")
    frame = await stage.visible(page, "m1")
    await styled(frame, {"margin": 4}, {"borderRadius": 8}, "frame.style.borderRadius === '8px'")
    await frame.evaluate("say('open-component-iframe', {component: 'modal'})")
    await until(lambda: page.evaluate("!!document.querySelector('dialog')?.open"))
    assert refused == []


# --- the end ---


@pytest.mark.parametrize("what", ["the ad", "the session", "the frame's own word", "the page's token"])
async def test_what_ends_in_a_modal_ends_it(stage: Stage, what: str) -> None:
    """The page is free again at once, and the focus is back where it was."""
    session = stage.session()
    page, frame = await stage.ad(session)
    await page.focus("#prompt")
    await frame.evaluate("say('open-component-iframe', {component: 'modal'})")
    await until(lambda: page.evaluate("!!document.querySelector('dialog')?.open"))
    match what:
        case "the ad":
            session.create_ad("m1").destroy()
        case "the session":
            session.destroy()
        case "the page's token":
            stage.bridge.revoke(session)
        case _:
            await frame.evaluate("say('error-iframe')")
    await until(lambda: page.evaluate("document.querySelectorAll('dialog, iframe').length === 0"))
    assert await page.evaluate("document.activeElement.id") == "prompt"
    assert "timeout" not in [getattr(event, "err_code", None) for event in stage.told(session)]


# --- the other end is silent ---


async def test_a_socket_that_is_open_and_dead_is_left(stage: Stage) -> None:
    """A network that is gone says nothing: a ping without an answer does. The ads stay, and nothing is lost."""
    session = stage.session()
    page = await stage.page()
    await page.clock.install()
    opened: list[Any] = []

    def silent(socket: Any) -> None:
        opened.append(socket)
        server = socket.connect_to_server()
        if len(opened) == 1:
            server.on_message(lambda message: None if socket in dead else socket.send(message))

    dead: list[Any] = []
    await page.route_web_socket("**/ws", silent)
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session))
    frame = await stage.shown(page, session, "m1")
    dead.append(opened[0])
    await page.clock.run_for(21_000)
    assert len(opened) == 1
    await page.clock.run_for(21_000)
    await until(lambda: len(opened) == 2)
    await frame.evaluate("say('event-iframe', {name: 'reward.granted'})")
    await until(lambda: "reward.granted" in names(stage.told(session)))
    assert not frame.is_detached()
    assert stage.bridge.stats.resumed == 1


async def test_a_socket_that_dies_before_the_welcome_is_left(stage: Stage) -> None:
    """It never opens, or opens and is never answered. No ping is sent before the welcome: a deadline finds out."""
    session = stage.session()
    page = await stage.page()
    await page.clock.install()
    opened: list[Any] = []

    def silent(socket: Any) -> None:
        opened.append(socket)
        if len(opened) not in (2, 3):
            socket.connect_to_server()

    await page.route_web_socket("**/ws", silent)
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session))
    frame = await stage.shown(page, session, "m1")
    await opened[0].close(code=4000)
    for number in (2, 3):
        await page.clock.run_for(1_000)
        await until(lambda number=number: len(opened) == number)
        await frame.evaluate("say('event-iframe', {name: 'video.started'})")
        await page.clock.run_for(13_000)
        assert len(opened) == number
        await page.clock.run_for(2_000)
    await page.clock.run_for(2_000)
    await until(lambda: names(stage.told(session)).count("video.started") == 2)
    assert not frame.is_detached()
    assert (len(opened), stage.bridge.stats.resumed) == (4, 1)
    await page.clock.run_for(16_000)  # its deadline is no more
    assert len(opened) == 4


async def test_a_token_that_never_comes_is_asked_for_again(stage: Stage) -> None:
    """And what comes too late is not used."""
    session = stage.session()
    page = await stage.page()
    await page.clock.install()
    await page.evaluate("() => { window.asked = []; start(() => new Promise((give) => asked.push(give))); }")
    await page.clock.run_for(14_000)
    assert await page.evaluate("asked.length") == 1
    await page.clock.run_for(2_000)
    assert await page.evaluate("asked.length") == 2
    await page.evaluate("asked[0]('another')")
    await page.evaluate("(token) => asked[1](token)", stage.bridge.admit(session))
    await stage.shown(page, session, "m1")
    assert await page.evaluate("refused") == []
    assert len(stage.sockets) == 1


async def test_a_report_that_is_too_long_costs_nothing_else(stage: Stage) -> None:
    """Of a consent platform, or an attribute of the page's: it is not told, and the page goes on."""
    session = stage.session()
    page = await stage.page(session)
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    await page.evaluate("place('x'.repeat(100_000))")
    await until(lambda: errors == ["kontext: too long to be told: slot"])
    await stage.shown(page, session, "m1")
    assert stage.bridge.stats.violations == 0


async def test_unusual_messages_are_as_dear_as_any(stage: Stage) -> None:
    """What is no message of the protocol's is within the same allowance: reading it costs the page, too."""
    session = stage.session()
    _, frame = await stage.ad(session)
    await frame.evaluate(
        "for (let i = 0; i < 1000; i++) parent.postMessage({type: 'noise', text: 'x'.repeat(1000)}, '*')"
    )
    await frame.evaluate("setTimeout(() => say('event-iframe', {name: 'reward.granted'}), 200)")
    await until(lambda: "reward.granted" in names(stage.told(session)))
    assert stage.bridge.stats.dropped >= 800

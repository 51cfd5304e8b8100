"""The modal: above the page, with the focus in hand, and gone when it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import kontext_rx as kx

from .stage import Stage, names, until

if TYPE_CHECKING:
    from playwright.async_api import Frame, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

IS_OPEN = "document.querySelector('dialog')?.open ?? null"


async def opened(stage: Stage, session: kx.Session) -> tuple[Page, Frame, Frame]:
    """A page with an ad whose modal is to be seen: the page, the ad's frame, the modal's."""
    page = await stage.page(session)
    frame = await stage.shown(page, session, "m1")
    await page.focus("#prompt")
    await frame.evaluate("say('open-component-iframe', {component: 'modal', componentParams: {slide: 2}})")
    modal = await stage.frame(page, "m1", "modal")
    await (await modal.frame_element()).wait_for_element_state("visible")
    return page, frame, modal


async def test_it_covers_the_page_whatever_its_layers(stage: Stage) -> None:
    """Hidden until it has introduced itself; nothing behind it can be clicked."""
    session = stage.session()
    stage.ads.auto = True
    page, frame, modal = await opened(stage, session)
    assert "componentParams=%7B%22slide%22%3A2%7D" in modal.url
    await page.evaluate("""() => {
        const layer = document.createElement('div');
        layer.style.cssText = 'position:fixed;inset:0;z-index:2147483647;transform:scale(1)';
        document.body.append(layer);
    }""")
    size = page.viewport_size
    assert size is not None
    assert await (await modal.frame_element()).bounding_box() == {"x": 0, "y": 0, **size}
    top = await page.evaluate("document.elementFromPoint(innerWidth / 2, innerHeight / 2).src")
    assert "/api/modal/" in top
    assert await (await modal.frame_element()).get_attribute("sandbox") == (
        "allow-scripts allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    )
    await modal.evaluate("say('close-component-iframe')")
    await until(lambda: page.evaluate("!document.querySelector('dialog')"))
    assert not frame.is_detached()


async def test_it_is_hidden_until_it_has_introduced_itself_and_closed_if_it_does_not(stage: Stage) -> None:
    session = stage.session()
    page, frame = await stage.ad(session)
    events = stage.told(session)
    stage.ads.auto = False
    await frame.evaluate("say('open-component-iframe', {component: 'modal', timeout: 400})")
    await until(lambda: page.evaluate("!!document.querySelector('dialog')"))
    assert await page.evaluate(IS_OPEN) is False
    assert await page.is_hidden("dialog")
    await until(lambda: page.evaluate("!document.querySelector('dialog')"))
    assert isinstance(events[-1], kx.AdError)
    assert events[-1].err_code == "timeout"


async def test_escape_closes_it_and_gives_the_focus_back(stage: Stage) -> None:
    """At once, and the session knows."""
    session = stage.session()
    page, _, modal = await opened(stage, session)
    ad = session.create_ad("m1")
    states: list[bool] = []
    ad.state.subscribe(lambda state: states.append(state.is_modal_open))
    assert await page.evaluate("document.activeElement.parentElement.tagName") == "DIALOG"
    await page.keyboard.press("Escape")
    await until(modal.is_detached)
    assert await page.evaluate("document.activeElement.id") == "prompt"
    await until(lambda: states[-1] is False)


async def test_the_keyboard_stays_inside_and_finds_a_way_out(stage: Stage) -> None:
    """Tab goes through the ad to a button that shows when it has the focus, and not to the page behind."""
    session = stage.session()
    page, _, modal = await opened(stage, session)
    seen: list[str] = []
    for _ in range(4):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate("document.activeElement.tagName"))
    assert "IFRAME" in seen
    assert "INPUT" not in seen
    while await page.evaluate("document.activeElement.tagName") != "BUTTON":
        await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.style.opacity") == "1"
    await page.keyboard.press("Enter")
    await until(modal.is_detached)


async def test_it_speaks_like_the_ad(stage: Stage) -> None:
    session = stage.session()
    events = stage.told(session)
    page, _, modal = await opened(stage, session)
    await modal.evaluate("say('event-iframe', {name: 'reward.granted'})")
    await until(lambda: "reward.granted" in names(events))
    await modal.evaluate("say('resize-iframe', {height: 999})")  # the inline frame's word alone
    await modal.evaluate("say('error-component-iframe', {message: 'no', errorType: 'broken'})")
    await until(lambda: page.evaluate("!document.querySelector('dialog')"))
    assert isinstance(events[-1], kx.AdError)
    assert events[-1].err_code == "broken"


async def test_nobody_else_speaks_for_it(stage: Stage) -> None:
    """Not a sibling of the ad's own origin, and not the page."""
    session = stage.session()
    events = stage.told(session)
    page, frame, _ = await opened(stage, session)
    before = names(events)
    await page.evaluate("""(url) => {
        const sibling = document.createElement('iframe');
        sibling.src = url;
        document.body.append(sibling);
    }""", frame.url.replace("messageId=m1", "messageId=m0"))  # fmt: skip
    sibling = await stage.frame(page, "m0")
    await sibling.evaluate("say('event-iframe', {name: 'reward.granted', component: 'modal'})")
    await page.evaluate("postMessage({type: 'event-iframe', data: {name: 'reward.granted', component: 'modal'}}, '*')")
    await page.wait_for_timeout(200)
    assert names(events) == before


async def test_a_second_one_closes_the_first(stage: Stage) -> None:
    session = stage.session()
    page, frame, modal = await opened(stage, session)
    await frame.evaluate("say('open-component-iframe', {component: 'modal'})")
    await until(modal.is_detached)
    await until(lambda: page.evaluate(IS_OPEN))
    await page.wait_for_timeout(200)  # what the first one's closing sets off is over
    assert await page.evaluate("document.querySelectorAll('dialog[open]').length") == 1


@pytest.mark.parametrize(
    "how",
    [
        "document.querySelector('dialog').remove()",
        "document.querySelector('dialog').close()",
        "document.body.innerHTML = '<kontext-ad message-id=m1></kontext-ad>'",
        "document.querySelector('kontext-ad').remove()",
        "unmount()",
    ],
)
async def test_a_page_that_throws_it_out_has_closed_it(stage: Stage, how: str) -> None:
    session = stage.session()
    page, _, modal = await opened(stage, session)
    ad = session.create_ad("m1")
    states: list[bool] = []
    ad.state.subscribe(lambda state: states.append(state.is_modal_open))
    await page.evaluate(f"void ({how})")
    await until(lambda: states[-1] is False)
    await until(modal.is_detached)
    assert await page.evaluate("!document.querySelector('dialog')")


async def test_escape_works_while_the_socket_is_down(stage: Stage) -> None:
    session = stage.session()
    page, _, modal = await opened(stage, session)
    ad = session.create_ad("m1")
    states: list[bool] = []
    ad.state.subscribe(lambda state: states.append(state.is_modal_open))
    await stage.drop_sockets()
    await page.keyboard.press("Escape")
    await until(modal.is_detached)
    await until(lambda: states[-1] is False)

"""What a browser tells of itself: its device, its consent, its install id, in the next preload or session."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import kontext_rx as kx
from kontext_rx.hosts import PageConsent

from .stage import Stage, until

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: dict[str, Any] = {
    "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "locale": "de-AT",
    "timezone_id": "Europe/Vienna",
    "viewport": {"width": 390, "height": 700},
    "screen": {"width": 390, "height": 844},
    "device_scale_factor": 3,
    "color_scheme": "dark",
}


async def preload(stage: Stage, session: kx.Session, reply: str) -> dict[str, Any]:
    await stage.turn(session, reply)
    return stage.ads.preloads[-1]


async def reported(page: Page, stage: Stage) -> None:
    """The page has told what it has to tell: a place is told after that."""
    await page.evaluate("document.querySelector('#chat').innerHTML = '<div data-kontext-slot=reported></div>'")


async def connected(stage: Stage, session: kx.Session, page: Page) -> None:
    host = stage.bridge.slot(session, "reported")
    await reported(page, stage)
    await until(lambda: host.is_attached)


async def test_the_device_is_the_users(stage: Stage) -> None:
    session = stage.session()
    page = await stage.page(session, **PHONE)
    await connected(stage, session, page)
    device = (await preload(stage, session, "m1"))["device"]
    assert device["hardware"]["type"] == "handset"
    assert device["os"] == {"name": "ios", "version": "17.4", "locale": "de-AT", "timezone": "Europe/Vienna"}
    assert device["screen"] == {
        "width": 1170, "height": 2532, "dpr": 3.0, "darkMode": True, "orientation": "portrait"
    }  # fmt: skip
    assert device["network"]["userAgent"] == PHONE["user_agent"]
    await page.emulate_media(color_scheme="light")
    await page.wait_for_timeout(200)
    assert (await preload(stage, session, "m2"))["device"]["screen"]["darkMode"] is False


TCF = """
    window.cmp = {listeners: {}, next: 1, removed: []};
    window.say = (said) => { for (const id in cmp.listeners) cmp.listeners[id]({...said, listenerId: +id}, true); };
    window.install = () => {
      window.__tcfapi = (command, version, callback, id) => {
        if (command === 'addEventListener') { cmp.listeners[cmp.next++] = callback; }
        else if (command === 'removeEventListener') { cmp.removed.push(id); delete cmp.listeners[id]; callback(true); }
      };
    };
"""


async def test_consent_and_its_changes_are_in_the_next_preload(stage: Stage) -> None:
    """From a consent platform that comes late, asks, is answered, and is asked again."""
    consent = PageConsent()
    session = stage.session(consent=consent, regulatory={"coppa": 0})
    page = await stage.page()
    await page.evaluate(TCF)
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session, consent=consent))
    await connected(stage, session, page)
    assert (await preload(stage, session, "m1"))["regulatory"] == {"coppa": 0}
    await page.evaluate("install()")
    await until(lambda: page.evaluate("Object.keys(cmp.listeners).length === 1"))
    await page.evaluate("say({eventStatus: 'cmpuishown', gdprApplies: true, tcString: ''})")
    await page.wait_for_timeout(200)
    assert (await preload(stage, session, "m2"))["regulatory"] == {"coppa": 0}
    for reply, string in (("m3", "CPx-first"), ("m4", "CPx-second")):
        await page.evaluate("(tcString) => say({eventStatus: 'tcloaded', gdprApplies: true, tcString})", string)
        await until(lambda string=string: consent.latest is not None and consent.latest.gdpr_consent == string)
        sent = (await preload(stage, session, reply))["regulatory"]
        assert sent == {"gdpr": 1, "gdprConsent": string, "coppa": 0}
    await page.evaluate("say({eventStatus: 'useractioncomplete', gdprApplies: false})")
    await until(lambda: consent.latest == kx.Consent(gdpr=0, gdpr_consent=None))
    await page.evaluate("unmount()")
    assert await page.evaluate("cmp.removed") == [1]


async def test_a_change_while_the_socket_is_down_is_told_when_it_is_back(stage: Stage) -> None:
    consent = PageConsent()
    session = stage.session(consent=consent)
    page = await stage.page()
    await page.evaluate(TCF)
    await page.evaluate("(token) => { install(); start(token); }", stage.bridge.admit(session, consent=consent))
    await page.evaluate("say({eventStatus: 'tcloaded', gdprApplies: true, tcString: 'CPx-before'})")
    await until(lambda: consent.latest)
    await stage.drop_sockets()
    await page.evaluate("say({eventStatus: 'useractioncomplete', gdprApplies: true, tcString: 'CPx-after'})")
    await until(lambda: consent.latest is not None and consent.latest.gdpr_consent == "CPx-after")


async def test_a_consent_platform_that_fails_costs_nothing(stage: Stage) -> None:
    session = stage.session()
    page = await stage.page()
    await page.evaluate("void (window.__tcfapi = () => { throw new Error('no'); })")
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session))
    await stage.shown(page, session, "m1")


async def test_the_install_id_is_the_browsers(stage: Stage) -> None:
    """Made once, kept in local storage; the user's next session has it, and another browser another one."""
    first = stage.session()
    page = await stage.page()
    await page.evaluate("(token) => start(token)", stage.bridge.admit(first, user_id="ann"))
    install_id = await until(lambda: stage.bridge.install_ids.load("ann"))
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", install_id)
    assert await page.evaluate("localStorage.getItem('kontext-install-id')") == install_id
    assert await page.evaluate("installId()") == install_id
    again = await stage.tab(page.context)
    assert await again.evaluate("installId()") == install_id
    stranger = await stage.page()
    assert await stranger.evaluate("installId()") != install_id
    stage.session(user_id="ann", install_id=None, install_id_store=stage.bridge.install_ids)
    await until(lambda: stage.ads.inits[-1]["installId"] == install_id)


async def test_without_local_storage_it_goes_without(stage: Stage) -> None:
    session = stage.session()
    page = await stage.page()
    await page.evaluate("Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})")
    await page.evaluate("(token) => start(token)", stage.bridge.admit(session))
    await stage.shown(page, session, "m1")


async def test_nothing_is_stored_where_the_app_does_not_want_it(stage: Stage) -> None:
    session = stage.session()
    page = await stage.page()
    token = stage.bridge.admit(session, user_id="ben")
    await page.evaluate("(token) => start(token, {installId: false})", token)
    await stage.shown(page, session, "m1")
    assert await page.evaluate("localStorage.length") == 0
    assert stage.bridge.install_ids.load("ben") is None

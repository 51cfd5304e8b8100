"""The bridge without a socket: who gets in, what a page may do, and what happens when things go wrong."""

from __future__ import annotations

import gc
import json
import logging
import weakref
from typing import Any

import pytest

import kontext_rx as kx
from kontext_rx import InvalidOptionError, SessionDestroyedError
from kontext_rx.hosts import Bridge, PageConsent, RecordingHost
from kontext_rx.hosts.limits import WAITING
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

from .pages import PAGE_ID, FakePage

INSTALL_ID = "01985b2e-3c11-7a4d-9f20-5c1e77aa0b99"


@pytest.fixture
def session(server: VirtualAdServer) -> kx.Session:
    return virtual_session(server)


@pytest.fixture
def page(bridge: Bridge, session: kx.Session) -> FakePage:
    """A page of the session, let in."""
    return FakePage(bridge, bridge.admit(session)).connect()


def turn(session: kx.Session, clock: VirtualClock, reply: str) -> None:
    """The user says something, and there is an ad for the answer."""
    session.add_message(kx.Message.user(f"{reply}-asked", "Hi"))
    session.add_message(kx.Message.assistant(reply, "Hello"))
    clock.advance(1)


def told(session: kx.Session) -> list[kx.AdEvent]:
    events: list[kx.AdEvent] = []
    session.events.subscribe(events.append)
    return events


# --- who gets in ---


def test_a_page_with_a_token_is_welcome(page: FakePage, bridge: Bridge) -> None:
    assert page.welcomes == [{"t": "welcome", "fresh": True, "seen": 0}]
    assert bridge.stats.pages == 1


@pytest.mark.parametrize("token", ["", "guess", "x" * 513, "\ud800"])
def test_a_page_without_one_is_sent_away(bridge: Bridge, session: kx.Session, token: str) -> None:
    bridge.admit(session)
    page = FakePage(bridge, token).connect()
    assert page.welcomes == []
    assert page.closed in ([4401], [1008], [1007])


def test_an_expired_token_is_refused(bridge: Bridge, session: kx.Session, clock: VirtualClock) -> None:
    token = bridge.admit(session)
    clock.advance(3600)
    assert FakePage(bridge, token).connect().refused == ["token"]


def test_an_open_page_keeps_its_token_alive(page: FakePage, clock: VirtualClock) -> None:
    """A conversation may take longer than a token: what expires is one that nobody uses."""
    clock.advance(100_000)
    page.drop()
    clock.advance(10)
    page.connect()
    assert [welcome["fresh"] for welcome in page.welcomes] == [True, False]


def test_a_destroyed_session_ends_its_pages_and_tokens(page: FakePage, bridge: Bridge, session: kx.Session) -> None:
    session.destroy()
    page.pump()
    assert (page.refused, page.closed) == (["session"], [4404])
    assert FakePage(bridge, page.token).connect().refused == ["token"]
    with pytest.raises(SessionDestroyedError):
        bridge.admit(session)
    with pytest.raises(SessionDestroyedError):
        bridge.slot(session, "top")


def test_revoking_ends_the_pages_and_not_the_session(page: FakePage, bridge: Bridge, session: kx.Session) -> None:
    bridge.revoke(session)
    page.pump()
    assert page.refused == ["token"]
    assert not session.is_destroyed
    assert FakePage(bridge, bridge.admit(session)).connect().welcomes


def test_nothing_of_a_destroyed_session_is_kept(bridge: Bridge, server: VirtualAdServer, clock: VirtualClock) -> None:
    session = virtual_session(server)
    page = FakePage(bridge, bridge.admit(session, consent=PageConsent())).connect()
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    bridge.slot(session, "top")
    session.destroy()
    page.pump()
    gone = weakref.ref(session)
    del session
    clock.advance(100)  # a virtual clock keeps a cancelled timer until its time
    gc.collect()
    assert gone() is None


def test_another_version_of_the_script_is_told_so(bridge: Bridge, session: kx.Session) -> None:
    page = FakePage(bridge, bridge.admit(session), version=2).connect()
    assert (page.refused, page.closed) == (["version"], [4400])


def test_a_socket_that_does_not_introduce_itself_is_closed(bridge: Bridge, clock: VirtualClock) -> None:
    connection = bridge.connect(lambda: None)
    clock.advance(9)
    assert connection.closing is None
    clock.advance(2)
    assert connection.closing is not None
    assert connection.closing[0] == 4408


def test_sockets_that_wait_are_bounded_and_the_oldest_goes_first(bridge: Bridge, session: kx.Session) -> None:
    """Whoever fills the hall does not keep out a page that says hello at once; pages that are in stay."""
    inside = FakePage(bridge, bridge.admit(session)).connect()
    strangers = [bridge.connect(lambda: None) for _ in range(WAITING)]
    assert [stranger for stranger in strangers if stranger.closing is not None] == []
    newcomer = FakePage(bridge, inside.token, "newcomer-0123456789").connect()
    assert newcomer.welcomes
    assert [stranger.closing is not None for stranger in strangers[:2]] == [True, False]
    bridge.connect(lambda: None)
    assert strangers[1].closing is None
    inside.pump()
    assert inside.closed == []
    for stranger in strangers:
        stranger.lost()


def test_pages_that_come_too_often_come_later(bridge: Bridge, session: kx.Session, clock: VirtualClock) -> None:
    """Each page has an allowance of its own, so that one who always is another has none."""
    token = bridge.admit(session)
    pages = [FakePage(bridge, token, f"page-{number:016}").connect() for number in range(40)]
    assert [page.closed for page in pages].count([4429]) == 8
    assert (bridge.stats.pages, bridge.stats.refused) == (32, 8)
    clock.advance(11)
    assert FakePage(bridge, token, "page-later-01234567").connect().welcomes


def test_a_page_that_does_not_read_piles_nothing_up(page: FakePage, clock: VirtualClock) -> None:
    assert page.connection is not None
    for _ in range(5_000):
        page.raw('{"t":"ping"}')
        clock.advance(0.02)
    assert page.connection.outgoing() == ['{"t":"ack","a":0}']


def test_what_cannot_be_used_is_refused_at_once(bridge: Bridge, session: kx.Session) -> None:
    with pytest.raises(InvalidOptionError, match="session="):
        bridge.admit(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionError, match="session="):
        bridge.admit([])  # type: ignore[arg-type]
    with pytest.raises(InvalidOptionError, match="consent="):
        bridge.admit(session, consent=lambda: None)  # type: ignore[arg-type]
    for name in ("", " ", 7, "x" * 257):
        with pytest.raises(InvalidOptionError, match="name="):
            bridge.slot(session, name)  # type: ignore[arg-type]
    bad: list[dict[str, Any]] = [
        {"token_ttl": 0}, {"token_ttl": "1"}, {"resume_ttl": -1}, {"resume_ttl": float("nan")}, {"max_pages": 0},
        {"max_slots": 1.5}, {"max_slots": True}, {"origins": ["*"]},
    ]  # fmt: skip
    for options in bad:
        with pytest.raises(InvalidOptionError):
            Bridge(**options)


def test_a_bridge_needs_a_loop_or_a_scheduler(session: kx.Session) -> None:
    with pytest.raises(InvalidOptionError, match="running asyncio loop"):
        Bridge().admit(session)


async def test_on_a_loop_it_needs_nothing_else(session: kx.Session) -> None:
    page = FakePage(bridge := Bridge(), bridge.admit(session)).connect()
    assert page.welcomes
    bridge.revoke(session)


# --- ads in places ---


def test_a_place_shows_the_ad_of_its_message(
    page: FakePage, session: kx.Session, clock: VirtualClock, bridge: Bridge
) -> None:
    """Whichever comes first, the place or the fill."""
    page.say("slot", slot=1, messageId="m1", theme="dark")
    assert page.done == []
    turn(session, clock, "m1")
    page.pump()
    ((call, url),) = page.calls(1)
    assert call == "load"
    assert "theme=dark" in url
    page.say("slot", slot=2, messageId="m1", code="sidebar")
    assert page.calls(2) == []
    page.frame(1, "init-iframe")
    page.frame(1, "resize-iframe", height=90)
    page.frame(1, "show-iframe")
    assert page.names(1) == ["load", "post", "resize", "show"]
    assert bridge.stats.unusable == 0


def test_a_place_that_goes_and_comes_shows_the_ad_again(
    page: FakePage, session: kx.Session, clock: VirtualClock
) -> None:
    """Scrolled off and on, swapped by htmx, re-rendered by React: the bid stays."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    first = page.calls(1)
    page.say("gone", slot=1)
    page.frame(1, "resize-iframe", height=90)
    assert page.calls(1) == first
    assert [event.name for event in events] == ["ad.filled"]
    page.say("slot", slot=2, messageId="m1")
    assert page.calls(2) == first


def test_the_newest_place_takes_the_ad_over(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    """A new element may come before the old one goes; the old one's going then changes nothing."""
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.say("slot", slot=2, messageId="m1")
    assert page.names(1) == ["load", "release"]
    assert page.names(2) == ["load"]
    page.say("gone", slot=1)
    page.frame(2, "init-iframe")
    assert page.names(2) == ["load", "post"]


def test_an_ad_goes_back_to_the_newest_place_that_is_left(
    page: FakePage, session: kx.Session, clock: VirtualClock
) -> None:
    """Shown anew, in its own theme; places without it that go before change nothing."""
    turn(session, clock, "m1")
    for slot in (1, 2, 3, 4):
        page.say("slot", slot=slot, messageId="m1", theme=f"theme {slot}")
    page.say("gone", slot=3)
    page.say("gone", slot=4)
    assert page.names(3) == ["load", "release"]
    assert page.names(1) == ["load", "release"]
    assert page.names(2) == ["load", "release", "load"]
    page.frame(2, "init-iframe")
    assert page.calls(2)[-1][1]["data"]["otherParams"] == {"theme": "theme 2"}
    page.say("gone", slot=2)
    page.say("gone", slot=1)
    assert page.names(1) == ["load", "release", "load"]


def test_a_tab_that_goes_gives_its_ads_back(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    """Closed, or away for too long; one that another place of the same tab had before goes past that."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    for farewell in (True, False):
        other = FakePage(bridge, bridge.admit(session), "another-page-0123456").connect()
        other.say("slot", slot=1, messageId="m1")
        other.say("slot", slot=2, messageId="m1")
        page.pump()
        assert page.names(1)[-1] == "release"
        if farewell:
            other.raw('{"t":"bye"}')
        other.drop()
        clock.advance(1 if farewell else 301)
        page.pump()
        assert page.names(1)[-1] == "load"
        assert other.names(1) == ["load", "release"]
    page.frame(1, "event-iframe", name="ad.viewed", payload={"content": "c", "format": "text"})
    assert [event.name for event in events] == ["ad.filled", "ad.viewed"]


def test_a_named_place_that_goes_gives_back_what_it_showed(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    turn(session, clock, "m1")
    session.render(message_id="m1", element=bridge.slot(session, "top"))
    page.say("slot", slot=1, name="top")
    page.say("slot", slot=2, name="top")
    assert page.names(1) == ["load", "release"]
    page.say("gone", slot=2)
    assert page.names(1) == ["load", "release", "load"]
    page.say("gone", slot=1)
    assert not bridge.slot(session, "top").is_attached


def test_the_newest_tab_takes_the_ad_over(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    """The older tab's place is emptied, and what its frame still says is not heard."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    other = FakePage(bridge, bridge.admit(session), "another-page-0123456").connect()
    other.say("slot", slot=1, messageId="m1")
    page.pump()
    assert page.names(1) == ["load", "release"]
    assert other.names(1) == ["load"]
    viewed = {"name": "ad.viewed", "payload": {"content": "c", "format": "text"}}
    page.frame(1, "event-iframe", **viewed)
    assert [event.name for event in events] == ["ad.filled"]
    other.frame(1, "event-iframe", **viewed)
    assert [event.name for event in events] == ["ad.filled", "ad.viewed"]


def test_a_page_that_reloads_in_mid_ad_shows_it_anew(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    """With or without a farewell: the session goes on, the ad starts over, and the old page is forgotten in time."""
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.frame(1, "init-iframe")
    page.drop()
    again = FakePage(bridge, page.token, "reloaded-page-012345").connect()
    again.say("slot", slot=1, messageId="m1")
    again.frame(1, "init-iframe")
    assert again.names(1) == ["load", "post"]
    again.raw('{"t":"bye"}')
    again.pump()
    assert again.closed == [1000]
    ad = session.create_ad("m1")
    assert repr(ad).endswith("resolved>")
    clock.advance(400)
    assert FakePage(bridge, page.token).connect().welcomes[0]["fresh"]


def test_the_apps_own_ad_is_not_a_pages_to_take(
    page: FakePage, session: kx.Session, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What the app has mounted elsewhere stays there; the place stays empty."""
    turn(session, clock, "m1")
    host = RecordingHost()
    ad = session.render(message_id="m1", element=host)
    with caplog.at_level(logging.INFO, "kontext_rx.hosts"):
        page.say("slot", slot=1, messageId="m1")
    assert page.done == []
    assert not ad.is_destroyed
    assert "AdAlreadyMountedError" in caplog.text
    page.say("gone", slot=1)
    assert not ad.is_destroyed


def test_a_frame_that_gives_up_ends_its_ad_alone(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    events = told(session)
    for reply in ("m1", "m2"):
        turn(session, clock, reply)
    page.say("slot", slot=1, messageId="m1")
    page.say("slot", slot=2, messageId="m2")
    page.frame(1, "error-iframe")
    assert page.names(1) == ["load", "release"]
    page.frame(2, "init-iframe")
    assert page.names(2) == ["load", "post"]
    assert events[-1].name == "ad.error"


def test_an_app_mounts_in_a_place_by_its_name(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    """Whichever comes first; a place that comes later shows the ad as it is."""
    turn(session, clock, "m1")
    host = bridge.slot(session, "under-m1")
    assert bridge.slot(session, "under-m1") is host
    ad = session.render(message_id="m1", element=host)
    assert not host.is_attached
    page.say("slot", slot=1, name="under-m1")
    page.say("slot", slot=2, name="elsewhere")
    assert page.names(1) == ["load"]
    page.frame(1, "resize-iframe", height=90)
    page.frame(1, "set-styles-iframe", containerStyles={"margin": "4px"}, iframeStyles={"display": "none"})
    page.frame(1, "show-iframe")
    page.say("gone", slot=1)
    assert not ad.is_destroyed
    page.say("slot", slot=3, name="under-m1")
    assert page.calls(3) == [
        ("load", ad.iframe_url), ("style", {"margin": "4px"}, {}), ("resize", 90.0), ("show",)
    ]  # fmt: skip
    page.say("slot", slot=4, name="under-m1")
    assert page.names(3)[-1] == "release"
    assert page.names(4) == ["load", "style", "resize", "show"]
    page.frame(3, "hide-iframe")
    assert ad.is_visible
    ad.destroy()
    page.pump()
    assert page.names(4)[-1] == "release"
    late = bridge.slot(session, "elsewhere")
    assert late.is_attached


def test_a_modal_does_not_outlive_its_place(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    turn(session, clock, "m1")
    ad = session.render(message_id="m1", element=bridge.slot(session, "top"))
    states: list[bool] = []
    ad.state.subscribe(lambda state: states.append(state.is_modal_open))
    page.say("slot", slot=1, name="top")
    page.frame(1, "open-component-iframe", component="modal")
    page.frame(1, "init-component-iframe", source="modal", component="modal")
    assert page.names(1) == ["load", "open_modal", "reveal_modal"]
    assert states[-1]
    page.say("gone", slot=1)
    assert not states[-1]


def test_a_modal_closed_by_the_user_is_closed(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.frame(1, "open-component-iframe", component="modal")
    page.say("dismissed", slot=1)
    assert page.names(1) == ["load", "open_modal", "close_modal"]
    page.say("dismissed", slot=1)
    page.say("dismissed", slot=9)
    assert page.names(1) == ["load", "open_modal", "close_modal"]


@pytest.mark.parametrize("what", ["ad", "session", "token", "page", "frame"])
def test_what_ends_in_a_modal_ends_it(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock, what: str
) -> None:
    """The page lets go of both frames, the modal's time to initialise is over, and nothing is told of it."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.frame(1, "open-component-iframe", component="modal", timeout=500)
    ad = session.create_ad("m1")
    match what:
        case "ad":
            ad.destroy()
        case "session":
            session.destroy()
        case "token":
            bridge.revoke(session)
        case "page":
            page.raw('{"t":"bye"}')
        case _:
            page.frame(1, "error-iframe")
    assert ad.is_destroyed
    clock.advance(2)
    assert [event.name for event in events] == ["ad.filled"] + ["ad.error"] * (what == "frame")
    page.pump()
    assert ("release" in page.names(1)) is (what in ("ad", "session", "frame"))  # a page that is away clears itself
    assert page.closed == {"ad": [], "session": [4404], "token": [4401], "page": [1000], "frame": []}[what]


def test_a_modal_that_wants_for_ever_has_a_minute(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.frame(1, "open-component-iframe", component="modal", timeout=1e300)
    clock.advance(59)
    assert page.names(1) == ["load", "open_modal"]
    clock.advance(2)
    page.pump()
    assert page.names(1) == ["load", "open_modal", "close_modal"]
    assert isinstance(events[-1], kx.AdError)


def test_a_frame_at_another_origin_is_noted_and_not_heard(
    page: FakePage, session: kx.Session, clock: VirtualClock, bridge: Bridge
) -> None:
    notes: list[kx.DebugEvent] = []
    session.debug_events.subscribe(notes.append)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    for origin in ("https://spy.test", "https://spy.test", "null"):
        page.say("foreign", slot=1, source="inline", origin=origin)
    page.say("foreign", slot=1, source="modal", origin="https://spy.test")  # no modal is open
    page.say("foreign", slot=9, source="inline", origin="https://spy.test")
    for lie in ("", "x" * 257, "a\nb", 7):
        page.say("foreign", slot=1, source="inline", origin=lie)
    assert [note.data for note in notes if note.name == "Ad: foreign-origin"] == [
        {"messageId": "m1", "code": "inlineAd", "origin": origin} for origin in ("https://spy.test", "null")
    ]
    assert bridge.stats.unusable == 4
    assert page.names(1) == ["load"]


def test_places_are_bounded_and_the_oldest_is_emptied(clock: VirtualClock, session: kx.Session) -> None:
    bridge = Bridge(scheduler=clock, max_slots=3)
    page = FakePage(bridge, bridge.admit(session)).connect()
    turn(session, clock, "m1")
    for number in range(1, 5):
        page.say("slot", slot=number, messageId=f"m{number}")
    assert page.names(1) == ["load", "release"]
    page.frame(1, "init-iframe")
    assert page.names(1) == ["load", "release"]


def test_pages_are_bounded_and_one_that_is_away_goes_first(clock: VirtualClock, session: kx.Session) -> None:
    bridge = Bridge(scheduler=clock, max_pages=2)
    token = bridge.admit(session)
    pages = [FakePage(bridge, token, f"page-{number:016}").connect() for number in range(2)]
    pages[1].drop()
    FakePage(bridge, token, "page-third-0123456").connect()
    pages[0].pump()
    assert pages[0].refused == []
    FakePage(bridge, token, "page-fourth-012345").connect()
    pages[0].pump()
    assert (pages[0].refused, pages[0].closed) == (["pages"], [4429])


# --- two users ---


def test_two_users_do_not_see_each_other(bridge: Bridge, server: VirtualAdServer, clock: VirtualClock) -> None:
    """The same message id, the same page id, the same slot number: each token opens its own session alone."""
    ann, ben = (virtual_session(server, conversation_id=name, user_id=name) for name in ("ann", "ben"))
    pages = [FakePage(bridge, bridge.admit(one)).connect() for one in (ann, ben)]
    heard = [told(one) for one in (ann, ben)]
    for one, text in ((ann, "a secret of Ann's"), (ben, "Hi")):
        one.add_message(kx.Message.user("u1", text))
        one.add_message(kx.Message.assistant("m1", "Hello"))
    clock.advance(1)
    for page in pages:
        page.say("slot", slot=1, messageId="m1")
        page.frame(1, "init-iframe")
    assert "secret" in json.dumps(pages[0].done)
    assert "secret" not in json.dumps(pages[1].done)
    assert pages[0].calls(1)[0] != pages[1].calls(1)[0]
    pages[1].frame(1, "event-iframe", name="ad.viewed", payload={"content": "c", "format": "text"})
    assert [len(events) for events in heard] == [1, 2]
    pages[1].say("gone", slot=1)
    pages[0].frame(1, "resize-iframe", height=90)
    assert pages[0].names(1) == ["load", "post", "resize"]


def test_a_page_cannot_be_resumed_with_anothers_token(
    bridge: Bridge, server: VirtualAdServer, clock: VirtualClock
) -> None:
    """Who learns a page's id gets a page of his own."""
    ann, ben = (virtual_session(server, conversation_id=name) for name in ("ann", "ben"))
    page = FakePage(bridge, bridge.admit(ann)).connect()
    turn(ann, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    thief = FakePage(bridge, bridge.admit(ben), PAGE_ID).connect()
    assert thief.welcomes[0]["fresh"]
    assert thief.done == []
    page.frame(1, "init-iframe")
    assert page.names(1) == ["load", "post"]


# --- what a page reports ---


def preload(session: kx.Session, clock: VirtualClock, server: VirtualAdServer, number: int) -> dict[str, Any]:
    session.add_message(kx.Message.user(f"u{number}", "Hi"))
    clock.advance(1)
    return server.preloads[-1].body


CONTEXT: dict[str, Any] = {
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/130",
    "language": "de-AT",
    "timezone": "Europe/Vienna",
    "screen": {"width": 2560, "height": 1440, "dpr": 2, "darkMode": True, "orientation": "landscape"},
}


def test_the_browsers_context_is_in_the_next_preload(
    page: FakePage, session: kx.Session, clock: VirtualClock, server: VirtualAdServer
) -> None:
    page.say("context", **CONTEXT)
    device = preload(session, clock, server, 1)["device"]
    assert device["os"] == {"name": "linux", "version": "unknown", "locale": "de-AT", "timezone": "Europe/Vienna"}
    assert device["screen"] == CONTEXT["screen"] | {"dpr": 2.0}
    assert device["network"]["userAgent"] == CONTEXT["userAgent"]
    page.say("context", **{**CONTEXT, "language": "fr"})
    assert preload(session, clock, server, 2)["device"]["os"]["locale"] == "fr"


def test_what_the_app_knows_besides_is_kept(
    bridge: Bridge, session: kx.Session, clock: VirtualClock, server: VirtualAdServer
) -> None:
    known = kx.ClientContext(model="Pixel 9", locale="en", carrier="Acme")
    page = FakePage(bridge, bridge.admit(session, context=known)).connect()
    page.say("context", **CONTEXT)
    device = preload(session, clock, server, 1)["device"]
    assert (device["hardware"]["model"], device["network"]["carrier"]) == ("Pixel 9", "Acme")
    assert device["os"]["locale"] == "de-AT"


@pytest.mark.parametrize(
    "lie",
    [
        {"userAgent": "x" * 2000}, {"userAgent": "a\nb"}, {"userAgent": 7}, {"language": "<script>"},
        {"timezone": "../../etc"}, {"timezone": "x" * 65}, {"screen": {"width": -1}}, {"screen": {"dpr": 0}},
        {"language": "de\n"}, {"timezone": "Europe/Vienna\n"}, {"userAgent": "Mozilla/5.0\n"},
        {"screen": {"dpr": 1e9}}, {"screen": {"orientation": "diagonal"}}, {"screen": []}, {"screen": {"width": 1e300}},
    ],
)  # fmt: skip
def test_a_context_that_makes_no_sense_does_not_reach_the_session(
    page: FakePage,
    session: kx.Session,
    clock: VirtualClock,
    server: VirtualAdServer,
    bridge: Bridge,
    lie: dict[str, Any],
) -> None:
    page.say("context", **CONTEXT)
    before = preload(session, clock, server, 1)["device"]
    page.say("context", **(CONTEXT | lie))
    assert preload(session, clock, server, 2)["device"] == before
    assert bridge.stats.unusable == 1
    assert page.closed == []


def test_consent_and_its_changes_are_in_the_next_preload(
    bridge: Bridge, server: VirtualAdServer, clock: VirtualClock
) -> None:
    consent = PageConsent()
    session = virtual_session(server, consent=consent, regulatory={"coppa": 0, "gdpr": 0})
    page = FakePage(bridge, bridge.admit(session, consent=consent)).connect()
    assert preload(session, clock, server, 1)["regulatory"] == {"gdpr": 0, "coppa": 0}
    page.say("consent", gdpr=1, gdprConsent="CPx-first.second")
    assert preload(session, clock, server, 2)["regulatory"] == {
        "gdpr": 1, "gdprConsent": "CPx-first.second", "coppa": 0
    }  # fmt: skip
    page.say("consent", gdpr=1, gdprConsent=None)
    assert preload(session, clock, server, 3)["regulatory"] == {"gdpr": 1, "coppa": 0}
    for lie in ({"gdpr": 2}, {"gdpr": "1"}, {"gdprConsent": "a b"}, {"gdprConsent": "CPx\n"}, {"gdpr": True}):
        page.say("consent", **lie)
    assert preload(session, clock, server, 4)["regulatory"] == {"gdpr": 1, "coppa": 0}
    assert bridge.stats.unusable == 5


def test_a_page_whose_consent_nobody_asked_for_is_not_heard(page: FakePage, bridge: Bridge) -> None:
    page.say("consent", gdpr=1, gdprConsent="CPx")
    assert bridge.stats.unusable == 0


def test_the_install_id_counts_for_the_users_next_session(bridge: Bridge, server: VirtualAdServer) -> None:
    """A session takes its id when it is created."""

    def opened() -> str:
        session = virtual_session(server, install_id=None, install_id_store=bridge.install_ids, user_id="ann")
        page = FakePage(bridge, bridge.admit(session, user_id="ann")).connect()
        page.say("install", id=INSTALL_ID.upper())
        page.say("install", id="x" * 36)
        page.say("install", id="short")
        return server.received("/init")[-1].body["installId"]

    first = opened()
    assert first != INSTALL_ID
    assert opened() == INSTALL_ID
    assert bridge.install_ids.load("ben") is None
    assert bridge.stats.unusable == 4


def test_an_install_id_is_kept_once_a_page(clock: VirtualClock, session: kx.Session) -> None:
    """A browser has one, and a store may be a database."""
    saved: list[str] = []

    class Store:
        def load(self, user_id: str) -> str | None:
            return None

        def save(self, user_id: str, install_id: str) -> None:
            saved.append(install_id)

    bridge = Bridge(scheduler=clock, install_ids=Store())
    page = FakePage(bridge, bridge.admit(session, user_id="ann")).connect()
    for number in range(10):
        page.say("install", id=f"{INSTALL_ID[:-1]}{number}")
    assert saved == [f"{INSTALL_ID[:-1]}0"]


def test_a_store_that_fails_costs_no_socket(
    clock: VirtualClock, session: kx.Session, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def load(self, user_id: str) -> str | None:
            raise OSError(user_id)

        def save(self, user_id: str, install_id: str) -> None:
            raise OSError(user_id, install_id)

    bridge = Bridge(scheduler=clock, install_ids=Broken())
    page = FakePage(bridge, bridge.admit(session, user_id="ann")).connect()
    page.say("install", id=INSTALL_ID)
    assert page.closed == []
    assert "OSError" in caplog.text
    assert "ann" not in caplog.text


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 1007), ("x", 1007), ("[]", 1007), ("{}", 1007), ('{"t":7}', 1007), ('{"t":"slot","n":0}', 1007),
        ('{"t":"slot","n":"1"}', 1007), ("[" * 30_000, 1007), ('{"t":"slot"}', 1008), ('{"t":"slot","n":2}', 1008),
        ('{"t":"nonsense"}', 1008), ('{"t":"ack","a":99}', 1008), ('{"t":"hello","v":1,"token":"x","page":"y"}', 1008),
        ('{"t":"slot","n":1,"x":"' + "x" * 70_000 + '"}', 1009), (b"\0\1", 1003), ('{"t":"\\ud800"}', 1007),
    ],
)  # fmt: skip
def test_who_breaks_the_rules_is_hung_up_on(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock, text: str | bytes, code: int
) -> None:
    """The page is forgotten; the session goes on, and a page that behaves is welcome."""
    page.raw(text)
    page.raw(text)
    page.pump()
    assert page.closed == [code]
    assert bridge.stats.violations == 1
    turn(session, clock, "m1")
    other = FakePage(bridge, page.token).connect()
    assert other.welcomes[0]["fresh"]
    other.say("slot", slot=1, messageId="m1")
    assert other.names(1) == ["load"]


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"slot": 1}, {"slot": 1, "messageId": ""}, {"slot": 1, "messageId": "x" * 257},
        {"slot": "1", "messageId": "m"}, {"slot": 1, "messageId": "m", "name": "n"}, {"slot": 1, "messageId": 7},
        {"slot": 1, "messageId": "m", "code": ""}, {"slot": 1, "messageId": "m", "theme": "x" * 65},
        {"slot": 0, "messageId": "m"}, {"slot": 2**60, "name": "n"},
    ],
)  # fmt: skip
def test_a_place_that_makes_no_sense_is_none(page: FakePage, bridge: Bridge, fields: dict[str, Any]) -> None:
    page.say("slot", **fields)
    page.say("gone", slot=1)
    assert (page.done, page.closed, bridge.stats.unusable) == ([], [], 1)


@pytest.mark.parametrize("reply", [" ", "\u0000"])
def test_a_place_whose_message_cannot_be_stays_empty(page: FakePage, reply: str) -> None:
    page.say("slot", slot=1, messageId=reply)
    page.say("gone", slot=1)
    assert page.closed == []


@pytest.mark.parametrize("data", ["", "x", "[" * 10_000, '"\\ud800"', "1e999", "x" * 16_001, "{", "9" * 5000])
def test_what_a_frame_says_cannot_hurt_its_page(
    page: FakePage, session: kx.Session, clock: VirtualClock, bridge: Bridge, data: str
) -> None:
    """Garbage of a frame is dropped, and the page's socket and its other ads go on."""
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.say("frame", slot=1, source="inline", data=data)
    assert bridge.stats.unusable == 1
    page.frame(1, "init-iframe")
    assert page.names(1) == ["load", "post"]


def test_a_frame_that_answers_twice_is_answered_twice(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    for _ in range(2):
        page.frame(1, "init-iframe")
        page.frame(1, "show-iframe")
    assert page.names(1) == ["load", "post", "show", "post"]


def test_a_height_of_a_billion_is_not_heard(page: FakePage, session: kx.Session, clock: VirtualClock) -> None:
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    for height in (1e9, -5, 0, "90", None, True):
        page.frame(1, "resize-iframe", height=height)
    assert page.names(1) == ["load"]


def test_ten_thousand_messages_are_a_thousand_and_the_rest_is_counted(
    page: FakePage, session: kx.Session, clock: VirtualClock, bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    """The page itself lets a hundred a second through; a page that does not is bounded here, and stays connected."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    for _ in range(10_000):
        page.frame(1, "event-iframe", name="video.started")
    assert bridge.stats.dropped == 9_000
    assert len(events) == 1 + 1_000
    assert caplog.text.count("say more than they may") == 1
    clock.advance(1)
    page.frame(1, "event-iframe", name="video.completed")
    assert events[-1].name == "video.completed"
    page.say("frame", slot=1, source="inline", data="{}", dropped=7)
    page.say("frame", slot=1, source="inline", data="{}", dropped=2**50)
    assert bridge.stats.dropped == 9_007


@pytest.mark.parametrize(("kind", "times"), [("gone", 2_000), ("frame", 13_000)])
def test_a_page_that_says_too_much_itself_is_hung_up_on(page: FakePage, bridge: Bridge, kind: str, times: int) -> None:
    """One of ours drops what is too much; reading it and dropping it here would be work without end."""
    more = {} if kind == "gone" else {"source": "inline", "data": "{}"}
    for number in range(times):
        page.say(kind, slot=number + 1, **more)
    assert page.closed == [1008]
    assert bridge.stats.violations == 1


def test_a_socket_that_dies_between_fill_and_view_loses_nothing(
    page: FakePage, session: kx.Session, clock: VirtualClock
) -> None:
    """What the frame says meanwhile comes when the page is back, once; so does what it was told."""
    events = told(session)
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.frame(1, "init-iframe")
    page.drop()
    page.frame(1, "resize-iframe", height=90)
    page.frame(1, "show-iframe")
    page.frame(1, "event-iframe", name="ad.viewed", payload={"content": "c", "format": "text"})
    session.send_user_event("user.typing.started")
    clock.advance(120)
    assert [event.name for event in events] == ["ad.filled"]
    page.connect()
    page.pump()
    assert [event.name for event in events] == ["ad.filled", "ad.height", "ad.viewed"]
    assert page.names(1) == ["load", "post", "post", "resize", "show"]


def test_a_page_that_comes_back_too_late_starts_afresh(
    page: FakePage, session: kx.Session, clock: VirtualClock
) -> None:
    """Its ads were let go meanwhile; the bids are there, and its places show them anew."""
    turn(session, clock, "m1")
    page.say("slot", slot=1, messageId="m1")
    page.drop()
    ad = session.create_ad("m1")
    clock.advance(299)
    assert not ad.is_destroyed
    clock.advance(2)
    assert ad.is_destroyed
    page.connect()
    assert [welcome["fresh"] for welcome in page.welcomes] == [True, True]
    page.say("slot", slot=2, messageId="m1")
    assert page.names(2) == ["load"]


def test_a_page_too_far_behind_starts_afresh(
    page: FakePage, bridge: Bridge, session: kx.Session, clock: VirtualClock
) -> None:
    """Nothing grows without bound while a page is away, or while it is there and does not read."""
    host = bridge.slot(session, "top")
    page.say("slot", slot=1, name="top")
    host.load("https://ads.test/frame")
    page.drop()
    for _ in range(2_000):
        host.post({"some": "thing"})
    page.connect()
    assert page.welcomes[-1]["fresh"]
    page.say("slot", slot=2, name="top")
    assert page.names(2) == ["load"]
    assert page.connection is not None
    for _ in range(2_000):
        host.post({"some": "thing"})
    assert page.connection.closing is not None
    assert page.connection.closing[0] == 4413
    page.drop()
    page.connect()
    assert page.welcomes[-1]["fresh"]


def test_a_second_socket_of_a_page_replaces_the_first(page: FakePage, bridge: Bridge, session: kx.Session) -> None:
    """The page knows of a dead socket before we do."""
    host = bridge.slot(session, "top")
    page.say("slot", slot=1, name="top")
    first, page.connection = page.connection, None
    assert first is not None
    page.connect()
    assert first.closing is not None
    assert first.closing[0] == 4409
    assert first.outgoing() == []
    host.load("https://ads.test/frame")
    first.receive('{"t":"bye"}')
    first.lost()
    page.pump()
    assert page.names(1) == ["load"]
    assert page.welcomes[-1]["fresh"] is False


def test_a_shutdown_lets_pages_resume(page: FakePage, bridge: Bridge) -> None:
    bridge.close()
    page.pump()
    assert page.closed == [1001]
    page.connect()
    assert page.welcomes[-1]["fresh"] is False


def test_a_ping_is_answered(page: FakePage, bridge: Bridge) -> None:
    page.raw('{"t":"ping"}')
    assert page.connection is not None
    assert page.connection.outgoing() == ['{"t":"ack","a":0}']


def test_a_defect_ends_one_page_and_nothing_else(
    page: FakePage,
    bridge: Bridge,
    session: kx.Session,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(kx.Session, "update_options", fail)
    page.say("context", **CONTEXT)
    assert page.closed == [1011]
    assert "could not be handled" in caplog.text
    assert CONTEXT["userAgent"] not in caplog.text
    monkeypatch.undo()
    assert page.connect().welcomes[-1]["fresh"]


def test_nothing_secret_is_logged(
    bridge: Bridge, session: kx.Session, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """No token, no text, no user id."""
    with caplog.at_level(logging.DEBUG):
        token = bridge.admit(session, user_id="user-secret")
        page = FakePage(bridge, token).connect()
        session.add_message(kx.Message.user("u1", "a secret"))
        session.add_message(kx.Message.assistant("m1", "another secret"))
        clock.advance(1)
        page.say("slot", slot=1, messageId="m1")
        page.frame(1, "init-iframe")
        page.raw("secret garbage")
        FakePage(bridge, "secret-guess").connect()
    for record in caplog.records:
        assert "secret" not in str(vars(record))
        assert token not in str(vars(record))

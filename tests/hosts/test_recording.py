"""The recording host: an ad without a screen."""

from __future__ import annotations

import kontext_rx as kx
from kontext_rx.hosts import RecordingHost
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session
from kontext_rx.typing import Host


def mounted(server: VirtualAdServer, clock: VirtualClock) -> tuple[kx.Session, RecordingHost, list[kx.AdEvent]]:
    session = virtual_session(server)
    events: list[kx.AdEvent] = []
    session.events.subscribe(events.append)
    host = RecordingHost()
    session.add_message(kx.Message.user("u1", "Hi"))
    session.add_message(kx.Message.assistant("m1", "Hello"))
    session.render(message_id="m1", element=host)
    clock.advance(1)
    return session, host, events


def test_it_is_a_host(server: VirtualAdServer, clock: VirtualClock) -> None:
    host: Host = RecordingHost()
    assert host.messages is not None


def test_it_writes_down_what_the_ad_asks_for(server: VirtualAdServer, clock: VirtualClock) -> None:
    """And plays what the frame would say."""
    session, host, events = mounted(server, clock)
    assert [call[0] for call in host.calls] == ["load"]
    assert host.url is not None
    assert host.url.startswith("https://ads.test/api/frame/")
    host.say("init-iframe")
    host.say("resize-iframe", height=250)
    host.say("show-iframe")
    host.say("event-iframe", name="ad.viewed", payload={"content": "A tent", "format": "text"})
    host.say("click-iframe", url="/click/1")
    assert [call[0] for call in host.calls] == ["load", "post", "resize", "show", "open_link"]
    assert host.posted[0]["data"]["messages"][0]["content"] == "Hi"
    assert (host.visible, host.height) == (True, 250.0)
    assert host.links == ["https://ads.test/click/1"]
    assert [event.name for event in events] == ["ad.filled", "ad.height", "ad.viewed"]
    host.say("hide-iframe")
    assert not host.visible
    session.destroy()
    assert host.calls[-1] == ("release",)
    assert host.released
    assert host.url is None


def test_a_modal_speaks_for_itself(server: VirtualAdServer, clock: VirtualClock) -> None:
    _, host, events = mounted(server, clock)
    host.say("open-component-iframe", component="modal")
    assert host.modal_url is not None
    assert "/api/modal/" in host.modal_url
    host.say_from_modal("init-component-iframe")
    assert host.modal_revealed
    host.say_from_modal("event-iframe", name="reward.granted")
    host.dismiss()
    assert host.modal_url is None
    assert [call[0] for call in host.calls[1:]] == ["open_modal", "reveal_modal", "close_modal"]
    assert events[-1].name == "reward.granted"


def test_what_nobody_could_say_is_not_heard(server: VirtualAdServer, clock: VirtualClock) -> None:
    """There is no frame before it is loaded and none after its release, and no modal until one is open."""
    host = RecordingHost()
    heard: list[object] = []
    host.messages.subscribe(heard.append)
    host.say("init-iframe")
    host.say_from_modal("init-component-iframe")
    host.load("https://ads.test/frame")
    host.say_from_modal("init-component-iframe")
    host.dismiss()
    assert heard == []
    host.say_raw("anything")
    assert len(heard) == 1
    host.release()
    host.say("init-iframe")
    assert len(heard) == 1


def test_it_can_be_used_again_after_its_release(server: VirtualAdServer, clock: VirtualClock) -> None:
    """Scrolled off and on: the bid is still cached."""
    session, host, _ = mounted(server, clock)
    session.create_ad("m1").destroy()
    assert host.released
    session.render(message_id="m1", element=host)
    assert not host.released
    assert [call[0] for call in host.calls] == ["load", "release", "load"]


def test_garbage_does_nothing(server: VirtualAdServer, clock: VirtualClock) -> None:
    _, host, events = mounted(server, clock)
    before = len(host.calls)
    for garbage in (
        None,
        7,
        "init-iframe",
        [],
        {},
        {"type": 7},
        {"type": "init"},
        {"type": "resize-iframe", "data": 3},
    ):
        host.say_raw(garbage)
    host.say("resize-iframe", height=1e9)
    host.say("resize-iframe", height=-1)
    host.say("resize-iframe", height="tall")
    assert len(host.calls) == before
    assert [event.name for event in events] == ["ad.filled"]

"""An ad on a host: what is asked of the host, what is told of the ad. In virtual time."""

from typing import Any

import pytest
from reactivex import Observable
from watched import Watched

from kontext_rx import AdAlreadyMountedError, AdDestroyedError, AdError, AdEvent, InvalidOptionError, Message, record
from kontext_rx.recording.entries import Rang
from kontext_rx.source import Feed
from kontext_rx.testing import fill
from kontext_rx.typing import FrameMessage

user, assistant = Message.user, Message.assistant
BID = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"


class Slot:
    """A host that notes what it is asked, and plays what a frame would say."""

    def __init__(self) -> None:
        self.feed: Feed[FrameMessage] = Feed()
        self.calls: list[tuple[Any, ...]] = []

    @property
    def messages(self) -> Observable[FrameMessage]:
        return self.feed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, *args))

    def say(self, kind: str, source: str = "inline", **data: Any) -> None:
        self.feed.on_next(FrameMessage({"type": kind, "data": {"code": "inlineAd", **data}}, source))  # type: ignore[arg-type]

    @property
    def asked(self) -> list[str]:
        return [call[0] for call in self.calls]


def filled(watched: Watched, number: int = 1) -> None:
    watched.server.plan("/preload", fill(bid_id=BID, revenue=0.02))
    watched.session.add_message(user(f"u{number}", "Any tent for two?"))
    watched.clock.advance(1)
    watched.session.add_message(assistant(f"a{number}", "For summer?"))


def test_shows_at_once_what_is_there(watched: Watched) -> None:
    """(A-012)"""
    filled(watched)
    slot = Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    assert slot.calls == [("load", ad.iframe_url)]


def test_shows_later_what_comes_later(watched: Watched) -> None:
    slot = Slot()
    ad = watched.session.create_ad("a1")
    ad.mount(slot)
    assert slot.calls == []
    filled(watched)
    assert slot.calls == [("load", ad.iframe_url)]


def test_a_frame_that_is_there_is_told_what_its_bid_was_made_for(watched: Watched) -> None:
    """The conversation as it was sent, with the times of its messages; what was said since is not in it (#38)."""
    filled(watched)
    slot = Slot()
    watched.session.render(message_id="a1", element=slot, theme="dark")
    slot.say("init-iframe")
    _, (name, message) = slot.calls
    assert name == "post"
    assert message["type"] == "update-iframe"
    data = message["data"]
    assert (data["code"], data["messageId"], data["sdk"]) == ("inlineAd", "a1", "sdk-python")
    assert data["otherParams"] == {"theme": "dark"}
    assert [(one["id"], one["role"], one["content"]) for one in data["messages"]] == [
        ("u1", "user", "Any tent for two?")
    ]
    assert data["messages"][0]["createdAt"].endswith("Z")


def test_an_ad_that_is_shown_late_is_told_the_same(watched: Watched) -> None:
    """Its reply is the oldest message that is kept, and the question has gone (#38)."""
    filled(watched)
    for number in range(29):
        watched.session.add_message(Message.assistant(f"more{number}", "And another thing."))
    slot = Slot()
    watched.session.render(message_id="a1", element=slot)
    slot.say("init-iframe")
    _, (_, message) = slot.calls
    assert watched.session.messages[0].id == "a1"
    assert [one["id"] for one in message["data"]["messages"]] == ["u1"]


def test_the_life_of_a_creative(watched: Watched) -> None:
    """The host is asked, the app is told, the ad can be looked at."""
    filled(watched)
    slot = Slot()
    ad = watched.session.create_ad("a1")
    states: list[tuple[bool, bool, float]] = []
    own: list[AdEvent] = []
    ad.state.subscribe(lambda state: states.append((state.is_mounted, state.is_visible, state.height)))
    ad.events.subscribe(own.append)
    ad.mount(slot)
    slot.say("event-iframe", name="ad.render-started", payload={"id": BID})
    slot.say("resize-iframe", height=212.5)
    slot.say("show-iframe")
    slot.say("event-iframe", name="ad.viewed", payload={"id": BID, "content": "Tents", "format": "text"})
    slot.say("hide-iframe")
    assert slot.asked == ["load", "resize", "show", "hide"]
    assert states == [
        (False, False, 0),
        (True, False, 0),
        (True, False, 212.5),
        (True, True, 212.5),
        (True, False, 212.5),
    ]
    assert (ad.height, ad.is_visible) == (212.5, False)
    names = ["ad.render-started", "ad.height", "ad.viewed"]
    assert [event.name for event in own] == names
    assert [name for name, *_ in watched.told] == ["ad.filled", *names]
    assert {event.user_message_id for event in own} == {"u1"}
    kept: list[str] = []
    watched.session.for_message("a1").subscribe(lambda event: kept.append(event.name))
    assert kept == ["ad.filled", *names]


def test_a_second_mount_is_a_mistake(watched: Watched) -> None:
    """(A-012, #54)"""
    ad = watched.session.create_ad("a1")
    ad.mount(Slot())
    with pytest.raises(AdAlreadyMountedError, match=r"destroy\(\) it"):
        ad.mount(Slot())


def test_what_is_no_host_is_a_mistake(watched: Watched) -> None:
    with pytest.raises(InvalidOptionError, match="element"):
        watched.session.render(message_id="a1", element="#slot")  # type: ignore[arg-type]


def test_after_the_end_an_ad_is_deaf(watched: Watched) -> None:
    """The host is released once; what its frame still says changes nothing (A-009 to A-011, A-013)."""
    filled(watched)
    slot = Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    ended: list[str] = []
    ad.state.subscribe(
        lambda state: ended.append(f"destroyed: {state.is_destroyed}"), on_completed=lambda: ended.append("end")
    )
    slot.say("show-iframe")
    ad.destroy()
    ad.destroy()
    slot.say("resize-iframe", height=250)
    slot.say("click-iframe", url="https://x.test")
    assert slot.asked == ["load", "show", "release"]
    assert (ad.height, ad.is_visible, ad.iframe_url) == (0, False, None)
    assert ended[-2:] == ["destroyed: True", "end"]
    with pytest.raises(AdDestroyedError, match=r"create_ad\(\)"):
        ad.mount(Slot())


def test_a_frame_that_gives_up_takes_its_ad_along_and_no_other(watched: Watched) -> None:
    """(#35)"""
    filled(watched)
    slot, other = Slot(), Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    watched.session.render(message_id="a1", element=other, code="sidebar")
    slot.say("error-iframe")
    assert ad.is_destroyed
    assert slot.asked == ["load", "release"]
    assert other.asked == []
    error = watched.events[-1]
    assert isinstance(error, AdError)
    assert (error.err_code, error.message_id, error.bid_id) == ("iframe_error", "a1", BID)
    assert watched.session.create_ad("a1").iframe_url is not None


def test_a_failure_on_the_page_is_reported_with_its_bid(watched: Watched) -> None:
    """(E-003, E-006)"""
    filled(watched)
    slot = Slot()
    watched.session.render(message_id="a1", element=slot)
    slot.say("event-iframe", name="ad.error", payload={"message": "No video", "errCode": "no_video"})
    watched.clock.advance(1)
    (report,) = watched.server.received("/error")
    assert (report.body["error"], report.body["stack"]) == ("No video", "no_video")
    assert report.body["additionalData"]["bidId"] == BID


def test_a_modal_has_its_time(watched: Watched) -> None:
    """Five seconds by the session's clock; ready in time, it stays (A-071 to A-074)."""
    filled(watched)
    slot = Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    slot.say("open-component-iframe", component="modal")
    watched.clock.advance(4.9)
    slot.say("init-component-iframe", "modal", component="modal")
    watched.clock.advance(60)
    assert slot.asked == ["load", "open_modal", "reveal_modal"]
    slot.say("close-component-iframe", "modal", component="modal")
    slot.say("open-component-iframe", component="modal", timeout=1000)
    watched.clock.advance(1)
    assert slot.asked[3:] == ["close_modal", "open_modal", "close_modal"]
    assert watched.told[-1][0] == "ad.error"
    assert not ad.is_destroyed


def test_destroying_stops_the_modal_s_clock(watched: Watched) -> None:
    filled(watched)
    slot = Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    slot.say("open-component-iframe", component="modal")
    ad.destroy()
    watched.clock.advance(60)
    assert [name for name, *_ in watched.told] == ["ad.filled"]


def test_destroying_while_the_modal_opens_leaves_no_clock_behind(watched: Watched) -> None:
    class Leaving(Slot):
        def open_modal(self, url: str) -> None:
            ad.destroy()

    recording = record(watched.session)
    filled(watched)
    slot = Leaving()
    ad = watched.session.render(message_id="a1", element=slot)
    before = [entry for entry in recording.entries if isinstance(entry, Rang)]
    slot.say("open-component-iframe", component="modal")
    watched.clock.advance(60)
    assert ad.is_destroyed
    assert [entry for entry in recording.entries if isinstance(entry, Rang)] == before


def test_a_user_event_reaches_the_frames_of_its_placement(watched: Watched) -> None:
    """(S-103, A-092, #80)"""
    filled(watched)
    slot, other, waiting = Slot(), Slot(), Slot()
    watched.session.render(message_id="a1", element=slot)
    watched.session.render(message_id="a1", element=other, code="sidebar")
    watched.session.render(message_id="a9", element=waiting)
    watched.session.send_user_event("user.typing.started", {"words": 3})
    data = {"name": "user.typing.started", "code": "inlineAd", "payload": {"words": 3}}
    assert slot.calls[-1] == ("post", {"type": "user-event-iframe", "data": data})
    assert other.calls == waiting.calls == []


def test_an_unknown_message_is_noted_once(watched: Watched) -> None:
    filled(watched)
    slot = Slot()
    watched.session.render(message_id="a1", element=slot)
    for _ in range(3):
        slot.say("brand-new-iframe")
    strange = [event.data for event in watched.debug if event.name == "Ad: unknown-message"]
    assert strange == [{"messageId": "a1", "code": "inlineAd", "type": "brand-new-iframe"}]


@pytest.mark.reports
def test_a_host_that_fails_costs_nothing_else(watched: Watched) -> None:
    filled(watched)

    class Broken(Slot):
        def show(self) -> None:
            raise ConnectionError("gone")

    slot = Broken()
    watched.session.render(message_id="a1", element=slot)
    slot.say("show-iframe")
    slot.say("event-iframe", name="ad.viewed", payload={"content": "x", "format": "y"})
    assert watched.told[-1][0] == "ad.viewed"


def test_the_end_of_the_session_releases_every_host(watched: Watched) -> None:
    filled(watched)
    slot, waiting = Slot(), Slot()
    watched.session.render(message_id="a1", element=slot)
    watched.session.render(message_id="a9", element=waiting)
    watched.session.destroy()
    assert (slot.asked[-1], waiting.asked) == ("release", ["release"])


def test_a_handler_may_destroy_the_ad_it_hears_of(watched: Watched) -> None:
    filled(watched)
    slot = Slot()
    ad = watched.session.render(message_id="a1", element=slot)
    ad.events.subscribe(lambda event: ad.destroy())
    slot.say("resize-iframe", height=100)
    slot.say("resize-iframe", height=200)
    assert [event.name for event in watched.events] == ["ad.filled", "ad.height"]
    assert ad.is_destroyed


def test_what_rules_look_back_on_counts_views_and_clicks(watch: Any) -> None:
    """The last fill, view and click, with their counts."""
    from kontext_rx import Turn
    from kontext_rx.pacing import Decision, Go, Rule

    turns: list[Turn] = []

    def note(state: None, turn: Turn) -> tuple[None, Decision]:
        turns.append(turn)
        return state, Go("noted")

    watched: Watched = watch(pacing=Rule(note, start=None))
    filled(watched)
    slot = Slot()
    watched.session.render(message_id="a1", element=slot)
    slot.say("event-iframe", name="ad.viewed", payload={"content": "x", "format": "y"})
    filled(watched, 2)
    assert turns[1].viewed is not None
    assert (turns[1].viewed.count, turns[1].viewed.number) == (1, 1)
    assert turns[1].clicked is None

"""The iframe protocol of one ad, as a pure step."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kontext_rx.event import AdError, AdEvent, AdHeight, Clicked, Viewed
from kontext_rx.frame import (
    CloseModal,
    Fail,
    Foreign,
    Frame,
    FrameState,
    Hide,
    ModalTimedOut,
    OpenLink,
    OpenModal,
    Output,
    Post,
    Resize,
    RevealModal,
    Show,
    Strange,
    Style,
    Tell,
    step,
    user_event,
)
from kontext_rx.typing import FrameMessage

BID = "0b7d1c1e-55aa-4a0f-8d2f-1a2b3c4d5e6f"
OTHER = "9c2e7f30-1111-4222-8333-444455556666"

FRAME = Frame(
    bid_id=BID,
    code="inlineAd",
    message_id="m4",
    user_message_id="m3",
    revenue=0.03,
    server="https://ads.test",
    modal_url="https://ads.test/api/modal/x?code=inlineAd",
    update=lambda: {"messages": [], "sdk": "sdk-python", "messageId": "m4", "code": "inlineAd", "otherParams": {}},
)
AT = 1772439300.0


def said(kind: str, source: str = "inline", **data: Any) -> FrameMessage:
    return FrameMessage({"type": kind, "data": data}, source)  # type: ignore[arg-type]


def play(*inputs: FrameMessage | ModalTimedOut, frame: Frame = FRAME) -> tuple[FrameState, list[Output]]:
    state, outputs = FrameState(), []
    for one in inputs:
        state, more = step(frame, state, one, AT)
        outputs += more
    return state, outputs


def told(*inputs: FrameMessage | ModalTimedOut, frame: Frame = FRAME) -> list[AdEvent]:
    return [output.event for output in play(*inputs, frame=frame)[1] if isinstance(output, Tell)]


def event(name: object, source: str = "inline", **payload: Any) -> FrameMessage:
    return said("event-iframe", source, name=name, payload=payload)


class TestInline:
    def test_every_init_is_answered_with_what_the_bid_was_made_for(self) -> None:
        """Also the second: a frame that was reloaded needs it again (A-026, A-085, #38, #39)."""
        state, outputs = play(said("init-iframe"), said("init-iframe"))
        assert outputs == [Post({"type": "update-iframe", "data": FRAME.update()})] * 2
        assert not state.visible

    def test_show_and_hide_are_told_once_each(self) -> None:
        """(A-029, A-030)"""
        show, hide = said("show-iframe"), said("hide-iframe")
        assert play(show, show, show, hide, hide)[1] == [Show(), Hide()]

    def test_a_height_is_applied_and_told_when_it_changes(self) -> None:
        """(A-032, A-034)"""
        _, outputs = play(*(said("resize-iframe", height=height) for height in (250, 250.0, 250, 300.5, 300.5)))
        assert [output for output in outputs if isinstance(output, Resize)] == [Resize(250), Resize(300.5)]
        heights = [one.event for one in outputs if isinstance(one, Tell)]
        assert all(isinstance(one, AdHeight) for one in heights)
        assert (heights[0].code, heights[0].message_id, heights[0].user_message_id) == ("inlineAd", "m4", "m3")

    @pytest.mark.parametrize(
        "height", [0, -1, "250", None, True, [250], float("nan"), float("inf"), 1e9, 10**400], ids=repr
    )
    def test_a_height_that_is_none_changes_nothing(self, height: object) -> None:
        """(A-033, A-035, #37)"""
        assert play(said("resize-iframe", height=height)) == (FrameState(), [])

    def test_hiding_keeps_the_height(self) -> None:
        """(A-031)"""
        state, _ = play(said("resize-iframe", height=250), said("show-iframe"), said("hide-iframe"))
        assert (state.height, state.visible) == (250, False)

    def test_a_frame_that_gives_up_is_told_and_over(self) -> None:
        """(A-056, A-057)"""
        _, outputs = play(said("error-iframe"))
        error, fail = outputs
        assert isinstance(error, Tell)
        assert isinstance(error.event, AdError)
        assert (error.event.message, error.event.err_code, error.event.bid_id) == (
            "Error loading iframe", "iframe_error", BID,
        )  # fmt: skip
        assert error.event.code is None
        assert fail == Fail()

    def test_styles_are_handed_on_as_css(self) -> None:
        """(A-059)"""
        styles = said(
            "set-styles-iframe", containerStyles={"margin": 4, "x": None}, iframeStyles={"borderRadius": "8px"}
        )
        assert play(styles)[1] == [Style({"margin": "4px"}, {"border-radius": "8px"})]
        assert play(said("set-styles-iframe", containerStyles=5))[1] == [Style({}, {})]

    @pytest.mark.parametrize(
        ("data", "link"),
        [
            ({"url": "/click/1?x=1"}, OpenLink("https://ads.test/click/1?x=1", "browser")),
            ({"url": "//cdn.test/x"}, OpenLink("//cdn.test/x", "browser")),
            ({"url": "https://shop.test", "target": "in-app"}, OpenLink("https://shop.test", "in-app")),
            ({"url": "amazon://x", "target": 5}, OpenLink("amazon://x", "browser")),
        ],
    )
    def test_a_click_asks_the_host_for_its_address(self, data: dict[str, Any], link: OpenLink) -> None:
        """(A-014, A-015, A-051)"""
        assert play(said("click-iframe", **data))[1] == [link]

    @pytest.mark.parametrize(
        ("given", "fallback"),
        [
            ("https://shop.test", "https://shop.test"),
            ("/click/2", "https://ads.test/click/2"),
            ("", None), (None, None), (5, None),
        ],
    )  # fmt: skip
    def test_a_click_may_have_a_fallback(self, given: object, fallback: str | None) -> None:
        """Resolved in the same way (A-052)."""
        assert play(said("click-iframe", url="amazon://x", fallbackUrl=given))[1] == [
            OpenLink("amazon://x", "browser", fallback)
        ]

    @pytest.mark.parametrize("url", [None, "", 5])
    def test_a_click_without_an_address_opens_nothing(self, url: object) -> None:
        """(A-050)"""
        assert play(said("click-iframe", url=url, fallbackUrl="https://shop.test"))[1] == []


class TestEvents:
    def test_viewed(self) -> None:
        """The bid's revenue wins over the payload's (A-037, A-038)."""
        (viewed,) = told(event("ad.viewed", id=BID, content="Tents", format="text", revenue=9))
        assert viewed == Viewed(
            code="inlineAd", message_id="m4", user_message_id="m3", at=AT, bid_id=BID, content="Tents", format="text",
            revenue=0.03,
        )  # fmt: skip

    def test_viewed_takes_the_payload_s_revenue_where_the_bid_has_none(self) -> None:
        import msgspec

        frame = msgspec.structs.replace(FRAME, revenue=None)
        (viewed,) = told(event("ad.viewed", content="Tents", format="text", revenue=0.5), frame=frame)
        assert isinstance(viewed, Viewed)
        assert (viewed.revenue, viewed.bid_id) == (0.5, BID)

    def test_clicked(self) -> None:
        """The address is passed on as sent (A-040 to A-042)."""
        (clicked,) = told(event("ad.clicked", id=BID, content="Tents", format="text", url="/click/1", area="body"))
        assert isinstance(clicked, Clicked)
        assert (clicked.url, clicked.area) == ("/click/1", "body")

    @pytest.mark.parametrize(
        ("name", "payload"),
        [
            ("ad.viewed", {"content": "x"}),
            ("ad.viewed", {"format": "x", "content": 5}),
            ("ad.clicked", {"content": "x", "format": "x", "url": "x"}),
            ("ad.clicked", {"content": "x", "format": "x", "area": "x"}),
            ("ad.filled", {}),
            ("ad.no-fill", {"skipCode": "x"}),
            ("something.new", {}),
            ("", {}),
            (None, {}),
            (5, {}),
        ],
    )
    def test_what_lacks_a_field_or_is_not_known_is_dropped(self, name: object, payload: dict[str, Any]) -> None:
        """(A-037, A-040, A-046, #42)"""
        assert told(event(name, **payload)) == []

    @pytest.mark.parametrize(
        "name", ["ad.render-started", "ad.render-completed", "video.started", "video.completed", "reward.granted"]
    )
    def test_plain_ones_carry_the_bid(self, name: str) -> None:
        """(A-044, A-045, A-039, #41)"""
        own, other, strange = told(event(name), event(name, id=OTHER.upper()), event(name, id="no uuid"))
        assert {one.name for one in (own, other, strange)} == {name}
        assert [getattr(one, "bid_id", None) for one in (own, other, strange)] == [BID, OTHER, BID]

    def test_a_frame_speaks_for_its_own_message_only(self) -> None:
        (started,) = told(event("ad.render-started", messageId="somebody else's"))
        assert started.message_id == "m4"

    def test_an_error_has_defaults(self) -> None:
        """(A-043)"""
        plain, full = told(event("ad.error"), event("ad.error", message="No video", errCode="no_video"))
        assert isinstance(plain, AdError)
        assert isinstance(full, AdError)
        assert (plain.message, plain.err_code) == ("Unknown error", "unknown")
        assert (full.message, full.err_code) == ("No video", "no_video")

    def test_a_payload_of_the_wrong_kind_counts_as_absent(self) -> None:
        """(A-047)"""
        assert len(told(said("event-iframe", name="video.started", payload=[1]))) == 1


OPEN = said("open-component-iframe", component="modal", timeout=4000, componentParams={"slide": 2, "q": "a&b=c+d"})


class TestModal:
    def test_opens_hidden_with_its_time_to_initialise(self) -> None:
        """The parameters are JSON, percent-encoded whole (A-065, A-067, A-068, A-071)."""
        state, (opened,) = play(OPEN)
        assert isinstance(opened, OpenModal)
        assert (opened.modal, opened.timeout_s, state.revealed) == (1, 4.0, False)
        query = parse_qs(urlsplit(opened.url).query, strict_parsing=True)
        assert json.loads(query["componentParams"][0]) == {"slide": 2, "q": "a&b=c+d"}

    @pytest.mark.parametrize("timeout", [None, 0, -5, "4000", True])
    def test_has_five_seconds_unless_it_says_otherwise(self, timeout: object) -> None:
        """(A-070)"""
        _, (opened,) = play(said("open-component-iframe", component="modal", timeout=timeout))
        assert isinstance(opened, OpenModal)
        assert (opened.timeout_s, opened.url) == (5.0, FRAME.modal_url)

    @pytest.mark.parametrize("timeout", [61_000, 1e300, 10**300])
    def test_has_a_minute_at_most(self, timeout: float) -> None:
        _, (opened,) = play(said("open-component-iframe", component="modal", timeout=timeout))
        assert isinstance(opened, OpenModal)
        assert opened.timeout_s == 60.0

    def test_opens_plain_when_its_parameters_cannot_be_sent(self) -> None:
        """Half an emoji cannot stand in an address."""
        _, (opened,) = play(said("open-component-iframe", component="modal", componentParams={"x": "\ud83d"}))
        assert isinstance(opened, OpenModal)
        assert opened.url == FRAME.modal_url + "&componentParams=%7B%7D"

    def test_is_revealed_when_it_is_ready(self) -> None:
        """Just before the deadline is in time (A-072, A-074)."""
        ready = said("init-component-iframe", "modal", component="modal")
        state, outputs = play(OPEN, ready, ready, ModalTimedOut(1))
        assert outputs[1:] == [RevealModal()]
        assert state.revealed

    def test_closes_and_says_so_when_it_never_is(self) -> None:
        """(A-073, #43)"""
        state, outputs = play(OPEN, ModalTimedOut(1))
        close, error = outputs[1:]
        assert close == CloseModal()
        assert isinstance(error, Tell)
        assert isinstance(error.event, AdError)
        assert (error.event.message, error.event.err_code) == ("modal init timeout", "timeout")
        assert state.modal is None

    def test_an_old_deadline_is_none_of_a_newer_modal(self) -> None:
        """A second modal closes the first (A-080)."""
        _, outputs = play(OPEN, OPEN, ModalTimedOut(1))
        assert [type(output) for output in outputs] == [OpenModal, CloseModal, OpenModal]

    def test_closes_once(self) -> None:
        """(A-075, A-081)"""
        close = said("close-component-iframe", "modal", component="modal")
        assert play(close)[1] == []
        assert play(OPEN, close, close)[1][1:] == [CloseModal()]

    def test_an_error_closes_it(self) -> None:
        """(A-076, #44)"""
        for data, words in (
            ({}, ("Modal component error", "modal_component_error")),
            ({"message": "No slides", "errorType": "empty"}, ("No slides", "empty")),
        ):
            _, outputs = play(OPEN, said("error-component-iframe", "modal", component="modal", **data))
            close, error = outputs[1:]
            assert close == CloseModal()
            assert isinstance(error, Tell)
            assert isinstance(error.event, AdError)
            assert (error.event.message, error.event.err_code) == words

    def test_a_modal_that_gives_up_closes_and_leaves_the_ad(self) -> None:
        """(A-079)"""
        _, outputs = play(OPEN, said("error-iframe", "modal"))
        assert [type(output) for output in outputs[1:]] == [CloseModal, Tell]

    @pytest.mark.parametrize(
        "kind", ["init-iframe", "show-iframe", "resize-iframe", "set-styles-iframe", "open-component-iframe"]
    )
    def test_speaks_for_itself_and_not_for_the_inline_frame(self, kind: str) -> None:
        """(A-079)"""
        assert play(said(kind, "modal", component="modal", height=5))[1] == []

    def test_its_events_and_clicks_take_the_same_way(self) -> None:
        """(A-078)"""
        _, outputs = play(event("reward.granted", "modal"), said("click-iframe", "modal", url="https://x.test"))
        assert [type(output) for output in outputs] == [Tell, OpenLink]

    def test_another_component_is_not_ours(self) -> None:
        assert play(said("open-component-iframe", component="skoverlay"))[1] == []
        assert play(said("open-component-iframe"))[1] == []


class TestDoubt:
    @pytest.mark.parametrize(
        "data",
        [
            None, 5, "text", [], {}, {"type": ""}, {"type": 5}, {"type": "show"}, {"data": {}},
            {"type": "show-iframe", "data": {"code": "sidebar"}},
            {"type": "show-iframe", "data": {"component": "skoverlay"}},
        ],
        ids=repr,
    )  # fmt: skip
    def test_what_is_no_message_for_this_ad_is_ignored(self, data: object) -> None:
        """(A-021, A-022, A-024)"""
        assert step(FRAME, FrameState(), FrameMessage(data), AT) == (FrameState(), ())

    def test_a_code_at_top_level_has_no_effect(self) -> None:
        """Only `data` counts (#79)."""
        message = FrameMessage({"type": "resize-iframe", "code": "sidebar", "height": 9, "data": {"height": 250}})
        assert step(FRAME, FrameState(), message, AT)[0].height == 250

    def test_data_may_be_missing_where_nothing_is_in_it(self) -> None:
        assert step(FRAME, FrameState(), FrameMessage({"type": "show-iframe"}), AT)[1] == (Show(),)

    def test_an_unknown_type_is_noted_once(self) -> None:
        """(A-023, #42)"""
        assert play(said("new-iframe"), said("new-iframe"), said("newer-iframe"))[1] == [
            Strange("new-iframe"),
            Strange("newer-iframe"),
        ]

    def test_a_flood_of_unknown_types_is_not_remembered(self) -> None:
        state, outputs = play(*(said(f"{number}-iframe") for number in range(10_000)))
        assert len(outputs) == len(state.strange) == 32

    def test_a_foreign_origin_is_noted_once_and_what_it_says_is_not_heard(self) -> None:
        """(A-018, A-020)"""
        spy, other = "https://spy.test", "https://other.test"
        show = {"type": "show-iframe"}
        state, outputs = play(*(FrameMessage(show, "inline", origin) for origin in (spy, spy, other)))
        assert outputs == [Foreign(spy), Foreign(other)]
        assert not state.visible

    @pytest.mark.parametrize(
        "kind", ["view-iframe", "ad-done-iframe", "ad-done-component-iframe", "open-skoverlay-iframe"]
    )
    def test_what_is_told_otherwise_or_for_phones_is_quiet(self, kind: str) -> None:
        """(A-048, A-058, A-077)"""
        assert play(said(kind, id=BID, content="x")) == (FrameState(), [])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = [
    "init-iframe", "show-iframe", "hide-iframe", "resize-iframe", "error-iframe", "click-iframe", "event-iframe",
    "set-styles-iframe", "open-component-iframe", "init-component-iframe", "close-component-iframe",
    "error-component-iframe", "odd-iframe",
]  # fmt: skip
FIELDS = ["height", "url", "target", "name", "payload", "component", "timeout", "componentParams", "code", "message"]


@given(
    st.lists(
        st.builds(
            FrameMessage,
            st.fixed_dictionaries(
                {"type": st.sampled_from(KINDS), "data": st.dictionaries(st.sampled_from(FIELDS), json_values)}
            )
            | json_values,
            st.sampled_from(["inline", "modal"]),
        ),
        max_size=12,
    )
)
def test_nothing_that_a_frame_says_can_raise_or_break_the_state(messages: list[FrameMessage]) -> None:
    """(A-060)"""
    state, outputs = play(*messages)
    assert 0 <= state.height <= 10_000
    opened = [output for output in outputs if isinstance(output, OpenModal)]
    assert len(opened) == state.modals
    assert not state.revealed or state.modal is not None


def test_a_user_event_is_for_the_frames_of_its_placement() -> None:
    """The code stands in the data; the payload only when there is one (A-092)."""
    assert user_event("inlineAd", "user.typing.started", None).message == {
        "type": "user-event-iframe",
        "data": {"name": "user.typing.started", "code": "inlineAd"},
    }
    with_payload = user_event("inlineAd", "user.typing.started", {"deep": [True, 1, {"a": None}]})
    assert with_payload.message["data"]["payload"] == {"deep": [True, 1, {"a": None}]}

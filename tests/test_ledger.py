"""What is remembered of each message, within bounds, and how far the turns came."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from played import TWO_FILLED, TWO_PLACES, Play, conversations, fresh, hold
from watched import Watched

from kontext_rx import Clicked, DebugEvent, Funnel, Message, NoFill, RenderStarted, Session, Viewed
from kontext_rx.event import AdHeight
from kontext_rx.ledger import LONGEST_STORY, LONGEST_TURN, REACHED, STORIES, Ledger
from kontext_rx.testing import VirtualAdServer, fill
from kontext_rx.trace import Added, Dropped, Ended, Linked, Mounted, PreloadStep, Settled, Trace, Unmounted

UNLINKED = NoFill(message_id="m1", at=0, skip_code="unlinked")

KINDS = 17
"""The kinds of things that a story may hold."""


def added(number: int, role: Any = "user", after: str | None = None) -> Added:
    return Added(message_id=f"m{number}", role=role, at=float(number), number=number, after=after)


def linked(message_id: str, user_message_id: str, *codes: str) -> Linked:
    return Linked(
        message_id=message_id, user_message_id=user_message_id, at=0, bids=dict.fromkeys(codes or ("inlineAd",), "bid")
    )


def viewed(message_id: str, user_message_id: str, **fields: Any) -> Viewed:
    given_: dict[str, Any] = {
        "code": "inlineAd",
        "bid_id": "b",
        "content": "Tents",
        "format": "text",
        "at": 1,
        **fields,
    }
    return Viewed(message_id=message_id, user_message_id=user_message_id, **given_)


def told(ledger: Ledger, *traces: Trace) -> Ledger:
    for trace in traces:
        ledger.note(trace)
    return ledger


def a_turn(ledger: Ledger) -> Ledger:
    return told(ledger, added(1), added(2, "assistant", "m1"), linked("m2", "m1"))


def funnel_of(session: Session) -> Funnel:
    """The latest."""
    latest: list[Funnel] = []
    session.funnel.subscribe(latest.append).dispose()
    return latest[-1]


class TestStories:
    def test_a_story_is_what_happened_to_a_message_oldest_first(self) -> None:
        step = PreloadStep(name="sent", user_message_id="m1", at=1)
        ledger = told(Ledger(), added(1), step, added(2, "assistant", "m1"), linked("m2", "m1"))
        assert [type(trace) for trace in ledger.story("m1")] == [Added, PreloadStep, Added, Linked]
        assert [type(trace) for trace in ledger.story("m2")] == [Added, Linked]

    def test_two_stories_make_one(self) -> None:
        """In the order in which things happened, also at one instant, and what belongs to both once."""
        traces: list[Trace] = [
            added(1),
            added(2, "assistant", "m1"),
            linked("m2", "m1"),
            Mounted(message_id="m2", code="inlineAd", at=0),
            viewed("m2", "m1", at=0),
            Unmounted(message_id="m2", code="inlineAd", at=0),
        ]
        ledger = told(Ledger(), *traces)
        assert ledger.story("m2", "m1") == ledger.story("m1", "m2") == ledger.traces == traces

    def test_an_unknown_message_has_none(self) -> None:
        assert list(a_turn(Ledger()).story("zz")) == []
        assert list(told(Ledger(), PreloadStep(name="sent", user_message_id="zz", at=1)).traces) == []

    def test_the_end_is_in_every_story(self) -> None:
        ledger = told(a_turn(Ledger()), Ended(at=9))
        assert [ledger.story(one)[-1] for one in ("m1", "m2")] == [Ended(at=9)] * 2

    def test_heights_are_in_none(self) -> None:
        height = AdHeight(code="inlineAd", message_id="m2", user_message_id="m1", at=1, bid_id="b", height=1)
        assert height not in told(a_turn(Ledger()), height).traces

    def test_the_last_sixty_messages_are_kept(self) -> None:
        ledger = told(Ledger(), *map(added, range(10_000)))
        assert sum(bool(ledger.story(f"m{number}")) for number in range(10_000)) == STORIES
        assert ledger.story("m9940")
        assert not ledger.story("m9939")
        assert len(ledger.traces) == STORIES

    def test_a_question_is_kept_as_long_as_its_replies(self) -> None:
        replies = [added(number, "assistant", "m0") for number in range(1, 100)]
        ledger = told(Ledger(), added(0), *replies)
        assert [number for number in range(100) if ledger.story(f"m{number}")] == [0, *range(41, 100)]
        told(ledger, *(added(number) for number in range(100, 159)))
        assert [number for number in range(159) if ledger.story(f"m{number}")] == [0, *range(100, 159)]
        told(ledger, added(159))
        assert not ledger.story("m0")

    def test_a_monologue_is_no_longer_to_keep_than_a_conversation(self) -> None:
        """Ten thousand replies to one question: the last of them are kept, and little besides."""
        ledger = told(Ledger(), added(0))
        longest = 0
        for number in range(1, 10_000):
            told(ledger, added(number, "assistant", "m0"), Settled(message_id=f"m{number}", at=0, outcome=UNLINKED))
            longest = max(longest, len(ledger.page))
        assert longest < 2 * LONGEST_TURN
        assert [number for number in range(10_000) if ledger.story(f"m{number}")] == [0, *range(9941, 10_000)]
        assert ledger.funnel == Funnel(turns=1)

    @pytest.mark.parametrize("asked", [True, False], ids=["after a question", "without one"])
    def test_of_replies_without_end_the_last_are_kept(self, asked: bool) -> None:
        """A conversation may be one side talking: no question closes a turn, and the stories are the same."""
        question = (added(0),) if asked else ()
        after = "m0" if asked else None
        ledger = told(Ledger(), *question)
        for number in range(1, 1000):
            told(ledger, added(number, "assistant", after), linked(f"m{number}", "m0"))
        first = 1000 - STORIES + asked
        assert [number for number in range(1000) if ledger.story(f"m{number}")] == [*[0] * asked, *range(first, 1000)]
        assert ledger.story("m999") == [added(999, "assistant", after), linked("m999", "m0")]

    def test_or_all_are_kept(self) -> None:
        assert len(told(Ledger(None), *map(added, range(500))).traces) == 500

    def test_a_long_story_keeps_its_beginning_and_the_latest_of_each_kind(self) -> None:
        """A frame may repeat itself as often as it likes."""
        started = RenderStarted(code="inlineAd", message_id="m2", user_message_id="m1", at=1, bid_id="b")
        ledger = told(a_turn(Ledger()), *[started] * 10_000)
        told(ledger, *(viewed("m2", "m1", at=at) for at in range(10_000)))
        told(ledger, Unmounted(message_id="m2", code="inlineAd", at=10_000))
        for message_id in ("m1", "m2"):
            story = ledger.story(message_id)
            assert len(story) <= LONGEST_STORY + 2 * KINDS
            assert isinstance(story[0], Added)
            assert [trace.at for trace in story if isinstance(trace, Viewed)] == [0, 9999]
        assert isinstance(ledger.story("m2")[-1], Unmounted)


class TestFunnel:
    def test_each_stage_counts_once_a_turn(self) -> None:
        ledger = a_turn(Ledger())
        for at in range(10_000):
            told(
                ledger,
                Mounted(message_id="m2", code=("inlineAd", "sidebar")[at % 2], at=at),
                RenderStarted(code="inlineAd", message_id="m2", user_message_id="m1", at=at, bid_id="b"),
                viewed("m2", "m1", at=at, revenue=0.25),
                Clicked(
                    code="inlineAd",
                    message_id="m2",
                    user_message_id="m1",
                    at=at,
                    bid_id="b",
                    content="Tents",
                    url="/",
                    format="text",
                    area="cta",
                ),
            )
        assert ledger.funnel == Funnel(turns=1, linked=1, mounted=1, rendered=1, viewed=1, clicked=1, revenue=2500.0)

    def test_an_ad_that_outlives_its_story_still_counts_once(self) -> None:
        """A page may keep an ad mounted long after its message has left the history, and the stories."""
        ledger = told(a_turn(Ledger()), *(added(number) for number in range(3, 300)))
        assert not ledger.story("m2")
        told(ledger, *[viewed("m2", "m1")] * 3)
        assert ledger.funnel.viewed == 1

    def test_what_is_gone_is_forgotten(self) -> None:
        """Nothing grows with the number of turns."""
        ledger = Ledger()
        for number in range(0, 3000, 2):
            question, reply = f"m{number}", f"m{number + 1}"
            told(ledger, added(number), added(number + 1, "assistant", question), linked(reply, question, "a", "b"))
            told(ledger, Dropped(message_id=reply, at=0, codes=("a",), reason="expired"))
            told(ledger, viewed(reply, question), Dropped(message_id=reply, at=0, codes=("b",), reason="trimmed"))
        assert (ledger.funnel.linked, ledger.funnel.viewed) == (1500, 1500)
        assert len(ledger._reached) <= REACHED

    def test_what_pacing_or_the_app_holds_back_is_not_sent_for_an_ad(self, server: VirtualAdServer) -> None:
        played = Play(Watched(server, {"pacing": hold("u1")}))("u1 1s a1 u2* 1s a2 u3 1s a3")
        assert funnel_of(played.watched.session) == Funnel(turns=3, sent=1, filled=1, linked=1)

    def test_two_placements_are_one_turn(self, server: VirtualAdServer) -> None:
        server.plan("/preload", *TWO_FILLED)
        played = Play(Watched(server, TWO_PLACES))("u1 1s a1 render:a1 render:a1/sidebar view:a1 view:a1/sidebar")
        assert funnel_of(played.watched.session) == Funnel(turns=1, sent=1, filled=1, linked=1, mounted=1, viewed=1)

    def test_it_replays_the_present_and_ends_with_the_session(self, server: VirtualAdServer) -> None:
        server.plan("/preload", fill(revenue=0.5))
        played = Play(Watched(server, {}))
        early: list[Funnel | str] = []
        played.watched.session.funnel.subscribe(early.append, on_completed=lambda: early.append("end"))
        played("u1 1s a1")
        late: list[Funnel | str] = []
        played.watched.session.funnel.subscribe(late.append, on_completed=lambda: late.append("end"))
        played("render:a1 view:a1 destroy")
        changes: list[dict[str, float]] = [
            {},
            {"turns": 1},
            {"sent": 1},
            {"filled": 1},
            {"linked": 1},
            {"mounted": 1},
            {"viewed": 1, "revenue": 0.5},
        ]
        funnels = [Funnel()]
        for change in changes[1:]:
            funnels.append(msgspec.structs.replace(funnels[-1], **change))
        assert early == [*funnels, "end"]
        assert late == [*funnels[4:], "end"]
        after: list[Funnel | str] = []
        played.watched.session.funnel.subscribe(after.append, on_completed=lambda: after.append("end"))
        assert after == [funnels[-1], "end"]

    def test_who_subscribes_from_inside_an_event_sees_it_grow(self, server: VirtualAdServer) -> None:
        """What is on its way when they come is not told behind what is newer, nor twice."""
        session = Watched(server, {}).session
        session.funnel.subscribe()
        early: list[Funnel] = []
        late: list[Funnel] = []

        def join_early(event: DebugEvent) -> None:
            if event.name == "Preload: ad-generation-success":
                session.funnel.subscribe(early.append)

        def join_late(step: PreloadStep) -> None:
            if step.name == "resolved":
                session.funnel.subscribe(late.append)

        session.debug_events.subscribe(join_early)
        session.preloads.subscribe(join_late)
        session.add_message(Message.user("u1", "x"))
        session.add_message(Message.assistant("a1", "y"))
        server.clock.advance(1)
        sent = Funnel(turns=1, sent=1)
        filled = msgspec.structs.replace(sent, filled=1)
        assert early == [sent, filled, msgspec.structs.replace(filled, linked=1)]
        assert late == early[1:]

    def test_an_inert_session_counts_its_turns(self, server: VirtualAdServer) -> None:
        played = Play(Watched(server, {"enabled": False, "client": None}))("u1 1s a1 u2 1s")
        assert funnel_of(played.watched.session) == Funnel(turns=2)

    @given(conversations())
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_it_is_a_plain_count(self, conversation: tuple[str, dict[str, Any]]) -> None:
        """Of messages, steps, links, hosts and events: nothing of the ledger's own."""
        played = fresh(*conversation)
        watched = played.watched
        linked_ = [event.data or {} for event in watched.debug if event.name == "Session: bid-assigned"]
        asked = [event.data or {} for event in watched.debug if event.name == "Session: message-added"]

        def replies_with(kind: type) -> int:
            return len({event.message_id for event in watched.events if isinstance(event, kind)})

        assert funnel_of(watched.session) == Funnel(
            turns=sum(data["role"] == "user" for data in asked),
            sent=sum(step.name == "sent" and not step.track_only for step in watched.steps),
            filled=sum(step.name == "resolved" and step.outcome == "filled" for step in watched.steps),
            linked=len({data["messageId"] for data in linked_}),
            mounted=len(played.loaded),
            rendered=replies_with(RenderStarted),
            viewed=replies_with(Viewed),
            clicked=replies_with(Clicked),
            revenue=pytest.approx(sum(event.revenue or 0.0 for event in watched.events if isinstance(event, Viewed))),
        )


def test_a_frame_that_repeats_itself(server: VirtualAdServer) -> None:
    """Ten thousand heights and views of a real ad: bounded memory, one turn viewed, and the truth."""
    played = Play(Watched(server, {}))("u1 1s a1 render:a1 show:a1")
    host = played.hosts["a1", "inlineAd"]
    for number in range(10_000):
        host.say("resize-iframe", code="inlineAd", height=number % 300)
        host.say("event-iframe", code="inlineAd", name="ad.render-started", payload={"id": "x"})
    played(" ".join(["view:a1"] * 10_000) + " click:a1 close:a1")
    funnel = funnel_of(played.watched.session)
    assert (funnel.rendered, funnel.viewed, funnel.clicked) == (1, 1, 1)
    explanation = played.explain("a1")
    assert explanation.verdict == "viewed"
    assert [step.name for step in explanation.steps][-3:] == ["ad.viewed", "ad.clicked", "unmounted"]
    assert len(explanation.steps) <= 2 * LONGEST_STORY

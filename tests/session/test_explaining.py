"""Why there is an ad under a message, or none: the first thing that ruled it out, or how far it came."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from played import OFF, SECRET, TWO_FILLED, TWO_PLACES, Play, conversations, fresh, hold
from watched import Watched

from kontext_rx import AdEvent, Filled, InvalidOptionError, Message, pacing, record
from kontext_rx.explain import Explanation, Verdict
from kontext_rx.hosts.recording import RecordingHost
from kontext_rx.pacing import Rule
from kontext_rx.testing import Answer, VirtualAdServer, failure, fill, network_error, no_fill, silence, status

user, assistant = Message.user, Message.assistant


@pytest.fixture
def play(watch: Callable[..., Watched], server: VirtualAdServer) -> Callable[..., Play]:
    """Play a script: with *preload* and *init* as what the server answers next, and any option of a session."""

    def start(script: str, preload: tuple[Answer, ...] = (), init: Answer | None = None, **options: Any) -> Play:
        server.plan("/preload", *preload)
        if init is not None:
            server.plan("/init", init)
        return Play(watch(**options))(script)

    return start


def broken_rule() -> Rule[None]:
    @pacing.rule
    def broken(state: None, turn: pacing.Turn) -> tuple[None, pacing.Decision]:
        raise ZeroDivisionError

    return broken


class Case(msgspec.Struct, frozen=True):
    """What is played, and what is true of each message then; what its reason says, after a colon."""

    title: str
    script: str
    truth: tuple[str, ...]
    given: dict[str, Any]


def case(title: str, script: str, *truth: str, **given: Any) -> Case:
    return Case(title, script, truth, given)


CASES = [
    # --- how far an ad came ---
    case("a reply after the answer", "u1 1s a1", "u1 linked", "a1 linked: inlineAd"),
    case("a reply while the answer is out", "u1 20ms a1 1s", "u1 linked", "a1 linked"),
    case("a reply inside the debounce", "u1 3ms a1 1s", "u1 linked", "a1 linked"),
    case("an Ad without a host", "u1 1s a1 create:a1", "a1 linked"),
    case("mounted before there is an ad", "render:a1 u1 1s a1", "u1 mounted", "a1 mounted: not been seen yet"),
    case(
        "mounted, and its Ad destroyed", "u1 1s a1 render:a1 close:a1", "a1 mounted: was destroyed before it was seen"
    ),
    case("destroyed and mounted again", "u1 1s a1 render:a1 close:a1 render:a1", "a1 mounted: is on a page"),
    case("its frame gives up", "u1 1s a1 render:a1 fail:a1", "a1 mounted: failed before it was seen"),
    case("viewed", "u1 1s a1 render:a1 show:a1 view:a1", "u1 viewed", "a1 viewed: inlineAd"),
    case("viewed, and its frame gives up", "u1 1s a1 render:a1 view:a1 fail:a1", "a1 viewed"),
    case("viewed, and its Ad destroyed", "u1 1s a1 render:a1 view:a1 close:a1 2h", "a1 viewed"),
    case("clicked, and nobody said viewed", "u1 1s a1 render:a1 click:a1", "a1 mounted"),
    case("viewed before the next turn", "u1 1s a1 render:a1 view:a1 u2 1s a2", "a1 viewed", "u1 viewed", "a2 linked"),
    case("retries, then success", "u1 20ms a1 5s", "a1 linked", preload=(network_error(), status(429), fill())),
    case("two placements, one filled", "u1 1s a1 render:a1/sidebar", "a1 linked: inlineAd", **TWO_PLACES),
    case(
        "two placements, one mounted",
        "u1 1s a1 render:a1/sidebar",
        "a1 mounted: sidebar",
        preload=TWO_FILLED,
        **TWO_PLACES,
    ),
    case(
        "two placements, one viewed",
        "u1 1s a1 render:a1 render:a1/sidebar view:a1/sidebar",
        "a1 viewed: sidebar",
        preload=TWO_FILLED,
        **TWO_PLACES,
    ),
    case("a placement that nobody enabled", "u1 1s a1 render:a1/banner", "a1 linked"),
    case("a rule that raises lets the ad pass", "u1 1s a1", "a1 linked", pacing=broken_rule()),
    case("a rule that lets it pass", "u1 1s a1", "a1 linked", pacing=hold("u2")),
    # --- pacing, and track_only ---
    case("held back", "u1 1s a1", "u1 paced_out: not now", "a1 paced_out: not now", pacing=hold("u1")),
    case("held back, the answer still out", "u1 20ms a1", "a1 paced_out", "u1 paced_out", pacing=hold("u1")),
    case("held back, no reply yet", "u1 1s", "u1 paced_out", pacing=hold("u1")),
    case(
        "held back, then a server error",
        "u1 1s a1",
        "u1 paced_out",
        "a1 paced_out",
        pacing=hold("u1"),
        preload=(status(503),),
    ),
    case("held back, then a no-fill", "u1 1s a1", "a1 paced_out", pacing=hold("u1"), preload=(no_fill(),)),
    case(
        "held back, then cancelled",
        "u1 20ms a1 u2 1s a2",
        "u1 paced_out",
        "a1 paced_out",
        "a2 linked",
        pacing=hold("u1"),
    ),
    case("held back, then destroyed", "u1 20ms destroy", "u1 paced_out", pacing=hold("u1")),
    case(
        "a burst whose last is held back",
        "u1 5ms u2 1s a1",
        "u1 coalesced",
        "u2 paced_out",
        "a1 paced_out",
        pacing=hold("u2"),
    ),
    case("track_only", "u1* 1s a1", "u1 track_only: track_only=True", "a1 track_only"),
    case("track_only, at once", "u1*", "u1 track_only"),
    case("track_only and held back", "u1* 1s a1", "a1 track_only", pacing=hold("u1")),
    case("track_only and coalesced", "u1* 5ms u2 1s a1", "u1 track_only", "u2 linked", "a1 linked"),
    case("coalesced into a track_only one", "u1 5ms u2* 1s a1", "u1 coalesced", "u2 track_only", "a1 track_only"),
    case("track_only and cancelled", "u1* 20ms a1 u2 1s", "u1 track_only", "a1 track_only"),
    case("track_only and a no-fill", "u1* 1s a1", "a1 track_only", preload=(no_fill(),)),
    case("track_only and an error", "u1* 1s a1", "u1 track_only", "a1 track_only", preload=(failure("geo"),)),
    case(
        "track_only, then disabled in the debounce", "u1* 1s a1", "u1 track_only", "a1 track_only", init=OFF.in_(0.005)
    ),
    case("cancelled by a track_only one", "u1 20ms u2* 1s a1", "u1 cancelled: u2", "a1 track_only"),
    case("a repeat with track_only changes nothing", "u1 1s a1 u1* 1s", "u1 linked", "a1 linked"),
    case("a repeat without it changes nothing", "u1* u1 1s a1", "u1 track_only", "a1 track_only"),
    # --- newer messages ---
    case("a burst", "u1 5ms u2 5ms u3 1s a1", "u1 coalesced: u2", "u2 coalesced: u3", "u3 linked", "a1 linked"),
    case("a burst at one instant", "u1 u2 u3 1s a1", "u1 coalesced", "u2 coalesced", "a1 linked"),
    case("a reply inside a burst", "u1 3ms a1 3ms u2 1s a2", "u1 coalesced", "a1 coalesced: u2", "a2 linked"),
    case("just inside the debounce", "u1 9ms u2 1s", "u1 coalesced"),
    case("just after the debounce", "u1 11ms u2 1s", "u1 cancelled: u2"),
    case("cancelled in flight", "u1 30ms u2 1s a2", "u1 cancelled: u2", "u2 linked", "a2 linked"),
    case("cancelled under a waiting reply", "u1 20ms a1 u2 1s a2", "a1 cancelled: u2", "u1 cancelled", "a2 linked"),
    case(
        "cancelled between two attempts",
        "u1 500ms a1 u2 1s",
        "u1 cancelled",
        "a1 cancelled",
        preload=(network_error(),),
    ),
    case(
        "an answer after the newer message", "u1 20ms u2 1s a1", "u1 cancelled", "a1 linked", preload=(fill().in_(0.5),)
    ),
    case(
        "a newer message after the answer",
        "u1 1s u2 1s a2",
        "u1 unlinked: u2 came before a reply",
        "u2 linked",
        "a2 linked",
    ),
    case("a newer one after a no-fill", "u1 1s u2 1s a2", "u1 no_fill", "a2 linked", preload=(no_fill(),)),
    case("two questions, two replies", "u1 1s u2 1s a1 a2", "u1 unlinked", "u2 linked", "a1 linked", "a2 unlinked"),
    # --- replies that get nothing ---
    case(
        "two replies after the answer",
        "u1 1s a1 a2",
        "a1 linked",
        "a2 unlinked: belongs to a1, an earlier reply",
        "u1 linked",
    ),
    case(
        "two replies before the answer",
        "u1 20ms a1 10ms a2 1s",
        "a1 unlinked: belongs to a2, a later reply",
        "a2 linked",
    ),
    case("two at one instant", "u1 a1 a2 1s", "a1 unlinked: belongs to a2, a later reply", "a2 linked"),
    case(
        "two, and no answer yet", "u1 a1 a2 20ms", "a1 unlinked: a later reply came before u1 was answered", "a2 open"
    ),
    case(
        "two, and never an answer", "u1 a1 20ms a2 u2 1s", "a1 unlinked: took its place", "a2 cancelled", "u1 cancelled"
    ),
    case("one before and one after the answer", "u1 20ms a1 1s a2", "a1 linked", "a2 unlinked: belongs to a1"),
    case("a second reply after a no-fill", "u1 1s a1 a2", "a1 no_fill", "a2 unlinked: a1", preload=(no_fill(),)),
    case("a second reply after an error", "u1 20ms a1 1s a2", "a1 error", "a2 unlinked: a1", preload=(failure("geo"),)),
    case("a reply before any question", "a1 u1 1s a2", "a1 unlinked: no user message", "a2 linked"),
    case("only replies", "a1 a2 1s a3", "a1 unlinked", "a2 unlinked", "a3 unlinked: no user message"),
    # --- what the server said ---
    case(
        "a no-fill before the reply",
        "u1 1s a1",
        "u1 no_fill: frequency_cap",
        "a1 no_fill: frequency_cap",
        preload=(no_fill("frequency_cap"),),
    ),
    case("a no-fill after the reply", "u1 20ms a1 1s", "u1 no_fill", "a1 no_fill", preload=(no_fill(),)),
    case("no content", "u1 1s a1", "a1 no_fill: unfilled_bid", preload=(status(204),)),
    case("bids for other placements only", "u1 1s a1", "a1 no_fill", preload=(fill("elsewhere"),)),
    case("an error of the server's", "u1 1s a1", "a1 error: geo", preload=(failure("geo"),)),
    case(
        "a status that is no success",
        "u1 20ms a1 1s",
        "u1 error: HTTP 503",
        "a1 error: HTTP 503",
        preload=(status(503),),
    ),
    case("the network fails to the end", "u1 60s a1", "a1 error: connection reset", preload=(network_error(),) * 4),
    case("no answer in time", "u1 20ms a1 2min", "a1 error: no answer within 16 s", preload=(silence(),) * 4),
    case(
        "permanent, and the turn after it",
        "u1 1s a1 u2 1s a2",
        "u1 error",
        "a1 error",
        "u2 disabled",
        "a2 disabled",
        preload=(failure("gone", permanent=True),),
    ),
    case(
        "permanent on a turn that is held back",
        "u1 1s a1 u2 1s a2",
        "a1 paced_out",
        "a2 disabled",
        pacing=hold("u1"),
        preload=(failure("gone", permanent=True),),
    ),
    # --- disabled ---
    case("switched off in the debounce", "u1 1s a1", "u1 disabled", "a1 disabled", init=OFF.in_(0.005)),
    case(
        "switched off in the debounce, the reply there", "u1 a1 1s", "u1 disabled", "a1 disabled", init=OFF.in_(0.005)
    ),
    case(
        "switched off in flight: what is out ends as usual",
        "u1 20ms a1 1s u2 1s a2",
        "u1 linked",
        "a1 linked",
        "u2 disabled",
        "a2 disabled",
        init=OFF.in_(0.03),
    ),
    case(
        "switched off in flight, then a newer one",
        "u1 35ms u2 1s a2",
        "u1 cancelled: u2",
        "a2 disabled",
        init=OFF.in_(0.03),
    ),
    case("switched off before", "1s u1 5ms u2 1s a2", "u1 disabled", "u2 disabled", "a2 disabled", init=OFF),
    case("switched off before, and track_only", "1s u1* 1s a1", "u1 disabled", "a1 disabled", init=OFF),
    case("switched off with a mounted ad", "u1 20ms a1 1s render:a1 view:a1", "a1 viewed", init=OFF.in_(0.03)),
    case("made inert", "u1 1s a1", "u1 disabled: enabled=False", "a1 disabled", enabled=False, client=None),
    # --- gone ---
    case(
        "over its time before the reply",
        "u1 2h a1",
        "u1 expired: before the reply came",
        "a1 expired: before the reply came",
    ),
    case("over its time, and no reply yet", "u1 2h", "u1 expired"),
    case("over its time, then a newer message", "u1 2h u2 1s a2", "u1 expired", "a2 linked"),
    case("just inside its time", "u1 59min a1", "u1 linked", "a1 linked"),
    case("over its time before it was mounted", "u1 1s a1 2h", "u1 expired: before it was mounted", "a1 expired"),
    case("over its time, and mounted too late", "u1 1s a1 2h render:a1", "a1 expired"),
    case("over its time with a live Ad", "u1 1s a1 create:a1 2h", "a1 linked"),
    case("over its time when its Ad goes", "u1 1s a1 create:a1 2h close:a1", "a1 expired"),
    case("over its time while mounted", "u1 1s a1 render:a1 2h", "a1 mounted"),
    case("over its time after it was mounted", "u1 1s a1 render:a1 close:a1 2h", "a1 mounted"),
    case("a time of its own", "u1 1s a1 20s", "a1 expired", ad_ttl=10),
    case("no time to be over", "u1 48h a1 48h", "a1 linked", ad_ttl=None),
    case(
        "one of two over its time, one held",
        "u1 1s a1 create:a1 2h",
        "a1 linked: for inlineAd,",
        preload=TWO_FILLED,
        **TWO_PLACES,
    ),
    case(
        "one over its time, the other later",
        "u1 1s a1 create:a1 2h 1s close:a1",
        "a1 expired",
        preload=TWO_FILLED,
        **TWO_PLACES,
    ),
    case(
        "one over its time, one mounted",
        "u1 1s a1 render:a1 2h",
        "a1 mounted: inlineAd",
        preload=TWO_FILLED,
        **TWO_PLACES,
    ),
    case("trimmed before it was mounted", "u1 1s a1 chat:30", "u1 trimmed: 30 messages", "a1 trimmed"),
    case("trimmed, and mounted too late", "u1 1s a1 chat:30 render:a1", "a1 trimmed"),
    case("the last before it is trimmed", "u1 1s a1 chat:29", "a1 linked"),
    case("trimmed with a live Ad", "u1 1s a1 create:a1 chat:30", "a1 linked"),
    case("trimmed when its Ad goes", "u1 1s a1 create:a1 chat:30 close:a1", "a1 trimmed"),
    case("trimmed after it was mounted", "u1 1s a1 render:a1 chat:30", "a1 mounted"),
    case("trimmed after it was viewed", "u1 1s a1 render:a1 view:a1 close:a1 chat:30", "a1 viewed"),
    case("a no-fill that has left the history", "u1 1s a1 chat:30", "u1 no_fill", "a1 no_fill", preload=(no_fill(),)),
    case("held back, and left the history", "u1 1s a1 chat:30", "a1 paced_out", pacing=hold("u1")),
    case(
        "a question that left the history in flight",
        "u1 20ms chat:31 1s",
        "u1 linked",
        "chat1 unlinked",
        "chat31 linked",
    ),
    # --- destroyed ---
    case("destroyed in the debounce", "u1 a1 5ms destroy", "u1 cancelled: destroyed", "a1 cancelled: destroyed"),
    case("destroyed in flight", "u1 20ms a1 destroy", "u1 cancelled: destroyed", "a1 cancelled: destroyed"),
    case("destroyed between two attempts", "u1 500ms destroy", "u1 cancelled: destroyed", preload=(network_error(),)),
    case("destroyed before the reply", "u1 1s destroy", "u1 unlinked: the session was destroyed"),
    case("destroyed before it was mounted", "u1 1s a1 destroy", "a1 linked: before the session was destroyed"),
    case("destroyed while mounted", "u1 1s a1 render:a1 destroy", "a1 mounted: was destroyed before it was seen"),
    case("destroyed after it was viewed", "u1 1s a1 render:a1 view:a1 destroy 2h", "u1 viewed", "a1 viewed"),
    # --- open ---
    case("in the debounce", "u1 5ms a1", "u1 open: not answered yet", "a1 open: not answered yet"),
    case("in flight", "u1 20ms a1", "u1 open: not answered yet", "a1 open: not answered yet"),
    case("between two attempts", "u1 500ms", "u1 open", preload=(network_error(),)),
    case("waiting for the reply", "u1 1s", "u1 open: waits for the reply"),
    case("asked for, and not added yet", "u1 1s render:a1", "a1 open: no message with this id was added"),
    case("never added", "u1 1s a1", "zz open: no message with this id was added"),
]


def played_cases() -> list[Any]:
    reported = {"a rule that raises lets the ad pass"}
    return [
        pytest.param(one, id=one.title, marks=[pytest.mark.reports] if one.title in reported else []) for one in CASES
    ]


@pytest.mark.parametrize("told", played_cases())
def test_the_true_verdict(told: Case, play: Callable[..., Play]) -> None:
    played = play(told.script, **told.given)
    for truth in told.truth:
        message_id, verdict, *because = re.split(r":? ", truth, maxsplit=2)
        explanation = played.explain(message_id)
        assert (explanation.verdict or "open") == verdict, f"{truth}\n{explanation}"
        assert not because or because[0] in explanation.reason, f"{truth}\n{explanation}"


@pytest.mark.parametrize("told", played_cases())
def test_the_steps(told: Case, play: Callable[..., Play]) -> None:
    """What was told of the question's preload and of the reply's ad is there, once, in order, at its time."""
    played = play(told.script, **told.given)
    for truth in told.truth:
        explanation = played.explain(truth.split()[0])
        times = [step.at for step in explanation.steps]
        assert times == sorted(times)
        user_id = explanation.user_message_id
        preload = [(step.at, step.name) for step in played.watched.steps if step.user_message_id == user_id]
        assert [(step.at, step.name) for step in explanation.steps if step.name in STEPS] == preload
        events = [
            (event.at, event.name)
            for event in played.watched.events
            if user_id is not None
            and event.user_message_id == user_id
            and event.message_id in (None, explanation.message_id, *replies(explanation))
        ]
        assert [(step.at, step.name) for step in explanation.steps if "." in step.name] == events


def test_every_verdict_has_a_case() -> None:
    assert {truth.split()[1].rstrip(":") for one in CASES for truth in one.truth} == {*get_args(Verdict), "open"}


STEPS = ("scheduled", "coalesced", "sent", "retried", "cancelled", "resolved")


def replies(explanation: Explanation) -> list[str]:
    """The reply in the story of a question, which has one reply at the most to which it is linked."""
    if explanation.message_id != explanation.user_message_id:
        return []
    return [step.text.split()[2] for step in explanation.steps if step.text.startswith("assistant message")]


@pytest.mark.parametrize("told", played_cases())
def test_an_explanation_can_be_passed_on(told: Case, play: Callable[..., Play]) -> None:
    """It is JSON-ready, and there is nothing in it of what was said and by whom."""
    played = play(told.script, user_id="user-4711", user_email="me@tents.example", **told.given)
    for truth in told.truth:
        explanation = played.explain(truth.split()[0])
        as_json = json.dumps(explanation.to_dict(), allow_nan=False)
        for private in (SECRET, "user-4711", "me@tents", "test-token"):
            assert private not in as_json + str(explanation)
        read = json.loads(as_json)
        assert read["verdict"] == explanation.verdict
        assert [step["text"] for step in read["steps"]] == [step.text for step in explanation.steps]


def test_it_reads_as_a_story(play: Callable[..., Play]) -> None:
    played = play("u1 20ms a1 5s render:a1 show:a1 view:a1 click:a1", preload=(network_error(), fill(revenue=0.02)))
    assert str(played.explain("a1")).splitlines() == [
        "a1: viewed: the user has seen the ad in inlineAd",
        "  from 2026-03-02 08:15:00 UTC, seconds since then:",
        "      0.000  user message u1 added",
        "      0.000  u1 waits 10 ms for a newer user message",
        "      0.010  sent, for an ad",
        "      0.020  assistant message a1 added",
        "      0.060  attempt 2 follows in 1 s: connection reset",
        "      1.110  answered after 1100 ms: filled",
        "      1.110  linked to a1: inlineAd",
        "      1.110  ad.filled in inlineAd",
        "      5.020  mounted in inlineAd",
        "      5.020  ad.render-started in inlineAd",
        "      5.020  ad.viewed in inlineAd, revenue 0.02",
        "      5.020  ad.clicked in inlineAd",
    ]


def test_it_names_what_the_rule_said(play: Callable[..., Play]) -> None:
    played = play("u1 1s a1", pacing=pacing.skip_first(3) & pacing.every(5))
    sent = next(step for step in played.watched.steps if step.name == "sent")
    assert sent.reason is not None
    assert played.explain("a1").reason == sent.reason
    assert [step.text for step in played.explain("a1").steps if step.name == "sent"] == [
        f"sent for the context only, pacing held it back: {sent.reason}"
    ]


def test_the_question_is_named(play: Callable[..., Play]) -> None:
    """A question's own, a reply's the one whose preload it got, lost or waits for; None where there is none."""
    played = play("a0 u1 5ms u2 20ms a1 a2 1s u3 20ms a3")
    asked = {one: played.explain(one).user_message_id for one in ("a0", "u1", "u2", "a1", "a2", "u3", "a3", "zz")}
    assert asked == {"a0": None, "u1": "u1", "u2": "u2", "a1": "u2", "a2": "u2", "u3": "u3", "a3": "u3", "zz": None}


def test_no_id_is_a_mistake(play: Callable[..., Play]) -> None:
    with pytest.raises(InvalidOptionError, match="message_id"):
        play("").explain(" ")


def test_who_asks_changes_nothing(play: Callable[..., Play]) -> None:
    """An ad that is over its time is found to be, and goes when something happens; a recording replays just so."""
    played = play("")
    recording = record(played.watched.session)
    played("u1 1s a1 2h")
    before = len(recording.entries), len(played.watched.debug)
    assert played.verdicts("a1", "u1") == ["expired", "expired"]
    assert played.explain("a1").steps[-1].text == "dropped, expired: inlineAd"
    assert (len(recording.entries), len(played.watched.debug)) == before
    played("u2 1s a2")
    assert played.verdicts("a1", "a2") == ["expired", "linked"]
    assert recording.replay().traces == recording.traces


# --- handlers ---


def test_a_handler_that_replies_at_once(play: Callable[..., Play]) -> None:
    """The reply is fed from inside `ad.filled`."""
    played = play("u1")
    session = played.watched.session
    said: list[str | None] = []

    def reply(event: AdEvent) -> None:
        if isinstance(event, Filled) and event.message_id is None:
            session.add_message(assistant("a1", "y"))
            said.extend(played.verdicts("u1", "a1"))

    session.events.subscribe(reply)
    played("1s")
    assert said == ["linked", "linked"]
    assert played.verdicts("u1", "a1") == ["linked", "linked"]


def test_a_handler_that_asks_again_at_once(play: Callable[..., Play]) -> None:
    """The ad of a question without a reply is lost to the next question."""
    played = play("u1")
    session = played.watched.session
    session.events.subscribe(
        lambda event: session.add_message(user("u2", "x")) if event.user_message_id == "u1" else None
    )
    played("1s a1")
    assert played.verdicts("u1", "u2", "a1") == ["unlinked", "linked", "linked"]
    assert "u2" in played.explain("u1").reason


def test_a_handler_that_mounts_at_once(play: Callable[..., Play]) -> None:
    played = play("u1 20ms a1")
    session = played.watched.session
    session.events.subscribe(
        lambda event: session.render(message_id=event.message_id, element=RecordingHost()) if event.bid_id else None
    )
    played("1s")
    assert played.verdicts("u1", "a1") == ["mounted", "mounted"]


def test_a_handler_that_destroys_at_once(play: Callable[..., Play]) -> None:
    played = play("u1 20ms a1")
    session = played.watched.session
    session.preloads.subscribe(lambda step: session.destroy() if step.name == "resolved" else None)
    played("1s")
    assert played.verdicts("u1", "a1") == ["linked", "linked"]


# --- how long it is remembered ---


def test_sixty_messages_are_remembered(play: Callable[..., Play]) -> None:
    """Also those that have long left the history; a question as long as its reply."""
    played = play("u1 1s a1 u2 1s a2 chat:56", preload=(no_fill(), fill()))
    assert played.verdicts("u1", "a1", "u2", "a2") == ["no_fill", "no_fill", "trimmed", "trimmed"]
    assert "30 messages" in played.explain("a2").reason
    played("chat:1")
    assert played.verdicts("u1", "a1") == ["no_fill", "trimmed"]
    assert "story is not kept" in played.explain("a1").reason
    played("chat:1")
    assert played.verdicts("u1", "a1", "u2", "a2") == ["trimmed"] * 4
    assert "story is not kept" in played.explain("u1").reason
    assert "30 messages" in played.explain("a2").reason


def test_two_hundred_messages_ago(play: Callable[..., Play]) -> None:
    played = play("u1 1s a1" + "".join(f" u{number} a{number}" for number in range(2, 102)))
    for message_id in ("u1", "a1"):
        explanation = played.explain(message_id)
        assert (explanation.verdict, explanation.steps) == ("trimmed", ())
        assert "story is not kept" in explanation.reason


def test_a_question_with_a_hundred_replies(play: Callable[..., Play]) -> None:
    """The turn that is under way keeps its question, and its latest replies."""
    played = play("u1 20ms chat:100 1s")
    assert played.verdicts("u1", "chat1", "chat99", "chat100") == ["linked", "trimmed", "unlinked", "linked"]
    played("chat:100")
    assert played.verdicts("u1", "chat100", "chat200") == ["trimmed", "trimmed", "unlinked"]


def test_a_burst_of_replies_does_not_push_out_what_became_of_the_question(play: Callable[..., Play]) -> None:
    """Seventy replies before the answer fill its story."""
    played = play("u1 chat:70 a1 1s", pacing=hold("u1"))
    assert played.verdicts("u1", "a1") == ["paced_out", "paced_out"]


def test_an_ad_that_lives_is_known_when_its_story_is_not(play: Callable[..., Play]) -> None:
    """However long ago it was said."""
    played = play("u1 1s a1 render:a1 view:a1 u2 1s a2 render:a2 u3 1s a3 chat:100")
    assert played.verdicts("a1", "a2", "a3") == ["viewed", "mounted", "trimmed"]
    assert "its Ad lives" in played.explain("a1").reason


def test_an_ad_that_ran_out_of_time_did_so_when_it_did(play: Callable[..., Play]) -> None:
    """Whoever asks, and however late."""
    played = play("u1 1s a1 2h")
    first = played.explain("a1")
    assert first.verdict == "expired"
    played("1h")
    assert played.explain("a1") == first
    dropped = next(step for step in first.steps if step.name == "dropped")
    answered = next(step for step in first.steps if step.name == "resolved")
    assert round(dropped.at - answered.at, 3) == 3600.0


def test_a_click_without_a_view_says_so(play: Callable[..., Play]) -> None:
    assert "clicked" in play("u1 1s a1 render:a1 click:a1").explain("a1").reason


# --- any conversation ---


GOES_WITH = {
    "ad.filled": {"linked", "mounted", "viewed", "expired", "trimmed"},
    "unlinked": {"unlinked", "expired"},
    "superseded": {"coalesced", "cancelled"},
    "track_only": set[str](),
    "session_disabled": {"disabled"},
    "session_destroyed": {"cancelled"},
    "unfilled_bid": {"no_fill"},
    "ad.error": {"error"},
    None: {None},
}
"""The verdicts that each outcome can have; `paced_out` and `track_only` come before whatever the outcome was."""


@given(conversations())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_verdict_and_the_outcome_agree(conversation: tuple[str, dict[str, Any]]) -> None:
    """The two are computed from different memories: one of events, one of steps."""
    script, given_ = conversation
    played = fresh(script, given_)
    outcomes: dict[str, str | None] = {}
    for message in played.watched.session.messages:
        outcome = played.watched.settled(message.id)
        outcomes[message.id] = outcome
    for message_id, outcome in outcomes.items():
        explanation = played.explain(message_id)
        possible = GOES_WITH[outcome]
        if message_id.startswith("u") and outcome == "ad.filled":
            possible = {*possible, "unlinked", None}  # its ad waits for a reply, or waited in vain
        early = {"paced_out", "track_only"} - ({"track_only"} if "*" not in script else set())
        if outcome not in ("ad.filled", "unlinked"):
            possible = {*possible, *early}
        assert explanation.verdict in possible, f"{script}: {outcome}\n{explanation}"

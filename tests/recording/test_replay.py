"""What entered a session, run again, does what it did."""

import asyncio
import random
from collections import deque

import pytest

import kontext_rx as kx
from kontext_rx import Message, Recording
from kontext_rx.adserver import AdServer, Fixed, Lognormal, Settings
from kontext_rx.hosts import RecordingHost
from kontext_rx.pacing import Go, Hold, Rule
from kontext_rx.testing import (
    VirtualAdServer,
    VirtualClock,
    failure,
    fill,
    network_error,
    no_fill,
    silence,
    status,
    virtual_session,
)
from kontext_rx.trace import Linked, Settled

FAULTY = Settings(
    latency=Lognormal(0.02, 1.0),
    init_latency=Lognormal(0.02, 1.0),
    fill_rate=0.7,
    error_rate=0.1,
    rate_limit_rate=0.1,
    retry_after=0,
    no_content_rate=0.05,
    malformed_rate=0.05,
    half_sent_rate=0.05,
    reset_rate=0.1,
    hang_rate=0.03,
    preload_timeout_ms=200,
    seed=7,
)


async def converse(session: kx.Session, dice: random.Random) -> None:
    """A user in a hurry, an app that calls back from its events, ads that are mounted and say odd things."""

    def answer_back(_: kx.AdEvent) -> None:
        if dice.random() < 0.1 and not session.is_destroyed:
            session.add_message(Message.user(f"again-{dice.random()}", "And?"))

    session.events.subscribe(answer_back)
    number = 0
    for _ in range(6):
        for _ in range(dice.choice([1, 1, 3])):
            number += 1
            session.add_message(Message.user(f"m{number}", "Any tent for two?"), track_only=dice.random() < 0.1)
            await asyncio.sleep(dice.choice([0, 0.001, 0.0095, 0.0102]))
        await asyncio.sleep(dice.random() * 0.06)
        number += 1
        session.add_message(Message.assistant(f"m{number}", "For summer or winter?"))
        host = RecordingHost()
        ad = session.render(message_id=f"m{number}", element=host)
        await asyncio.sleep(dice.random() * 0.04)
        for kind in ("init-iframe", "show-iframe", "nonsense"):
            host.say(kind)
        host.say("resize-iframe", height=dice.choice([100, "tall", None, 1e9]))
        payload = {"id": ad.bid_id, "content": "text", "messageId": f"m{number}", "format": "inline"}
        host.say("event-iframe", name="ad.viewed", payload=payload)
        host.say("open-component-iframe", component="modal", timeout=15)
        if dice.random() < 0.5:
            ad.destroy()
        await asyncio.sleep(dice.random() * 0.03)
    await asyncio.sleep(dice.random() * 0.5)


async def test_a_recording_made_against_a_faulty_server_replays_to_identical_outputs() -> None:
    """Real sockets, late timers, faults of every kind: every step, event and time is the same, run after run."""
    async with AdServer(FAULTY) as ads, kx.Client() as client:

        async def run(number: int) -> Recording:
            async with kx.create_session(
                publisher_token="t",
                user_id=f"user-{number}",
                conversation_id=f"conversation-{number}",
                enabled_placement_codes=["inlineAd", "sidebar"],
                ad_server_url=ads.url,
                client=client,
            ) as session:
                recording = kx.record(session)
                await converse(session, random.Random(number))
            return recording

        recordings = await asyncio.gather(*(run(number) for number in range(20)))
    told = {type(trace) for recording in recordings for trace in recording.traces}
    assert {kx.Filled, kx.NoFill, kx.AdError, kx.Viewed, Linked, Settled} <= told
    for recording in recordings:
        assert len(recording.traces) > 20
        for _ in range(5):
            assert recording.replay().traces == recording.traces


async def test_a_recording_that_begins_after_init_was_answered_replays_too() -> None:
    async with (
        AdServer(Settings(init_latency=Fixed(0), preload_timeout_ms=100, hang_rate=1.0)) as ads,
        kx.create_session(publisher_token="t", user_id="u", conversation_id="c", ad_server_url=ads.url) as session,
    ):
        while session.preload_timeout_ms != 100:
            await asyncio.sleep(0.005)  # /init is answered in its own time
        recording = kx.record(session)
        session.add_message(Message.user("u1", "Hi"))
        await asyncio.sleep(0.3)
    assert [step.name for step in recording.preloads][:3] == ["scheduled", "sent", "retried"]
    assert recording.replay().traces == recording.traces


def test_a_timer_that_rang_late_rings_late_again(clock: VirtualClock, server: VirtualAdServer) -> None:
    """A busy loop let the debounce ring after a message that should have found it over: so it was, and so it is."""
    session = virtual_session(server)
    recording = kx.record(session)
    session.add_message(Message.user("u1", "Hi"))
    clock.advance(1)
    late = recording.header.at + 0.013
    entries = [entry for entry in recording.entries if getattr(entry, "at", 0) < late + 1]
    moved = [
        kx.recording.Rang(at=late, due=entry.due) if isinstance(entry, kx.recording.Rang) else entry
        for entry in entries
    ]
    replayed = Recording(recording.header, moved).replay()
    assert [step.at for step in replayed.preloads if step.name == "sent"] == [late]


ANSWERS = {
    "a fill": [fill("inlineAd", revenue=0.02)],
    "two placements": [fill("inlineAd", "sidebar")],
    "a skip": [no_fill("ads_disabled")],
    "an error of the server's": [failure("boom")],
    "an error for good": [failure("gone", permanent=True)],
    "HTTP 503": [status(503)],
    "429 and an hour that fits": [status(429, {"retry-after": "2"}), fill()],
    "the network, four times": [network_error()] * 4,
    "the network, once": [network_error("reset"), fill()],
    "silence": [silence()] * 4,
}


@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_is_answered_again(answers: list[object], clock: VirtualClock, server: VirtualAdServer) -> None:
    session = virtual_session(server, enabled_placement_codes=["inlineAd", "sidebar"], ad_ttl=30)
    recording = kx.record(session)
    server.plan("/preload", *answers)
    session.add_message(Message.user("u1", "Hi"))
    clock.advance(0.03)
    session.add_message(Message.assistant("a1", "Hello"))
    clock.advance(100)
    session.add_message(Message.user("u2", "And?"))
    clock.advance(1)
    session.destroy()
    assert recording.replay().traces == recording.traces
    assert recording.replay().replay().traces == recording.traces


def test_pacing_decides_as_it_did(clock: VirtualClock, server: VirtualAdServer) -> None:
    """By what is on record: the rule may have asked the hour, a database, a coin."""
    coin = iter([True, False, True])

    def toss(state: None, _: object) -> tuple[None, Go | Hold]:
        return state, Go("heads") if next(coin) else Hold("tails")

    session = virtual_session(server, pacing=Rule(toss, None))
    recording = kx.record(session)
    for number in range(3):
        session.add_message(Message.user(f"u{number}", "Hi"))
        clock.advance(1)
        session.add_message(Message.assistant(f"a{number}", "Hello"))
    assert [recording.explain(f"a{number}").verdict for number in range(3)] == ["linked", "paced_out", "linked"]
    assert recording.replay().traces == recording.traces


def test_what_is_no_rule_is_refused(server: VirtualAdServer) -> None:
    recording = kx.record(virtual_session(server))
    with pytest.raises(kx.InvalidOptionError, match="give a rule"):
        recording.replay(rules="skip_first(2)")  # type: ignore[arg-type]


class Hasty(RecordingHost):
    """Its frame speaks while it is being loaded."""

    def command(self, call: str, *arguments: object) -> None:
        super().command(call, *arguments)
        if call == "load":
            self.say("event-iframe", name="ad.render-started", payload={"id": "bid"})


def test_a_frame_that_speaks_at_once_speaks_at_once_again(clock: VirtualClock, server: VirtualAdServer) -> None:
    session = virtual_session(server)
    recording = kx.record(session)
    session.add_message(Message.user("u1", "Hi"))
    clock.advance(1)
    session.add_message(Message.assistant("a1", "Hello"))
    session.render(message_id="a1", element=Hasty())
    names = [step.name for step in session.explain("a1").steps]
    assert names.index("mounted") < names.index("ad.render-started")
    assert recording.replay().traces == recording.traces


def test_a_report_that_is_never_answered_rings_for_nobody_else(clock: VirtualClock, server: VirtualAdServer) -> None:
    """Its timer and a debounce are due at one instant."""
    server.answers["/error"] = deque([silence()] * 9)
    server.plan("/preload", network_error("gone"), network_error("gone"), network_error("gone"), network_error("gone"))
    session = virtual_session(server)
    recording = kx.record(session)
    session.add_message(Message.user("u1", "Hi"))
    clock.advance(7.21)
    reported = server.received("/error")[0].at
    clock.advance(reported + 5 - 0.010 - clock.at)
    session.add_message(Message.user("u2", "Hi"))
    clock.advance(1)
    session.add_message(Message.assistant("a2", "Hello"))
    assert recording.explain("a2").verdict == "linked"
    assert recording.replay().traces == recording.traces


def test_other_rules_decide_anew(clock: VirtualClock, server: VirtualAdServer) -> None:
    session = virtual_session(server)
    recording = kx.record(session)
    for number in range(3):
        session.add_message(Message.user(f"u{number}", "Hi"))
        clock.advance(1)
        session.add_message(Message.assistant(f"a{number}", "Hello"))

    def only_second(state: None, turn: kx.Turn) -> tuple[None, Go | Hold]:
        return state, Go("the second") if turn.number == 2 else Hold("not the second")

    replayed = recording.replay(rules=Rule(only_second, None))
    assert [replayed.explain(f"a{number}").verdict for number in range(3)] == ["paced_out", "linked", "paced_out"]


def about_tents(state: None, turn: kx.Turn) -> tuple[None, Go | Hold]:
    return state, Go("tents") if "tent" in turn.message.content else Hold("no tents")


def test_rules_that_read_text_need_a_recording_that_has_it(clock: VirtualClock, server: VirtualAdServer) -> None:
    for texts in (False, True):
        session = virtual_session(server)
        recording = kx.record(session, texts=texts)
        session.add_message(Message.user("u1", "Any tent for two?"))
        clock.advance(1)
        if texts:
            assert recording.replay(rules=Rule(about_tents, None)).preloads[1].reason == "tents"
        else:
            with pytest.raises(kx.RecordingError, match="texts=True"):
                recording.replay(rules=Rule(about_tents, None))


def test_a_session_without_ads_replays(clock: VirtualClock) -> None:
    session = kx.create_session(enabled=False, scheduler=clock)
    recording = kx.record(session)
    session.add_message(Message.user("u1", "Hi"))
    session.add_message(Message.assistant("a1", "Hello"))
    assert recording.explain("a1").verdict == "disabled"
    assert recording.replay().traces == recording.traces


def test_an_empty_recording_replays_to_nothing(server: VirtualAdServer) -> None:
    recording = kx.record(virtual_session(server))
    assert recording.replay().traces == ()


def test_ten_thousand_turns_replay(clock: VirtualClock, server: VirtualAdServer) -> None:
    """Longer than what a session remembers."""
    session = virtual_session(server)
    recording = kx.record(session)
    for number in range(10_000):
        session.add_message(Message.user(f"u{number}", "Hi"))
        clock.advance(0.1)
        session.add_message(Message.assistant(f"a{number}", "Hello"))
    assert recording.funnel.linked == 10_000
    assert recording.replay().funnel == recording.funnel

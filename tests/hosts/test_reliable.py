"""What is said between a page and a session survives its sockets: nothing is lost, nothing comes twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx.hosts import Bridge
from kontext_rx.hosts.reliable import ACK_EVERY, Channel, GapError
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session

from .pages import FakePage

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.just(0)),
        st.tuples(st.just("post"), st.just(0)),
        st.tuples(st.just("pump"), st.integers(0, 6)),
        st.tuples(st.just("drop"), st.just(0)),
        st.tuples(st.just("connect"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 200)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 20))
def test_nothing_is_lost_doubled_or_out_of_order(steps: list[tuple[str, int]], ack_every: int) -> None:
    """
    Sockets die anywhere: before a message, after it, and in the middle of a batch; the page always comes back.

    It may be slow to acknowledge.
    """
    clock = VirtualClock()
    session = virtual_session(VirtualAdServer(clock))
    bridge = Bridge(scheduler=clock, resume_ttl=1e6)
    host = bridge.slot(session, "top")
    heard: list[Any] = []
    host.messages.subscribe(lambda message: heard.append(message.data))
    page = FakePage(bridge, bridge.admit(session), ack_every=ack_every).connect()
    page.say("slot", slot=1, name="top")
    host.load("https://ads.test/frame")
    said = posted = 0
    for step, number in steps:
        match step:
            case "say":
                page.frame(1, "x-iframe", number=said)
                said += 1
            case "post":
                host.post({"number": posted})
                posted += 1
            case "pump":
                page.pump(number)
            case "drop":
                page.drop()
            case "connect":
                page.drop()
                page.connect()
            case _:
                clock.advance(number)
    page.drop()
    page.connect()
    page.pump()
    assert [data["data"]["number"] for data in heard] == list(range(said))
    assert [call[1]["number"] for call in page.calls(1) if call[0] == "post"] == list(range(posted))
    assert page.names(1).count("load") == 1
    assert bridge.stats.violations == 0
    assert [welcome["fresh"] for welcome in page.welcomes] == [True] + [False] * (len(page.welcomes) - 1)


def test_a_channel_keeps_what_is_not_acknowledged() -> None:
    channel = Channel()
    for number in range(3):
        channel.send({"number": number})
    assert channel.after(0) == ['{"n":1,"number":0}', '{"n":2,"number":1}', '{"n":3,"number":2}']
    channel.acknowledged(2)
    assert channel.after(0) == ['{"n":3,"number":2}']
    assert channel.can_resume(2)
    assert channel.can_resume(3)
    assert not channel.can_resume(1)
    assert not channel.can_resume(4)


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    channel = Channel()
    channel.send({})
    with pytest.raises(GapError):
        channel.acknowledged(2)


def test_a_channel_takes_each_number_once_and_none_may_be_missing() -> None:
    channel = Channel()
    assert [channel.accept(number) for number in (1, 2, 1, 2, 3)] == [True, True, False, False, True]
    with pytest.raises(GapError):
        channel.accept(5)
    assert channel.seen == 3


def test_what_came_is_acknowledged_now_and_then() -> None:
    channel = Channel()
    due = []
    for number in range(1, 2 * ACK_EVERY + 1):
        channel.accept(number)
        due.append(channel.due())
    assert [number for number in due if number is not None] == [ACK_EVERY, 2 * ACK_EVERY]


def test_one_message_may_be_of_any_size() -> None:
    """A conversation is what it is: starting afresh would not make it smaller."""
    channel = Channel(limit_bytes=100)
    channel.send({"text": "x" * 1000})
    assert not channel.broken
    channel.acknowledged(1)
    channel.send({"text": "x" * 1000})
    assert len(channel.after(0)) == 1


@pytest.mark.parametrize(("limit", "limit_bytes"), [(5, 1000), (1000, 100)])
def test_a_channel_that_nobody_reads_breaks_instead_of_growing(limit: int, limit_bytes: int) -> None:
    channel = Channel(limit, limit_bytes)
    for _ in range(50):
        channel.send({"text": "0123456789"})
    assert channel.broken
    assert channel.after(0) == []
    assert not channel.can_resume(0)
    assert not channel.can_resume(channel.sent)

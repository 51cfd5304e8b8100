"""What was told about each message: for those who ask late, early, or only for the outcome."""

import asyncio
from typing import Any

import pytest
from reactivex import operators as rxops
from reactivex.abc import DisposableBase

from kontext_rx import AdError, AdEvent, AdHeight, Filled, Message, NoFill, Outcome, Viewed
from kontext_rx.clock import Clock
from kontext_rx.history import HISTORY_LIMIT, History
from kontext_rx.journal import EVENTS_KEPT, Journal
from kontext_rx.stream import Stream
from kontext_rx.testing import VirtualAdServer, VirtualClock, virtual_session


class Book:
    """A journal with its history and door, and what was reported about its subscribers."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reports: list[str] = []
        self.door = Clock(self.clock, self)
        self.history = History(lambda _: b"")
        self.journal = Journal(self.history, self.door)

    def report(self, error: BaseException, where: str) -> None:
        self.reports.append(f"{where}: {error!r}")

    def keep(self, *message_ids: str) -> None:
        for message_id in message_ids:
            trimmed = self.history.add(Message.assistant(message_id, "Here you are."))
            if trimmed is not None:
                self.journal.forget(trimmed)

    def tell(self, event: AdEvent, *message_ids: str | None) -> None:
        ids = message_ids or (event.message_id, event.user_message_id)
        self.door.publish(lambda _: self.journal.record(event, *ids), None)

    def settle(self, message_id: str, skip_code: str) -> None:
        event = NoFill(message_id=message_id, at=self.clock.at, skip_code=skip_code)
        self.door.publish(lambda _: self.journal.settle(message_id, event), None)

    def events(self, message_id: str) -> Stream[AdEvent]:
        return self.journal.events(message_id, self.clock)

    def outcome(self, message_id: str) -> Stream[Outcome]:
        return self.journal.outcome(message_id, self.clock)

    @property
    def entries(self) -> set[str]:
        return {*self.journal._told, *self.journal._settled, *self.journal._audiences}


@pytest.fixture
def book() -> Book:
    return Book()


class Heard:
    """Everything one subscriber heard, the end included."""

    def __init__(self, stream: Stream[Any]) -> None:
        self.values: list[Any] = []
        self.ended = False
        self.subscription: DisposableBase = stream.subscribe(self.values.append, on_completed=self._end)

    def _end(self) -> None:
        self.ended = True

    @property
    def skip_codes(self) -> list[str]:
        return [event.skip_code for event in self.values]


def filled(message_id: str | None = "a1", user: str | None = "u1", **facts: Any) -> Filled:
    return Filled(**{"message_id": message_id, "user_message_id": user, "at": 1.0, "code": "inlineAd", "bid_id": "b"}
                  | facts)  # fmt: skip


def height(number: float, message_id: str = "a1") -> AdHeight:
    return AdHeight(message_id=message_id, at=2.0, code="inlineAd", bid_id="b", height=number)


def viewed() -> Viewed:
    return Viewed(message_id="a1", at=3.0, code="inlineAd", bid_id="b", content="", format="text")


# --- events: replay, then live ------------------------------------------------------------------------------------


def test_a_late_subscriber_hears_the_past_and_then_what_comes(book: Book) -> None:
    """Each event once and in order, wherever in between it subscribed."""
    book.keep("a1")
    every = [filled(), height(1), height(2), viewed()]
    heard = [Heard(book.events("a1"))]
    for event in every:
        book.tell(event)
        heard.append(Heard(book.events("a1")))
    assert [one.values for one in heard] == [every] * len(heard)
    assert not any(one.ended for one in heard)


def test_an_early_subscriber_waits_for_a_message_that_is_not_there_yet(book: Book) -> None:
    """By the assistant's id, before that message exists."""
    heard = Heard(book.events("a1"))
    book.keep("a1")
    book.tell(filled())
    assert heard.values == [filled()]


def test_an_event_is_kept_by_both_of_its_messages(book: Book) -> None:
    book.keep("u1", "a1")
    book.tell(filled())
    assert Heard(book.events("a1")).values == Heard(book.events("u1")).values == [filled()]


def test_an_event_that_names_one_message_twice_is_kept_once(book: Book) -> None:
    book.keep("a1")
    book.tell(filled(user="a1"))
    assert Heard(book.events("a1")).values == [filled(user="a1")]


def test_subscribers_hear_of_their_own_message_only(book: Book) -> None:
    """Keyed: an event calls the subscribers of its message, and nobody else's."""
    book.keep("a1", "a2")
    first, second = Heard(book.events("a1")), Heard(book.events("a2"))
    book.tell(height(1, "a2"))
    book.tell(filled(None, None))
    assert first.values == []
    assert second.values == [height(1, "a2")]


def test_what_is_about_a_message_that_nobody_knows_is_not_kept(book: Book) -> None:
    """Neither in the history nor waited for: no memory for it."""
    book.tell(filled("a1", "u1"))
    book.settle("a2", "unlinked")
    assert book.entries == set()
    book.keep("a1")
    assert Heard(book.events("a1")).values == []


def test_a_subscriber_that_raises_is_reported_and_stays(book: Book) -> None:
    """Through the replay as well as live."""
    book.keep("a1")
    book.tell(filled())
    calls: list[AdEvent] = []

    def fragile(event: AdEvent) -> None:
        calls.append(event)
        raise ValueError

    book.events("a1").subscribe(fragile)
    book.tell(height(1))
    assert calls == [filled(), height(1)]
    assert book.reports == ["for_message: ValueError()"] * 2


def test_one_who_subscribes_inside_a_delivery_hears_that_event_once(book: Book) -> None:
    """It is in the replay, and not told again."""
    book.keep("a1")
    inner: list[Heard] = []
    book.events("a1").pipe(rxops.take(1)).subscribe(lambda _: inner.append(Heard(book.events("a1"))))
    book.tell(filled())
    book.tell(height(1))
    assert [one.values for one in inner] == [[filled(), height(1)]]


def test_one_who_subscribes_inside_an_event_of_the_session_hears_it_once(
    server: VirtualAdServer, clock: VirtualClock
) -> None:
    """`events` is told before the journal writes: the event still comes, and once."""
    session = virtual_session(server)
    inner: list[Heard] = []
    session.events.subscribe(lambda _: inner.append(Heard(session.for_message("u1"))))
    session.add_message(Message.user("u1", "Any tent for two?"))
    clock.advance(1)
    assert [[event.name for event in one.values] for one in inner] == [["ad.filled"]]
    session.destroy()
    assert inner[0].ended


def test_an_event_told_inside_a_replay_comes_after_it(book: Book) -> None:
    """A subscriber that calls back into the session while it hears the past: no gap."""
    book.keep("a1")
    book.tell(filled())
    heard: list[AdEvent] = []

    def answer(event: AdEvent) -> None:
        heard.append(event)
        if event == filled():
            book.tell(height(1))

    book.events("a1").subscribe(answer)
    book.tell(height(2))
    assert heard == [filled(), height(1), height(2)]


def test_leaving_inside_a_replay_leaves(book: Book) -> None:
    """`take(1)` on the past: nothing more, and no subscription that stays behind."""
    book.keep("a1")
    book.tell(filled())
    book.tell(height(1))
    heard: list[AdEvent] = []
    book.events("a1").pipe(rxops.take(1)).subscribe(heard.append)
    book.tell(height(2))
    assert heard == [filled()]
    assert "a1" not in book.journal._audiences


# --- entries come and go ------------------------------------------------------------------------------------------


def test_an_entry_goes_with_its_last_subscriber_when_the_message_never_came(book: Book) -> None:
    """Whoever asks for an id that never comes, and leaves, leaves nothing behind."""
    events, other, outcome = Heard(book.events("a1")), Heard(book.events("a1")), Heard(book.outcome("a1"))
    assert book.entries == {"a1"}
    for one in (events, outcome):
        one.subscription.dispose()
        assert book.entries == {"a1"}
    other.subscription.dispose()
    assert book.entries == set()
    other.subscription.dispose()  # again is fine


def test_one_who_leaves_takes_nothing_from_another_who_waits(book: Book) -> None:
    """Both wait for a message that is yet to come."""
    leaves, stays = Heard(book.outcome("a1")), Heard(book.outcome("a1"))
    Heard(book.events("a1")).subscription.dispose()
    leaves.subscription.dispose()
    book.keep("a1")
    book.tell(filled())
    assert stays.values == [filled()]


def test_between_the_trimming_and_its_word_the_past_is_still_there(book: Book) -> None:
    """The message has left the history, and the door has not told it yet: the replay comes, and then the end."""
    book.keep("a1")
    book.tell(filled())
    for number in range(HISTORY_LIMIT):
        book.history.add(Message.assistant(f"m{number}", "Here you are."))
    heard, outcome = Heard(book.events("a1")), Heard(book.outcome("a1"))
    assert (heard.values, heard.ended) == ([filled()], False)
    assert outcome.values == [filled()]
    book.journal.forget("a1")
    assert heard.ended


async def test_giving_up_on_an_outcome_leaves_nothing_behind(book: Book) -> None:
    """A timeout around `await outcome(...)` unsubscribes."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await book.outcome("a1")
    await asyncio.sleep(0)  # the future tells its subscription in the loop's next turn
    assert book.entries == set()


def test_an_entry_stays_with_its_message_when_everyone_has_left(book: Book) -> None:
    heard = Heard(book.events("a1"))
    book.keep("a1")
    book.tell(filled())
    heard.subscription.dispose()
    assert Heard(book.events("a1")).values == [filled()]


def test_a_trimmed_message_is_forgotten(book: Book) -> None:
    """Its streams end, an open outcome settles as `unlinked`, and whoever asks later gets the end at once."""
    book.keep("a1")
    book.tell(height(1))
    events, outcome = Heard(book.events("a1")), Heard(book.outcome("a1"))
    book.keep(*(f"m{number}" for number in range(HISTORY_LIMIT)))
    assert events.ended
    assert outcome.ended
    assert outcome.skip_codes == ["unlinked"]
    assert outcome.values[0].message_id == "a1"
    assert outcome.values[0].at == book.clock.at
    late_events, late_outcome = Heard(book.events("a1")), Heard(book.outcome("a1"))
    assert (late_events.values, late_events.ended) == ([], True)
    assert (late_outcome.skip_codes, late_outcome.ended) == (["unlinked"], True)
    assert "a1" not in book.entries


def test_what_is_told_about_a_forgotten_message_starts_no_new_entry(book: Book) -> None:
    """A mounted ad lives longer than its message: its events reach `events`, and cost no memory here."""
    book.keep("a1", *(f"m{number}" for number in range(HISTORY_LIMIT)))
    book.tell(viewed())
    assert "a1" not in book.entries


def test_forgetting_a_message_that_nobody_asked_for_is_nothing(book: Book) -> None:
    book.journal.forget("a1")
    assert book.entries == set()


def test_an_outcome_that_came_stays_the_outcome_when_the_message_is_trimmed(book: Book) -> None:
    """The streams end; no second word is said."""
    book.keep("a1")
    outcome = Heard(book.outcome("a1"))
    book.tell(filled())
    book.journal.forget("a1")
    assert outcome.values == [filled()]


# --- the end ------------------------------------------------------------------------------------------------------


def test_closing_settles_and_ends_everything(book: Book) -> None:
    """Open outcomes, of messages that are there and of some that never came, settle as `session_destroyed`."""
    book.keep("a1", "a2")
    book.tell(filled())
    settled, open_, never = (Heard(book.outcome(one)) for one in ("a1", "a2", "a3"))
    events = Heard(book.events("a1"))
    book.clock.advance(5)
    book.journal.close()
    assert settled.values == [filled()]
    assert open_.skip_codes == never.skip_codes == ["session_destroyed"]
    assert never.values[0].message_id == "a3"
    assert never.values[0].at == book.clock.at
    assert events.ended
    assert settled.ended
    assert open_.ended
    assert never.ended
    assert book.entries == set()


def test_after_the_end_every_stream_ends_at_once(book: Book) -> None:
    book.keep("a1")
    book.tell(filled())
    book.journal.close()
    for message_id in ("a1", "a9"):
        events, outcome = Heard(book.events(message_id)), Heard(book.outcome(message_id))
        assert (events.values, events.ended) == ([], True)
        assert (outcome.skip_codes, outcome.ended) == (["session_destroyed"], True)
    assert book.entries == set()


def test_one_who_asks_again_inside_the_end_gets_it_at_once(book: Book) -> None:
    """A handler of the last word that asks for another message is not left waiting."""
    inner: list[Heard] = []
    book.outcome("a1").subscribe(lambda _: inner.append(Heard(book.outcome("a2"))))
    book.events("a1").subscribe(on_completed=lambda: inner.append(Heard(book.events("a3"))))
    book.journal.close()
    assert [one.ended for one in inner] == [True, True]
    assert inner[0].skip_codes == ["session_destroyed"]
    assert book.entries == set()


# --- the link -----------------------------------------------------------------------------------------------------


def test_the_question_learns_which_reply_its_answer_went_to(book: Book) -> None:
    """Told before the reply was there, without its id; whoever asks the question's past later finds the link."""
    book.keep("u1")
    early = Heard(book.events("u1"))
    first, second = filled(None), filled(None, code="sidebar", bid_id="c")
    linked = filled("a1"), filled("a1", code="sidebar", bid_id="c")
    for event in (first, height(1, "u1"), second):
        book.tell(event, "u1")
    for copy in linked:
        book.journal.link(copy)
    assert early.values == [first, height(1, "u1"), second]
    assert Heard(book.events("u1")).values == [linked[0], height(1, "u1"), linked[1]]
    assert Heard(book.outcome("u1")).values == [linked[0]]


def test_a_link_changes_no_other_event(book: Book) -> None:
    """Neither another preload's nor the outcome that this one is not."""
    book.keep("u1")
    book.tell(filled(None), "u1")
    book.journal.link(filled("a1", at=2.0))
    assert Heard(book.events("u1")).values == Heard(book.outcome("u1")).values == [filled(None)]


def test_a_link_of_a_question_that_is_gone_is_nothing(book: Book) -> None:
    book.journal.link(filled("a1"))
    book.journal.link(filled("a1", None))
    assert book.entries == set()


# --- many events --------------------------------------------------------------------------------------------------


def test_the_oldest_after_the_outcome_go_first(book: Book) -> None:
    """256 events are kept for one message; endless resizes never push the fill out."""
    book.keep("a1")
    book.tell(filled())
    for number in range(EVENTS_KEPT + 50):
        book.tell(height(number))
    replayed = Heard(book.events("a1")).values
    assert len(replayed) == EVENTS_KEPT == 256
    assert replayed[0] == filled()
    assert replayed[1:] == [height(number) for number in range(51, EVENTS_KEPT + 50)]
    assert Heard(book.outcome("a1")).values == [filled()]


def test_a_live_subscriber_hears_more_than_is_kept(book: Book) -> None:
    book.keep("a1")
    heard = Heard(book.events("a1"))
    for number in range(EVENTS_KEPT * 2):
        book.tell(height(number))
    assert heard.values == [height(number) for number in range(EVENTS_KEPT * 2)]


# --- the outcome --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        filled(),
        NoFill(message_id="a1", user_message_id="u1", at=1.0, skip_code="unfilled_bid"),
        AdError(message_id="a1", user_message_id="u1", at=1.0, message="HTTP 503", err_code="request_failed"),
    ],
    ids=["filled", "no-fill", "error"],
)
def test_an_outcome_comes_once_and_ends(book: Book, word: AdEvent) -> None:
    """To those who ask before, and to those who ask later; other events are none."""
    book.keep("a1", "u1")
    early, asked_by_user = Heard(book.outcome("a1")), Heard(book.outcome("u1"))
    book.tell(height(1))
    assert early.values == []
    book.tell(word)
    book.tell(filled(bid_id="another", code="sidebar"))
    book.settle("a1", "superseded")
    late = Heard(book.outcome("a1"))
    assert early.values == asked_by_user.values == late.values == [word]
    assert all(one.ended for one in (early, asked_by_user, late))


def test_a_local_word_reaches_those_who_wait_and_is_no_event(book: Book) -> None:
    """`track_only`, `unlinked`, ...: for `outcome` alone, and also for one who asks later."""
    book.keep("a1")
    events, outcome = Heard(book.events("a1")), Heard(book.outcome("a1"))
    book.settle("a1", "unlinked")
    book.settle("a1", "superseded")
    assert events.values == []
    assert outcome.skip_codes == Heard(book.outcome("a1")).skip_codes == ["unlinked"]
    assert outcome.ended


def test_an_outcome_handler_that_asks_again_is_answered(book: Book) -> None:
    book.keep("a1")
    inner: list[Heard] = []
    book.outcome("a1").subscribe(lambda _: inner.append(Heard(book.outcome("a1"))))
    book.tell(filled())
    assert [(one.values, one.ended) for one in inner] == [([filled()], True)]


def test_an_outcome_handler_that_raises_is_reported_and_others_are_told(book: Book) -> None:
    book.keep("a1")

    def fragile(_: Outcome) -> None:
        raise ValueError

    book.outcome("a1").subscribe(fragile)
    other = Heard(book.outcome("a1"))
    book.tell(filled())
    book.outcome("a1").subscribe(fragile)
    assert other.values == [filled()]
    assert book.reports == ["outcome: ValueError()"] * 2


async def test_an_outcome_can_be_awaited_twice(book: Book) -> None:
    """The same object, before and after it has settled."""
    book.keep("a1")
    outcome = book.outcome("a1")
    waiting = asyncio.ensure_future(_wait(outcome))
    await asyncio.sleep(0)  # it subscribes in its first turn
    book.tell(filled())
    assert await waiting == filled()
    assert await outcome == filled()
    assert await book.outcome("a1") == filled()


async def test_two_tasks_can_await_one_outcome(book: Book) -> None:
    """One that gives up does not take it from the other."""
    book.keep("a1")
    outcome = book.outcome("a1")
    first, second, third = (asyncio.ensure_future(_wait(outcome)) for _ in range(3))
    await asyncio.sleep(0)  # they subscribe in their first turn
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    book.tell(filled())
    assert await asyncio.gather(second, third) == [filled()] * 2


async def test_every_outcome_awaited_on_a_session_settles_with_it(server: VirtualAdServer) -> None:
    session = virtual_session(server)
    session.add_message(Message.user("u1", "Any tent for two?"))
    waiting = [asyncio.ensure_future(_wait(session.outcome(one))) for one in ("u1", "never said")]
    await asyncio.sleep(0)  # they subscribe in their first turn
    session.destroy()
    assert [outcome.skip_code for outcome in await asyncio.gather(*waiting)] == ["session_destroyed"] * 2
    assert (await session.outcome("u1")).skip_code == "session_destroyed"


async def _wait(outcome: Stream[Outcome]) -> Outcome:
    return await outcome

"""The pairing step: preloads meet replies."""

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kontext_rx.event import AdError, Filled, NoFill
from kontext_rx.pairing import (
    Answered,
    Asked,
    Drop,
    Emit,
    Held,
    Input,
    Link,
    Output,
    Released,
    Replied,
    Settle,
    Silent,
    State,
    Tell,
    Trimmed,
    find,
    step,
)
from kontext_rx.wire import Bid, Failed, Fill, Skip


def bid(number: int, code: str = "inlineAd") -> Bid:
    return Bid(bid_id=f"00000000-0000-0000-0000-{number:012d}", code=code, revenue=0.01 * number)


def fill(*bids: Bid) -> Fill:
    return Fill(bids or (bid(1),), "session")


def bid_of(state: State, message_id: str, code: str) -> Bid | None:
    found = find(state, message_id, code)
    return found[0] if found else None


def play(*inputs: Input, ad_ttl: float | None = None) -> tuple[State, list[Output]]:
    state, outputs = State(ad_ttl=ad_ttl), []
    for one in inputs:
        state, more = step(state, one)
        outputs += more
    return state, outputs


def links(outputs: list[Output]) -> list[tuple[str, str]]:
    return [(output.user_message_id, output.message_id) for output in outputs if isinstance(output, Link)]


def settled(outputs: list[Output]) -> dict[str, str]:
    return {output.message_id: output.event.skip_code for output in outputs if isinstance(output, Settle)}


def test_an_answer_before_the_reply_waits_for_it() -> None:
    """Told at once without a message id; linked when the reply comes, which gets a copy with its id (S-051, S-065)."""
    state, outputs = play(Asked("u1", 0), Answered("u1", fill(), 1), Replied("a1", 2))
    assert [type(output) for output in outputs] == [Emit, Link, Tell]
    told, copy = outputs[0], outputs[2]
    assert isinstance(told, Emit)
    assert isinstance(copy, Tell)
    assert (told.event.message_id, told.event.user_message_id, told.event.at) == (None, "u1", 1)
    assert (copy.event.message_id, copy.event.user_message_id, copy.event.at) == ("a1", "u1", 1)
    assert bid_of(state, "a1", "inlineAd") == bid(1)


def test_a_reply_before_the_answer_is_linked_when_it_comes() -> None:
    """The link is made before the event is told (S-052, #05)."""
    _, outputs = play(Asked("u1", 0), Replied("a1", 1), Answered("u1", fill(), 2))
    assert [type(output) for output in outputs] == [Link, Emit]
    told = outputs[1]
    assert isinstance(told, Emit)
    assert told.event.message_id == "a1"


def test_an_answer_never_goes_to_a_reply_older_than_its_question() -> None:
    """The last message is the user's: the bid waits for the next reply (S-053)."""
    _, outputs = play(Asked("u1", 0), Replied("a1", 1), Asked("u2", 2), Answered("u2", fill(), 3), Replied("a2", 4))
    assert links(outputs) == [("u2", "a2")]


def test_a_newer_question_ends_what_was_pending() -> None:
    """What it supersedes is settled as such, and its late answer changes nothing (S-028, S-063)."""
    before, outputs = play(Asked("u1", 0), Replied("a1", 1), Asked("u2", 2))
    assert settled(outputs) == {"u1": "superseded", "a1": "superseded"}
    assert step(before, Answered("u1", fill(), 3)) == (before, ())


def test_a_fill_that_no_reply_took_is_lost_to_the_next_question() -> None:
    """It was told, and can never be linked (S-057)."""
    _, outputs = play(Asked("u1", 0), Answered("u1", fill(), 1), Asked("u2", 2), Replied("a2", 3))
    assert links(outputs) == []
    assert settled(outputs) == {}


def test_one_preload_goes_to_one_reply() -> None:
    """An answer that came before both replies is the first one's; the second gets nothing (S-055)."""
    _, outputs = play(Asked("u", 0), Answered("u", fill(), 1), Replied("a1", 2), Replied("a2", 3))
    assert links(outputs) == [("u", "a1")]
    assert settled(outputs) == {"a2": "unlinked"}


def test_an_answer_after_two_replies_is_the_last_ones() -> None:
    """The later reply takes it, and the earlier one learns at once that nothing can reach it (#08)."""
    state, outputs = play(Asked("u", 0), Replied("a1", 1), Replied("a2", 2))
    assert settled(outputs) == {"a1": "unlinked"}
    _, outputs = step(state, Answered("u", fill(), 3))
    assert links(list(outputs)) == [("u", "a2")]


def test_a_reply_without_a_question_is_unlinked() -> None:
    _, outputs = play(Replied("a0", 0))
    assert settled(outputs) == {"a0": "unlinked"}


def test_every_ending_is_paired_by_the_same_rule() -> None:
    """A no-fill and an error go to their reply too, whichever came first; only bids are linked."""
    for ending, kind in ((Skip("ads_disabled"), NoFill), (Failed("HTTP 503", "request_failed"), AdError)):
        _, early = play(Asked("u", 0), Answered("u", ending, 1), Replied("a", 2))
        _, late = play(Asked("u", 0), Replied("a", 1), Answered("u", ending, 2))
        assert links(early) == links(late) == []
        copy, told = early[-1], late[-1]
        assert isinstance(copy, Tell)
        assert isinstance(told, Emit)
        assert isinstance(copy.event, kind)
        assert copy.event.message_id == told.event.message_id == "a"


def test_a_silent_ending_is_told_to_nobody_and_settles_both_messages() -> None:
    """A track_only turn keeps its reply from the ad of the next (S-043, S-054)."""
    _, late = play(Asked("u", 0), Replied("a", 1), Answered("u", Silent("track_only"), 2))
    _, early = play(Asked("u", 0), Answered("u", Silent("track_only"), 1), Replied("a", 2))
    for outputs in (early, late):
        assert settled(outputs) == {"u": "track_only", "a": "track_only"}
        assert not any(isinstance(output, Emit | Tell | Link) for output in outputs)


def test_all_bids_of_an_answer_go_to_the_same_reply() -> None:
    """They are told apart by their placement, in the server's order (S-059, S-060)."""
    bids = (bid(1, "sidebar"), bid(2, "inlineAd"))
    state, outputs = play(Asked("u", 0), Replied("a", 1), Answered("u", fill(*bids), 2))
    events = [output.event for output in outputs if isinstance(output, Emit)]
    assert [event.code for event in events] == ["sidebar", "inlineAd"]
    assert all(isinstance(event, Filled) for event in events)
    assert bid_of(state, "a", "inlineAd") == bids[1]
    assert bid_of(state, "a", "banner") is None
    assert bid_of(state, "u", "inlineAd") is None


LINKED = (Asked("u", 0), Replied("a", 1), Answered("u", fill(), 2))


def test_a_trimmed_message_takes_its_ad_along() -> None:
    """(S-023)"""
    state, outputs = play(*LINKED, Trimmed("a", 3))
    assert bid_of(state, "a", "inlineAd") is None
    assert outputs[-1] == Drop("a", (bid(1),), "trimmed")


def test_a_held_ad_outlives_its_message_until_it_is_released() -> None:
    """(#15)"""
    state, _ = play(*LINKED, Held("a", "inlineAd", 3), Trimmed("a", 4))
    assert bid_of(state, "a", "inlineAd") == bid(1)
    state, outputs = step(state, Released("a", "inlineAd", 5))
    assert bid_of(state, "a", "inlineAd") is None
    assert outputs == (Drop("a", (bid(1),), "trimmed"),)


def test_releasing_keeps_the_ad_of_a_message_that_is_kept() -> None:
    """Scrolled off and back on, it is shown again (#12)."""
    state, outputs = play(*LINKED, Held("a", "inlineAd", 3), Released("a", "inlineAd", 4))
    assert bid_of(state, "a", "inlineAd") == bid(1)
    assert not any(isinstance(output, Drop) for output in outputs)


def test_an_ad_that_nobody_holds_expires() -> None:
    """Its time counts from the answer (#17)."""
    state, _ = play(*LINKED, Replied("later", 11.9), ad_ttl=10)
    assert bid_of(state, "a", "inlineAd") == bid(1)
    state, outputs = step(state, Replied("latest", 12.0))
    assert bid_of(state, "a", "inlineAd") is None
    assert outputs[0] == Drop("a", (bid(1),), "expired")


def test_a_held_ad_expires_when_it_is_released() -> None:
    state, _ = play(*LINKED, Held("a", "inlineAd", 3), Replied("later", 100), ad_ttl=10)
    assert bid_of(state, "a", "inlineAd") == bid(1)
    state, outputs = step(state, Released("a", "inlineAd", 101))
    assert outputs == (Drop("a", (bid(1),), "expired"),)


def test_only_the_placement_that_is_held_is_kept() -> None:
    bids = (bid(1, "inlineAd"), bid(2, "sidebar"))
    state, outputs = play(
        Asked("u", 0),
        Replied("a", 1),
        Answered("u", fill(*bids), 2),
        Held("a", "sidebar", 3),
        Replied("x", 50),
        ad_ttl=10,
    )
    assert bid_of(state, "a", "inlineAd") is None
    assert bid_of(state, "a", "sidebar") == bids[1]
    assert [output.bids for output in outputs if isinstance(output, Drop)] == [(bids[0],)]


def test_a_fill_that_waited_too_long_for_its_reply_is_not_its_ad() -> None:
    """It was told when it came; the reply learns that nothing is left to show."""
    state, outputs = play(Asked("u", 0), Answered("u", fill(), 1), Replied("a", 20), ad_ttl=10)
    assert links(outputs) == []
    assert [type(output) for output in outputs] == [Emit, Drop, Settle]
    assert settled(outputs) == {"a": "unlinked"}
    assert state.cache == {}


def test_without_a_ttl_an_ad_stays() -> None:
    state, _ = play(*LINKED, Replied("later", 1e9))
    assert bid_of(state, "a", "inlineAd") == bid(1)


endings = st.sampled_from([fill(), fill(bid(1), bid(2, "sidebar")), Skip("x"), Failed("m", "c"), Silent("track_only")])


class Conversation(RuleBasedStateMachine):
    """Anything that can happen, in any order, against a few counts kept beside."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State(ad_ttl=50)
        self.clock = 0.0
        self.users: list[str] = []
        self.replies: list[str] = []
        self.ended: dict[str, str] = {}  # a message's one word
        self.linked: dict[str, str] = {}
        self.held: set[tuple[str, str]] = set()

    def feed(self, make: Input) -> None:
        before = self.state
        self.state, outputs = step(self.state, make)
        assert before.cache is not self.state.cache or before.cache == self.state.cache
        for output in outputs:
            match output:
                case Link(message_id=message_id, user_message_id=user):
                    assert user == self.users[-1], "a superseded preload was linked"
                    assert message_id in self.replies
                    assert user not in self.linked, "a preload was linked twice"
                    assert message_id not in self.linked.values(), "a message was linked twice"
                    self.linked[user] = message_id
                case Emit(event=event):
                    assert event.user_message_id == self.users[-1], "a superseded outcome was told"
                    self.end(event.user_message_id, event.name, several=isinstance(event, Filled))
                    if event.message_id is not None:
                        self.end(event.message_id, event.name, several=isinstance(event, Filled))
                case Tell(message_id=message_id, event=event):
                    self.end(message_id, event.name, several=isinstance(event, Filled))
                case Settle(message_id=message_id, event=event):
                    self.end(message_id, event.skip_code)
                case Drop(message_id=message_id, bids=bids):
                    assert not any((message_id, one.code) in self.held for one in bids), "a held bid was dropped"

    def end(self, message_id: str, word: str, *, several: bool = False) -> None:
        assert message_id not in self.ended or (several and self.ended[message_id] == word), "two words for a message"
        self.ended[message_id] = word

    @rule(passed=st.floats(0, 30))
    def time_passes(self, passed: float) -> None:
        self.clock += passed

    @rule()
    def user_says(self) -> None:
        self.users.append(f"u{len(self.users)}")
        self.feed(Asked(self.users[-1], self.clock))

    @rule()
    def assistant_says(self) -> None:
        self.replies.append(f"a{len(self.replies)}")
        self.feed(Replied(self.replies[-1], self.clock))

    @precondition(lambda self: self.users)
    @rule(data=st.data(), ending=endings)
    def server_answers(self, data: st.DataObject, ending: Fill | Skip | Failed | Silent) -> None:
        late = data.draw(st.integers(1, min(3, len(self.users))))
        self.feed(Answered(self.users[-late], ending, self.clock))

    @precondition(lambda self: self.replies)
    @rule(data=st.data(), code=st.sampled_from(["inlineAd", "sidebar"]))
    def ad_made(self, data: st.DataObject, code: str) -> None:
        message_id = data.draw(st.sampled_from(self.replies))
        self.feed(Held(message_id, code, self.clock))
        self.held.add((message_id, code))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ad_destroyed(self, data: st.DataObject) -> None:
        message_id, code = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard((message_id, code))
        self.feed(Released(message_id, code, self.clock))

    @precondition(lambda self: self.replies)
    @rule(data=st.data())
    def message_trimmed(self, data: st.DataObject) -> None:
        self.feed(Trimmed(data.draw(st.sampled_from(self.replies)), self.clock))

    @invariant()
    def only_the_newest_may_be_open(self) -> None:
        said = [*self.users, *self.replies]
        open_ = {message_id for message_id in said if message_id not in self.ended}
        newest = {*self.users[-1:], *([self.state.reply] if self.state.reply else [])}
        assert open_ <= newest, "an outcome was left open"

    @invariant()
    def the_cache_holds_linked_bids(self) -> None:
        assert set(self.state.cache) <= set(self.linked.values())


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from(["u", "a", "answer"]), max_size=12))
def test_the_newest_question_and_the_next_reply_meet_whatever_came_before(events: list[str]) -> None:
    """After any history: a question, its answer and a reply are linked, in either order."""
    state = State()
    for number, event in enumerate(events):
        one: Input = Asked(f"u{number}", number) if event == "u" else Replied(f"a{number}", number)
        if event == "answer" and state.live is not None:
            one = Answered(state.live.user_message_id, fill(), number)
        state, _ = step(state, one)
    for order in (
        (Answered("new", fill(), 100), Replied("reply", 101)),
        (Replied("reply", 100), Answered("new", fill(), 101)),
    ):
        after, _ = step(state, Asked("new", 99))
        for one in order:
            after, _ = step(after, one)
        assert bid_of(after, "reply", "inlineAd") == bid(1)

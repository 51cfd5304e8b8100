"""`per_user`: all the sessions of a user as one."""

from typing import Any

import msgspec
import pytest

from kontext_rx import Clicked, Turn
from kontext_rx.pacing import (
    AnyRule,
    Go,
    Hold,
    MemoryStore,
    Pace,
    Rule,
    Seen,
    UserRecord,
    after,
    at_most,
    cooldown,
    every,
    per_user,
    sample,
    skip_first,
)

from .turns import START, says, turn


class Session:
    """One conversation of a user's."""

    def __init__(self, rule: AnyRule, conversation: str = "c", user: str = "u") -> None:
        self.pace, self.user, self.conversation, self.number = Pace(rule), user, conversation, 0

    def say(self, at: float = 0, **known: Any) -> str:
        self.number += 1
        said: Turn = turn(self.number, at, user_id=self.user, conversation_id=self.conversation, **known)
        decision = self.pace.decide(said).decision
        return "g" if isinstance(decision, Go) else "h"


def test_what_one_session_lets_through_counts_for_another_at_once() -> None:
    rule = per_user(at_most(1))
    one, two, stranger = Session(rule), Session(rule), Session(rule, user="v")
    assert one.say() + two.say() + one.say() + two.say() == "ghhh"
    assert stranger.say() == "g"


def test_without_it_each_session_counts_for_itself() -> None:
    rule = at_most(1)
    one, two = Session(rule), Session(rule)
    assert one.say() + two.say() == "gg"


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (skip_first(3), "hhhgg"),
        (every(2), "hghgh"),
        (cooldown(25), "ghhgh"),
        (at_most(2), "gghhh"),
        (at_most(1, per=15), "ghghg"),
        (skip_first(1) & every(2) & at_most(1), "hghhh"),
        (~skip_first(2), "gghhh"),
    ],
    ids=repr,
)
def test_the_user_s_turns_are_one_conversation_to_the_rule_inside(inner: AnyRule, said: str) -> None:
    """Two sessions in turn give what one session would have given."""
    rule = per_user(inner)
    one, two = Session(rule, "one"), Session(rule, "two")
    assert "".join((one, two)[n % 2].say(10 * n) for n in range(5)) == said
    assert says(inner, [turn(n + 1, 10 * n) for n in range(5)]) == said


def test_what_counts_is_what_the_whole_rule_let_through() -> None:
    """The part outside held a turn back: the user's cap is not used up by it."""
    rule = per_user(at_most(1)) & skip_first(1)
    one, two = Session(rule), Session(rule)
    assert one.say() + two.say() + one.say() + two.say() == "hhgh"


def test_a_part_beside_it_goes_by_its_own_session() -> None:
    rule = per_user(at_most(3)) & at_most(1)
    sessions = [Session(rule) for _ in range(4)]
    assert "".join(session.say() + session.say() for session in sessions) == "ghghghhh"


def test_a_click_in_one_session_is_known_in_another() -> None:
    """It need not wait for the next turn of its own session."""
    rule = ~per_user(after(Clicked, 120))
    one, two = Session(rule), Session(rule)
    assert one.say(0) + two.say(1) == "gg"
    one.pace.notice("u", "clicked", START + 2)
    assert two.say(3) + two.say(121.9) + two.say(122) == "hhg"


def test_turns_after_a_click_are_the_user_s() -> None:
    rule = per_user(after(Clicked, turns=2))
    one, two = Session(rule), Session(rule)
    one.say()
    one.pace.notice("u", "clicked", START)
    assert two.say() + one.say() + two.say() == "ggh"


def test_rules_that_share_a_store_share_what_is_known_of_the_user() -> None:
    """One record a user: a turn is counted once, whatever the number of rules that keep it."""
    store = MemoryStore()
    often, late, few, never = every(2), skip_first(2), at_most(9), ~every(1)
    rule = per_user(often, store) & per_user(late, store) | per_user(few, store) & per_user(never, store)
    session = Session(rule)
    assert "".join(session.say() for _ in range(4)) == "hhhg"
    record = store.load("u")
    assert record is not None
    assert (record.turns, record.passed and record.passed.count) == (4, 1)
    assert sorted(record.states) == ["at_most(9)", "every(2)", "skip_first(2)", "~every(1)"]


def test_a_new_rule_on_an_old_store_starts_afresh_with_what_is_known() -> None:
    """States are kept by expression: another rule's are not mistaken for its own."""
    store = MemoryStore()
    Session(per_user(at_most(1, per=60), store)).say()
    assert Session(per_user(at_most(1), store)).say() == "h"
    assert Session(per_user(skip_first(3), store)).say() == "h"
    assert Session(per_user(skip_first(3), store)).say() == "g"


def test_rules_that_share_a_store_leave_each_other_s_states_alone() -> None:
    store = MemoryStore()
    capped, other = per_user(at_most(1, per=60), store), per_user(skip_first(0), store)
    assert Session(capped).say(0) == "g"
    assert Session(other).say(59) == "g"
    assert Session(capped).say(59.5) + Session(capped).say(70) == "hh"
    assert Session(capped).say(119) == "g"


def test_a_record_survives_json() -> None:
    """So a store of one's own is a few lines around a database."""

    class Texts:
        def __init__(self) -> None:
            self.texts: dict[str, bytes] = {}

        def load(self, user_id: str) -> UserRecord | None:
            text = self.texts.get(user_id)
            return None if text is None else msgspec.json.decode(text, type=UserRecord)

        def save(self, user_id: str, record: UserRecord) -> None:
            self.texts[user_id] = msgspec.json.encode(record)

    inner = (skip_first(2) & every(2) & at_most(2, per=50) & cooldown(5)) | ~sample(0.5)
    turns = [turn(n, 4 * n) for n in range(1, 40)]
    kept, plain = Session(per_user(inner, Texts())), Session(per_user(inner))
    said = "".join(kept.say(one.at - START) for one in turns)
    assert said == "".join(plain.say(one.at - START) for one in turns)
    assert {"g", "h"} == set(said)


def test_a_store_in_memory_forgets_the_user_who_was_away_for_longest() -> None:
    store = MemoryStore(size=2)
    store.save("a", UserRecord(turns=1))
    store.save("b", UserRecord(turns=2))
    store.load("a")
    store.save("c", UserRecord(turns=3))
    assert [store.load(user) and user for user in "abc"] == ["a", None, "c"]
    assert len(store) == 2


class Broken:
    """A store that fails."""

    def __init__(self, *calls: str) -> None:
        self.calls = calls

    def load(self, user_id: str) -> UserRecord | None:
        if "load" in self.calls:
            raise OSError("no database")
        return None

    def save(self, user_id: str, record: UserRecord) -> None:
        if "save" in self.calls:
            raise OSError("no database")


def test_a_store_that_cannot_be_read_lets_the_ad_pass() -> None:
    """And the parts beside it still decide."""
    decision = Pace(per_user(at_most(1), Broken("load"))).decide(turn()).decision
    assert isinstance(decision, Go)
    assert decision.reason == "per_user(at_most(1)) failed: OSError"
    assert isinstance(decision.error, OSError)
    assert isinstance(Pace(per_user(at_most(1), Broken("load")) & skip_first(1)).decide(turn()).decision, Hold)


def test_a_store_that_cannot_be_written_changes_no_answer_and_is_told() -> None:
    decision = Pace(per_user(skip_first(1), Broken("save"))).decide(turn()).decision
    assert isinstance(decision, Hold)
    assert isinstance(decision.error, OSError)


def test_a_store_that_gives_something_else_lets_the_ad_pass() -> None:
    class Odd(Broken):
        def load(self, user_id: str) -> Any:
            return {"turns": 3}

    decision = Pace(per_user(skip_first(1), Odd())).decide(turn()).decision
    assert (type(decision), type(decision.error)) == (Go, TypeError)


@pytest.mark.parametrize("call", ["load", "save"])
def test_a_click_that_cannot_be_kept_is_told(call: str) -> None:
    error = Pace(per_user(after(Clicked, 9), Broken(call))).notice("u", "clicked", START)
    assert isinstance(error, OSError)


def test_a_rule_inside_that_fails_is_a_failure_of_that_part() -> None:
    def bad(state: None, turn: Turn) -> Any:
        raise LookupError

    decision = Pace(~per_user(Rule(bad, None))).decide(turn()).decision
    assert (type(decision), decision.reason) == (Go, "per_user(bad): bad failed: LookupError")


def test_without_surroundings_it_sees_this_conversation_alone() -> None:
    """The pure fold asks no store: what a simulation does not read in, it does not know."""
    assert says(per_user(skip_first(1) & at_most(1)), [turn(n) for n in (1, 2, 3)]) == "hgh"


def test_its_reasons_name_the_user_s_rule() -> None:
    session = Session(per_user(at_most(1)))
    session.say()
    decision = session.pace.decide(turn(2)).decision
    assert decision == Hold("per_user(at_most(1)): at_most(1): 1 of 1 so far")


def test_numbers_in_a_record_count_the_user_s_turns() -> None:
    store = MemoryStore()
    rule = per_user(every(1), store)
    Session(rule).say(1)
    Session(rule).say(2)
    record = store.load("u")
    assert record is not None
    assert record.passed == Seen(2, START + 2, 2)

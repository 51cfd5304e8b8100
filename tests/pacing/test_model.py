"""
Random compositions over random turns agree with the words of the design, written out in plain Python.

The model keeps everything that has happened and looks back over it; the rules keep as little as they can.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st

from kontext_rx import Clicked, Filled, Message, Turn, Viewed, pacing
from kontext_rx.pacing import AnyRule, Go, Pace, Paced, Rule, Seen, Standing, decide, per_user

from .turns import turn

EVENTS = {"filled": Filled, "viewed": Viewed, "clicked": Clicked}


class Say(NamedTuple):
    """One word of a rule: its name and what it is given; or a composition: its sign and its parts."""

    name: str
    args: tuple[Any, ...]


class Past(NamedTuple):
    """What has happened so far in one conversation."""

    seen: list[int]
    """The numbers of the turns that the rules saw."""
    passed: list[tuple[float, int]]
    """When the whole rule let one through, and its number."""


def by_the_words(say: Say, now: Turn, past: Past) -> bool | None:
    """True to pass, False to hold back, None for what failed."""
    match say:
        case Say("&", parts):
            said = [by_the_words(part, now, past) for part in parts]
            return False if False in said else None if None in said else True
        case Say("|", parts):
            said = [by_the_words(part, now, past) for part in parts]
            return True if True in said else None if None in said else False
        case Say("~", (part,)):
            inner = by_the_words(part, now, past)
            return None if inner is None else not inner
        case Say("skip_first", (n,)):
            return now.number > n
        case Say("every", (n,)):  # the n-th, or one that a burst jumped over
            last = past.seen[-1] if past.seen else 0
            return any(number % n == 0 for number in range(last + 1, now.number + 1))
        case Say("cooldown", (seconds,)):
            return all(now.at - at >= seconds for at, _ in past.passed[-1:])
        case Say("at_most", (n, None)):
            return len(past.passed) < n
        case Say("at_most", (n, per)):
            return sum(now.at - at < per for at, _ in past.passed) < n
        case Say("after", (where, seconds, None)):
            event: Seen | None = getattr(now, where)
            return event is not None and now.at - event.at < seconds
        case Say("after", (where, None, turns)):
            event = getattr(now, where)
            return event is not None and now.number <= event.number + turns
        case Say("only_if", (text,)):
            return text in now.message.content
        case Say("schedule", (start, end)):
            hour = dt.datetime.fromtimestamp(now.at, ZoneInfo(now.timezone)).hour
            return hour in (range(start, end) if start < end else [*range(start, 24), *range(end)])
        case Say("broken", ()):
            return None
        case _:
            raise AssertionError(say)


def broken(state: None, turn: Turn) -> Any:
    raise KeyError


def rule_of(say: Say) -> AnyRule:
    """The same as a rule of the package."""
    match say:
        case Say("&" | "|" as sign, (first, *others)):
            rule = rule_of(first)
            for other in others:
                rule = rule & rule_of(other) if sign == "&" else rule | rule_of(other)
            return rule
        case Say("~", (part,)):
            return ~rule_of(part)
        case Say("at_most", (n, per)):
            return pacing.at_most(n, per)
        case Say("after", (where, seconds, turns)):
            return pacing.after(EVENTS[where], seconds, turns=turns)
        case Say("only_if", (text,)):
            return pacing.only_if(lambda message: text in message.content, name=f"has_{text}")
        case Say("broken", ()):
            return Rule(broken, None)
        case Say(name, args):
            return getattr(pacing, name)(*args)


def words(name: str, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Say]:
    return st.builds(lambda *given: Say(name, given), *args)


small, seconds, never = st.integers(1, 6), st.sampled_from([0.5, 1, 3, 10, 60]), st.none()
hours = st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda pair: pair[0] != pair[1])
where = st.sampled_from(sorted(EVENTS))

COUNTING = [
    words("skip_first", st.integers(0, 6)),
    words("every", small),
    words("cooldown", seconds),
    words("at_most", small, never | seconds),
]
LEAVES: list[st.SearchStrategy[Say]] = [
    *COUNTING,
    words("after", where, seconds, never),
    words("after", where, never, small),
    words("only_if", st.sampled_from("ab")),
    hours.map(lambda pair: Say("schedule", pair)),
    words("broken"),
]


def compositions(leaves: list[st.SearchStrategy[Say]]) -> st.SearchStrategy[Say]:
    def joined(parts: st.SearchStrategy[Say]) -> st.SearchStrategy[Say]:
        several = st.lists(parts, min_size=2, max_size=4).map(tuple)
        return st.builds(Say, st.sampled_from("&|"), several) | parts.map(lambda part: Say("~", (part,)))

    return st.recursive(st.one_of(leaves), joined, max_leaves=8)


class Step(NamedTuple):
    """What may happen between one turn and the next."""

    later: float
    jumped: int
    text: str
    events: frozenset[str]


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([0, 0.5, 1, 2, 9.5, 30, 3600]),
        st.sampled_from([0, 0, 0, 1, 4]),
        st.sampled_from(["a", "b", "ab", ""]),
        st.frozensets(where, max_size=2),
    ),
    max_size=25,
)


def conversation(steps: list[Step]) -> list[Turn]:
    """The turns of a conversation, with what came of earlier ones."""
    turns: list[Turn] = []
    number, at, seen = 0, 0.0, dict.fromkeys(EVENTS)
    for step in steps:
        number, at = number + 1 + step.jumped, at + step.later
        turns.append(turn(number, at, text=step.text, timezone="Asia/Kolkata", **seen))
        for name in step.events:
            before: Seen | None = seen[name]
            seen[name] = Seen(before.count + 1 if before else 1, turns[-1].at + 0.25, number)
    return turns


def modelled(say: Say, turns: list[Turn]) -> list[bool]:
    past, said = Past([], []), []
    for now in turns:
        passes = by_the_words(say, now, past) is not False
        past.seen.append(now.number)
        if passes:
            past.passed.append((now.at, now.number))
        said.append(passes)
    return said


def folded(rule: AnyRule, turns: list[Turn]) -> list[bool]:
    standing, said = Standing(rule.start), []
    for now in turns:
        before = hash(standing)
        again = decide(rule, standing, now)
        after, decision = decide(rule, standing, now)
        assert hash(standing) == before, "a step changed the state that it was given"
        assert (again[0], type(again[1]), again[1].reason) == (after, type(decision), decision.reason)
        assert decision.reason
        standing = after
        said.append(isinstance(decision, Go))
    return said


@settings(deadline=None)
@given(compositions(LEAVES), STEPS)
def test_rules_do_what_the_words_say(say: Say, steps: list[Step]) -> None:
    """However they are composed; and the step is pure: the same state and turn give the same, and change nothing."""
    turns = conversation(steps)
    assert folded(rule_of(say), turns) == modelled(say, turns)


@settings(deadline=None)
@given(compositions(LEAVES), STEPS)
def test_the_operator_the_session_s_fold_and_the_pure_one_agree(say: Say, steps: list[Step]) -> None:
    turns, rule = conversation(steps), rule_of(say)
    came: list[Paced] = []
    rx.from_iterable(turns).pipe(rule).subscribe(came.append)
    pace = Pace(rule)
    said = folded(rule, turns)
    assert [isinstance(paced.decision, Go) for paced in came] == said
    assert [isinstance(pace.decide(now).decision, Go) for now in turns] == said


@settings(deadline=None)
@given(compositions(LEAVES), STEPS)
def test_an_expression_makes_the_rule_again(say: Say, steps: list[Step]) -> None:
    """What a rule is written as can be typed in: the same text, the same answers."""
    names = {name: getattr(pacing, name) for name in pacing.__all__} | {kind.__name__: kind for kind in EVENTS.values()}
    names |= {"broken": Rule(broken, None), "only_if": lambda rule: rule}
    names |= {f"has_{text}": rule_of(Say("only_if", (text,))) for text in "ab"}
    rule, turns = rule_of(say), conversation(steps)
    typed = eval(str(rule), names)
    assert str(typed) == str(rule)
    assert folded(typed, turns) == folded(rule, turns)


@settings(deadline=None)
@given(compositions(COUNTING), STEPS, st.data())
def test_a_user_s_sessions_are_one_conversation_to_a_rule_per_user(say: Say, steps: list[Step], data: Any) -> None:
    """Whichever session each turn is of: the rule inside counts the user's turns from 1."""
    turns = conversation([step._replace(jumped=0) for step in steps])
    rule = per_user(rule_of(say))
    sessions = [Pace(rule) for _ in range(3)]
    said = [
        isinstance(sessions[data.draw(st.integers(0, 2))].decide(msgspec.structs.replace(now, number=99)).decision, Go)
        for now in turns
    ]
    assert said == modelled(say, turns)


@pytest.mark.parametrize("text", ["", "x" * 10_000, "\ud800"])
def test_any_text_will_do(text: str) -> None:
    """A rule is asked about what people write."""
    message = Message.user("m", text)
    rule = pacing.only_if(lambda message: len(message.content) > 3) & pacing.sample(1)
    now = Turn(message=message, number=1, at=0.0, conversation=(), conversation_id="\ud800", user_id="")
    assert folded(rule, [now]) == [len(text) > 3]

"""Only type-checked: how an app may compose, write and use pacing rules."""

from __future__ import annotations

from typing import Any, assert_type

from reactivex import Observable
from reactivex.subject import BehaviorSubject

import kontext_rx as kx
from kontext_rx import Clicked, Filled, Message, NoFill, Turn, pacing
from kontext_rx.pacing import AnyRule, Decision, Go, Hold, Paced, Rule, Standing, UserRecord


def asks(message: Message) -> bool:
    return message.content.endswith("?")


@pacing.rule
def even(turn: Turn) -> bool:
    return turn.number % 2 == 0


@pacing.rule
def reasoned(turn: Turn) -> Decision:
    return Go("long enough") if len(turn.message.content) > 9 else Hold("too short")


@pacing.rule(start=0)
def third_look(looks: int, turn: Turn) -> tuple[int, bool]:
    return looks + 1, looks == 2


def step(state: tuple[float, ...], turn: Turn) -> tuple[tuple[float, ...], Decision]:
    return (*state, turn.at), Go("noted")


class Texts:
    def load(self, user_id: str, /) -> UserRecord | None:
        return None

    def save(self, user_id: str, record: UserRecord, /) -> None:
        pass


def rules(turns: Observable[Turn], turn: Turn) -> None:
    assert_type(even, Rule[None])
    assert_type(third_look, Rule[int])
    assert_type(pacing.rule(step, start=()), Rule[tuple[float, ...]])
    assert_type(Rule(step, ()), Rule[tuple[float, ...]])
    rule: AnyRule = (
        pacing.skip_first(3) & pacing.every(5) >> pacing.cooldown(60)
        | ~pacing.after(Clicked, 120) & pacing.after("ad.filled", turns=2)
        | pacing.when(BehaviorSubject(True)) & pacing.only_if(asks) & pacing.sample(0.1, seed=7)
        | pacing.schedule(9, 17, days=pacing.WEEKDAYS) & even & reasoned & third_look
        | pacing.per_user(pacing.at_most(3, per=86_400), Texts())
        | pacing.per_user(pacing.at_most(3), pacing.MemoryStore(1000))
    )
    assert_type(turns.pipe(rule), Observable[Paced])
    standing, decision = pacing.decide(rule, Standing(rule.start), turn)
    assert_type(decision, Go | Hold)
    assert_type(standing, Standing)
    kx.create_session(enabled=False, pacing=rule)


def mistakes(session: kx.Session) -> Any:
    """What a type checker must find."""
    pacing.after(NoFill, 60)  # pyright: ignore[reportArgumentType]
    pacing.after(Filled, 60, 2)  # pyright: ignore[reportCallIssue]
    pacing.every("5")  # pyright: ignore[reportArgumentType]
    pacing.per_user(pacing.every(5), {})  # pyright: ignore[reportArgumentType]
    pacing.every(5) & asks  # pyright: ignore[reportOperatorIssue, reportUnusedExpression]
    kx.create_session(pacing=asks)  # pyright: ignore[reportArgumentType]

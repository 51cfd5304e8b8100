"""`Rule`: a pure step with the state it starts from, and the composition of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from reactivex import Observable

from ..message import Turn
from .decision import Decision, Go, Hold, all_of, any_of, opposite
from .pace import Paced, paced
from .reading import Kept, Reading

__all__ = ["AnyRule", "Quick", "Rule"]

S = TypeVar("S")

Quick: TypeAlias = Callable[[S, Turn], tuple[S, bool]]
"""A step that answers True to let the ad pass, and gives no reasons."""

Sign: TypeAlias = Literal["|", "&", "~", ""]

ANSWERS: Final = (Go, Hold)  # a tuple: as a union it takes ten times as long to look at

BINDING: Final[tuple[Sign, ...]] = ("|", "&", "~", "")
"""How tightly an expression holds together, the loosest first; "" is a single rule."""


class Rule(Generic[S]):
    """
    A pacing rule: a pure *step* `(state, turn) -> (state, decision)`, and the state it starts from.

    States are values: a step gives a new one and changes none, so one rule serves any number of sessions, each of which
    folds its own. `&`, `|` and `~` compose rules, and `>>` is `&`: every part sees every turn, and none is skipped for
    another's answer. A part that raises, or gives what is no state and decision, lets the ad pass and keeps its state.

    A rule is also an operator, from turns to turns with their decisions: `turns.pipe(rule)`.

    `str()` is the expression that makes it. `rule(...)` makes one of a function of yours; this class is for those who
    want the bare step.
    """

    __slots__ = ("quick", "reads", "start", "step", "text")

    sign: Sign = ""

    def __init__(
        self,
        step: Callable[[S, Turn], tuple[S, Decision]],
        start: S,
        *,
        text: str | None = None,
        reads: tuple[Reading, ...] = (),
        quick: Quick[S] | None = None,
    ) -> None:
        self.step, self.start = step, start
        self.text = str(getattr(step, "__name__", type(step).__name__)) if text is None else text
        """The expression that makes it."""
        self.reads = reads
        """What must be read into the turn before the step, so that the step stays pure."""
        self.quick = quick
        """
        The same answer without its reason, for simulations of millions of turns; None where there is none.

        It never raises, and looks at nothing but the turn's numbers, times and conversation id.
        """

    def ask(self, state: S, turn: Turn) -> tuple[S, Decision]:
        """The step, guarded: a failure lets the ad pass and leaves the state as it was."""
        try:
            after, decision = self.step(state, turn)
            if isinstance(decision, ANSWERS):
                return after, decision
            raise TypeError(f"{self.text} must give a state and a Go or a Hold, not {type(decision).__name__}")
        except Exception as error:
            return state, Go(f"{self.text} failed: {type(error).__name__}", error, failed=True)

    def kept(self, state: S) -> Iterator[tuple[Kept, str, Any]]:
        """The states in *state* that belong into a user's record: where, under which name, and what."""
        return iter(())

    def __call__(self, turns: Observable[Turn]) -> Observable[Paced]:
        """
        The turns with their decisions: a `scan` that fills in each turn's `passed` from its own decisions.

            --1--2--3--4--5--6--|
            [     every(2)      ]
            --h--g--h--g--h--g--|   (h held back, g let through)
        """
        return paced(self)(turns)

    def __and__(self, other: Rule[Any]) -> Rule[Any]:
        return _Joined("&", (self, other)) if isinstance(other, Rule) else NotImplemented

    __rshift__ = __and__

    def __or__(self, other: Rule[Any]) -> Rule[Any]:
        return _Joined("|", (self, other)) if isinstance(other, Rule) else NotImplemented

    def __invert__(self) -> Rule[Any]:
        return _Not(self)

    def __bool__(self) -> bool:
        raise TypeError(f"{self.text} has no truth value: compose rules with & | ~, not with and, or, not")

    def __repr__(self) -> str:
        return self.text


AnyRule: TypeAlias = Rule[Any]
"""A rule, whatever its state."""


class _Joined(Rule[tuple[Any, ...]]):
    """Rules joined by `&` or `|`: one level, however long the chain, and a tuple of their states."""

    __slots__ = ("_parts", "sign")

    def __init__(self, sign: Literal["&", "|"], rules: tuple[AnyRule, ...]) -> None:
        self.sign: Sign = sign
        self._parts = parts = tuple(
            part
            for rule in rules
            for part in (rule._parts if isinstance(rule, _Joined) and rule.sign == sign else (rule,))
        )
        join = all_of if sign == "&" else any_of

        def step(states: tuple[Any, ...], turn: Turn) -> tuple[tuple[Any, ...], Decision]:
            answers = [part.ask(state, turn) for part, state in zip(parts, states, strict=True)]
            return tuple([after for after, _ in answers]), join([decision for _, decision in answers])

        super().__init__(
            step,
            tuple(part.start for part in parts),
            text=f" {sign} ".join(_within(part, sign) for part in parts),
            reads=tuple(dict.fromkeys(reading for part in parts for reading in part.reads)),
            quick=_quick_joined(sign, parts),
        )

    def kept(self, state: tuple[Any, ...]) -> Iterator[tuple[Kept, str, Any]]:
        for part, own in zip(self._parts, state, strict=True):
            yield from part.kept(own)


class _Not(Rule[Any]):
    """A rule turned round; it has the state of the rule."""

    __slots__ = ("_rule",)

    sign = "~"

    def __init__(self, rule: AnyRule) -> None:
        self._rule = rule
        grouped = isinstance(rule, _Joined)

        def step(state: Any, turn: Turn) -> tuple[Any, Decision]:
            after, decision = rule.ask(state, turn)
            return after, opposite(decision, grouped=grouped)

        super().__init__(
            step, rule.start, text=f"~{_within(rule, '~')}", reads=rule.reads, quick=_quick_not(rule.quick)
        )

    def kept(self, state: Any) -> Iterator[tuple[Kept, str, Any]]:
        return self._rule.kept(state)

    def __invert__(self) -> Rule[Any]:
        return self._rule


def _within(rule: AnyRule, sign: Sign) -> str:
    """A rule's expression as a part of another, in brackets where it holds together less tightly."""
    return f"({rule.text})" if BINDING.index(rule.sign) < BINDING.index(sign) else rule.text


# --- without reasons: closures, because a simulation spends its time here -------------------------------------------


def _quick_joined(sign: Literal["&", "|"], parts: tuple[AnyRule, ...]) -> Quick[tuple[Any, ...]] | None:
    quicks = [part.quick for part in parts if part.quick is not None]
    if len(quicks) < len(parts):
        return None
    decisive = sign == "|"  # the answer of one part that is the answer of all

    def quick(states: tuple[Any, ...], turn: Turn) -> tuple[tuple[Any, ...], bool]:
        after: list[Any] = []
        passes = not decisive
        for ask, state in zip(quicks, states, strict=True):
            state, answer = ask(state, turn)
            after.append(state)
            if answer is decisive:
                passes = decisive
        return tuple(after), passes

    return quick


def _quick_not(ask: Quick[Any] | None) -> Quick[Any] | None:
    if ask is None:
        return None

    def quick(state: Any, turn: Turn) -> tuple[Any, bool]:
        after, passes = ask(state, turn)
        return after, not passes

    return quick

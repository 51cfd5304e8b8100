"""`parse`: a rule from its text. It knows the rules of this package and their arguments, and evaluates nothing."""

from __future__ import annotations

import difflib
import inspect
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import msgspec

from ..errors import InvalidOptionError
from ..event import Clicked, Filled, Viewed
from .base import AnyRule, Rule
from .capping import at_most, cooldown
from .counting import every, sample, skip_first
from .events import after
from .hours import WEEKDAYS, WEEKEND, schedule
from .users import per_user

__all__ = ["RuleTextError", "parse"]

LONGEST: Final = 10_000
"""Characters of a text. Source: ours; some thousand rules, each of which costs time on every turn."""

DEEPEST: Final = 50
"""Brackets in one another. Source: ours, far below Python's own limit on recursion."""

WINDOW: Final = 72
"""Columns of a text that an error shows. Source: ours, a line of a terminal with room to spare."""


class _Call(msgspec.Struct, frozen=True):
    make: Callable[..., AnyRule]
    example: str


RULES: Final = {
    "after": _Call(after, "after(Clicked, 120)"),
    "at_most": _Call(at_most, "at_most(3, per=86400)"),
    "cooldown": _Call(cooldown, "cooldown(60)"),
    "every": _Call(every, "every(5)"),
    "per_user": _Call(per_user, "per_user(at_most(3, per=86400))"),
    "sample": _Call(sample, "sample(0.1)"),
    "schedule": _Call(schedule, "schedule(9, 17, days=WEEKDAYS)"),
    "skip_first": _Call(skip_first, "skip_first(3)"),
}

CONSTANTS: Final[dict[str, object]] = {
    "Clicked": Clicked,
    "Filled": Filled,
    "None": None,
    "Viewed": Viewed,
    "WEEKDAYS": WEEKDAYS,
    "WEEKEND": WEEKEND,
}

IN_PYTHON_ALONE: Final = {
    "only_if": "it asks a function",
    "rule": "it is a function",
    "when": "it watches an observable",
}
"""Why these rules cannot be written as text."""

INSTEAD: Final = {
    "and": "write & for it",
    "&&": "write & for it",
    "or": "write | for it",
    "||": "write | for it",
    "not": "write ~ for it",
    "!": "write ~ for it",
    ".": "give names alone, such as every(5) and not pacing.every(5)",
}
"""What to write for that which other languages have."""

SHORT: Final = 40
"""Characters of what a message repeats. Source: ours; the line with the caret shows where it is."""

LONGEST_PROBLEM: Final = 200
"""Characters of what a rule says of its arguments, which it repeats; over it, without them. Source: ours."""

_TOKEN: Final = re.compile(
    r"""(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
      | (?P<name>[^\W\d]\w*)
      | (?P<text>'[^'\\\n]*'|"[^"\\\n]*")
      | (?P<sign>>>|&&|\|\||.)""",
    re.VERBOSE | re.DOTALL,
)


class RuleTextError(InvalidOptionError):
    """A text that is no rule: `str()` says why, and points at the place."""

    def __init__(self, text: str, at: int, end: int, problem: str) -> None:
        super().__init__("rule", text, problem)
        self.text, self.at, self.end, self.problem = text, at, end, problem
        """The whole text; where in it, from the first character to the one after the last; and what is wrong there."""

    def __reduce__(self) -> Any:
        return RuleTextError, (self.text, self.at, self.end, self.problem)

    def __str__(self) -> str:
        shown, before, marked = _window(self.text, self.at, self.end)
        return f"{self.problem}\n    {shown}\n    {' ' * before}{'^' * max(marked, 1)}"


def parse(text: str) -> AnyRule:
    """
    The rule that *text* describes, as Python would write it: `"skip_first(3) & every(5) | ~after(Clicked, 120)"`.

    It may have the rules `after`, `at_most`, `cooldown`, `every`, `per_user`, `sample`, `schedule` and `skip_first`,
    each with its arguments; the signs `&`, `|`, `~`, `>>` and brackets; numbers, texts, tuples, and the names `Filled`,
    `Viewed`, `Clicked`, `WEEKDAYS` and `WEEKEND`. Nothing else has a meaning, and nothing is evaluated: a text from
    outside can be a wrong rule, but not do anything. `parse(str(rule))` is the same rule again.

    Raises `RuleTextError`, an `InvalidOptionError`, which says what is wrong and where.
    """
    if not isinstance(text, str):
        raise InvalidOptionError("rule", f"<{type(text).__name__}>", "give the text of a rule, such as 'every(5)'")
    if len(text) > LONGEST:
        raise RuleTextError(
            text, LONGEST, LONGEST + 1, f"it has {len(text):,} characters: give a rule of at most {LONGEST:,}"
        )
    return _Parser(text).whole()


class _Token(msgspec.Struct, frozen=True):
    kind: str
    """"number", "name", "text", "sign", or "end"."""
    said: str
    at: int

    @property
    def end(self) -> int:
        return self.at + len(self.said)


class _Value(msgspec.Struct, frozen=True):
    """What a part of the text stands for, and where that part is."""

    value: Any
    at: int
    end: int


class _Parser:
    """
    One token ahead, from left to right.

        either = both { "|" both }        both   = one { ( "&" | ">>" ) one }        one = { "~" } atom
        atom   = name | name "(" arguments ")" | "(" values ")" | [ "-" ] number | text
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._read()
        self._ahead = next(self._tokens)
        self._depth = 0

    def whole(self) -> AnyRule:
        """All of it."""
        if self._ahead.kind == "end":
            raise self._error("there is nothing in it: give a rule, such as every(5)", self._ahead)
        found = self._either()
        if self._ahead.kind != "end":
            raise self._unexpected("join rules with &, | or >>")
        return self._rule(found)

    # --- the grammar ---

    def _either(self) -> _Value:
        found = self._both()
        while self._takes("|"):
            other = self._both()
            found = self._joined(self._rule(found) | self._rule(other), found, other)
        return found

    def _both(self) -> _Value:
        found = self._one()
        while self._takes("&") or self._takes(">>"):
            other = self._one()
            found = self._joined(self._rule(found) & self._rule(other), found, other)
        return found

    def _one(self) -> _Value:
        at, turns = self._ahead.at, 0
        while self._takes("~"):
            turns += 1
        found = self._atom()
        if not turns:
            return found
        rule = self._rule(found)
        return _Value(~rule if turns % 2 else rule, at, found.end)

    def _atom(self) -> _Value:
        token = self._ahead
        match token:
            case _Token("name") if token.said not in INSTEAD:
                self._next()
                return self._named(token)
            case _Token("number"):
                self._next()
                return _Value(self._number(token), token.at, token.end)
            case _Token("text"):
                self._next()
                return _Value(token.said[1:-1], token.at, token.end)
            case _Token("sign", "-"):
                self._next()
                if self._ahead.kind != "number":
                    raise self._unexpected("a number comes after -")
                number = self._next()
                return _Value(-self._number(number), token.at, number.end)
            case _Token("sign", "("):
                return self._bracketed()
            case _Token("end"):
                raise self._error("it ends where a rule should follow", token)
            case _:
                raise self._unexpected("give a rule here, such as every(5)")

    def _bracketed(self) -> _Value:
        """One value in brackets, or a tuple."""
        opening = self._open()
        values: list[Any] = []
        is_tuple = self._ahead.said == ")"
        while self._ahead.said != ")":
            values.append(self._either().value)
            if not self._takes(","):
                break
            is_tuple = True
        end = self._close(opening)
        return _Value(tuple(values) if is_tuple else values[0], opening.at, end)

    def _named(self, name: _Token) -> _Value:
        said = name.said
        if said in CONSTANTS:
            return _Value(CONSTANTS[said], name.at, name.end)
        if said in IN_PYTHON_ALONE:
            raise self._error(f"{said} cannot be written as text: {IN_PYTHON_ALONE[said]} of the app's", name)
        if said not in RULES:
            raise self._unknown(name)
        if self._ahead.said != "(":
            raise self._error(f"{said} is written with its arguments, as in {RULES[said].example}", name)
        return self._called(name, RULES[said])

    def _called(self, name: _Token, call: _Call) -> _Value:
        given: list[Any] = []
        named: dict[str, Any] = {}
        opening = self._open()
        while self._ahead.said != ")":
            value = self._either_or_keyword(name)
            if isinstance(value, _Token):
                if value.said in named:
                    raise self._error(f"{value.said} is given twice", value)
                named[value.said] = self._either().value
            elif named:
                raise RuleTextError(self._text, value.at, value.end, "a value without a name comes before those with")
            else:
                given.append(value.value)
            if not self._takes(","):
                break
        end = self._close(opening)
        if call.make is per_user and ("store" in named or len(given) > 1):
            raise RuleTextError(self._text, name.at, end, "a store is an object of the app's: leave it out")
        try:
            bound = inspect.signature(call.make).bind(*given, **named)
        except TypeError as error:
            problem = f"{name.said}: {error}; it is written as in {call.example}"
            raise RuleTextError(self._text, name.at, end, problem) from None
        try:
            return _Value(call.make(*bound.args, **bound.kwargs), name.at, end)
        except InvalidOptionError as error:
            problem = str(error) if len(str(error)) < LONGEST_PROBLEM else f"{name.said} cannot be used: {error.wanted}"
            raise RuleTextError(self._text, name.at, end, problem) from None

    def _either_or_keyword(self, call: _Token) -> _Value | _Token:
        """The next argument: a value, or the name of one whose value follows."""
        name = self._ahead
        if name.kind == "name" and self._text[name.end :].lstrip().startswith("="):
            self._next()
            self._next()
            known = list(inspect.signature(RULES[call.said].make).parameters)
            if name.said not in known:
                near = _near(name.said, known) or f": it is written as in {RULES[call.said].example}"
                raise self._error(f"{call.said} has no {_short(name.said)}{near}", name)
            return name
        return self._either()

    # --- tokens ---

    def _read(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            if self._text[at].isspace():
                at += 1
                continue
            found = _TOKEN.match(self._text, at)
            assert found is not None, "every character is at least a sign"
            yield _Token(found.lastgroup or "sign", found[0], at)
            at = found.end()
        yield _Token("end", "", len(self._text))

    def _next(self) -> _Token:
        token = self._ahead
        if token.kind != "end":
            self._ahead = next(self._tokens)
        return token

    def _takes(self, sign: str) -> bool:
        if self._ahead.kind == "sign" and self._ahead.said == sign:
            self._next()
            return True
        return False

    def _open(self) -> _Token:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._error(f"brackets are more than {DEEPEST} deep here: give a simpler rule", self._ahead)
        return self._next()

    def _close(self, opening: _Token) -> int:
        if self._ahead.kind == "end":
            raise self._error("this bracket is never closed: write )", opening)
        if self._ahead.said != ")":
            raise self._unexpected("a comma or ) comes here")
        self._depth -= 1
        return self._next().end

    def _number(self, token: _Token) -> float:
        """An int where it looks like one."""
        said = token.said
        try:
            number = float(said) if set(said) & set(".eE") else int(said)
        except ValueError:
            raise self._error("it is no number that can be read", token) from None
        if self._ahead.at == token.end and self._ahead.kind in ("name", "number"):
            raise self._error(f"a number has no unit: write {said} alone; times are in seconds", self._ahead)
        return number

    # --- what is said when it is none ---

    def _rule(self, found: _Value) -> AnyRule:
        value: object = found.value
        if isinstance(value, Rule):
            return cast(AnyRule, value)
        said = self._text[found.at : found.end]
        raise RuleTextError(self._text, found.at, found.end, f"{_short(said)} is no rule: give one such as every(5)")

    def _joined(self, rule: AnyRule, first: _Value, last: _Value) -> _Value:
        return _Value(rule, first.at, last.end)

    def _unknown(self, name: _Token) -> RuleTextError:
        if self._ahead.said == "." and self._ahead.at == name.end:
            return self._error(f"names stand alone, as in every(5): leave {_short(name.said + '.')} out", name)
        near = _near(name.said, [*RULES, *CONSTANTS, *IN_PYTHON_ALONE])
        return self._error(f"{_short(name.said)} is no rule{near or ': there are ' + ', '.join(sorted(RULES))}", name)

    def _unexpected(self, wanted: str) -> RuleTextError:
        token = self._ahead
        if token.kind == "end":
            return self._error(f"it ends too early: {wanted}", token)
        if token.said in INSTEAD:
            return self._error(f"{token.said!r} has no meaning in a rule: {INSTEAD[token.said]}", token)
        if token.said == ")":
            return self._error("this bracket was never opened, or closes too early", token)
        if token.said in ("'", '"'):
            return self._error("this text has no end, or a backslash in it", token)
        return self._error(f"{_short(token.said)} has no meaning here: {wanted}", token)

    def _error(self, problem: str, token: _Token) -> RuleTextError:
        return RuleTextError(self._text, token.at, token.end, problem)


def _near(said: str, known: list[str]) -> str:
    close = difflib.get_close_matches(said[:100], known, n=1) or difflib.get_close_matches(
        said[:100].lower(), [name for name in known if name.islower()], n=1
    )
    return f": did you mean {close[0]}?" if close else ""


def _short(said: str) -> str:
    return repr(said if len(said) <= SHORT else f"{said[: SHORT - 1]}…")


def _window(text: str, at: int, end: int) -> tuple[str, int, int]:
    """The part of *text* around a place, on one line; the columns before that place, and those that it takes."""
    begin = max(0, min(at - WINDOW // 2, len(text) - WINDOW))
    stop = begin + WINDOW
    shown = "".join(_plain(char) for char in text[begin:stop])
    head, tail = "…" if begin else "", "…" if stop < len(text) else ""
    before = len(head) + sum(map(_columns, shown[: at - begin]))
    return f"{head}{shown}{tail}", before, sum(map(_columns, shown[at - begin : min(end, stop) - begin]))


def _plain(char: str) -> str:
    return char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"


def _columns(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1

"""`parse`: rules from text, and what is said of a text that is none."""

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kontext_rx import Clicked, Filled, InvalidOptionError, Viewed, pacing
from kontext_rx.pacing import (
    WEEKDAYS,
    WEEKEND,
    AnyRule,
    RuleTextError,
    after,
    at_most,
    cooldown,
    every,
    parse,
    per_user,
    sample,
    schedule,
    skip_first,
)
from kontext_rx.pacing.parse import DEEPEST, LONGEST, WINDOW

from .turns import at, says

# --- what can be written ---

SECONDS = st.one_of(st.integers(1, 10**6), st.floats(1e-3, 1e9))
HOURS = st.one_of(st.integers(0, 23), st.floats(0, 23.9))
DAYS = st.one_of(st.none(), st.just(WEEKDAYS), st.just(WEEKEND), st.lists(st.integers(1, 7), min_size=1).map(tuple))
SINGLE = st.one_of(
    st.builds(skip_first, st.integers(0, 10**9)),
    st.builds(every, st.integers(1, 10**9)),
    st.builds(cooldown, st.one_of(st.just(0), SECONDS)),
    st.builds(at_most, st.integers(1, 100), st.one_of(st.none(), SECONDS)),
    st.builds(sample, st.floats(0, 1), st.integers()),
    st.builds(after, st.sampled_from([Filled, Viewed, Clicked]), SECONDS),
    st.builds(after, st.sampled_from([Filled, Viewed, Clicked]), turns=st.integers(1, 100)),
    st.tuples(HOURS, HOURS)
    .filter(lambda hours: hours[0] != hours[1])
    .flatmap(lambda hours: st.builds(schedule, st.just(hours[0]), st.just(hours[1]), days=DAYS)),
)


def composed(rules: st.SearchStrategy[AnyRule]) -> st.SearchStrategy[AnyRule]:
    pairs = st.tuples(rules, rules)
    return st.one_of(
        pairs.map(lambda two: two[0] & two[1]),
        pairs.map(lambda two: two[0] | two[1]),
        pairs.map(lambda two: two[0] >> two[1]),
        rules.map(lambda rule: ~rule),
    )


ALONE = st.recursive(SINGLE, composed, max_leaves=8)
RULES = st.recursive(st.one_of(SINGLE, ALONE.map(per_user)), composed, max_leaves=8)


@given(RULES)
def test_a_rule_s_own_text_makes_it_again(rule: AnyRule) -> None:
    assert str(parse(str(rule))) == str(rule)


@given(ALONE)
def test_and_it_decides_as_the_rule_does(rule: AnyRule) -> None:
    turns = at(0, 5, 9, 60, 61, 200, 4000, 90_000)
    assert says(parse(str(rule)), turns) == says(rule, turns)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("every(5)", "every(5)"),
        ("  every( n = 5 , )  ", "every(5)"),
        ("skip_first(3) >> every(5)", "skip_first(3) & every(5)"),
        ("every(2) | every(3) & every(5)", "every(2) | every(3) & every(5)"),
        ("(every(2) | every(3)) & every(5)", "(every(2) | every(3)) & every(5)"),
        ("every(2)\n\t& every(3)", "every(2) & every(3)"),
        ("~~~every(2)", "~every(2)"),
        ("~(~every(2))", "every(2)"),
        ("((every(2)))", "every(2)"),
        ("after('ad.clicked', 120)", "after(Clicked, 120)"),
        ('after("ad.filled", turns=2)', "after(Filled, turns=2)"),
        ("at_most(3, per=86_400)", "at_most(3, per=86400)"),
        ("at_most(3, None)", "at_most(3)"),
        ("cooldown(1.5e2)", "cooldown(150)"),
        ("sample(.5, seed=-3)", "sample(0.5, seed=-3)"),
        ("schedule(9, 17, days=WEEKDAYS)", "schedule(9, 17, days=WEEKDAYS)"),
        ("schedule(9, 17, days=(3, 1))", "schedule(9, 17, days=(1, 3))"),
        ("schedule(9, 17, days=(3,))", "schedule(9, 17, days=(3,))"),
        ("per_user(at_most(3, per=86400)) & ~after(Clicked, 120)", None),
    ],
)
def test_what_can_be_written(text: str, rule: str | None) -> None:
    assert str(parse(text)) == (rule or text)


def test_a_text_never_holds_more_together_than_python_does() -> None:
    """`|` is looser than `&`, and `>>` is no tighter than `&` needs: the texts agree with the operators."""
    assert str(parse("every(2) | every(3) >> ~every(5) & every(7)")) == str(every(2) | every(3) >> ~every(5) & every(7))


def test_what_is_parsed_keeps_a_record_of_its_own() -> None:
    one, other = parse("per_user(every(2))"), parse("per_user(every(2))")
    assert one.reads != other.reads


# --- what cannot ---


def caret(text: str) -> tuple[str, str]:
    """What is said of a text that is no rule, and the part of it that is pointed at."""
    with pytest.raises(RuleTextError) as caught:
        parse(text)
    problem, shown, marks = str(caught.value).split("\n")
    pointed = shown[marks.index("^") : marks.rindex("^") + 1]
    assert set(marks) <= {" ", "^"}
    assert pointed.strip() == text[caught.value.at : caught.value.end].strip()
    return problem, pointed


@pytest.mark.parametrize(
    ("text", "pointed", "said"),
    [
        ("skip_first(3) & evry(5)", "evry", "did you mean every?"),
        ("after(clicked, 120)", "clicked", "did you mean Clicked?"),
        ("Every(2)", "Every", "did you mean every?"),
        ("schedule(9, 17, day=3)", "day", "did you mean days?"),
        ("every(2) and every(3)", "and", "write & for it"),
        ("every(2) or every(3)", "or", "write | for it"),
        ("not every(2)", "not", "write ~ for it"),
        ("every(2) && every(3)", "&&", "write & for it"),
        ("every(2) || every(3)", "||", "write | for it"),
        ("!every(2)", "!", "write ~ for it"),
        ("pacing.every(5)", "pacing", "leave 'pacing.' out"),
        ("every(5).step", ".", "not pacing.every(5)"),
        ("__import__('os').system('true')", "__import__", "is no rule: there are after, at_most"),
        ("eval('1')", "eval", "is no rule"),
        ("lambda turn: True", "lambda", "is no rule"),
        ("every(lambda: 1)", "lambda", "is no rule"),
        ("every(5)[0]", "[", "join rules with &, | or >>"),
        ("every(2 + 3)", "+", "a comma or ) comes here"),
        ("every(*x)", "*", "give a rule here"),
        ("every(5) if x else every(3)", "if", "join rules"),
        ("x", "x", "is no rule"),
        ("{}", "{", "give a rule here"),
        ("every(2) every(3)", "every", "join rules with &, | or >>"),
        ("every", "every", "written with its arguments, as in every(5)"),
        ("every(2) & 3", "3", "'3' is no rule"),
        ("5 & every(2)", "5", "'5' is no rule"),
        ("~WEEKDAYS", "WEEKDAYS", "is no rule"),
        ("(every(2), every(3))", "(every(2), every(3))", "is no rule"),
        ("when(subscribed)", "when", "it watches an observable of the app's"),
        ("only_if(is_long)", "only_if", "it asks a function of the app's"),
        ("rule(mine)", "rule", "it is a function of the app's"),
        ("per_user(every(2), store=3)", "per_user(every(2), store=3)", "leave it out"),
        ("per_user(every(2), 3)", "per_user(every(2), 3)", "leave it out"),
        ("(every(2)", "(", "never closed"),
        ("every(2", "(", "never closed"),
        ("every(2))", ")", "never opened"),
        ("cooldown(60s)", "s", "a number has no unit: write 60 alone"),
        ("cooldown(1__0)", "1__0", "no number that can be read"),
        ("every(" + "9" * 50 + ".5.5)", ".5", "a number has no unit"),
        ("after('ad.clicked, 120)", "'", "no end"),
        ("after('ad\\x2eclicked', 120)", "'", "a backslash"),
        ("every(n=5, 6)", "6", "a value without a name"),
        ("every(n=5, n=6)", "n", "n is given twice"),
        ("every(-x)", "x", "a number comes after -"),
    ],
)
def test_errors_point_at_the_place_and_say_what_to_do(text: str, pointed: str, said: str) -> None:
    problem, shown = caret(text)
    assert shown == pointed
    assert said in problem


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("every(0)", "every=0 cannot be used: give a whole number, 1 or more"),
        ("cooldown(-1)", "cooldown=-1 cannot be used: give seconds, 0 or more"),
        ("cooldown(1e999)", "cooldown=inf cannot be used: give seconds, 0 or more"),
        ("after(Clicked)", "give either seconds or turns"),
        ("schedule(9, 17, days=(8,))", "give WEEKDAYS, WEEKEND, or ISO weekdays"),
        ("per_user(5)", "give a rule of kontext_rx.pacing"),
        ("per_user(per_user(every(2)))", "leave the per_user inside out"),
        ("every(every(2))", "give a whole number"),
        ("every()", "missing a required argument: 'n'; it is written as in every(5)"),
        ("every(5, 6)", "too many positional arguments; it is written as in every(5)"),
        ("at_most(3, n=3)", "multiple values for argument 'n'"),
    ],
)
def test_what_a_rule_says_of_its_arguments_points_at_the_call(text: str, wanted: str) -> None:
    problem, pointed = caret(f"skip_first(1) & {text}")
    assert wanted in problem
    assert pointed == text


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_is_no_rule(text: str) -> None:
    with pytest.raises(RuleTextError, match="nothing in it"):
        parse(text)


@pytest.mark.parametrize("text", ["every(2) &", "~", "every(2) | "])
def test_what_ends_too_early_is_pointed_at_its_end(text: str) -> None:
    with pytest.raises(RuleTextError, match="ends where a rule should follow") as caught:
        parse(text)
    assert caught.value.at == len(text)


def test_a_long_text_is_refused_at_once_and_not_repeated() -> None:
    for text in ("x" * 100_000, "~" * 100_000, "(" * 100_000, "every(2) & " * 10_000):
        with pytest.raises(RuleTextError, match="at most 10,000") as caught:
            parse(text)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", ["(" * 4000, "~(" * 4000, "per_user(" * 1000, "every(" * 1500, "~" * LONGEST])
def test_deep_ones_are_refused_long_before_python_gives_up(text: str) -> None:
    with pytest.raises(RuleTextError):
        parse(text)


def test_as_many_brackets_as_are_allowed() -> None:
    most = DEEPEST - 1  # every(2) has one of its own
    assert str(parse("(" * most + "every(2)" + ")" * most)) == "every(2)"
    assert caret("(" * 2 * most)[0] == f"brackets are more than {DEEPEST} deep here: give a simpler rule"


def test_a_chain_as_long_as_a_text_may_be() -> None:
    parts = (LONGEST + 3) // len("every(2) & ")
    assert str(parse(" & ".join(["every(2)"] * parts))).count("every") == parts


def test_of_a_long_text_the_part_around_the_place_is_shown() -> None:
    text = "every(2) & " * 40 + "evry(3)" + " & every(4)" * 40
    problem, pointed = caret(text)
    assert (problem, pointed) == ("'evry' is no rule: did you mean every?", "evry")
    with pytest.raises(RuleTextError) as caught:
        parse(text)
    assert all(len(line) <= WINDOW + 6 for line in str(caught.value).split("\n")[1:])


def test_what_is_shown_is_one_line_that_a_terminal_can_show() -> None:
    """Wide characters take two columns, and what a terminal would obey is not sent to it."""
    with pytest.raises(RuleTextError) as caught:
        parse("after('日本', 3) &\n\x1b[31m evry(3)")
    _, shown, marks = str(caught.value).split("\n")
    assert "\x1b" not in str(caught.value)
    assert shown == "    after('日本', 3) & \N{REPLACEMENT CHARACTER}[31m evry(3)"
    assert marks == "    " + "^" * (len("after('日本', 3)") + 2)


def test_the_error_keeps_its_facts() -> None:
    """It is an `InvalidOptionError`, and travels between processes."""
    with pytest.raises(InvalidOptionError) as caught:
        parse("every(2) & evry(3)")
    error = caught.value
    assert isinstance(error, RuleTextError)
    assert (error.text, error.at, error.end) == ("every(2) & evry(3)", 11, 15)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="give the text of a rule"):
        parse(every(2))  # type: ignore[arg-type]


@given(st.text(st.sampled_from("every(2)&|~>'\"=,.-1e_ \n\\[]{}aZß日\x00\ud800"), max_size=40))
@example("every(2)")
def test_every_text_is_a_rule_or_a_rule_text_error(text: str) -> None:
    try:
        made: AnyRule | RuleTextError = parse(text)
    except RuleTextError as error:
        made = error
    if isinstance(made, RuleTextError):
        assert 0 <= made.at <= made.end <= len(text) + 1
        assert len(str(made).split("\n")) == 3
    else:
        assert str(parse(str(made))) == str(made)


def test_every_rule_of_the_package_can_be_written_or_says_why_not() -> None:
    """A new rule needs its line here."""
    from kontext_rx.pacing.parse import IN_PYTHON_ALONE, RULES

    makers = {name for name in pacing.__all__ if name.islower() and name not in ("decide", "parse")}
    assert makers == set(RULES) | set(IN_PYTHON_ALONE)
    for name, call in RULES.items():
        assert str(parse(call.example)) == call.example
        assert call.example.startswith(f"{name}(")

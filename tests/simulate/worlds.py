"""Conversations, rules and models, by hand and by the hundred."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from kontext_rx import Clicked, Filled, Turn, Viewed, pacing
from kontext_rx.pacing import AnyRule
from kontext_rx.simulate import Empirical, Fixed, Line, Lognormal, Models, Results, Talk, simulate
from kontext_rx.simulate.delays import Delay

START = dt.datetime(2026, 3, 2, 8, 15, tzinfo=dt.UTC)

CALM = Models(
    typing=Fixed(10),
    reply=Fixed(2),
    latency=Fixed(0.5),
    fill=(1.0,),
    revenue=(1.0,),
    view=1.0,
    view_after=Fixed(1),
    click=0.0,
    click_after=Fixed(1),
    leave_after_ad=0.0,
    leave_per_second=0.0,
)
"""Nothing is left to chance: each turn fills in half a second, each reply takes two, each ad is seen."""

ALWAYS = {"always": pacing.every(1)}


def talk(script: str, *at: float, id: str = "c", user: str | None = None) -> Talk:  # noqa: A002
    """
    A conversation, a character a message: `u` the user's, `a` the assistant's, `t` the user's and only tracked.

    *at* are the seconds after the start at which they are said; without them that is drawn.
    """
    times: Sequence[float | None] = at or [None] * len(script)
    return Talk(
        id,
        tuple(
            Line(
                f"m{place}",
                "assistant" if who == "a" else "user",
                f"text {place}",
                None if seconds is None else START + dt.timedelta(seconds=seconds),
                who == "t",
            )
            for place, (who, seconds) in enumerate(zip(script, times, strict=True))
        ),
        user,
    )


def fates(results: Results, rule: str = "always") -> list[str]:
    """What became of each turn."""
    return results.turns.filter(rule=rule)["fate"].cast(str).to_list()


def both(talks: Any, rules: Any = None, models: Models = CALM, **more: Any) -> Results:
    """The pure engine's results, after the session engine has given the same."""
    rules = ALWAYS if rules is None else rules
    pure = simulate(talks, rules, models=models, **more)
    session = simulate(talks, rules, models=models, engine="session", **more)
    assert session.turns.equals(pure.turns), first_difference(pure, session)
    assert session.table.equals(pure.table)
    assert session.failures == pure.failures
    return pure


def first_difference(pure: Results, session: Results) -> str:
    for one, other in zip(pure.turns.iter_rows(named=True), session.turns.iter_rows(named=True), strict=False):
        if one != other:
            return f"pure: {one}\nsession: {other}"
    return f"{len(pure.turns)} turns, and {len(session.turns)}"


# --- by the hundred -------------------------------------------------------------------------------------------------

SECONDS = st.one_of(
    st.sampled_from([0, 0.001, 0.009_999, 0.01, 0.010_001, 0.02, 0.5, 0.51, 1, 5, 15.99, 16, 17, 60, 3600, 3600.01]),
    st.floats(0, 40).map(lambda seconds: round(seconds, 6)),
)
"""Pauses; the first are where something is decided: the debounce, a timeout, the end of an ad's life."""

DELAYS: st.SearchStrategy[Delay] = st.one_of(
    SECONDS.map(Fixed),
    st.builds(Lognormal, st.sampled_from([0.005, 0.3, 4.0, 14.0]), st.sampled_from([0.0, 0.3, 1.5])),
    st.lists(SECONDS, min_size=1, max_size=4).map(lambda seconds: Empirical(tuple(seconds))),
)

SHARES = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])

MODELS = st.builds(
    Models,
    typing=DELAYS,
    reply=DELAYS,
    latency=DELAYS,
    times=st.sampled_from(["recorded", "drawn"]),
    span=st.sampled_from([0.0, 30.0, 86_400.0]),
    fill=st.lists(SHARES, min_size=1, max_size=3).map(tuple),
    revenue=st.lists(st.floats(0, 5), min_size=1, max_size=3).map(tuple),
    view=SHARES,
    view_after=DELAYS,
    click=SHARES,
    click_after=DELAYS,
    leave=st.sampled_from([0.0, 0.1]),
    leave_after_ad=st.sampled_from([0.0, 0.3]),
    leave_per_second=st.sampled_from([0.0, 0.1, 1.0]),
)


@st.composite
def talks(draw: st.DrawFn, *, users: bool = False) -> list[Talk]:
    """A few conversations, of anything at all."""
    found: list[Talk] = []
    for number in range(draw(st.integers(1, 4))):
        script = draw(st.text("uuuaat", max_size=12))
        at: list[float] = []
        if draw(st.booleans()):
            pauses = draw(st.lists(SECONDS, min_size=len(script), max_size=len(script)))
            at = [round(sum(pauses[: place + 1]), 6) for place in range(len(pauses))]
        user = draw(st.sampled_from(["one", "two", None])) if users else None
        found.append(talk(script, *at, id=f"c{number}", user=user))
    return found


def _wordy(turn: Turn) -> bool:
    return len(turn.conversation) % 2 == 0 or turn.message.content.endswith("2")


def _failing(turn: Turn) -> bool:
    if turn.number == 3:
        raise LookupError("no third turn")
    return turn.number % 2 == 0


LEAVES: list[AnyRule] = [
    pacing.skip_first(1),
    pacing.every(2),
    pacing.every(1),
    pacing.cooldown(20),
    pacing.at_most(2),
    pacing.at_most(1, per=30),
    pacing.sample(0.5, seed=3),
    pacing.after(Clicked, 30),
    pacing.after(Viewed, turns=1),
    pacing.after(Filled, 12),
    pacing.schedule(8, 20),
    pacing.only_if(lambda message: "1" in message.content, name="one"),
    pacing.rule(_wordy),
    pacing.rule(_failing),
]

SMALL = st.sampled_from(LEAVES)
KEPT = SMALL.map(pacing.per_user)


def _joined(parts: st.SearchStrategy[AnyRule]) -> st.SearchStrategy[AnyRule]:
    return st.one_of(
        st.tuples(parts, parts).map(lambda pair: pair[0] & pair[1]),
        st.tuples(parts, parts).map(lambda pair: pair[0] | pair[1]),
        parts.map(lambda rule: ~rule),
    )


RULES = st.recursive(SMALL, _joined, max_leaves=4)
USER_RULES = st.recursive(st.one_of(KEPT, SMALL), _joined, max_leaves=3)


def with_(models: Models, **changes: Any) -> Models:
    """The same models, but for *changes*."""
    return msgspec.structs.replace(models, **changes)

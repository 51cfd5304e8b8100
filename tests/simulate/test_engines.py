"""The pure engine and the real session in virtual time: two ways to the same turns."""

import random

from hypothesis import HealthCheck, given, settings

from kontext_rx import Clicked, Viewed, pacing
from kontext_rx.pacing import AnyRule
from kontext_rx.simulate import Fixed, Lognormal, Models, Talk

from . import worlds
from .worlds import CALM, both, talk

MANY = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@MANY
@given(worlds.talks(), worlds.RULES, worlds.MODELS)
def test_both_engines_agree_on_every_turn(talks: list[Talk], rule: AnyRule, models: Models) -> None:
    """Whatever the conversation, the rule and the models: to the microsecond."""
    both(talks, {"rule": rule}, models)


@MANY
@given(worlds.talks(users=True), worlds.USER_RULES, worlds.MODELS)
def test_they_agree_on_users_with_several_conversations_at_once(
    talks: list[Talk], rule: AnyRule, models: Models
) -> None:
    """A frequency cap counts over all of them, in the order in which things happen."""
    both(talks, {"rule": rule}, models)


def test_they_agree_on_long_conversations_of_all_kinds() -> None:
    """Over more turns than a history holds, with bursts, silences, timeouts and clicks."""
    chance = random.Random(5)
    talks = [talk("".join(chance.choices("uat", (5, 5, 1), k=200)), id=f"c{number}") for number in range(4)]
    models = Models(
        typing=Lognormal(2.0, 2.5), reply=Lognormal(1.0, 2.0), latency=Lognormal(0.8, 1.5), view=0.8, click=0.4
    )
    rules = {
        "all": pacing.every(1),
        "calm": pacing.skip_first(2) & ~pacing.after(Clicked, 60) & pacing.cooldown(15),
        "late": ~pacing.after(Viewed, turns=3) | pacing.at_most(2, per=100),
    }
    found = both(talks, rules, models, seeds=2)
    assert set(found.turns["fate"].cast(str)) >= {
        "coalesced", "track_only", "paced_out", "cancelled", "no_fill", "filled",
    }  # fmt: skip


def test_they_agree_on_an_ad_server_that_is_far_too_slow() -> None:
    """Four attempts of 16 s and the pauses between them: 71 s, then the turn has failed."""
    found = both([talk("uaua", 0, 1, 71.011, 80)], models=worlds.with_(CALM, latency=Fixed(20)))
    assert worlds.fates(found) == ["error", "error"]
    found = both([talk("uaua", 0, 1, 71.009, 80)], models=worlds.with_(CALM, latency=Fixed(20)))
    assert worlds.fates(found) == ["cancelled", "error"]

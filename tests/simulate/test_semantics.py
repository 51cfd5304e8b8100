"""What becomes of a turn, case by case; the session itself is asked each time."""

import datetime as dt

import pytest

from kontext_rx import Clicked, Filled, Viewed, pacing
from kontext_rx.simulate import Fixed, Models, simulate

from .worlds import ALWAYS, CALM, START, both, fates, talk, with_


def test_a_calm_conversation_has_an_ad_under_each_reply() -> None:
    found = both([talk("uaua", 0, 2, 12, 14)])
    assert fates(found) == ["filled", "filled"]
    assert found.turns["ready"].to_list() == [True, True]
    assert found.turns["wait_s"].to_list() == [0, 0]
    assert found.turns["revenue"].to_list() == [1, 1]


def test_a_burst_within_the_debounce_is_one_turn() -> None:
    """At ten milliseconds it is two; a request that a newer message finds unanswered is cancelled."""
    assert fates(both([talk("uuua", 0, 0.009_999, 0.019_998, 3)])) == ["coalesced", "coalesced", "filled"]
    assert fates(both([talk("uua", 0, 0.01, 3)])) == ["cancelled", "filled"]


@pytest.mark.parametrize(("second", "fate"), [(0.509_999, "cancelled"), (0.51, "filled")])
def test_a_newer_message_cancels_a_request_that_is_not_answered(second: float, fate: str) -> None:
    """The debounce and half a second after the turn; an answer of the same instant comes first."""
    assert fates(both([talk("uua", 0, second, 3)])) == [fate, "filled"]


def test_an_ad_that_comes_after_its_reply_was_not_ready() -> None:
    found = both([talk("ua", 0, 0.2)])
    assert found.turns.select("ready", "wait_s").rows() == [(False, 0.31)]


def test_of_two_replies_the_answer_goes_to_the_one_that_was_there() -> None:
    """Or to the first, when it came before both."""
    assert both([talk("uaa", 0, 0.2, 0.4)]).turns["wait_s"].to_list() == [0.11]
    assert both([talk("uaa", 0, 0.2, 0.6)]).turns["wait_s"].to_list() == [0.31]
    assert both([talk("uaa", 0, 0.6, 0.9)]).turns["wait_s"].to_list() == [0]


def test_a_fill_without_a_reply_shows_no_ad() -> None:
    found = both([talk("uua", 0, 5, 9)])
    assert fates(found) == ["filled", "filled"]
    assert found.turns["shown"].to_list() == [False, True]
    assert found.turns["ready"].to_list() == [None, True]
    assert found.turns["viewed"].to_list() == [False, True]


def test_a_reply_that_takes_an_hour_comes_too_late_for_its_ad() -> None:
    assert both([talk("ua", 0, 3600.5)]).turns["shown"].to_list() == [True]
    assert both([talk("ua", 0, 3600.52)]).turns["shown"].to_list() == [False]


def test_a_turn_that_the_rule_holds_back_is_paced_out() -> None:
    """Even if it would have been cancelled as well: pacing decides first."""
    found = both([talk("uauaua")], {"second": pacing.every(2)})
    assert fates(found, "second") == ["paced_out", "filled", "paced_out"]
    assert fates(both([talk("uu", 0, 0.1)], {"none": ~pacing.every(1)}), "none") == ["paced_out", "paced_out"]


def test_a_turn_that_the_app_only_tracks_counts_in_the_number_and_nowhere_else() -> None:
    assert fates(both([talk("utua")], {"second": pacing.every(2)}), "second") == ["paced_out", "track_only", "filled"]
    assert fates(both([talk("tua")], {"one": pacing.at_most(1)}), "one") == ["track_only", "filled"]


def test_fill_and_revenue_go_by_the_position_of_the_ad_in_the_conversation() -> None:
    """The last of each holds from there on. A turn without an ad moves nothing."""
    models = with_(CALM, fill=(1.0, 1.0, 0.0), revenue=(5.0, 3.0))
    found = both([talk("ua" * 4)], {"not the first": pacing.skip_first(1)}, models)
    assert fates(found, "not the first") == ["paced_out", "filled", "filled", "no_fill"]
    assert found.turns["revenue"].to_list() == [0, 5, 3, 0]


def test_revenue_comes_with_the_view() -> None:
    found = both([talk("ua" * 3)], models=with_(CALM, view=0.0))
    assert found.turns["shown"].to_list() == [True] * 3
    assert found.turns["revenue"].sum() == 0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (~pacing.after(Clicked, 19), ["filled", "paced_out", "filled"]),
        (~pacing.after(Clicked, 19.01), ["filled", "paced_out", "paced_out"]),
        (~pacing.after(Clicked, turns=1), ["filled", "paced_out", "filled"]),
        (~pacing.after(Viewed, 7.5), ["filled", "filled", "filled"]),
        (~pacing.after(Filled, 12), ["filled", "paced_out", "filled"]),
    ],
    ids=str,
)
def test_rules_look_back_on_what_came_of_earlier_ads(rule: pacing.AnyRule, said: list[str]) -> None:
    """Turns at 0, 12 and 24 s, replies 2 s later; a view comes 1 s after its reply, a click 2 s after that."""
    models = with_(CALM, click=1.0, click_after=Fixed(2))
    assert fates(both([talk("uauaua")], {"rule": rule}, models), "rule") == said


def test_a_view_that_comes_after_the_next_message_belongs_to_its_turn() -> None:
    """The first ad is seen in the second turn and not in its own, the second in the third."""
    models = with_(CALM, view_after=Fixed(11))
    found = both([talk("ua" * 5)], {"rule": ~pacing.after(Viewed, turns=1)}, models)
    assert fates(found, "rule") == ["filled", "filled", "paced_out", "paced_out", "filled"]


def test_the_user_may_leave_after_an_ad_and_what_they_had_to_say_is_lost() -> None:
    models = with_(CALM, leave_after_ad=1.0)
    found = both([talk("uauauaua")], {"third": pacing.every(3), "never": ~pacing.every(1)}, models)
    assert found.turns.filter(rule="third")["abandoned"].to_list() == [False, False, True]
    assert found.turns.filter(rule="never")["abandoned"].to_list() == [False] * 4
    assert found.table["abandonment"].to_list() == [1, 0]


def test_waiting_for_an_ad_makes_users_leave() -> None:
    models = with_(CALM, leave_per_second=1.0, latency=Fixed(3.5))
    assert both([talk("uaua")], models=models).turns["abandoned"].to_list() == [True]
    assert both([talk("uaua")], models=with_(models, latency=Fixed(1))).turns["abandoned"].to_list() == [False, False]


def test_whoever_leaves_cancels_nothing() -> None:
    """The message that would have cancelled the request is never sent."""
    found = both([talk("uaua", 0, 0.1, 0.2, 3)], models=with_(CALM, leave=1.0))
    assert fates(found) == ["filled"]
    assert found.turns["abandoned"].to_list() == [True]


def test_after_the_last_turn_there_is_nothing_to_leave() -> None:
    assert both([talk("ua")], models=with_(CALM, leave=1.0)).turns["abandoned"].to_list() == [False]


def test_times_on_record_are_kept_and_the_others_are_drawn() -> None:
    """A pause is on record where both ends of it are. One that goes backwards is none."""
    found = both([talk("uuuu", 0, 30, 20, 100)])
    assert found.turns["at"].to_list() == [START + dt.timedelta(seconds=s) for s in (0, 30, 30, 110)]
    undated = both([talk("uau")], models=with_(CALM, start=START, span=0.0))
    assert undated.turns["at"].to_list() == [START, START + dt.timedelta(seconds=12)]
    drawn = both([talk("uau", 0, 30, 60)], models=with_(CALM, times="drawn"))
    assert drawn.turns["at"].to_list() == [START, START + dt.timedelta(seconds=12)]


def test_conversations_without_times_begin_anywhere_in_the_span() -> None:
    found = simulate([talk("u", id=f"c{n}") for n in range(200)], ALWAYS, models=Models(start=START, span=3600))
    since = (found.turns["at"] - START).dt.total_seconds()
    assert 0 <= since.min() < 120  # pyright: ignore[reportOperatorIssue]
    assert 3480 < since.max() < 3600  # pyright: ignore[reportOperatorIssue]


def test_a_user_s_conversations_share_what_per_user_knows() -> None:
    """In the order of time, not of the file; a stranger's do not, nor do those of nobody in particular."""
    talks = [
        talk("ua", 50, 52, id="late", user="ada"),
        talk("ua", 0, 2, id="early", user="ada"),
        talk("ua", 20, 22, id="other", user="bob"),
        talk("ua", 30, 32, id="alone"),
    ]
    found = both(talks, {"once": pacing.per_user(pacing.at_most(1))})
    said = dict(found.turns.select("conversation", "fate").rows())
    assert said == {"late": "paced_out", "early": "filled", "other": "filled", "alone": "filled"}


def test_conversations_of_a_user_go_on_side_by_side() -> None:
    """A click in one is known in the other at once."""
    models = with_(CALM, click=1.0, click_after=Fixed(2))
    talks = [talk("uaua", 0, 2, 30, 32, id="one", user="ada"), talk("uaua", 1, 3, 20, 22, id="two", user="ada")]
    found = both(talks, {"rule": ~pacing.per_user(pacing.after(Clicked, 16))}, models)
    said = found.turns.sort("at")["fate"].cast(str).to_list()
    assert said == ["filled", "filled", "paced_out", "filled"]


def test_the_app_s_own_store_is_not_touched() -> None:
    store = pacing.MemoryStore()
    rule = pacing.per_user(pacing.at_most(1), store)
    for _ in range(2):
        assert fates(both([talk("uaua", user="ada")], {"once": rule}), "once") == ["filled", "paced_out"]
    assert len(store) == 0


def test_a_rule_that_fails_lets_the_ad_pass_and_is_counted() -> None:
    @pacing.rule
    def broken(turn: pacing.Turn) -> bool:
        raise LookupError(f"no table for turn {turn.number}")

    found = both([talk("uaua")], {"broken": broken & pacing.every(1)})
    assert fates(found, "broken") == ["filled", "filled"]
    assert found.failures == {"broken": (2, "LookupError: no table for turn 1")}
    assert "broken failed 2 times: LookupError: no table for turn 1" in repr(found)


def test_rules_see_the_text_and_the_conversation() -> None:
    @pacing.rule
    def second(turn: pacing.Turn) -> bool:
        return [message.id for message in turn.conversation] == ["m0", "m1", "m2"] and turn.message.content == "text 2"

    assert fates(both([talk("uaua")], {"second": second}), "second") == ["paced_out", "filled"]

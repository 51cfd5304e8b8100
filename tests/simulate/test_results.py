"""Tables, differences, intervals, the chart, and how results read."""

import random

import numpy as np
import polars as pl
import pytest

from kontext_rx import InvalidOptionError, pacing
from kontext_rx.simulate import METRICS, Fate, Models, Results, simulate
from kontext_rx.simulate.sums import REPLICATES, bin_seconds, weights

from .worlds import ALWAYS, CALM, both, talk

RULES = {"often": pacing.every(1), "seldom": pacing.every(3)}


@pytest.fixture(scope="module")
def found() -> Results:
    return simulate([talk("ua" * 6, id=f"c{n}") for n in range(300)], RULES)


def test_the_table_adds_up_what_the_turns_say(found: Results) -> None:
    for row in found.table.iter_rows(named=True):
        turns = found.turns.filter(rule=row["rule"])
        shown = turns.filter("shown")
        assert (row["conversations"], row["turns"]) == (300, len(turns))
        fates = turns["fate"].cast(str).to_list()
        assert {fate.name.lower(): row[fate.name.lower()] for fate in Fate} == {
            fate.name.lower(): fates.count(fate.name.lower()) for fate in Fate
        }
        assert row["ads_per_conversation"] == pytest.approx(len(shown) / 300)
        assert row["ready_share"] == pytest.approx(shown["ready"].mean())
        assert row["wait_mean_s"] == pytest.approx(shown["wait_s"].mean())
        assert row["revenue_per_conversation"] == pytest.approx(turns["revenue"].sum() / 300)
        assert row["revenue_per_1000"] == pytest.approx(turns["revenue"].sum() / 0.3)
        assert row["click_rate"] == pytest.approx(turns["clicked"].sum() / turns["viewed"].sum())
        assert row["abandonment"] == pytest.approx(turns["abandoned"].sum() / 300)
        ended = turns.filter(pl.col("fate").cast(str).is_in(["filled", "no_fill", "error"]))
        assert row["fill_rate"] == pytest.approx((ended["fate"].cast(str) == "filled").mean())


def test_each_value_lies_in_its_interval(found: Results) -> None:
    for row in found.table.iter_rows(named=True):
        for metric in METRICS:
            assert row[f"{metric.name}_low"] <= row[metric.name] <= row[f"{metric.name}_high"], metric.name


def test_the_95th_percentile_of_waiting_is_right_to_the_width_of_a_bin() -> None:
    found = simulate([talk("ua" * 6, id=f"c{n}") for n in range(300)], ALWAYS, models=Models(reply=CALM.latency))
    waits = np.sort(found.turns.filter("shown")["wait_s"].to_numpy())
    exact = waits[int(np.ceil(0.95 * len(waits))) - 1]
    assert exact <= found.table["wait_p95_s"][0] <= exact * 1.071
    assert bin_seconds(0) == 0.001


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Of ads per conversation, in 200 experiments with 60 users each; the truth is that of all 12,000."""
    chance = random.Random(1)
    talks = [talk("ua" * chance.randint(1, 8), id=f"c{n}") for n in range(12_000)]
    truth = simulate(talks, ALWAYS, keep_turns=False).table["ads_per_conversation"][0]
    hits = 0
    for number in range(200):
        row = simulate(talks[number::200], ALWAYS, keep_turns=False).table.row(0, named=True)
        hits += row["ads_per_conversation_low"] <= truth <= row["ads_per_conversation_high"]
    assert 180 <= hits <= 198


def test_users_count_once_in_a_resample_however_many_conversations_they_have() -> None:
    drawn = weights([talk("ua", id="a", user="ada"), talk("ua", id="b", user="ada"), talk("ua", id="c")])
    assert drawn.shape == (REPLICATES + 1, 3)
    assert drawn[0].tolist() == [1, 1, 1]
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 0] != drawn[:, 2]).any()


def test_resampling_weights_are_poisson_of_mean_one() -> None:
    drawn = weights([talk("ua", id=f"c{n}") for n in range(2000)])[1:]
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)


def test_differences_are_those_of_the_values_and_say_whether_they_are_clear(found: Results) -> None:
    often, seldom = found.table.iter_rows(named=True)
    rows = {row["metric"]: row for row in found.differences("often").iter_rows(named=True)}
    assert list(rows) == [metric.name for metric in METRICS]
    for name, row in rows.items():
        assert row["difference"] == pytest.approx(seldom[name] - often[name])
        assert row["low"] <= row["difference"] <= row["high"]
    assert rows["ads_per_conversation"]["is_clear"] is True
    assert rows["revenue_per_1000"]["is_clear"] is True


def test_rules_that_do_the_same_do_not_differ_at_all(found: Results) -> None:
    """They are compared on the same people and the same dice: there is no noise between them."""
    twins = simulate([talk("ua" * 6, id=f"c{n}") for n in range(50)], {"a": pacing.every(2), "b": pacing.every(2)})
    for row in twins.differences().iter_rows(named=True):
        assert (row["difference"], row["low"], row["high"], row["is_clear"]) == (0, 0, 0, False)


def test_differences_are_paired(found: Results) -> None:
    """So they are surer than the two values alone."""
    rules = {"a": pacing.every(1), "b": pacing.skip_first(1)}
    found = simulate([talk("ua" * (1 + n % 9), id=f"c{n}") for n in range(300)], rules)
    a, b = found.table.iter_rows(named=True)
    row = found.differences().row(0, named=True)
    assert row["metric"] == "ads_per_conversation"
    apart = a["ads_per_conversation_high"] - a["ads_per_conversation_low"]
    assert row["high"] - row["low"] < apart / 2
    assert b["ads_per_conversation"] < a["ads_per_conversation"]


def test_a_baseline_that_is_not_there_is_refused(found: Results) -> None:
    with pytest.raises(InvalidOptionError, match="baseline='x' cannot be used: give one of 'often', 'seldom'"):
        found.differences("x")


def test_one_user_alone_has_values_and_no_intervals() -> None:
    row = simulate([talk("uaua")], ALWAYS, models=CALM).table.row(0, named=True)
    assert row["ads_per_conversation"] == 2
    assert row["ads_per_conversation_low"] is None
    assert row["click_rate"] == 0


def test_what_cannot_be_divided_is_left_empty() -> None:
    row = simulate([talk("uaua")], {"never": ~pacing.every(1)}).table.row(0, named=True)
    assert row["ads_per_conversation"] == 0
    assert [row[name] for name in ("fill_rate", "ready_share", "wait_mean_s", "wait_p95_s", "click_rate")] == [None] * 5


def test_more_seeds_make_values_surer_and_change_no_single_one() -> None:
    talks = [talk("ua" * 6, id=f"c{n}") for n in range(40)]
    one, five = simulate(talks, RULES), simulate(talks, RULES, seeds=5)
    assert (
        five.turns.filter(seed=0)
        .sort("rule", "conversation", "turn")
        .equals(one.turns.sort("rule", "conversation", "turn"))
    )
    assert five.turns["seed"].unique().sort().to_list() == [0, 1, 2, 3, 4]
    assert five.table["conversations"].to_list() == [200, 200]

    def width(results: Results) -> float:
        row = results.table.row(0, named=True)
        return row["fill_rate_high"] - row["fill_rate_low"]

    assert width(five) < width(one)


def test_zero_conversations_are_a_result_that_says_so() -> None:
    empty = both([])
    assert repr(empty) == "<Results of no conversations>"
    assert (len(empty.turns), empty.table["conversations"].to_list()) == (0, [0])
    assert empty.table["fill_rate"].to_list() == [None]
    empty.plot().to_dict()


def test_results_read_well() -> None:
    found = simulate([talk("uaua", id="a"), talk("ua", id="b")], {"every turn": pacing.every(1)}, models=CALM)
    first, head, row = repr(found).splitlines()
    assert first == "Results: 2 conversations, 3 turns (pure engine)"
    assert len(head) == len(row)
    assert head.split("  ")[0] == "rule"
    assert "1.50 (1.00 to 2.00)" in row


def test_single_turns_are_not_there_when_they_were_not_kept() -> None:
    with pytest.raises(InvalidOptionError, match="simulate with keep_turns=True"):
        _ = simulate([talk("ua")], ALWAYS, keep_turns=False).turns


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_chart_shows_each_rule_with_its_interval(found: Results, theme: str) -> None:
    spec = found.plot(theme=theme).to_dict()  # pyright: ignore[reportArgumentType]
    assert [panel["title"] for panel in spec["hconcat"]] == [
        "revenue per 1,000 conversations", "ads per conversation", "conversations left early",
    ]  # fmt: skip
    rows = [row for data in spec["datasets"].values() for row in data]
    assert {row["rule"] for row in rows} == {"often", "seldom"}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_a_theme_that_is_not_known_is_refused(found: Results) -> None:
    with pytest.raises(InvalidOptionError, match="give 'light' or 'dark'"):
        found.plot(theme="blue")  # pyright: ignore[reportArgumentType]

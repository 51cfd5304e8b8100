"""`Results`: what came of a simulation, as tables, differences and a chart."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import InvalidOptionError
from .fate import FATES, Fate
from .metrics import METRICS, Estimate, Metric, estimate
from .shard import Shard
from .sums import Sum
from .work import Job

if TYPE_CHECKING:
    import altair
    import polars as pl

    from .chart import Theme

__all__ = ["Results"]

SHOWN: Final = ("ads_per_conversation", "fill_rate", "ready_share", "revenue_per_1000", "abandonment")
"""The metrics of the text. Source: ours."""


class Results:
    """
    What each rule came to. Made by `simulate`.

    Intervals are 95 % bootstrap intervals over users: they say how far chance in *who* was on record, and in the dice,
    could have moved a value. They say nothing of how good the models are.
    """

    def __init__(self, job: Job, total: Shard, files: Mapping[int, str], *, duration_s: float) -> None:
        self.rules = {name: rule.text for name, rule in job.rules.items()}
        """The expression of each rule, by its name."""
        self.engine, self.seeds, self.models = job.engine, len(job.seeds), job.models
        self.conversations, self.turns_read, self.users = total.conversations, total.turns, len(total.users)
        """How many there were, before any rule and seed; turns are user messages."""
        self.users_are_estimated = total.users.is_estimate
        """Whether `users` may be wrong by a third of a percent: with over 131,072 of them that have a `user_id`."""
        account = total.account
        self.bad_lines, self.problems = account.bad_lines, account.problems(files)
        """Lines that were no conversation: how many, and the first of them in words."""
        self.skipped = account.skipped
        """Messages of files that were left out: of another role, without text, or with a repeated id."""
        self.failures = _failures(total)
        """How often a rule failed, so that the ad passed, and how it did first."""
        self.duration_s = duration_s
        """Seconds that it took."""
        self._total, self._keeps_turns = total, job.keep_turns

    # --- tables ---

    @functools.cached_property
    def turns(self) -> pl.DataFrame:
        """
        One row a rule, seed, conversation and turn, in this order, up to where the user left.

        Conversations are in the order in which they were given; where a rule remembers users, those of a user are
        together.

        `rule`, `seed`, `conversation`, `user`, `turn` (its number), `at`, `fate` (a `Fate`), `shown` (whether there was
        an ad under a reply), `ready` (it was there before the reply; null without an ad), `wait_s` (it came so much
        later; null without an ad), `revenue` (of its view), `viewed`, `clicked`, `abandoned` (the user left here).

        Raises `InvalidOptionError` when `simulate` was told not to keep them.
        """
        import polars as pl

        if not self._keeps_turns:
            raise InvalidOptionError("keep_turns", False, "simulate with keep_turns=True to look at single turns")
        schema = _schema(self.rules)
        ids = pl.Series([name for name, _ in self._total.names], dtype=pl.String)
        users = pl.Series([user for _, user in self._total.names], dtype=pl.String)
        fates = pl.Series(FATES, dtype=schema["fate"])
        frames = [pl.DataFrame(schema=schema)]
        order = {rule: place for place, rule in enumerate(self.rules)}
        for rule, seed, first, columns in sorted(self._total.columns, key=lambda one: (order[one[0]], one[1])):
            whose = columns.conversation + first
            facts = {
                "turn": columns.turn,
                "at": columns.at,
                "fate": fates[columns.fate],
                "shown": columns.shown,
                "ready": columns.wait == 0,
                "wait_s": columns.wait / 1e6,
                "revenue": columns.revenue,
                "viewed": columns.viewed,
                "clicked": columns.clicked,
                "abandoned": columns.abandoned,
            }
            frame = pl.DataFrame({"conversation": ids[whose], "user": users[whose], **facts}).with_columns(
                pl.lit(rule).alias("rule"),
                pl.lit(seed).alias("seed"),
                pl.col("at").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                pl.when("shown").then(pl.col("ready", "wait_s")),
            )
            frames.append(frame.select(pl.col(name).cast(kind) for name, kind in schema.items()))
        return pl.concat(frames)

    @functools.cached_property
    def table(self) -> pl.DataFrame:
        """
        One row a rule.

        `rule`, `conversations` and `turns` (over all seeds), the count of each fate, and each metric with the ends of
        its interval as `..._low` and `..._high`.
        """
        import polars as pl

        rows: list[dict[str, Any]] = []
        for rule in self.rules:
            plain = self._sums(rule)[0].tolist()
            row: dict[str, Any] = {
                "rule": rule,
                "conversations": plain[Sum.CONVERSATIONS],
                "turns": plain[Sum.TURNS],
                **{name: plain[fact] for name, fact in _COUNTED.items()},
            }
            for metric in METRICS:
                row.update(_columns(metric, self.estimate(rule, metric)))
            rows.append(row)
        schema = {
            "rule": pl.String,
            **dict.fromkeys(("conversations", "turns", *_COUNTED), pl.Int64),
            **dict.fromkeys((f"{one.name}{end}" for one in METRICS for end in ("", "_low", "_high")), pl.Float64),
        }
        return pl.DataFrame(rows, schema=schema)

    def differences(self, baseline: str | None = None) -> pl.DataFrame:
        """
        How far each other rule is from *baseline*, the first rule unless named: one row a rule and metric.

        `difference` is the rule's value less the baseline's, between `low` and `high`. Both rules are resampled
        together, as they saw the same people: the interval is narrower than those of the two values suggest.
        `is_clear` says that it does not hold zero. Raises `InvalidOptionError` for a rule that is not there.
        """
        import polars as pl

        names = list(self.rules)
        baseline = names[0] if baseline is None else baseline
        if baseline not in self.rules:
            raise InvalidOptionError("baseline", baseline, f"give one of {', '.join(map(repr, names))}")
        rows: list[dict[str, Any]] = []
        for rule in names:
            if rule == baseline:
                continue
            for metric in METRICS:
                found = estimate(metric.of(self._sums(rule)) - metric.of(self._sums(baseline)), users=self.users)
                clear = None if found.low is None or found.high is None else not found.low <= 0 <= found.high
                rows.append(
                    {
                        "rule": rule,
                        "metric": metric.name,
                        "difference": found.value,
                        "low": found.low,
                        "high": found.high,
                        "is_clear": clear,
                    }
                )
        schema: dict[str, Any] = {
            **dict.fromkeys(("rule", "metric"), pl.String),
            **dict.fromkeys(("difference", "low", "high"), pl.Float64),
            "is_clear": pl.Boolean,
        }
        return pl.DataFrame(rows, schema=schema)

    def estimate(self, rule: str, metric: Metric) -> Estimate:
        """One metric of one rule, with its interval."""
        return estimate(metric.of(self._sums(rule)), users=self.users)

    def plot(self, *, theme: Theme = "light") -> altair.LayerChart | altair.HConcatChart:
        """
        What one would put on a slide: revenue, ads and abandonment of each rule with their intervals.

        *theme* is `"light"` or `"dark"`. Raises `InvalidOptionError` for another.
        """
        from .chart import chart

        return chart(self, theme)

    # --- words ---

    def __repr__(self) -> str:
        if not self.conversations:
            return f"<Results of no conversations{self._bad()}>"
        seeds = "" if self.seeds == 1 else f", {self.seeds} seeds"
        head = f"Results: {_many(self.conversations, 'conversation')}, {_many(self.turns_read, 'turn')}"
        shown = [metric for metric in METRICS if metric.name in SHOWN]
        lines = [["rule", *(metric.title for metric in shown)]]
        lines += [[rule, *(_said(metric, self.estimate(rule, metric)) for metric in shown)] for rule in self.rules]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in lines
        ]
        notes = [f"{rule} failed {_many(count, 'time')}: {first}" for rule, (count, first) in self.failures.items()]
        return "\n".join([f"{head}{seeds} ({self.engine} engine){self._bad()}", *table, *notes])

    def _bad(self) -> str:
        return f", {_many(self.bad_lines, 'bad line')}" if self.bad_lines else ""

    def _sums(self, rule: str) -> Any:
        sums = self._total.sums.get(rule)
        return np.zeros((1, len(Sum) + 1), np.int64) if sums is None else sums


def _failures(total: Shard) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for (rule, _), (count, first) in sorted(total.failures.items(), key=lambda one: one[0][1]):
        before, known = found.get(rule, (0, ""))
        found[rule] = (before + count, known or first)
    return {rule: found[rule] for rule in total.sums if rule in found}


def _schema(rules: Iterable[str]) -> dict[str, Any]:
    """Of `turns`."""
    import polars as pl

    return {
        "rule": pl.Enum(list(rules)),
        "seed": pl.Int32,
        "conversation": pl.String,
        "user": pl.String,
        "turn": pl.Int32,
        "at": pl.Datetime("us", "UTC"),
        "fate": pl.Enum(FATES),
        "shown": pl.Boolean,
        "ready": pl.Boolean,
        "wait_s": pl.Float64,
        "revenue": pl.Float64,
        "viewed": pl.Boolean,
        "clicked": pl.Boolean,
        "abandoned": pl.Boolean,
    }


_COUNTED: Final = {fate.name.lower(): Sum[fate.name] for fate in Fate if fate.name in Sum.__members__}


def _columns(metric: Metric, found: Estimate) -> dict[str, float | None]:
    return {metric.name: found.value, f"{metric.name}_low": found.low, f"{metric.name}_high": found.high}


def _said(metric: Metric, found: Estimate) -> str:
    if found.value is None:
        return "-"
    value = shown(metric, found.value)
    if found.low is None or found.high is None:
        return value
    return f"{value} ({shown(metric, found.low, found.value)} to {shown(metric, found.high, found.value)})"


def shown(metric: Metric, value: float, beside: float | None = None) -> str:
    """A value for a person to read; of money, with as many decimals as the value *beside* it has."""
    match metric.style:
        case "share":
            return f"{100 * value:.1f} %"
        case "seconds":
            return f"{value:,.2f} s"
        case "money":
            scale = abs(value if beside is None else beside)
            return f"{value:,.2f}" if scale >= 1 or scale == 0 else f"{value:,.4f}"
        case "number":
            return f"{value:,.2f}"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"

"""What a simulation came to: as a table for a person, and as one JSON object for a program."""

from __future__ import annotations

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from kontext_rx.marbles.words import clean
from kontext_rx.simulate import METRICS, Results
from kontext_rx.simulate.words import METRIC, ends, notes, ranked, said, verdict

__all__ = ["comparison", "summary"]

COLUMNS: Final = {
    "revenue_per_1000": "revenue / 1,000",
    "ads_per_conversation": "ads / conv.",
    "fill_rate": "fill rate",
    "ready_share": "ready in time",
    "abandonment": "left early",
}
"""The metrics of the table, under short names: as many as 80 characters hold."""


def comparison(results: Results, baseline: str | None) -> RenderableType:
    """In words, and a few lines a rule, the one that earns most first."""
    told = [Text(clean(sentence)) for sentence in verdict(results, baseline)]
    order = ranked(results, baseline)
    if baseline is not None and baseline not in order:
        order.append(baseline)
    values = {rule: _cells(results, rule) for rule in order}
    columns = [list(COLUMNS.values()), *(line for lines in values.values() for line in lines)]
    widths = [max(map(len, column)) for column in zip(*columns, strict=True)]
    table = [_line(list(COLUMNS.values()), widths, "dim")]
    for rule in order:
        text, style = results.rules[rule], "bold" if rule == order[0] else ""
        name = Text.assemble((clean(rule), style), ("" if text == rule else f"  {text}", "dim"))
        shown, ends = values[rule]
        table += [name, _line(shown, widths, style), _line(ends, widths, "dim")]
    remarks = [Text(clean(note), "yellow") for note in notes(results)]
    return Group(*told, Text(), *table, Text(), Text("Under each value its 95 % interval.", "dim"), *remarks)


def _cells(results: Results, rule: str) -> tuple[list[str], list[str]]:
    """The values of a rule, and their intervals."""
    found = [(metric, results.estimate(rule, metric)) for metric in (METRIC[name] for name in COLUMNS)]
    return [said(*one) for one in found], [ends(*one) for one in found]


def _line(cells: list[str], widths: list[int], style: str) -> Text:
    return Text("  " + "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)), style)


def summary(results: Results, baseline: str | None) -> dict[str, Any]:
    """
    The same for a program, with every metric: `NAME`, and `NAME_low` and `NAME_high`, the ends of its interval.

    It is the same for both engines and any number of workers, but for `engine`, `duration_s`, `turns_per_s` and
    `conversations_per_s`. The rates count a conversation once for each rule and seed.
    """
    times = len(results.rules) * results.seeds
    duration_s = max(results.duration_s, 1e-9)
    against = [] if baseline is None else results.differences(baseline).to_dicts()
    rules: list[dict[str, Any]] = []
    for row in results.table.to_dicts():
        name = row.pop("rule")
        failures, first = results.failures.get(name, (0, None))
        rule = {"name": name, "text": results.rules[name], **row, "failures": failures, "first_failure": first}
        if baseline is not None:
            rule["against_baseline"] = {
                one["metric"]: {key: one[key] for key in ("difference", "low", "high", "is_clear")}
                for one in against
                if one["rule"] == name
            }
        rules.append(rule)
    return {
        "conversations": results.conversations,
        "turns": results.turns_read,
        "users": results.users,
        "users_are_estimated": results.users_are_estimated,
        "seeds": results.seeds,
        "bad_lines": results.bad_lines,
        "skipped_messages": results.skipped,
        "baseline": baseline,
        "best": next(iter(ranked(results, baseline)), None),
        "verdict": " ".join(verdict(results, baseline)),
        "metrics": {metric.name: metric.title for metric in METRICS},
        "rules": rules,
        "engine": results.engine,
        "duration_s": round(results.duration_s, 3),
        "turns_per_s": round(results.turns_read * times / duration_s, 1),
        "conversations_per_s": round(results.conversations * times / duration_s, 1),
    }

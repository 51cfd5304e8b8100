"""What a simulation came to, in sentences: which rule earns most, how sure that is, and what it costs."""

from __future__ import annotations

from typing import Final

from .metrics import METRICS, Estimate, Metric
from .results import Results, shown

__all__ = ["METRIC", "between", "change", "ends", "many", "notes", "people", "ranked", "said", "verdict"]

METRIC: Final = {metric.name: metric for metric in METRICS}
"""The metrics by name."""

EARNS: Final = METRIC["revenue_per_1000"]


def verdict(results: Results, baseline: str | None = None) -> list[str]:
    """
    Which rule earns most and how sure that is, and what it costs; a sentence each.

    *baseline* is what the others are held against, and no candidate itself, unless it is alone.
    """
    rules = ranked(results, baseline)
    if not results.conversations or not rules:
        return ["There was no conversation to simulate."]
    best, best_found = rules[0], results.estimate(rules[0], EARNS)
    earns = f"{said(EARNS, best_found)} per 1,000 conversations{between(EARNS, best_found, '95 %: ')}"
    if len(rules) == 1:
        sentences = [f"{quoted(best)} earns {earns}."]
    else:
        sentences = [f"Of the {len(rules)} rules, {quoted(best)} earns most: {earns}."]
        sentences.append(_against(results, best, rules[1]))
    if baseline is not None and baseline != best:
        sentences.append(_against(results, best, baseline))
    cost = [_cost(results, best)]
    if baseline is not None and baseline != best:
        cost.append(f"with {quoted(baseline)} it is {_cost(results, baseline)}")
    sentences.append(f"It shows {'; '.join(cost)}.")
    return sentences


def notes(results: Results) -> list[str]:
    """What one should know before one believes it: bad lines, failures, too few users."""
    found: list[str] = []
    if results.bad_lines:
        found.append(f"Left out: {many(results.bad_lines, 'line')} of the files that could not be read.")
    if results.skipped:
        found.append(
            f"Left out: {many(results.skipped, 'message')} of another role, without text, or with a repeated id."
        )
    if results.conversations and results.users < 2:
        found.append("All conversations are one user's: there are no intervals.")
    found += [
        f"{quoted(rule)} failed {many(count, 'time')}, and the ad passed: {first}"
        for rule, (count, first) in results.failures.items()
    ]
    return found


def ranked(results: Results, baseline: str | None = None) -> list[str]:
    """The rules by what they earn, the most first; without the *baseline*, unless it is alone."""
    rules = [rule for rule in results.rules if rule != baseline] or list(results.rules)
    return sorted(rules, key=lambda rule: -(results.estimate(rule, EARNS).value or 0.0))


def said(metric: Metric, found: Estimate) -> str:
    """A value for a person; "-" where there is none."""
    return "-" if found.value is None else shown(metric, found.value)


def between(metric: Metric, found: Estimate, before: str = "") -> str:
    """Its interval in brackets, with a space before them; nothing where there is none."""
    interval = ends(metric, found)
    return f" ({before}{interval})" if interval else ""


def ends(metric: Metric, found: Estimate) -> str:
    """The ends of its interval, with one unit for both; nothing where there is none."""
    if found.low is None or found.high is None:
        return ""
    low, high = shown(metric, found.low, found.value), shown(metric, found.high, found.value)
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def change(metric: Metric, value: float, beside: float | None = None) -> str:
    """A difference, with its sign and the decimals of the value *beside* it; of two shares in percentage points."""
    sign, size = "-" if value < 0 else "+", abs(value)
    return f"{sign}{100 * size:.1f} points" if metric.style == "share" else f"{sign}{shown(metric, size, beside)}"


def many(count: int, what: str) -> str:
    """A count with its noun."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def people(results: Results) -> str:
    """How many users there are, with their noun."""
    return f"{'about ' if results.users_are_estimated else ''}{many(results.users, 'user')}"


def quoted(rule: str) -> str:
    """A rule's name, so that it can be told from the sentence."""
    return f'"{rule}"'


def _against(results: Results, rule: str, other: str) -> str:
    rows = results.differences(other).to_dicts()
    row = next(row for row in rows if row["rule"] == rule and row["metric"] == EARNS.name)
    difference, low, high = row["difference"], row["low"], row["high"]
    beside = results.estimate(rule, EARNS).value
    if difference is None:
        return f"Against {quoted(other)} nothing can be said."
    sentence = f"Against {quoted(other)} it is {change(EARNS, difference, beside)}"
    if low is None or high is None:
        return f"{sentence}."
    if low == high == 0:
        return f"Against {quoted(other)} it makes no difference here."
    sentence += f" (95 %: {change(EARNS, low, beside)} to {change(EARNS, high, beside)})"
    return f"{sentence}." if row["is_clear"] else f"{sentence}, so which of the two earns more is not certain."


def _cost(results: Results, rule: str) -> str:
    ads, left = METRIC["ads_per_conversation"], METRIC["abandonment"]
    return (
        f"{said(ads, results.estimate(rule, ads))} ads per conversation, and "
        f"{said(left, results.estimate(rule, left))} of the conversations are left early"
    )

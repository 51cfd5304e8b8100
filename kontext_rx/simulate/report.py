"""The report: what a simulation came to, for somebody who was not there. One file, which asks for nothing."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from ..errors import InvalidOptionError
from .delays import Delay, Empirical, Fixed, Lognormal
from .intervals import Bar, escaped, intervals
from .metrics import Metric
from .models import Models
from .results import Results
from .words import METRIC, change, ends, many, notes, people, ranked, said, verdict

__all__ = ["report"]

FIGURES: Final = (
    ("revenue_per_1000", "in the unit of the revenue that ads report"),
    ("ads_per_conversation", "ads under a reply"),
    ("abandonment", "of all conversations"),
)
"""What the pictures show: what a rule earns, and what it costs the page and the conversation."""

COLUMNS: Final = (
    "revenue_per_1000", "ads_per_conversation", "fill_rate", "ready_share", "wait_p95_s", "turns_per_conversation",
    "abandonment",
)  # fmt: skip
COMPARED: Final = ("revenue_per_1000", "ads_per_conversation", "turns_per_conversation", "abandonment")

STYLE: Final = Path(__file__).with_name("report.css")

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""What the page may load: nothing."""

LIMITS: Final = (
    "The intervals hold 95 of 100 times, as far as chance goes: who was on record, and how the dice fell. How good the "
    "assumptions below are, they do not say; a test on real users does.",
    "Rules are compared on the same people and the same dice, so a difference between two rules is surer than the "
    "intervals of the two suggest.",
    "A rule decides who sees an ad and, with that, who leaves. It does not change what people write: what was said is "
    "what is on record.",
    "A conversation on record ended where its user left. What they would have said without the ads of that time is not "
    "known.",
    "Where the files do not say whose a conversation is, each is a user of its own: a rule per user then never sees "
    "anybody twice.",
)

ASSUMED: Final = {
    "typing": "before a user message, where the files have no times",
    "reply": "from a user message to its reply, where the files have no times",
    "latency": "from a request to the ad server's answer",
    "times": "whether the times in the files are kept",
    "fill": "probability that a request is filled: for the 1st, 2nd, ... ad of a conversation",
    "revenue": "what the view of the 1st, 2nd, ... ad brings",
    "view": "probability that an ad is seen",
    "view_after": "from the ad under its reply to the view",
    "click": "probability that a view becomes a click",
    "click_after": "from the view to the click",
    "leave": "probability that a user leaves in place of the next message, whatever happened",
    "leave_after_ad": "added to it after an ad",
    "leave_per_second": "added to it for each second that the ad came later than its reply",
    "start": "when conversations without times begin, at the earliest",
    "span": "and over how long",
}
"""The fields of `Models`, for people."""


def report(results: Results, *, baseline: str | None = None, files: Iterable[str | Path] = ()) -> str:
    """
    *results* as one HTML page: in words, in pictures, as a table, and how they came about.

    It needs nothing else and asks for nothing, is light or dark as the reader's screen is, and can be printed. The same
    results give the same page.

    Args:
        results: What `simulate` gave.
        baseline: The rule that the others are held against, and that is no candidate itself.
        files: Where the conversations came from. The page has their names, and not their folders.

    Raises:
        InvalidOptionError: For a *baseline* that is none of the rules.

    """
    if baseline is not None and baseline not in results.rules:
        raise InvalidOptionError("baseline", baseline, f"give one of {', '.join(map(repr, results.rules))}")
    title = "Pacing rules compared"
    first, *others = verdict(results, baseline)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{escaped(POLICY)}">',
            f"<title>{title}</title>",
            f"<style>\n{STYLE.read_text('utf-8')}</style>\n</head>\n<body>\n<main>",
            f"<h1>{title}</h1>",
            f'<p class="under">{escaped(_subject(results))}</p>',
            f'<p class="verdict"><strong>{escaped(first)}</strong> {escaped(" ".join(others))}</p>',
            *(f'<p class="note">{escaped(note)}</p>' for note in notes(results)),
            *(_findings(results, baseline) if results.conversations else []),
            *_method(results, files),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _subject(results: Results) -> str:
    seeds = "" if results.seeds == 1 else f", each simulated {results.seeds} times"
    return f"{many(results.conversations, 'conversation')} of {people(results)}{seeds}."


def _findings(results: Results, baseline: str | None) -> list[str]:
    order = ranked(results, baseline)
    if baseline is not None and baseline not in order:
        order.append(baseline)
    parts = ["<h2>At a glance</h2>", '<div class="figures">']
    for name, unit in FIGURES:
        metric = METRIC[name]
        bars = [_bar(results, metric, rule, order[0], baseline) for rule in order]
        caption = f"{escaped(metric.title.capitalize())} <small>{escaped(unit)}</small>"
        parts.append(f"<figure><figcaption>{caption}</figcaption>{intervals(metric, bars)}</figure>")
    parts += ["</div>", "<h2>Every rule</h2>", _table(results, order, baseline)]
    if baseline is not None and len(order) > 1:
        parts += [f"<h2>Against {escaped(baseline)}</h2>", _differences(results, order, baseline)]
    return parts


def _bar(results: Results, metric: Metric, rule: str, best: str, baseline: str | None) -> Bar:
    if rule == baseline:
        return Bar(f"{rule} (baseline)", results.estimate(rule, metric), "baseline")
    return Bar(rule, results.estimate(rule, metric), "best" if rule == best else "other")


def _table(results: Results, order: Sequence[str], baseline: str | None) -> str:
    rows: list[str] = []
    for rule in order:
        cells = [_cell(METRIC[name], results.estimate(rule, METRIC[name])) for name in COLUMNS]
        rows.append(f"<tr>{_rule(results, rule, baseline)}{''.join(cells)}</tr>")
    return _wide(["rule", *(METRIC[name].title for name in COLUMNS)], rows)


def _cell(metric: Metric, found: Any) -> str:
    interval = ends(metric, found)
    return f"<td>{escaped(said(metric, found))}{f'<small>{escaped(interval)}</small>' if interval else ''}</td>"


def _differences(results: Results, order: Sequence[str], baseline: str) -> str:
    found = {(row["rule"], row["metric"]): row for row in results.differences(baseline).to_dicts()}
    rows: list[str] = []
    for rule in order:
        if rule != baseline:
            cells = [
                _difference(METRIC[name], found[rule, name], results.estimate(rule, METRIC[name]).value)
                for name in COMPARED
            ]
            rows.append(f"<tr>{_rule(results, rule, baseline)}{''.join(cells)}</tr>")
    table = _wide(["rule", *(METRIC[name].title for name in COMPARED)], rows)
    return f'{table}\n<p class="under">≈ where the interval holds zero: the difference may be chance.</p>'


def _difference(metric: Metric, row: dict[str, Any], beside: float | None) -> str:
    value, low, high = row["difference"], row["low"], row["high"]
    if value is None:
        return "<td>-</td>"
    sign = "≈ " if row["is_clear"] is False else ""
    told = (
        ""
        if low is None
        else f"<small>{escaped(f'{change(metric, low, beside).split()[0]} to {change(metric, high, beside)}')}</small>"
    )
    return f"<td>{sign}{escaped(change(metric, value, beside))}{told}</td>"


def _rule(results: Results, rule: str, baseline: str | None) -> str:
    text = results.rules[rule]
    is_baseline = " (baseline)" if rule == baseline else ""
    return f"<th>{escaped(rule)}{is_baseline}{'' if text == rule else f'<code>{escaped(text)}</code>'}</th>"


def _wide(titles: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escaped(title)}</th>" for title in titles)
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table class="figures-table"><thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


# --- how it came about ---


def _method(results: Results, files: Iterable[str | Path]) -> list[str]:
    names = [Path(file).name for file in files]
    facts = [
        ("conversations", f"{results.conversations:,} with {many(results.turns_read, 'user message')}"),
        ("users", people(results).rpartition(" ")[0]),
        ("seeds", f"{results.seeds:,}: everything was simulated so often, with other dice"),
        ("engine", f"{results.engine}: {ENGINES[results.engine]}"),
        ("files", ", ".join(names) or "none: the conversations came from a program"),
        *([("lines left out", f"{results.bad_lines:,}: they were no conversation")] if results.bad_lines else []),
        ("made by", f"kontext_rx {importlib.metadata.version('kontext-rx')}"),
    ]
    rows = [f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in facts]
    return [
        "<h2>How it was simulated</h2>",
        "<p>Each conversation was played once for each rule and seed. Chance goes by the seed, the conversation and "
        "the turn alone, so all rules met the same people and the same ad server.</p>",
        f'<table class="facts"><tbody>{"".join(rows)}</tbody></table>',
        "<h2>What was assumed</h2>",
        "<p>The files say who said what. The rest is assumed; where nothing else was given, it is the default of "
        "kontext_rx.</p>",
        f'<table class="facts"><tbody>{"".join(_assumptions(results.models))}</tbody></table>',
        "<h2>Limits</h2>",
        f"<ul>{''.join(f'<li>{escaped(limit)}</li>' for limit in LIMITS)}</ul>",
    ]


ENGINES: Final = {
    "pure": "the rules' arithmetic, which was tested to agree with real sessions turn by turn",
    "session": "real sessions in virtual time",
}


def _assumptions(models: Models) -> list[str]:
    usual = Models()
    rows: list[str] = []
    for name, meaning in ASSUMED.items():
        value = getattr(models, name)
        origin = "default" if value == getattr(usual, name) else "given"
        rows.append(
            f"<tr><th>{escaped(name)}</th><td>{escaped(meaning)}</td><td>{escaped(_assumed(name, value))}</td>"
            f"<td><small>{origin}</small></td></tr>"
        )
    return rows


def _assumed(name: str, value: Any) -> str:
    match value:
        case Fixed() | Lognormal() | Empirical():
            return _delay(value)
        case tuple():
            return ", ".join(f"{one:g}" for one in cast("tuple[float, ...]", value))
        case str():
            return {"recorded": "yes", "drawn": "no: they are drawn"}[value]
        case float() | int():
            return f"{value / 86_400:g} days" if name == "span" else f"{value:g}"
        case _:
            return f"{value:%Y-%m-%d %H:%M %Z}"


def _delay(delay: Delay) -> str:
    match delay:
        case Fixed(seconds=seconds):
            return f"{seconds:g} s"
        case Lognormal(median=median, sigma=sigma):
            return f"half of all within {median:g} s, with a long tail (lognormal, sigma {sigma:g})"
        case Empirical(values=values):
            middle = values[len(values) // 2]
            return f"as measured {many(len(values), 'time')}, half of all within {middle:g} s"

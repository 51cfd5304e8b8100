"""`kontext-rx simulate`, as it is run."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kontext_rx.cli.assumptions import READ, assumed
from kontext_rx.cli.feed import about_lines, open_export
from kontext_rx.cli.replay import CommandError
from kontext_rx.cli.simulate import named_rules
from kontext_rx.pacing import RuleTextError
from kontext_rx.simulate import Empirical, Lognormal, Models

from .conftest import COMMAND, UNMEASURED, Export, Ran, run, turns

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals, devices and terminals are others there")

TIMING = {"engine", "duration_s", "turns_per_s", "conversations_per_s"}

RULES = ("--rule", "often=every(2)", "--rule", "skip_first(2) & every(3)")


def simulate(*arguments: str, workers: int = 1, **more: Any) -> Ran:
    return run("simulate", *arguments, "--workers", str(workers), timeout=120, **more)


@pytest.fixture
def month(export: Export) -> str:
    """Conversations of ten users, with a line that is none."""
    talks = [{**turns(f"c{number}", 2 + number % 9), "user_id": f"u{number % 10}"} for number in range(60)]
    return export([*talks[:30], "{oops", *talks[30:]])


def test_it_says_which_rule_earns_most_and_how_sure_that_is(month: str) -> None:
    ran = simulate(month, *RULES)
    assert ran.code == 0
    words = " ".join(ran.out.split())
    assert words.startswith('Of the 2 rules, "often" earns most: ')
    assert "(95 %: " in words
    assert 'Against "every turn" it is -' in words
    assert "often every(2)" in words
    assert "Left out: 1 line of the files that could not be read." in words
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    assert ran.err.startswith(f"skipped {month}, line 31: not JSON")


def test_json_is_the_summary_and_nothing_else(month: str) -> None:
    summary = simulate(month, *RULES, "--json").summary
    assert (summary["conversations"], summary["users"], summary["bad_lines"]) == (60, 10, 1)
    assert summary["users_are_estimated"] is False
    assert summary["turns"] == sum(2 + number % 9 for number in range(60))
    assert [(rule["name"], rule["text"]) for rule in summary["rules"]] == [
        ("every turn", "every(1)"),
        ("often", "every(2)"),
        ("skip_first(2) & every(3)", "skip_first(2) & every(3)"),
    ]
    assert (summary["baseline"], summary["best"]) == ("every turn", "often")
    often = summary["rules"][1]
    assert often["revenue_per_1000_low"] < often["revenue_per_1000"] < often["revenue_per_1000_high"]
    assert often["against_baseline"]["ads_per_conversation"]["is_clear"]
    assert summary["rules"][0]["against_baseline"] == {}


@pytest.mark.parametrize(
    "other", [("--engine", "session"), ("--workers", "3"), ("--engine", "session", "--workers", "2")], ids=" ".join
)
def test_engines_and_workers_change_nothing_but_the_time(month: str, other: tuple[str, ...]) -> None:
    options = ("simulate", month, *RULES, "--rule", "per_user(at_most(2, per=86400))", "--seeds", "2", "--json")
    first = run(*options, "--workers", "1", timeout=120).summary
    second = run(*options, *(other if "--workers" in other else (*other, "--workers", "1")), timeout=120).summary
    assert set(first) == set(second)
    assert {key for key in first if first[key] != second[key]} <= TIMING
    assert set(first) > TIMING


def test_more_seeds_are_the_same_people_with_other_dice(month: str) -> None:
    one, four = (simulate(month, *RULES, "--json", "--seeds", seeds).summary for seeds in ("1", "4"))
    assert (one["conversations"], one["turns"]) == (four["conversations"], four["turns"])
    assert four["rules"][1]["conversations"] == 4 * one["rules"][1]["conversations"]
    assert one["rules"][1]["revenue_per_1000"] != four["rules"][1]["revenue_per_1000"]


def test_several_files_a_limit_and_standard_input(month: str, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(turns("other", 3)), "utf-8")
    assert simulate(month, str(other), *RULES, "--json").summary["conversations"] == 61
    limited = simulate(month, str(other), *RULES, "--json", "--limit", "12").summary
    assert (limited["conversations"], limited["bad_lines"]) == (12, 0)
    assert simulate("-", *RULES, "--json", stdin=Path(month).read_bytes()).summary["conversations"] == 60


def test_without_a_baseline_the_rules_are_among_themselves(month: str) -> None:
    summary = simulate(month, *RULES, "--json", "--no-baseline").summary
    assert [rule["name"] for rule in summary["rules"]] == ["often", "skip_first(2) & every(3)"]
    assert summary["baseline"] is None
    assert "against_baseline" not in summary["rules"][0]
    own = simulate(month, "--rule", "every turn=every(2)", "--json").summary
    assert (len(own["rules"]), own["baseline"]) == (1, None)


def test_a_rule_can_be_the_baseline(month: str) -> None:
    """In the place of an ad on every turn: what is live today, say."""
    ran = simulate(month, *RULES, "--baseline", "often", "--json")
    summary = ran.summary
    assert [rule["name"] for rule in summary["rules"]] == ["often", "skip_first(2) & every(3)"]
    assert (summary["baseline"], summary["best"]) == ("often", "skip_first(2) & every(3)")
    none = simulate(month, *RULES, "--baseline", "seldom")
    assert none.code == 2
    assert "no rule is called 'seldom': give one of 'often', 'skip_first(2) & every(3)'" in none.err
    assert "exclude each other" in simulate(month, *RULES, "--baseline", "often", "--no-baseline").err


# --- what is assumed ---


def test_what_is_assumed_can_be_said(month: str, tmp_path: Path) -> None:
    """Nothing fails, nobody leaves, and each ad brings 1: revenue is views."""
    given = ("fill=1", "revenue=1,1", "view=1", "leave_after_ad=0", "leave_per_second=0", "latency=0.1", "reply=2")
    options = [option for one in given for option in ("--assume", one)]
    out = tmp_path / "report.html"
    rule = simulate(month, *RULES, *options, "--json", "--out", str(out)).summary["rules"][1]
    assert (rule["fill_rate"], rule["abandonment"]) == (1, 0)
    assert rule["revenue_per_conversation"] == rule["ads_per_conversation"]
    assert "<td>2 s</td><td><small>given</small></td>" in out.read_text("utf-8")


def test_every_field_of_the_models_can_be_assumed() -> None:
    assert set(READ) == set(Models.__struct_fields__)
    given = ["typing=lognormal:20,0.8", "reply=measured:3,1,2", "times=drawn", "start=2026-04-01", "fill=0.9, 0.7"]
    found = assumed(given)
    assert (found.typing, found.reply, found.times) == (Lognormal(20, 0.8), Empirical((1, 2, 3)), "drawn")
    assert (found.start, found.fill) == (dt.datetime(2026, 4, 1, tzinfo=dt.UTC), (0.9, 0.7))
    assert assumed([]) == Models()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["fil=0.9"], "'fil' is not assumed: did you mean fill?"),
        (["x=0.9"], "'x' is not assumed: give one of typing, reply, "),
        (["fill=1.5"], "fill=1.5 cannot be used: give a tuple of probabilities"),
        (["fill=much"], "fill=much cannot be used: give numbers with commas between them"),
        (["view="], "view= cannot be used: give a number"),
        (["view=nan"], "view=nan cannot be used: give a probability from 0 to 1"),
        (["latency=uniform:1,2"], "give seconds, lognormal:MEDIAN,SIGMA or measured:"),
        (["latency=-1"], "latency=-1 cannot be used: give seconds from 0 to a month"),
        (["times=never"], "give 'recorded' or 'drawn'"),
        (["start=tomorrow"], "give a day or a time"),
        (["view=1", "view=0"], "view is given twice"),
    ],
)
def test_what_cannot_be_assumed_is_said(given: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=re.escape(why)):
        assumed(given)


# --- the report ---


def test_the_report_is_written_whole_and_names_files_without_their_folders(month: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("of before", "utf-8")
    ran = simulate(month, *RULES, "--out", str(out))
    assert (ran.code, ran.err.splitlines()[-1]) == (0, f"the report is in {out}")
    page = out.read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "export.jsonl" in page
    assert str(tmp_path) not in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.jsonl", "report.html"]


def test_the_report_is_the_same_whoever_worked(month: str, tmp_path: Path) -> None:
    pages: list[bytes] = []
    for workers in (1, 2):
        simulate(month, *RULES, "--out", str(tmp_path / "report.html"), workers=workers)
        pages.append((tmp_path / "report.html").read_bytes())
    assert pages[0] == pages[1]


@unix_only
@pytest.mark.parametrize(
    ("out", "why"),
    [("/dev/full", "No space left on device"), ("/nowhere/report.html", "No such file or directory")],
)
def test_a_report_that_cannot_be_written_costs_no_results(month: str, out: str, why: str) -> None:
    ran = simulate(month, *RULES, "--out", out, "--json")
    assert ran.code == 1
    assert ran.summary["conversations"] == 60
    assert ran.err.splitlines()[-1] == f"Error: the report {out} cannot be written: {why}"
    assert "Traceback" not in ran.err


def test_the_report_does_not_replace_what_is_read(month: str) -> None:
    before = Path(month).read_bytes()
    ran = simulate(month, *RULES, "--out", month)
    assert (ran.code, ran.out) == (1, "")
    assert "is one of the files to be read: give another" in ran.err
    assert Path(month).read_bytes() == before


# --- what cannot be done ---


def test_a_typo_in_a_rule_is_pointed_at(month: str) -> None:
    ran = simulate(month, "--rule", "mine=skip_first(3) & evry(5)")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-3:] == [
        "Error: Invalid value for --rule: 'evry' is no rule: did you mean every?",
        "    skip_first(3) & evry(5)",
        "                    ^^^^",
    ]


@pytest.mark.parametrize("rule", ["__import__('os').system('touch /tmp/x')", "(" * 100_000, "x=y=every(2)", ""])
def test_code_and_nonsense_are_refused(month: str, rule: str) -> None:
    ran = simulate(month, "--rule", rule)
    assert (ran.code, ran.out) == (2, "")
    assert "Error: Invalid value for --rule: " in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("rules", [("a=every(2)", "a=every(3)"), ("every(2)", "every( 2 )")])
def test_two_rules_of_one_name_are_refused(month: str, rules: tuple[str, str]) -> None:
    ran = simulate(month, "--rule", rules[0], "--rule", rules[1])
    assert (ran.code, ran.out) == (2, "")
    assert "two rules are called " in ran.err
    assert "name them, as in --rule 'gentle=every(" in ran.err


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("every(2)", "every(2)"),
        ("at_most(3, per=60)", "at_most(3, per=60)"),
        ("twice a day = at_most(2, per=86400)", "twice a day"),
        ("a-b.c=every(2)", "a-b.c"),
        (" x=~every(2)", "x"),
    ],
)
def test_names_stand_before_an_equals_sign(text: str, name: str) -> None:
    """One inside brackets belongs to the rule."""
    assert list(named_rules([text])) == [name]


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\udcff"])
def test_a_name_can_be_printed(name: str) -> None:
    """The terminal is not to obey it; and what is no UTF-8 is no name."""
    with pytest.raises(CommandError, match="give a name that can be printed"):
        named_rules([f"{name}=every(2)"])


def test_a_name_is_no_part_of_the_rule_s_error() -> None:
    with pytest.raises(RuleTextError) as caught:
        named_rules(["gentle = evry(2)"])
    assert caught.value.text == "evry(2)"


def test_no_rule_and_no_file_are_said(month: str) -> None:
    assert "Missing option '--rule'" in simulate(month).err
    assert "Missing argument 'FILE...'" in simulate(*RULES).err


@pytest.mark.parametrize("lines", [[], ["{oops", "3"]], ids=["empty", "bad lines"])
def test_an_export_without_a_conversation_is_an_error(export: Export, lines: list[object]) -> None:
    path = export(lines)
    ran = simulate(path, *RULES, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == f"Error: {path} holds no conversation"
    assert len(ran.err.splitlines()) == 1 + len(lines)


def test_conversations_in_which_no_user_speaks_are_conversations(export: Export) -> None:
    ran = simulate(export([{"id": "a", "messages": []}, {"id": "b", "messages": []}]), *RULES, "--json")
    assert (ran.code, ran.summary["conversations"], ran.summary["turns"]) == (0, 2, 0)
    assert ran.summary["rules"][0]["ads_per_conversation"] == 0


def test_a_file_that_is_not_there_is_said_before_anything_is_read(month: str, tmp_path: Path) -> None:
    ran = simulate(month, str(tmp_path / "none.jsonl"), *RULES)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"Error: {tmp_path / 'none.jsonl'} cannot be read: No such file or directory\n"
    assert "Is a directory" in simulate(str(tmp_path), *RULES).err


def test_a_file_that_is_no_export_is_said(tmp_path: Path) -> None:
    path = tmp_path / "export.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(50))
    ran = simulate(str(path), *RULES)
    assert (ran.code, ran.out) == (1, "")
    assert "it is compressed" in ran.err


def test_workers_and_a_cluster_exclude_each_other(month: str) -> None:
    ran = run("simulate", month, *RULES, "--workers", "2", "--dask", "tcp://127.0.0.1:1")
    assert (ran.code, ran.out) == (2, "")
    assert "exclude each other" in ran.err


@pytest.mark.parametrize(
    ("missing", "extra"), [("numpy", "cli,simulate"), ("polars", "cli,simulate"), ("distributed", "cli,simulate,dask")]
)
def test_without_its_extra_it_says_how_to_install_it(month: str, missing: str, extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from kontext_rx.__main__ import main; main()"
    options = ("simulate", month, *RULES, *(("--dask", "tcp://127.0.0.1:1") if missing == "distributed" else ()))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    cure = f"pip install 'kontext-rx[{extra}]'"
    assert done.stderr == f"kontext-rx simulate needs {missing}, which is not installed: {cure}\n"


def test_the_other_commands_do_not_need_its_extra() -> None:
    code = "import sys, kontext_rx.cli.commands; print({'numpy', 'polars', 'distributed'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("set()\n", "")


# --- Ctrl-C, and what is seen meanwhile ---


def nobody_is_left(group: int) -> bool:
    """In a process group; helpers of multiprocessing end by themselves, a moment later."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@unix_only
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_an_interruption_ends_every_worker_and_says_how_far_it_came(
    export: Export, workers: int, by: signal.Signals
) -> None:
    """As a terminal does it: the signal goes to the whole group. One shard would take minutes."""
    path = export([turns(f"c{number}", 16) for number in range(600)])
    options = ("simulate", path, *RULES, "--json", "--engine", "session", "--seeds", "500", "--workers", str(workers))
    process = subprocess.Popen(
        [*COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=UNMEASURED,
    )
    time.sleep(3)  # it has begun by then, or begins: both must end well
    began = time.monotonic()
    os.killpg(process.pid, by)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + by, "")
    assert err == "interrupted after 0 of 600 conversations, 0 turns: there are no results of a part\n"
    assert time.monotonic() - began < 20
    assert nobody_is_left(process.pid)


def test_how_much_there_will_be_is_counted_or_of_much_estimated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A billion lines are not read twice only to draw a bar."""
    path = tmp_path / "export.jsonl"
    path.write_text("12345678\n" * 100_000 + "a", "utf-8")
    with open_export(str(path)) as file:
        assert about_lines(file) == 100_001
        monkeypatch.setattr("kontext_rx.cli.feed.COUNTED", 1000)
        assert about_lines(file) == pytest.approx(100_000, rel=0.001)


@unix_only
def test_on_a_terminal_there_is_a_bar_that_is_gone_at_the_end(month: str) -> None:
    """On standard error, so that standard output is the result."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "simulate", month, *RULES, "--json", "--engine", "session", "--seeds", "4", "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while block := os.read(ours, 4096):
            shown += block
    out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert json.loads(out)["conversations"] == 60
    assert "━".encode() in shown
    assert b" of 61 conversations" in shown

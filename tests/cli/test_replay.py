from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kontext_rx.cli.feed import count_lines, open_export

from .conftest import BURST, COMMAND, FAST, Export, Running, conversation, run, turns

KEYS = [
    "conversations", "messages", "user_messages", "preloads", "filled", "no_fill", "errors", "cancelled", "coalesced",
    "linked", "unlinked", "duration_s", "p50_ms", "p99_ms",
]  # fmt: skip

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals are others there")


def sums_are_right(summary: dict[str, Any]) -> None:
    assert summary["preloads"] + summary["coalesced"] == summary["user_messages"]
    assert summary["filled"] + summary["no_fill"] + summary["errors"] == summary["preloads"] - summary["cancelled"]
    assert summary["linked"] + summary["unlinked"] == summary["filled"]


def test_json_is_the_summary_and_nothing_else(export: Export) -> None:
    """Nothing is lost, hardly anything coalesced, and every fill finds its reply."""
    ran = run("replay", export([turns(f"c{n}", 4) for n in range(30)]), "--json", "--concurrency", "10", *FAST)
    assert (ran.code, ran.err) == (0, "")
    summary = ran.summary
    assert list(summary) == KEYS
    sums_are_right(summary)
    assert (summary["conversations"], summary["messages"], summary["user_messages"]) == (30, 240, 120)
    assert summary["coalesced"] <= 2
    assert summary["linked"] == summary["filled"]
    assert 0 < summary["p50_ms"] <= summary["p99_ms"] < 1000
    assert summary["duration_s"] >= 3 * 4 * 0.07


def test_without_delays_each_conversation_is_a_burst(export: Export) -> None:
    ran = run("replay", export([turns(f"c{n}", 4) for n in range(30)]), "--json", *BURST)
    sums_are_right(ran.summary)
    assert (ran.summary["preloads"], ran.summary["coalesced"], ran.summary["linked"]) == (30, 90, 30)


def test_bad_lines_and_skipped_messages_are_said_on_standard_error(export: Export) -> None:
    """They change neither standard output nor the exit code."""
    path = export([conversation("a", ("system", "s"), ("user", "Hi")), "{oops", b"\xff", turns("b", 1)])
    ran = run("replay", path, "--json", *BURST)
    assert ran.code == 0
    assert (ran.summary["conversations"], ran.summary["messages"]) == (2, 3)
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == [
        "skipped line 2",
        "skipped line 3",
        "skipped 1 message",
    ]


@pytest.mark.parametrize("array", [False, True], ids=["jsonl", "array"])
def test_standard_input(array: bool) -> None:
    given = [turns("a", 1), turns("b", 1)]
    ran = run("replay", "-", "--json", *BURST, stdin=json.dumps(given) if array else "\n".join(map(json.dumps, given)))
    assert (ran.code, ran.summary["conversations"], ran.summary["linked"]) == (0, 2, 2)


@unix_only
def test_conversations_are_played_as_they_come() -> None:
    """Standard input may go on for ever: the limit ends the reading, not its end."""
    running = Running("replay", "-", "--json", "--limit", "1", *BURST, stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(json.dumps(turns("a", 1)) + "\n" + json.dumps(turns("b", 1)) + "\n")
    running.process.stdin.flush()
    assert json.loads(running.line())["conversations"] == 1
    assert running.process.wait(10) == 0
    running.process.communicate()


def test_settings_of_the_embedded_ad_server(export: Export) -> None:
    """The same seed is the same run."""
    path = export([turns(f"c{n}", 1) for n in range(40)])
    options = ("--json", "--concurrency", "20", "--fill-rate", "0.5", "--error-rate", "0.2", "--seed", "3", *BURST)
    one, two = (run("replay", path, *options).summary for _ in range(2))
    sums_are_right(one)
    counts = [{key: summary[key] for key in KEYS[:-3]} for summary in (one, two)]
    assert counts[0] == counts[1]
    assert min(one["filled"], one["no_fill"], one["errors"]) > 0


def test_the_log_has_every_event_and_every_step(export: Export, tmp_path: Path) -> None:
    """With its time and its conversation."""
    log = tmp_path / "out.jsonl"
    ran = run("replay", export([turns("a", 2), turns("b", 2)]), "--json", "--log", str(log), *FAST)
    assert ran.code == 0
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [entry["name"] for entry in entries if entry["kind"] == "step"]
    events = [entry for entry in entries if entry["kind"] == "event"]
    assert {name: steps.count(name) for name in set(steps)} == {"scheduled": 4, "sent": 4, "resolved": 4}
    assert [event["name"] for event in events] == ["ad.filled"] * 4
    assert events[0]["payload"]["bidId"]
    assert {entry["conversation_id"] for entry in entries} == {"a", "b"}
    assert all(abs(entry["at"] - time.time()) < 60 for entry in entries)


def test_lines_where_there_is_no_terminal(export: Export) -> None:
    """A summary to read, without a bar and without colours."""
    ran = run("replay", export([turns("a", 1), conversation("b", ("tool", "x"))]), *BURST)
    assert ran.code == 0
    assert "\x1b" not in ran.out + ran.err
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["conversations", "2"] in [line[:2] for line in lines]
    assert ["linked", "1"] in [line[:2] for line in lines]
    assert ["skipped", "1", "1", "with", "another", "role"] in lines


@unix_only
def test_a_bar_on_a_terminal(export: Export) -> None:
    """With live counts, and gone when the summary comes."""
    import pty

    path = export([turns(f"c{n}", 4) for n in range(4)])
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.environ.update(TERM="xterm-256color", COLUMNS="100", LINES="30")
        os.execv(sys.executable, [*COMMAND, "replay", path, *FAST])
    shown = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # the other end is gone
            break
        if not block:
            break
        shown += block
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    text = shown.decode()
    assert "━" in text
    assert "0/4 conversations" in text
    assert "in flight" in text
    assert "linked" in text[text.rindex("━") :]


def wait_for(log: Path, what: str, count: int) -> None:
    """Wait until the log has *what* so many times: the replay is that far."""
    until = time.monotonic() + 10
    while not log.exists() or log.read_text().count(what) < count:
        assert time.monotonic() < until, f"no {count} of {what}"
        time.sleep(0.02)


# --- what cannot be done ------------------------------------------------------------------------------------------


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    missing = run("replay", str(tmp_path / "nowhere.jsonl"), "--json")
    assert (missing.code, missing.out) == (1, "")
    assert missing.err == f"Error: {tmp_path / 'nowhere.jsonl'} cannot be read: No such file or directory\n"
    directory = run("replay", str(tmp_path), "--json")
    assert (directory.code, directory.out, directory.err.count("\n")) == (1, "", 1)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\n\0\n")
    binary = run("replay", str(picture), "--json")
    assert (binary.code, binary.out) == (1, "")
    assert binary.err == f"Error: {picture} cannot be read: it is no text\n"


def test_a_file_without_a_conversation(export: Export) -> None:
    """Bad lines alone are nothing to replay, an empty file is."""
    bad = run("replay", export(["name,text", "x,y"]), "--json")
    assert bad.code == 1
    assert bad.err.splitlines()[-1].endswith("export.jsonl holds no conversation that can be read")
    empty = run("replay", export([]), "--json")
    assert (empty.code, empty.err, empty.summary["conversations"]) == (0, "", 0)


def test_a_log_that_cannot_be_written_is_one_sentence_before_anything_starts(export: Export, tmp_path: Path) -> None:
    path = export([turns("a", 1)])
    nowhere = run("replay", path, "--json", "--log", str(tmp_path / "nowhere" / "out.jsonl"))
    assert (nowhere.code, nowhere.out, nowhere.err.count("\n")) == (1, "", 1)
    assert "cannot be written: No such file or directory" in nowhere.err
    itself = run("replay", path, "--json", "--log", path)
    assert (itself.code, itself.out, itself.err.count("\n")) == (1, "", 1)
    assert json.loads(Path(path).read_text())["id"] == "a"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")
def test_a_log_that_fails_later_costs_the_exit_code_and_not_the_replay(export: Export) -> None:
    ran = run("replay", export([turns("a", 1)]), "--json", "--log", "/dev/full", *BURST)
    assert (ran.code, ran.summary["linked"]) == (1, 1)
    assert ran.err == "Error: the log /dev/full is not complete: No space left on device\n"


@unix_only
@pytest.mark.parametrize("more", [("--latency", "30"), ()], ids=["in flight", "in a pause"])
def test_ctrl_c_prints_the_summary_so_far(export: Export, tmp_path: Path, more: tuple[str, ...]) -> None:
    """And closes every session: what was in flight is cancelled."""
    log = tmp_path / "log"
    path = export([turns(f"c{n}", 5) for n in range(3)])
    running = Running("replay", path, "--json", "--log", str(log), "--reply-delay", "30", "--turn-delay", "0", *more)
    wait_for(log, '"sent"' if more else '"ad.filled"', 3)
    ran = running.stop()
    assert (ran.code, ran.err) == (130, "interrupted: this is the summary so far\n")
    summary = ran.summary
    assert (summary["conversations"], summary["messages"], summary["preloads"]) == (3, 3, 3)
    assert summary["cancelled" if more else "filled"] == 3
    sums_are_right(summary)


@unix_only
@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_standard_input_is_silent(tmp_path: Path, by: signal.Signals, code: int) -> None:
    """A pipe that says nothing more keeps nothing alive; the exit code says which signal it was."""
    log = tmp_path / "log"
    running = Running("replay", "-", "--json", "--log", str(log), *BURST, stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(json.dumps(turns("a", 1)) + "\n")
    running.process.stdin.flush()
    wait_for(log, '"ad.filled"', 1)
    ran = running.stop(by)
    assert (ran.code, ran.summary["filled"]) == (code, 1)


@unix_only
def test_a_broken_pipe_is_quiet(export: Export) -> None:
    """Whoever reads the summary may have gone away."""
    for options in (("--json",), ()):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*COMMAND, "replay", export([turns("a", 1)]), *options, *BURST],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=10,
        )
        os.close(writing)
        assert done.stderr == b""


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--ad-server", "http://localhost:1", "--fill-rate", "0.5"), "--fill-rate is for the embedded ad server"),
        (("--ad-server", "localhost:1"), "'localhost:1' cannot be used: give an absolute http(s) address"),
        (("--latency", "fast"), "--latency fast cannot be used: give seconds such as '0.2'"),
        (("--speed", "0"), "'--speed'"),
        (("--speed", "nan"), "not a finite number"),
        (("--turn-delay", "-1"), "'--turn-delay'"),
        (("--concurrency", "0"), "'--concurrency'"),
        (("--publisher-token", " "), "give one line of printable text"),
    ],
)
def test_options_that_cannot_be_used(export: Export, options: tuple[str, ...], why: str) -> None:
    """Two means that the command was given wrongly."""
    from click.testing import CliRunner

    from kontext_rx.cli.commands import cli

    result = CliRunner().invoke(cli, ["replay", export([]), *options])
    assert result.exit_code == 2
    assert why in result.output


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\n" * 100_000, 100_000)])
def test_counting_lines_moves_nothing(tmp_path: Path, text: str, lines: int) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    with open_export(str(path)) as file:
        assert count_lines(file) == lines
        assert count_lines(file, 1) == min(lines, 1)
        assert file.tell() == 0


def test_a_pipe_has_no_count() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with open_export(f"/dev/fd/{reading}") as file:
        assert count_lines(file) is None
    os.close(reading)

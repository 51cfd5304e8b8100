"""Files in ranges: whoever works reads for themselves, and what comes of it is what one reader would have read."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontext_rx import pacing
from kontext_rx.conversations import BadLine, Reader, UnreadableError
from kontext_rx.simulate import Results, Talk, simulate
from kontext_rx.simulate.account import NAMED, Account
from kontext_rx.simulate.crowd import EXACT, Crowd, Sketch
from kontext_rx.simulate.dice import throw
from kontext_rx.simulate.ranges import Range, export_at, read, stretches

from .worlds import talk

RULES = {
    "often": pacing.every(2),
    "wordy": pacing.only_if(lambda message: message.content[99] == "x", name="wordy"),
}
CAPPED = {**RULES, "cap": pacing.per_user(pacing.at_most(3, per=86_400))}


def line(place: int, *, turns: int = 2, **more: Any) -> str:
    said = [{"role": role, "content": f"{place}", "created_at": place} for role in ("user", "assistant") * turns]
    return json.dumps({**more, "messages": [*said, {"role": "system", "content": ""}]})


LINES = st.one_of(
    st.integers(0, 3).map(lambda place: line(place, id=f"c{place}")),
    st.integers(0, 3).map(lambda place: line(place)),
    st.sampled_from(["", "  ", "\r", "{oops", "7", "[]", "x" * 200]),
)


def at_once(path: Path) -> tuple[list[Any], int, list[str]]:
    """The conversations, the bad lines and their words, by the reader that goes from the first byte to the last."""
    items = list(Reader([path.read_bytes()]))
    bad = [item for item in items if isinstance(item, BadLine)]
    return [item for item in items if not isinstance(item, BadLine)], len(bad), list(map(str, bad))[:NAMED]


def in_ranges(path: Path, size: int) -> tuple[list[Any], int, list[str]]:
    """The same by many readers, who are then told how many conversations are before theirs."""
    export = export_at(path, 0)
    assert export is not None
    total, found = Account(), []
    for (part,) in stretches([export], size):
        account = Account()
        told = Range(part.file, part.path, part.begin, part.end, total.conversations[0])
        found += [conversation for _, conversation in read((told,), account)]
        total.add(account)
    return found, total.bad_lines, [text.removeprefix("export, ") for text in total.problems({0: "export"})]


@given(st.lists(LINES, max_size=12), st.integers(1, 400), st.booleans())
def test_wherever_ranges_end_each_line_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int, ends: bool
) -> None:
    """With its number, of a bad line and of a conversation without an id."""
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_text("\n".join([line(0, id="first"), *lines]) + "\n" * ends, "utf-8", newline="")
    assert in_ranges(path, size) == at_once(path)


def test_short_files_share_a_part_and_long_ones_have_many(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path, count in zip(paths, (1, 1, 9), strict=True):
        path.write_text("\n".join(line(place, id=f"c{place}") for place in range(count)), "utf-8")
    exports = [export_at(path, file) for file, path in enumerate(paths)]
    size = exports[0].size * 3  # pyright: ignore[reportOptionalMemberAccess]
    parts = [[part.file for part in stretch] for stretch in stretches([one for one in exports if one], size)]
    assert parts[0] == [0, 1, 2]
    assert len(parts) > 2
    assert all(part == [2] for part in parts[1:])


@pytest.mark.parametrize("start", ["[", "\n [", "", "\n\n", "oops\n"])
def test_what_is_not_jsonl_for_certain_is_read_from_its_start(tmp_path: Path, start: str) -> None:
    path = tmp_path / "export"
    path.write_text(start, "utf-8")
    assert export_at(path, 0) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_with_a_name_is_opened_once(tmp_path: Path) -> None:
    """Who writes into it would be cut off by a look at its start."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(line(0, id="a"), "utf-8"), daemon=True)
    writer.start()
    assert simulate(pipe, {"often": pacing.every(2)}).conversations == 1
    writer.join(10)


# --- what comes of it -----------------------------------------------------------------------------------------------


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """Users who come back, ids that are there twice or not at all, and lines that are nothing."""
    path = tmp_path / "month.jsonl"
    lines: list[str] = []
    for place in range(700):
        user = {} if place % 5 == 0 else {"user_id": f"u{place % 40}"}
        name = {} if place > 300 and place % 7 == 0 else {"id": f"c{place % 650}"}
        lines.append(line(place, turns=1 + place % 9, **user, **name))
        if place % 90 == 50:
            lines += ["", "{oops"]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kontext_rx.simulate.sources.LEAST", 7_001)
    monkeypatch.setattr("kontext_rx.simulate.sources.STRETCHES", 1_000_000)


def facts(found: Results) -> dict[str, Any]:
    return {
        "turns": found.turns.to_dicts(),
        "table": found.table.to_dicts(),
        "differences": found.differences().to_dicts(),
        "counts": (found.conversations, found.turns_read, found.users, found.skipped, found.bad_lines),
        "problems": [text.partition(", ")[2] for text in found.problems],
        "failures": found.failures,
    }


@pytest.mark.parametrize("rules", [RULES, CAPPED], ids=["alone", "users"])
@pytest.mark.parametrize("workers", [None, 2, 3])
@pytest.mark.usefixtures("small_parts")
def test_who_reads_changes_nothing(month: Path, rules: dict[str, Any], workers: int | None) -> None:
    """An open file is read here, from its start; the path of the same file by whoever works."""
    here = simulate(io.BytesIO(month.read_bytes()), rules, seeds=2)
    assert (here.conversations, here.bad_lines, here.users) == (
        700,
        8,
        163,
    )  # 32 with a name, and who has none by their conversations' ids
    assert here.failures["wordy"][0] > 0
    pool = ThreadPoolExecutor(3) if workers == 3 else workers
    assert facts(simulate(month, rules, seeds=2, workers=pool)) == facts(here)


@pytest.mark.usefixtures("small_parts")
def test_files_among_other_things_keep_their_place(month: Path, tmp_path: Path) -> None:
    array = tmp_path / "array.json"
    array.write_text(f"[{line(1, id='in an array')}, 7]", "utf-8")
    given = [talk("ua", id="before"), month, array, month, talk("ua", id="after")]
    there = simulate(given, RULES)
    here = simulate([one if isinstance(one, Talk) else io.BytesIO(one.read_bytes()) for one in given], RULES)
    assert facts(there) == facts(here)
    assert (
        there.problems[8] == f"{array}, item 2: a number where a conversation should be: give an object with messages"
    )


@pytest.mark.usefixtures("small_parts")
def test_conversations_without_ids_go_by_their_number_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "nameless.jsonl"
    path.write_text("\n".join(line(place) for place in range(300)), "utf-8")
    found = simulate(path, RULES, workers=2)
    assert found.turns["conversation"].unique(maintain_order=True).to_list() == [
        f"conversation-{number}" for number in range(1, 301)
    ]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(("limit", "bad_lines"), [(1, 0), (60, 1), (10_000, 8)])
def test_a_limit_takes_the_first_conversations_and_reads_no_further(month: Path, limit: int, bad_lines: int) -> None:
    found = simulate(month, RULES, limit=limit, workers=2)
    assert (found.conversations, found.bad_lines) == (min(limit, 700), bad_lines)


def test_a_file_that_is_not_there_is_said_when_its_turn_comes(month: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        simulate([month, tmp_path / "none.jsonl"], CAPPED, workers=None)
    zipped = tmp_path / "zipped.jsonl"
    zipped.write_bytes(b"\x1f\x8b zipped")
    with pytest.raises(UnreadableError, match="it is compressed"):
        simulate([month, zipped], CAPPED)


# --- what is handed out ---------------------------------------------------------------------------------------------


class Watched(ThreadPoolExecutor):
    """Remembers what it was handed."""

    def __init__(self) -> None:
        super().__init__(2)
        self.handed: list[object] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.handed.append(args[1])
        return super().submit(fn, *args, **kwargs)


class Elsewhere(Executor):
    """An executor of which nothing is known: its workers may be anywhere."""

    def __init__(self) -> None:
        self.handed: list[object] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.handed.append(args[1])
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


@pytest.mark.usefixtures("small_parts")
def test_workers_here_are_told_where_to_read_and_not_what_was_said(month: Path) -> None:
    with Watched() as pool:
        simulate(month, RULES, workers=pool)
        assert len(pool.handed) > 10
        assert all(isinstance(part, Range) for stretch in pool.handed for part in stretch)  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]


@pytest.mark.usefixtures("small_parts")
def test_workers_that_may_be_elsewhere_are_sent_conversations(month: Path) -> None:
    pool = Elsewhere()
    assert facts(simulate(month, RULES, workers=pool)) == facts(simulate(month, RULES))
    assert all(isinstance(part, bytes) for part in pool.handed)


def test_nothing_of_users_stays_on_disk(month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor when it ends early."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(conversations: int, turns: int) -> None:
        raise KeyboardInterrupt

    simulate(month, CAPPED)
    with pytest.raises(KeyboardInterrupt):
        simulate(month, CAPPED, on_progress=stop)
    assert list(tmp_path.iterdir()) == [month]


# --- how many users -------------------------------------------------------------------------------------------------


def crowd(users: Iterator[str | None] | list[str | None]) -> Crowd:
    found = Crowd()
    found.add([Talk(f"c{place}", (), user) for place, user in enumerate(users)])
    return found


def test_users_are_counted_once_in_whatever_parts_they_come() -> None:
    one, other = crowd(["ada", None, "bob"]), crowd(["bob", "cleo"])
    together = Crowd()
    together.join(other)
    together.join(one)
    assert (len(one), len(together), together.is_estimate) == (3, 4, False)


def test_very_many_users_are_estimated_to_a_percent_whatever_the_parts() -> None:
    keys = throw(np.zeros(1, np.uint64), np.arange(3 * EXACT, dtype=np.uint64), 0)
    whole, parts = Sketch(), Sketch()
    whole.add(keys)
    assert whole.is_full
    assert abs(len(whole) / len(keys) - 1) < 0.01
    for begin in range(0, len(keys), 99_999):
        part = Sketch()
        part.add(keys[begin : begin + 200_000])
        parts.join(part)
    assert len(parts) == len(whole)


def test_users_without_a_name_are_counted_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kontext_rx.simulate.crowd.EXACT", 10)
    many = crowd(["ada", "bob", *[None] * 100])
    assert (len(many), many.is_estimate) == (102, False)
    assert crowd([f"u{number}" for number in range(100)]).is_estimate

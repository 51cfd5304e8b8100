"""A Dask cluster does the same work; a real one, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kontext_rx import pacing
from kontext_rx.simulate import Talk, simulate, work
from kontext_rx.simulate.cluster import ClusterError, cluster
from kontext_rx.simulate.ranges import Range
from kontext_rx.simulate.work import Part

from .worlds import talk

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

RULES = {
    "often": pacing.every(2),
    "three a day": pacing.per_user(pacing.at_most(3, per=86_400)),
}

STARTED = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def started(folder: Path, workers: int) -> Iterator[str]:
    """The address of a cluster in processes of its own, which ends with the test."""
    script = folder / "cluster.py"
    script.write_text(STARTED.replace("WORKERS", str(workers)), "utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from started(tmp_path_factory.mktemp("cluster"), 2)


def talks(count: int = 3000) -> list[Talk]:
    """More than one shard of them; users come back."""
    return [talk("ua" * (1 + number % 5), id=f"c{number}", user=f"u{number % 700}") for number in range(count)]


def test_a_cluster_gives_what_one_process_gives(scheduler: str) -> None:
    """To the last turn, and caps per user hold across shards."""
    done: list[int] = []
    with cluster(scheduler) as workers:
        there = simulate(talks(), RULES, workers=workers, seeds=2, on_progress=lambda count, turns: done.append(count))
    here = simulate(talks(), RULES, seeds=2)
    assert there.table.equals(here.table)
    assert there.turns.equals(here.turns)
    assert len(done) > 1
    assert done == sorted(done)


@pytest.fixture
def month(tmp_path: Path) -> Path:
    """Conversations with and without ids, of users and of nobody, and lines that are nothing."""
    path = tmp_path / "month.jsonl"
    said = [{"role": role, "content": "x"} for role in ("user", "assistant")]
    lines: list[str] = []
    for number in range(900):
        name = {} if number > 500 else {"id": f"c{number}"}
        user = {"user": number % 50} if number % 3 else {}
        lines.append(json.dumps({**name, **user, "messages": said * (1 + number % 6)}))
        if number % 100 == 50:
            lines.append("{oops")
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What goes to the cluster, of many small parts of files."""
    monkeypatch.setattr("kontext_rx.simulate.sources.LEAST", 5_000)
    monkeypatch.setattr("kontext_rx.simulate.sources.STRETCHES", 1_000_000)
    sent: list[object] = []

    def hand_out(part: Part) -> object:
        sent.append(given := really(part))
        return given

    really = work.hand_out
    for module in ("cluster", "crew"):
        monkeypatch.setattr(f"kontext_rx.simulate.{module}.hand_out", hand_out)
    return sent


def read_by_workers(handed: list[object]) -> bool:
    return all(isinstance(part, tuple) and isinstance(part[0], Range) for part in handed)


@pytest.mark.parametrize("keep_turns", [True, False])
def test_its_workers_read_files_for_themselves(
    scheduler: str, month: Path, handed: list[object], monkeypatch: pytest.MonkeyPatch, keep_turns: bool
) -> None:
    """They are told where, and nothing that was said goes to them; what they add up comes back in one piece."""
    monkeypatch.setattr("kontext_rx.simulate.cluster.BRANCHES", 3)
    rules = {"often": pacing.every(2), "gently": pacing.skip_first(2) & pacing.cooldown(60)}
    with cluster(scheduler) as workers:
        there = simulate(month, rules, workers=workers, seeds=2, keep_turns=keep_turns)
    assert len(handed) > 30
    assert read_by_workers(handed)
    with month.open("rb") as file:
        here = simulate(file, rules, seeds=2)
    assert there.table.equals(here.table)
    assert there.differences().equals(here.differences())
    assert (there.conversations, there.users, there.problems) == (here.conversations, here.users, here.problems)
    assert len(here.problems) == 9
    if keep_turns:
        assert there.turns.equals(here.turns)


def test_a_rule_that_remembers_users_has_them_sent(scheduler: str, month: Path, handed: list[object]) -> None:
    """They are put together here: the workers have no place in common to do it."""
    with cluster(scheduler) as workers:
        there = simulate(month, RULES, workers=workers)
    assert all(isinstance(part, bytes) for part in handed)
    assert there.turns.equals(simulate(month, RULES).turns)


@pytest.mark.parametrize(("seen", "reads"), [(True, True), (False, False)])
def test_a_file_that_one_worker_does_not_see_is_read_here(
    scheduler: str, month: Path, handed: list[object], monkeypatch: pytest.MonkeyPatch, seen: bool, reads: bool
) -> None:
    """Or sees otherwise, as a file of its own machine that has the same name."""
    rules = {"often": pacing.every(2)}
    with cluster(scheduler) as workers:
        if not seen:
            really = workers.look
            monkeypatch.setattr(workers, "look", lambda path: [*really(path)[1:], None])
        there = simulate(month, rules, workers=workers, keep_turns=False)
    assert read_by_workers(handed) == reads
    assert there.table.equals(simulate(month, rules).table)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[str]:
    """A cluster of one's own, to lose a worker of."""
    yield from started(tmp_path, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="processes end otherwise there")
def test_what_a_worker_had_when_it_died_is_done_again(mortal: str, month: Path, handed: list[object]) -> None:
    """Its sums were nowhere else; they come out the same, and are counted once."""
    rules = {"often": pacing.every(2)}
    lost: list[int] = []
    with cluster(mortal) as workers:

        def lose(conversations: int, turns: int) -> None:
            if conversations > 300 and not lost:
                lost.append(workers.submit(os.getpid).result())
                os.kill(lost[0], signal.SIGKILL)

        there = simulate(month, rules, workers=workers, keep_turns=False, on_progress=lose)
    assert len(lost) == 1
    assert there.table.equals(simulate(month, rules).table)
    assert there.conversations == 900


def test_a_cluster_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kontext_rx.simulate.cluster.PATIENCE_S", 0.5)
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers at tcp:"),
        cluster("tcp://127.0.0.1:1"),
    ):
        pass


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(ClusterError, match="no Dask scheduler answers at no:such:thing"), cluster("no:such:thing"):
        pass


def test_a_cluster_without_workers_is_said(tmp_path: Path) -> None:
    for address in started(tmp_path, 0):
        with pytest.raises(ClusterError, match="has no workers: start some"), cluster(address):
            pass


def test_the_command_uses_it(scheduler: str, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    line = '{"id": "c%d", "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}\n'
    path.write_text("".join(line % number for number in range(20)), "utf-8")
    command = [sys.executable, "-W", "error", "-m", "kontext_rx", "simulate", str(path), "--rule", "every(2)", "--json"]
    there, here = (
        subprocess.run([*command, *where], capture_output=True, text=True, timeout=60, check=True)
        for where in (("--dask", scheduler), ("--workers", "1"))
    )
    assert there.stderr == ""
    assert there.stdout.partition('"engine"')[0] == here.stdout.partition('"engine"')[0] != ""

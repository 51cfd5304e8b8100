"""Who does the work: this process, a pool of them, any executor, or a cluster; and the loop that keeps them busy."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Protocol, TypeVar

from .cluster import Cluster
from .ranges import Export, counted
from .shard import Brief, Shard
from .work import Job, Part, hand_out, pack, run_packed

__all__ = ["Crew", "Workers", "crew", "is_here", "sees", "work_through"]

T = TypeVar("T")

Workers = int | Executor | None
"""Processes, or an executor; this process alone when None."""

AHEAD: Final = 2
"""Parts that wait for each worker. Source: ours; it bounds what is held."""

UNTOLD: Final = 32
"""Workers that an executor has which does not say how many. Source: ours."""


class Crew(Protocol[T]):
    """Whoever does the work. `T` is its handle on a part that is being worked on."""

    ahead: int
    """Parts that are handed out before the first of them is asked for."""

    def start(self, part: Part) -> T:
        """Hand out *part*."""
        ...

    def brief(self, ticket: T) -> Brief:
        """Wait for a part, and say how far one is with it."""
        ...

    def keep(self, ticket: T) -> None:
        """Have what a part came to added up, after those before it."""
        ...

    def total(self) -> Shard:
        """The sum of all that was kept."""
        ...


def work_through(crew: Crew[T], parts: Iterable[Part], on_progress: Callable[[Brief], object]) -> None:
    """
    Have *crew* do all of *parts*, which are kept in their order; never many more are read than are being worked on.

    A part whose conversations go by their number is counted by the crew, and handed out again when those before it are.
    """
    begun: deque[tuple[Part, T]] = deque()
    settled: deque[tuple[T, Brief | None]] = deque()
    before: Counter[int] = Counter()

    def settle() -> None:
        part, ticket = begun.popleft()
        brief = crew.brief(ticket)
        if brief.needs_number and isinstance(part, tuple):
            settled.append((crew.start(counted(part, before)), None))
        else:
            settled.append((ticket, brief))
        before.update(brief.counted)

    def finish() -> None:
        ticket, brief = settled.popleft()
        brief = crew.brief(ticket) if brief is None else brief
        crew.keep(ticket)
        on_progress(brief)

    for part in parts:
        begun.append((part, crew.start(part)))
        if len(begun) > crew.ahead:
            settle()
        while settled and (settled[0][1] is not None or len(settled) > crew.ahead):
            finish()
    while begun:
        settle()
    while settled:
        finish()


def is_here(workers: Workers) -> bool:
    """Whether the workers are on this machine for certain, and so have its files."""
    return workers is None or isinstance(workers, int | ProcessPoolExecutor | ThreadPoolExecutor)


def sees(workers: Workers, export: Export) -> bool:
    """Whether all workers can read *export* for themselves; when in doubt they cannot."""
    return is_here(workers) or (isinstance(workers, Cluster) and workers.sees(export.path))


@contextlib.contextmanager
def crew(job: Job, workers: Workers) -> Generator[Crew[Any]]:
    """Those who do *job*. Raises `RuntimeError` when one of their processes dies."""
    if workers is None or workers == 1:
        yield _Alone(job)
    elif isinstance(workers, Cluster) and not job.keep_turns:  # turns end up here anyway
        yield workers.crew(pack(job), AHEAD)
    elif isinstance(workers, Executor):
        yield _Executor(job, workers, getattr(workers, "_max_workers", UNTOLD))
    else:
        methods = multiprocessing.get_all_start_methods()
        # Not fork: numpy's and polars' threads would be copied in the middle of what they do.
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        # Ctrl-C is this process's to hear: a worker ends with its pool.
        pool = ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        try:
            yield _Executor(job, pool, workers)
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process died: it ran out of memory, or the script lacks `if __name__ == '__main__':` around"
                " its call of simulate(), which each worker would repeat"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Alone:
    """This process, at once."""

    ahead = 0

    def __init__(self, job: Job) -> None:
        self._job, self._total = job, Shard()

    def start(self, part: Part) -> Shard:
        return self._job.run_part(part)

    def brief(self, ticket: Shard) -> Brief:
        return ticket.brief

    def keep(self, ticket: Shard) -> None:
        self._total.add(ticket)

    def total(self) -> Shard:
        return self._total


class _Executor:
    """An executor, which hands back what every part came to."""

    def __init__(self, job: Job, executor: Executor, workers: int) -> None:
        self._packed, self._executor, self._total = pack(job), executor, Shard()
        self.ahead = workers * AHEAD

    def start(self, part: Part) -> Future[Shard]:
        return self._executor.submit(run_packed, self._packed, hand_out(part))

    def brief(self, ticket: Future[Shard]) -> Brief:
        return ticket.result().brief

    def keep(self, ticket: Future[Shard]) -> None:
        self._total.add(ticket.result())

    def total(self) -> Shard:
        return self._total

"""A Dask cluster as the workers of a simulation. It needs `pip install 'kontext-rx[dask]'`, there and here."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from typing import Any, Final, TypeVar

from .ranges import mark
from .shard import Brief, Shard
from .work import Part, hand_out, run_packed

__all__ = ["Cluster", "ClusterError", "Tree", "cluster"]

R = TypeVar("R")

PATIENCE_S: Final = 10.0
"""Seconds until a cluster that does not answer counts as not there. Source: ours."""

BRANCHES: Final = 16
"""Sums that are added up at once. Source: ours; some ten megabytes a rule."""


class ClusterError(Exception):
    """The cluster cannot be used: one sentence says why."""


@contextlib.contextmanager
def cluster(address: str) -> Generator[Cluster]:
    """
    The workers of the Dask cluster whose scheduler is at *address*, such as `"tcp://10.0.0.5:8786"`.

        with cluster("tcp://10.0.0.5:8786") as workers:
            results = simulate("export.jsonl", rules, workers=workers)

    What is not done when the block ends is let go. Raises `ClusterError` when there is no such cluster, or no worker in
    it, and `ModuleNotFoundError` without Dask.
    """
    dask: Any = importlib.import_module("distributed")
    try:
        client = dask.Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address} ({error})") from error
    try:
        if not (threads := sum(client.nthreads().values())):
            raise ClusterError(f"the Dask cluster at {address} has no workers: start some")
        yield Cluster(client, threads)
    finally:
        client.close()


class Cluster(Executor):
    """The workers of a cluster: an executor that also knows what they see, and has them add up among themselves."""

    def __init__(self, client: Any, threads: int) -> None:
        self._client = client
        self._executor: Executor = client.get_executor(pure=False)
        self._max_workers = threads  # Dask's own executor does not say, and so not how far ahead one may read
        self._seen: dict[str, bool] = {}

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Have a worker call *fn*."""
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go what is not done."""
        self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)

    def sees(self, path: str) -> bool:
        """
        Whether every worker finds the same file at *path* as this process.

        One file of a folder speaks for the others: a network drive is there, or it is not.
        """
        folder = os.path.dirname(path)
        if folder not in self._seen:
            here = mark(path)
            self._seen[folder] = here is not None and all(one == here for one in self.look(path))
        return self._seen[folder]

    def look(self, path: str) -> list[tuple[int, bytes] | None]:
        """The `mark` of what each worker finds at *path*."""
        return list(self._client.run(mark, path).values())

    def crew(self, job: bytes, ahead: int) -> Tree:
        """The workers, for a packed *job*."""
        return Tree(self._client, job, self._max_workers * ahead)


class Tree:
    """What parts come to stays where it came about, and is added up there, some at a time: the trunk alone is sent."""

    def __init__(self, client: Any, job: bytes, ahead: int) -> None:
        self._client, self._job, self.ahead = client, job, ahead
        self._levels: list[list[Any]] = []
        """What is to be added up, the largest sums last; of each level what came first is first."""

    def start(self, part: Part) -> tuple[Any, Any]:
        """Have a worker do *part*: there will be what it came to, and a word on it."""
        shard = self._submit(run_packed, self._job, hand_out(part))
        return shard, self._submit(_brief, shard)

    def brief(self, ticket: tuple[Any, Any]) -> Brief:
        """Wait for that word."""
        return ticket[1].result()

    def keep(self, ticket: tuple[Any, Any]) -> None:
        """Have it added to those before it."""
        self._grow(ticket[0], 0)

    def total(self) -> Shard:
        """The sum of all, from the worker that has it."""
        rest: list[Any] = []
        for level in self._levels:
            rest = [*level, *rest]
            if len(rest) > 1:
                rest = [self._submit(_added, *rest)]
        self._levels = []
        return rest[0].result() if rest else Shard()

    def _grow(self, branch: Any, height: int) -> None:
        if height == len(self._levels):
            self._levels.append([])
        level = self._levels[height]
        level.append(branch)
        if len(level) == BRANCHES:
            together = self._submit(_added, *level)
            level.clear()
            self._grow(together, height + 1)

    def _submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self._client.submit(fn, *args, pure=False)


def _brief(shard: Shard) -> Brief:
    return shard.brief


def _added(*shards: Shard) -> Shard:
    total = Shard()
    for shard in shards:
        total.add(shard)
    return total

"""A Dask cluster as the workers of a simulation. It needs `pip install 'kontext-rx[dask]'`, there and here."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future
from typing import Any, Final, TypeVar

__all__ = ["ClusterError", "cluster"]

R = TypeVar("R")

PATIENCE_S: Final = 10.0
"""Seconds until a cluster that does not answer counts as not there. Source: ours."""


class ClusterError(Exception):
    """The cluster cannot be used: one sentence says why."""


@contextlib.contextmanager
def cluster(address: str) -> Generator[Executor]:
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
        yield _Workers(client, threads)
    finally:
        client.close()


class _Workers(Executor):
    """Dask's own executor does not say how many workers it has, and so how far ahead one may read."""

    def __init__(self, client: Any, threads: int) -> None:
        self._executor: Executor = client.get_executor(pure=False)
        self._max_workers = threads

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)

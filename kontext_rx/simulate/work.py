"""Who does the work: this process, a pool of them, or any executor; the shards come back in order."""

from __future__ import annotations

import functools
import importlib
import io
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

import msgspec

from ..errors import InvalidOptionError
from ..pacing import AnyRule
from ..pacing.reading import Kept
from .house import Shelf
from .models import Models
from .shard import Engine, Shard, run_shard
from .talk import Talk, decode, encode

__all__ = ["Job", "pack", "run_packed", "shards"]

AHEAD: Final = 2
"""Shards that wait for each worker. Source: ours; it bounds what is held."""

UNTOLD: Final = 32
"""Workers that an executor has which does not say how many. Source: ours."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with every shard."""

    rules: dict[str, AnyRule]
    seeds: tuple[int, ...]
    models: Models
    engine: Engine
    keep_turns: bool

    def run(self, talks: Sequence[Talk]) -> Shard:
        """Do it."""
        return run_shard(talks, self.rules, self.seeds, self.models, self.engine, keep_turns=self.keep_turns)


def shards(job: Job, chunks: Iterable[list[Talk]], workers: int | Executor | None) -> Iterator[Shard]:
    """What each chunk came to, in order; never many more are read than are being worked on."""
    if isinstance(workers, Executor):
        yield from _spread(workers, getattr(workers, "_max_workers", UNTOLD), job, chunks)
    elif workers is None or workers == 1:
        yield from map(job.run, chunks)
    else:
        methods = multiprocessing.get_all_start_methods()
        # Not fork: numpy's and polars' threads would be copied in the middle of what they do.
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        # Ctrl-C is this process's to hear: a worker ends with its pool.
        pool = ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
        try:
            yield from _spread(pool, workers, job, chunks)
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process died: it ran out of memory, or the script lacks `if __name__ == '__main__':` around"
                " its call of simulate(), which each worker would repeat"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _spread(pool: Executor, workers: int, job: Job, chunks: Iterable[list[Talk]]) -> Iterator[Shard]:
    packed = pack(job)
    waiting: deque[Future[Shard]] = deque()
    for chunk in chunks:
        waiting.append(pool.submit(run_packed, packed, encode(chunk)))
        if len(waiting) > workers * AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def run_packed(job: bytes, talks: bytes) -> Shard:
    """`run_shard` in another process, or on another machine: both arguments are plain bytes."""
    return _unpacked(job).run(decode(talks))


def pack(job: Job) -> bytes:
    """
    A job as bytes. Rules are functions, an app's own among them: cloudpickle carries them.

    What they keep of users stays here, as it does in any simulation. Raises `InvalidOptionError` for a rule that
    cannot travel.
    """
    stores = {id(reading.store) for rule in job.rules.values() for reading in rule.reads if isinstance(reading, Kept)}
    pickler: Any = importlib.import_module("cloudpickle").Pickler

    class Packer(pickler):
        def reducer_override(self, obj: object) -> Any:
            return (Shelf, ()) if id(obj) in stores else pickler.reducer_override(self, obj)

    buffer = io.BytesIO()
    try:
        Packer(buffer).dump(msgspec.structs.asdict(job))
    except Exception as error:
        raise InvalidOptionError(
            "rules", list(job.rules), f"leave workers out: a rule cannot be sent to another process ({error})"
        ) from error
    return buffer.getvalue()


@functools.lru_cache(maxsize=4)
def _unpacked(job: bytes) -> Job:
    return Job(**pickle.loads(job))

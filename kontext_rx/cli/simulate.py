"""`kontext-rx simulate`: candidate rules over an export, from its files to the table and the report."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from kontext_rx import pacing
from kontext_rx.simulate import Models, Results, simulate
from kontext_rx.simulate.cluster import ClusterError, cluster
from kontext_rx.simulate.report import report
from kontext_rx.simulate.shard import Engine

from ..conversations import UnreadableError
from .comparison import comparison, summary
from .feed import about_lines, open_export
from .gauge import Gauge
from .interrupts import interruptible
from .replay import CommandError
from .screen import Screen, many

__all__ = ["EVERY_TURN", "SimulateJob", "held_against", "named_rules", "simulate_export"]

EVERY_TURN = "every turn"
"""The name of the baseline: an ad wherever there can be one."""

_NAMED = re.compile(r"\s*([^()=&|~>'\"]*[^()=&|~>'\"\s])\s*=(.*)", re.DOTALL)
"""`NAME=RULE`; an `=` inside brackets belongs to the rule."""


class SimulateJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate, and how."""

    paths: tuple[str, ...]
    """The exports; `-` is standard input."""
    rules: dict[str, pacing.AnyRule]
    baseline: str | None
    """Which of the rules the others are held against."""
    models: Models
    """What is assumed."""
    engine: Engine
    seeds: int
    workers: int | None
    """Processes; None has as many as there are processors."""
    dask: str | None
    """The address of a Dask scheduler, whose workers are used instead."""
    out: str | None
    """Where the report goes, if it is wanted."""
    as_json: bool
    limit: int | None
    """Conversations at most; None takes them all."""


def named_rules(given: Sequence[str]) -> dict[str, pacing.AnyRule]:
    """
    The rules of the command line, each `RULE` or `NAME=RULE`; one without a name is called by its text.

    Raises `CommandError` for two of one name and for a name that cannot be printed, and `RuleTextError` for what is no
    rule.
    """
    rules: dict[str, pacing.AnyRule] = {}
    for text in given:
        named = _NAMED.fullmatch(text)
        rule = pacing.parse(text if named is None else named[2].strip())
        name = str(rule) if named is None else named[1]
        if not name.isprintable():
            raise CommandError(f"a rule cannot be called {name!r}: give a name that can be printed")
        if name in rules:
            raise CommandError(f"two rules are called {name!r}: name them, as in --rule 'gentle={rule}'")
        rules[name] = rule
    return rules


def held_against(
    baseline: str | None, rules: dict[str, pacing.AnyRule]
) -> tuple[str | None, dict[str, pacing.AnyRule]]:
    """
    The name of the baseline and all rules: *baseline* is one of them, or else there is one more, an ad on every turn.

    A rule of that name is a rule like any other, and then there is no baseline. Raises `CommandError` for a baseline
    that is none of the rules.
    """
    if baseline is None:
        return (None, rules) if EVERY_TURN in rules else (EVERY_TURN, {EVERY_TURN: pacing.every(1), **rules})
    if baseline not in rules:
        raise CommandError(f"no rule is called {baseline!r}: give one of {', '.join(map(repr, rules))}")
    return baseline, rules


def simulate_export(job: SimulateJob, screen: Screen) -> int:
    """Simulate, print what came of it, write the report, and give the exit code. Raises `CommandError`."""
    _look_at(job)
    with Gauge(screen, total=_total(job), lines=not job.as_json) as gauge, interruptible(_end_workers) as stop:
        results = _simulated(job, gauge)
    if stop:
        screen.notice(f"interrupted after {gauge}: there are no results of a part")
        return 128 + stop[0]
    return _show(job, results, screen)


def _simulated(job: SimulateJob, gauge: Gauge) -> Results:
    try:
        with _workers(job) as workers:
            return simulate(
                [sys.stdin.buffer if path == "-" else path for path in job.paths],
                job.rules,
                seeds=job.seeds,
                models=job.models,
                engine=job.engine,
                workers=workers,
                keep_turns=False,
                limit=job.limit,
                on_progress=gauge.reach,
            )
    except (UnreadableError, ClusterError) as error:
        raise CommandError(str(error)) from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, BrokenProcessPool):
            raise
        raise CommandError("a worker process died, perhaps for want of memory: give fewer --workers") from error
    except OSError as error:
        raise CommandError(f"the simulation ended early: {error.strerror or error}") from error


def _show(job: SimulateJob, results: Results, screen: Screen) -> int:
    for problem in results.problems:
        screen.notice(f"skipped {problem}")
    if more := results.bad_lines - len(results.problems):
        screen.notice(f"skipped {many(more, 'more bad line')}")
    if not results.conversations:
        raise CommandError(f"{_names(job)} {'hold' if len(job.paths) > 1 else 'holds'} no conversation")
    if job.as_json:
        print(msgspec.json.encode(summary(results, job.baseline)).decode(), flush=True)
    else:
        screen.out.print(comparison(results, job.baseline))
    if job.out is None:
        return 0
    try:
        _write(job.out, report(results, baseline=job.baseline, files=map(_name, job.paths)))
    except OSError as error:
        screen.notice(f"Error: the report {job.out} cannot be written: {error.strerror or error}")
        return 1
    screen.notice(f"the report is in {job.out}")
    return 0


# --- the files ---


def _look_at(job: SimulateJob) -> None:
    """Find out at once what would only show at the end. Raises `CommandError`."""
    for path in job.paths:
        try:
            open_export(path).close()
        except OSError as error:
            raise CommandError(f"{_name(path)} cannot be read: {error.strerror or error}") from error
        if job.out is not None and path != "-":
            with contextlib.suppress(OSError):
                if os.path.samefile(job.out, path):
                    raise CommandError(f"the report {job.out} is one of the files to be read: give another")


def _name(path: str) -> str:
    return "standard input" if path == "-" else path


def _names(job: SimulateJob) -> str:
    return ", ".join(map(_name, job.paths))


def _total(job: SimulateJob) -> int | None:
    """About how many conversations there are; None where there is no telling without reading them."""
    total = 0
    for path in job.paths:
        with open_export(path) as file:
            lines = None if path == "-" else about_lines(file)
            if lines is None or file.read(1) == b"[":
                return job.limit
        total += lines
    return total if job.limit is None else min(total, job.limit)


def _write(path: str, text: str) -> None:
    """Write *text*, all of it or nothing: a disk that is full leaves the report of before."""
    content = text.encode(errors="replace")
    target = Path(path)
    if target.exists() and not target.is_file():  # such as a pipe
        target.write_bytes(content)
        return
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # as any file that is made: a temporary one is for its owner alone
        os.replace(name, target)
    except OSError:
        os.unlink(name)
        raise


# --- who works, and who stops them ---


@contextlib.contextmanager
def _workers(job: SimulateJob) -> Generator[int | Executor | None]:
    if job.dask is None:
        yield job.workers or _processors()
    else:
        with cluster(job.dask) as executor:
            yield executor


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_workers() -> None:
    """A shard may take minutes, with many seeds: whoever works on one is ended."""
    for worker in multiprocessing.active_children():
        worker.terminate()

"""`simulate`: conversations under candidate rules, from whatever they come from to `Results`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor
from itertools import islice
from typing import TypeAlias, cast

import msgspec

from ..errors import InvalidOptionError
from ..message import is_sendable
from ..pacing import AnyRule, Rule
from ..pacing.reading import Watched
from .crew import Workers, crew, is_here, sees, work_through
from .house import keeps
from .models import Models
from .results import Results
from .shard import ENGINES, Brief, Engine
from .sources import Conversations, Source, chunks
from .spool import buckets, by_users, folder_for_users
from .talk import Talk
from .work import Job, Part

__all__ = ["simulate"]


def simulate(
    conversations: Conversations,
    rules: Mapping[str, AnyRule] | Iterable[tuple[str, AnyRule]],
    *,
    seeds: int = 1,
    models: Models | None = None,
    engine: Engine = "pure",
    workers: Workers = None,
    keep_turns: bool = True,
    limit: int | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Results:
    """
    What each of *rules* would have made of *conversations*.

        simulate("export.jsonl", {"today": pacing.every(3), "tomorrow": pacing.every(5) & pacing.cooldown(60)})

    All rules see the same people and the same server: chance goes by the seed, the conversation, the turn and what is
    drawn, and by nothing else. So the answer is the same for either engine and any number of workers, and differences
    between rules are those of the rules.

    Args:
        conversations: The path of an export that `kontext-rx replay` reads, a binary file that is open (`gzip.open`),
            a `Talk` or a `Recording`, or an iterable of any of these; they are read as they are needed.
        rules: Pacing rules by the names they have in the results; pairs will do. Their stores are not touched.
        seeds: How often everything is repeated with other dice.
        models: What is assumed about people and the ad server.
        engine: `"pure"` folds the rules over the turns; `"session"` runs the real session in virtual time.
        workers: Processes to share the work, or an executor, such as that of a Dask client; this process alone when
            None. Processes are started afresh: a script needs its `if __name__ == "__main__":`. Plain JSONL files are
            read by the workers; an executor that may be on another machine is sent conversations, unless it is a
            `cluster` whose workers see the files.
        keep_turns: Whether `Results.turns` is there; without it memory does not grow with the conversations.
        limit: Conversations at most, the first ones; all when None.
        on_progress: Called now and then with the conversations and the turns that are done.

    Raises:
        InvalidOptionError: For what cannot be used: no rules, two of one name, a rule that is none, or one that goes by
            an observable of the app's (`when`).
        UnreadableError: For a file that is no export at all. Single lines that are none are counted and named.
        OSError: For a file that cannot be read, or a full disk where conversations wait for others of their user.
        RuntimeError: When a worker process dies.

    """
    named = _rules(rules)
    if not _is_count(seeds):
        raise InvalidOptionError("seeds", seeds, "give a whole number, 1 or more")
    if models is not None and not isinstance(models, Models):
        raise InvalidOptionError("models", models, "give Models(...)")
    if engine not in ENGINES:
        raise InvalidOptionError("engine", engine, "give 'pure' or 'session'")
    if not (workers is None or isinstance(workers, Executor) or _is_count(workers)):
        raise InvalidOptionError("workers", workers, "give a whole number, 1 or more, or an executor")
    if not (limit is None or _is_count(limit)):
        raise InvalidOptionError("limit", limit, "give a whole number, 1 or more, or None")
    job = Job(rules=named, seeds=tuple(range(seeds)), models=models or Models(), engine=engine, keep_turns=keep_turns)
    source = Source(conversations)
    began, conversations_done, turns_done = time.perf_counter(), 0, 0

    def on_part(brief: Brief) -> None:
        nonlocal conversations_done, turns_done
        conversations_done += brief.conversations
        turns_done += brief.turns
        if on_progress is not None:
            on_progress(conversations_done, turns_done)

    with _planned(job, source, workers, limit) as (job, phases), crew(job, workers) as working:
        for parts in phases:
            with contextlib.closing(parts):
                work_through(working, parts, on_part)
        total = working.total()
    total.account.add(source.account)
    return Results(job, total, source.names, duration_s=time.perf_counter() - began)


Parts: TypeAlias = Generator[Part, None, None]


@contextlib.contextmanager
def _planned(job: Job, source: Source, workers: Workers, limit: int | None) -> Generator[tuple[Job, list[Parts]]]:
    """What is handed out, and each phase before the next is begun."""
    if limit is None and not any(keeps(rule) for rule in job.rules.values()):
        yield job, [source.parts(lambda export: sees(workers, export), job.effort)]
    elif limit is None and is_here(workers) and (exports := source.exports()) is not None:
        with folder_for_users() as folder:
            yield msgspec.structs.replace(job, spool=folder), [source.stretches(exports, job.effort), buckets(folder)]
    else:
        yield job, [_chunks(islice(source, limit), job)]


def _chunks(talks: Iterable[Talk], job: Job) -> Parts:
    """Conversations that are read here, those of a user together where a rule remembers users."""
    if any(keeps(rule) for rule in job.rules.values()):
        with by_users(talks) as ordered:
            yield from chunks(ordered, by_user=True)
    else:
        yield from chunks(talks, by_user=False)


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1


def _rules(given: object) -> dict[str, AnyRule]:
    wanted = "give rules of kontext_rx.pacing by name, such as {'every third': pacing.every(3)}"
    pairs = cast("Mapping[object, object]", given).items() if isinstance(given, Mapping) else given
    if isinstance(pairs, str | bytes | Rule) or not isinstance(pairs, Iterable):
        raise InvalidOptionError("rules", cast(object, given), wanted)
    rules: dict[str, AnyRule] = {}
    for pair in cast("Iterable[object]", pairs):
        name, rule = cast("tuple[object, object]", pair) if isinstance(pair, tuple) else (None, pair)
        if not isinstance(name, str) or not isinstance(rule, Rule):
            raise InvalidOptionError("rules" if name is None else f"rules[{name!r}]", rule, wanted)
        _add(rules, name, cast(AnyRule, rule))
    if not rules:
        raise InvalidOptionError("rules", cast(object, given), "give one at least, such as {'always': pacing.every(1)}")
    return rules


def _add(rules: dict[str, AnyRule], name: str, rule: AnyRule) -> None:
    if not name.strip():
        raise InvalidOptionError("rules", name, "give each rule a name that is not blank")
    if not is_sendable(name):
        raise InvalidOptionError("rules", name, "give each rule a name that can be written as UTF-8")
    if name in rules:
        raise InvalidOptionError("rules", name, "give each rule a name of its own: this one is there twice")
    if any(isinstance(reading, Watched) for reading in rule.reads):
        raise InvalidOptionError(
            f"rules[{name!r}]", rule, "leave `when` out: what the app's observable would have said is not known"
        )
    rules[name] = rule

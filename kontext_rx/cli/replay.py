"""`kontext-rx replay`: an export through real sessions, from its file to the summary."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import time
from collections.abc import AsyncGenerator, Generator
from functools import partial

import msgspec

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Settings

from ..conversations import BadLine, Conversation, Reader, UnreadableError
from .eventlog import EventLog, is_same_file
from .feed import Feed, blocks, count_lines, open_export
from .player import Happening, Player
from .screen import Screen, many, report, skipped
from .stopping import Stop, stopped_by_signals
from .summary import Tally
from .tempo import Tempo

__all__ = ["CommandError", "ReplayJob", "play_all", "replay"]


class CommandError(Exception):
    """The command cannot be carried out: one sentence says why."""


class ReplayJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, and how."""

    path: str
    """The export; `-` is standard input."""
    ad_server: str | Settings
    """The address of an ad server, or the settings of an embedded one."""
    publisher_token: str
    tempo: Tempo
    concurrency: int
    """Conversations at the same time."""
    limit: int | None
    """Conversations at most; None plays them all."""
    log: str | None
    """Where the event log goes, if it is wanted."""
    as_json: bool
    """Whether standard output gets the summary as JSON and nothing else."""

    @property
    def name(self) -> str:
        """The export, for people."""
        return "standard input" if self.path == "-" else self.path


async def replay(job: ReplayJob, screen: Screen) -> int:
    """Replay, print what came of it, and give the exit code. Raises `CommandError` for what cannot even begin."""
    with _opened(job) as file, _logged(job, file) as log:
        reader = Reader(blocks(file), limit=job.limit, count=partial(count_lines, file, job.limit))
        tally, problems = Tally(), list[str]()

        def tell(happening: Happening) -> None:
            tally(happening)
            if log is not None:
                log(happening)

        started = ended = time.monotonic()
        with stopped_by_signals() as stop:
            _raise_file_limit()
            async with (
                _ad_server(job.ad_server) as url,
                kx.Client() as client,
                screen.progress(tally, lambda: reader.total, lines=not job.as_json),
            ):
                player = Player(
                    tell, client=client, ad_server_url=url, publisher_token=job.publisher_token, tempo=job.tempo
                )
                started = time.monotonic()
                try:
                    await play_all(reader, player, job.concurrency, screen)
                except UnreadableError as error:
                    problems.append(f"{job.name} cannot be read: {error}")
                finally:
                    ended = time.monotonic()
    if log is not None and log.error is not None:
        problems.append(f"the log {log.path} is not complete: {log.error.strerror or log.error}")
    if not tally.conversations and not stop:
        if reader.bad_lines:
            problems.append(f"{job.name} holds no conversation that can be read")
        if problems:
            raise CommandError("; ".join(problems))
    _show(job, screen, tally, ended - started, stop)
    for problem in problems:
        screen.notice(f"Error: {problem}")
    return stop.exit_code or int(bool(problems))


async def play_all(reader: Reader, player: Player, concurrency: int, screen: Screen) -> None:
    """
    Play what there is to read, *concurrency* conversations at the same time; a bad line is a notice.

    Raises `UnreadableError` when the reading ends before its time; what had begun is played to its end.
    """
    slots = asyncio.Semaphore(concurrency)
    failure: UnreadableError | None = None

    async def play(conversation: Conversation) -> None:
        try:
            await player.play(conversation)
        finally:
            slots.release()

    feed = Feed(reader)
    try:
        async with asyncio.TaskGroup() as group:
            try:
                async for item in feed:
                    if isinstance(item, BadLine):
                        screen.notice(f"skipped {item}", kind="bad line")
                        continue
                    await slots.acquire()
                    group.create_task(play(item))
            except UnreadableError as error:
                failure = error
            except OSError as error:
                failure = UnreadableError(error.strerror or str(error))
    finally:
        feed.close()
    if failure is not None:
        raise failure


def _show(job: ReplayJob, screen: Screen, tally: Tally, duration_s: float, stop: Stop) -> None:
    """Print the summary, and on standard error what it does not say."""
    summary = tally.summary(duration_s)
    if more := screen.left_out("bad line"):
        screen.notice(f"skipped {many(more, 'more bad line')}")
    if tally.undated:
        screen.notice(f"{many(tally.undated, 'created_at')} could not be read: the usual pauses were made there")
    if tally.unsent and not stop:
        screen.notice(f"{many(tally.unsent, 'user message')} not sent: the ad server has switched the sessions off")
    if stop:
        screen.notice("interrupted: this is the summary so far")
    if job.as_json:
        if tally.skipped:
            screen.notice(f"skipped {many(tally.skipped.total(), 'message')}: {skipped(tally)}")
        print(msgspec.json.encode(summary).decode(), flush=True)
    else:
        screen.out.print(report(summary, tally))


def _opened(job: ReplayJob) -> io.FileIO:
    try:
        return open_export(job.path)
    except OSError as error:
        raise CommandError(f"{job.name} cannot be read: {error.strerror or error}") from error


@contextlib.contextmanager
def _logged(job: ReplayJob, file: io.FileIO) -> Generator[EventLog | None]:
    if job.log is None:
        yield None
        return
    if is_same_file(job.log, file.fileno()):
        raise CommandError(f"the log {job.log} is the file that is to be replayed: give another")
    try:
        log = EventLog(job.log)
    except OSError as error:
        raise CommandError(f"the log {job.log} cannot be written: {error.strerror or error}") from error
    try:
        yield log
    finally:
        log.close()


@contextlib.asynccontextmanager
async def _ad_server(given: str | Settings) -> AsyncGenerator[str]:
    """The address of the ad server, which runs in here if only its settings are *given*."""
    if isinstance(given, str):
        yield given
        return
    async with AdServer(given) as server:
        yield server.url


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: conversations need connections, at both ends of them."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

"""`kontext-rx demo`: what is shown, and how."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Final, Literal

import msgspec

from kontext_rx.adserver import AdServer
from kontext_rx.demo import DemoChat
from kontext_rx.demo.chromium import ChromiumError
from kontext_rx.demo.model import ChatModel
from kontext_rx.demo.scripts import Line, Script, Scripts
from kontext_rx.demo.visit import NoReplyError, visit, watch

from ..conversations import Conversation
from .export import Export, opened
from .headless import Printed, a_chromium, perform
from .page import serve_page
from .replay import CommandError
from .scenes import play_one, play_sample
from .screen import Screen
from .stage import here
from .stopping import stopped_by_signals

__all__ = ["PORT", "DemoJob", "demo"]

PORT: Final = 8791
"""Where the page is unless somebody wants it elsewhere. Source: ours."""


class DemoJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to show, and how."""

    wanted: Literal["page", "headless", "text"] | None = None
    """How it is shown; None goes by the machine."""
    browser: bool = True
    """Whether a page is opened in the browser."""
    path: str | None = None
    """An export to play; None for the demo's own questions."""
    model: ChatModel | None = None
    """Who answers; None for canned replies."""
    port: int | None = None
    """Of the page; None for the usual one, and for any free one where nobody is told."""
    speed: float = 1.0


async def demo(job: DemoJob, screen: Screen) -> int:
    """Show it, and give the exit code. Raises `CommandError` for what cannot be shown."""
    kind = job.wanted
    if kind is None:
        stage = here()
        kind = stage.kind
        if stage.why:
            screen.notice(stage.why)
    async with _export(job.path, screen) as export:
        if kind == "text":
            return await _as_text(job, export, screen)
        try:
            return await _in_a_page(job, export, screen, headless=kind == "headless")
        except ChromiumError as error:
            if job.wanted is not None:
                raise CommandError(str(error)) from error
            screen.notice(f"{error}: the conversations are shown as text")
            return await _as_text(job, export, screen)
        except NoReplyError as error:
            raise CommandError(f"no reply: {error}") from error


_Opened = tuple[Conversation, Export] | None


@contextlib.asynccontextmanager
async def _export(path: str | None, screen: Screen) -> AsyncGenerator[_Opened]:
    if path is None:
        yield None
        return
    async with opened(path, screen) as export:
        yield export


async def _as_text(job: DemoJob, export: _Opened, screen: Screen) -> int:
    if export is None:
        return await play_sample(screen, job.speed)
    _name_first(job, export, screen)
    return await play_one(screen, export[0], job.speed)


async def _in_a_page(job: DemoJob, export: _Opened, screen: Screen, *, headless: bool) -> int:
    """Serve the page to a person, or to a browser of our own. Raises as `perform` does."""
    heard = Printed(screen)
    with stopped_by_signals() as stop:
        async with AdServer() as ads:
            chat = DemoChat(
                ads,
                scripts=None if export is None else _scripts(*export),
                model=job.model,
                speed=job.speed,
                tell=heard if headless else lambda mark: None,
            )
            if headless:
                act = visit if export is None else watch
                if export is not None:
                    _name_first(job, export, screen)
                await perform(chat, act, heard, screen, program=a_chromium(), port=job.port or 0)
            else:
                port = PORT if job.port is None else job.port
                await serve_page(chat, ads, screen, port=port, browser=job.browser)
    return stop.exit_code if headless else 0  # stopping is how a page that is served ends


def _name_first(job: DemoJob, export: tuple[Conversation, Export], screen: Screen) -> None:
    name = "standard input" if job.path == "-" else job.path
    screen.notice(f"{export[0].id}: the first conversation of {name}; the page (--no-browser) plays them all")


def _scripts(first: Conversation, export: Export) -> Scripts:
    async def rest() -> AsyncGenerator[Script]:
        async for conversation in export.rest():
            yield _script(conversation)

    return Scripts(rest(), known=[_script(first)])


def _script(conversation: Conversation) -> Script:
    lines = tuple(Line(utterance.role, utterance.content) for utterance in conversation.utterances)
    return Script(conversation.id, lines)

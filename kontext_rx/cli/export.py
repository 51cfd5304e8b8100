"""The conversations of an export, for somebody to look at one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from ..conversations import BadLine, Conversation, Reader, UnreadableError
from .feed import Feed, blocks, open_export
from .replay import CommandError
from .screen import Screen, many

__all__ = ["Export", "opened"]


class Export:
    """The conversations, as they are asked for; what cannot be played is a notice. Use `opened`."""

    def __init__(self, feed: Feed[Conversation | BadLine], name: str, screen: Screen) -> None:
        self._feed, self._name, self._screen = feed, name, screen

    async def next(self) -> Conversation | None:
        """The next conversation with something in it; None when there is none. Raises `UnreadableError`."""
        try:
            async for item in self._feed:
                if isinstance(item, BadLine):
                    self._screen.notice(f"skipped {item}", kind="bad line")
                elif not item.utterances:
                    self._screen.notice(f"skipped {item.id}: no message in it that can be played", kind="bad line")
                else:
                    if left_out := sum(item.skipped.values()):
                        why = ", ".join(f"{count} with {reason}" for reason, count in item.skipped.items())
                        self._screen.notice(f"{item.id}: skipped {many(left_out, 'message')}, {why}", kind="message")
                    return item
        except OSError as error:
            raise UnreadableError(error.strerror or str(error)) from error
        return None

    async def rest(self) -> AsyncGenerator[Conversation]:
        """What there is still to come, up to where the export can be read."""
        try:
            while (conversation := await self.next()) is not None:
                yield conversation
        except UnreadableError as error:
            self._screen.notice(f"{self._name} ends here: {error}")


@contextlib.asynccontextmanager
async def opened(path: str, screen: Screen) -> AsyncGenerator[tuple[Conversation, Export]]:
    """
    The first conversation of the export at *path*, `-` for standard input, and the export for those after it.

    Raises `CommandError` when there is none to begin with.
    """
    name = "standard input" if path == "-" else path
    try:
        file = open_export(path)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}") from error
    with file:
        feed = Feed(Reader(blocks(file)))
        try:
            export = Export(feed, name, screen)
            try:
                first = await export.next()
            except UnreadableError as error:
                raise CommandError(f"{name} cannot be read: {error}") from error
            if first is None:
                raise CommandError(f"{name} holds no conversation that can be played")
            yield first, export
        finally:
            feed.close()

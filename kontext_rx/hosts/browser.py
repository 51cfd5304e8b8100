"""The host over a page: its frames are in a browser, at the other end of a bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .commands import CommandHost

__all__ = ["BrowserHost", "Perform"]

Perform: TypeAlias = Callable[..., None]
"""Has a page perform a call in one of its slots."""


class BrowserHost(CommandHost):
    """
    A slot in a page, whichever page shows it at the moment. Made by a `Bridge`.

    While no page shows it, the ad goes on without one; the page that comes then shows it as it is. A modal does not
    outlive its page.
    """

    def __init__(self) -> None:
        super().__init__()
        self._perform: Perform | None = None

    @property
    def is_attached(self) -> bool:
        """Whether a page has a place for it."""
        return self._perform is not None

    def command(self, call: str, *arguments: Any) -> None:
        """Have the page do it, if there is one."""
        if self._perform is not None:
            self._perform(call, *arguments)

    def attach(self, perform: Perform) -> None:
        """A page has a place for it: the newest one shows it, and the one before lets go of its frames."""
        self.detach()
        self._perform = perform
        self.replay()

    def detach(self, *, gone: bool = False) -> None:
        """Leave the place; *gone* when it is not there any more and needs no clearing."""
        perform, self._perform = self._perform, None
        if perform is None:
            return
        if not gone:
            perform("release")
        self.dismiss()

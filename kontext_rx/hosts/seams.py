"""What the bridge needs of a session and of an ad; it knows no more of them."""

from __future__ import annotations

from typing import Any, Protocol

from reactivex import Observable

from ..context import ClientContext
from ..typing import Host

__all__ = ["AdSession", "MountableAd"]


class MountableAd(Protocol):
    """One ad, to be shown on a host."""

    def mount(self, element: Host) -> None:
        """Show it there."""
        ...

    def destroy(self) -> None:
        """Let go of the host; the bid stays cached."""
        ...


class AdSession(Protocol):
    """A session, as a bridge sees it: `kontext_rx.Session` is one."""

    @property
    def is_destroyed(self) -> bool:
        """Whether it is over."""
        ...

    @property
    def events(self) -> Observable[Any]:
        """It completes when the session is over."""
        ...

    def create_ad(self, message_id: str, code: str = ..., theme: str | None = ...) -> MountableAd:
        """The ad of a message in a placement."""
        ...

    def update_options(self, *, context: ClientContext) -> None:
        """Take another context."""
        ...

"""What every host that stands for a page has in common: calls become commands, and frames are heard."""

from __future__ import annotations

import abc
from typing import Any, Literal

from ..source import Feed
from ..typing import FrameMessage
from .styles import container_styles, frame_styles

__all__ = ["CommandHost"]


class CommandHost(abc.ABC):
    """
    A host whose frames are elsewhere: in a page, in a notebook cell, nowhere.

    Each call of the `Ad` becomes `command(call, *arguments)`, plain values that JSON can carry; what the frames say
    comes in through `hear`. It remembers what the ad looks like, so that `replay` can show it in a new place.
    """

    def __init__(self) -> None:
        self._messages: Feed[FrameMessage] = Feed()  # a subscripted class takes four times as long to call
        self.url: str | None = None
        """What the inline frame has loaded; None when the slot is free."""
        self.visible = False
        self.height = 0.0
        """CSS pixels."""
        self.modal_url: str | None = None
        """What the modal has loaded; None when none is open."""
        self.modal_revealed = False
        self._styles: tuple[dict[str, str], dict[str, str]] | None = None

    @abc.abstractmethod
    def command(self, call: str, *arguments: Any) -> None:
        """Do this, elsewhere: the name of a call of `Host` and what it was given."""

    # --- in ---

    @property
    def messages(self) -> Feed[FrameMessage]:
        """What the frames post."""
        return self._messages

    def hear(self, data: object, source: Literal["inline", "modal"] = "inline") -> None:
        """A frame has posted *data*; nothing is heard of a frame that is not there."""
        if self._is_loaded(source):
            self._messages.on_next(FrameMessage(data, source))

    def hear_foreign(self, origin: str, source: Literal["inline", "modal"] = "inline") -> None:
        """A frame has posted something from another *origin* than the ad server's: it is noted, and not heard."""
        if self._is_loaded(source):
            self._messages.on_next(FrameMessage(None, source, origin))

    def dismiss(self) -> None:
        """The user has closed the modal, with Escape for one: as if it had closed itself."""
        self.hear({"type": "close-component-iframe", "data": {"component": "modal"}}, "modal")

    # --- out ---

    def load(self, url: str) -> None:
        """See `Host.load`."""
        self._forget()
        self.url = url
        self.command("load", url)

    def post(self, message: dict[str, Any]) -> None:
        """See `Host.post`."""
        self.command("post", message)

    def show(self) -> None:
        """See `Host.show`."""
        self.visible = True
        self.command("show")

    def hide(self) -> None:
        """See `Host.hide`."""
        self.visible = False
        self.command("hide")

    def resize(self, height: float) -> None:
        """See `Host.resize`."""
        self.height = height
        self.command("resize", height)

    def style(self, container: dict[str, str], iframe: dict[str, str]) -> None:
        """See `Host.style`; what would load something, or is the protocol's, is left out. Replaces what was before."""
        self._styles = container_styles(container), frame_styles(iframe)
        self.command("style", *self._styles)

    def open_modal(self, url: str) -> None:
        """See `Host.open_modal`."""
        self.modal_url, self.modal_revealed = url, False
        self.command("open_modal", url)

    def reveal_modal(self) -> None:
        """See `Host.reveal_modal`."""
        self.modal_revealed = True
        self.command("reveal_modal")

    def close_modal(self) -> None:
        """See `Host.close_modal`."""
        self.modal_url, self.modal_revealed = None, False
        self.command("close_modal")

    def open_link(self, url: str, target: Literal["browser", "in-app"], fallback: str | None = None) -> None:
        """See `Host.open_link`."""
        self.command("open_link", url, target, fallback)

    def release(self) -> None:
        """See `Host.release`."""
        self._forget()
        self.command("release")

    # --- a new place ---

    def replay(self) -> None:
        """Show the ad as it is in a place that knows nothing of it; a modal is not reopened."""
        if self.url is None:
            return
        self.command("load", self.url)
        if self._styles is not None:
            self.command("style", *self._styles)
        if self.height:
            self.command("resize", self.height)
        if self.visible:
            self.command("show")

    def _is_loaded(self, source: Literal["inline", "modal"]) -> bool:
        return (self.url if source == "inline" else self.modal_url) is not None

    def _forget(self) -> None:
        self.url = self.modal_url = self._styles = None
        self.visible = self.modal_revealed = False
        self.height = 0.0

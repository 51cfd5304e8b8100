"""One placement under one assistant message: `Ad`."""

from __future__ import annotations

from collections.abc import Callable

from .wire import Bid, frame_url

__all__ = ["Ad"]


class Ad:
    """
    The ad of one message in one placement. Made by `Session.create_ad`, the same object for the same two.

    It resolves by itself: `iframe_url` is None until a bid is linked to the message, and never changes after.
    """

    __slots__ = ("_bid", "_iframe_url", "_on_destroy", "_sdk", "_server", "code", "message_id", "theme")

    def __init__(
        self, message_id: str, code: str, theme: str | None, *, server: str, sdk: str, on_destroy: Callable[[Ad], None]
    ) -> None:
        self.message_id = message_id
        self.code = code
        self.theme = theme
        self._server, self._sdk = server, sdk
        self._on_destroy: Callable[[Ad], None] | None = on_destroy
        self._bid: Bid | None = None
        self._iframe_url: str | None = None

    def __repr__(self) -> str:
        state = "destroyed" if self.is_destroyed else "resolved" if self._bid else "waiting"
        return f"<Ad {self.message_id!r} {self.code!r} {state}>"

    @property
    def iframe_url(self) -> str | None:
        """The address of the creative's frame; None while there is no bid, and after `destroy`."""
        return self._iframe_url

    @property
    def bid_id(self) -> str | None:
        """The bid that is shown; None as for `iframe_url`."""
        return self._bid.bid_id if self._bid else None

    @property
    def is_destroyed(self) -> bool:
        """True after `destroy`; the session's `create_ad` then makes a new one."""
        return self._on_destroy is None

    def resolve(self, bid: Bid) -> None:
        """The session has a bid for it. Only the first counts."""
        if self._bid is None and not self.is_destroyed:
            self._bid = bid
            self._iframe_url = frame_url(
                self._server, bid.bid_id, code=self.code, message_id=self.message_id, sdk=self._sdk, theme=self.theme
            )

    def destroy(self) -> None:
        """Release the frame. The bid stays cached: a new `Ad` for the same message shows it again. Idempotent."""
        if self._on_destroy is None:
            return
        release, self._on_destroy = self._on_destroy, None
        self._bid = self._iframe_url = None
        release(self)

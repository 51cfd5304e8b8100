"""One socket of a page, without the socket: texts in, texts out, and when to hang up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from reactivex.disposable import SerialDisposable

from .desk import Desk
from .limits import MESSAGE_CHARS
from .messages import VERSION, Ack, Bye, Envelope, FrameSaid, Hello, PageMessage, Ping, read, read_envelope
from .pages import Page
from .reliable import GapError

__all__ = ["Connection", "Reception"]

_log = logging.getLogger("kontext_rx.hosts")

REFUSALS = {"version": 4400, "token": 4401, "session": 4404, "pages": 4429}
"""Why a page is sent away, and the code its socket is closed with; it does not come back by itself."""


class Reception(Protocol):
    """Who lets pages in."""

    def enter(self, hello: Hello, connection: Connection) -> None:
        """Let a page in, or refuse it."""
        ...

    def leave(self, connection: Connection) -> None:
        """Its socket is gone."""
        ...

    def now(self) -> float:
        """Seconds."""
        ...

    def count(self, what: str, times: int = 1) -> None:
        """Count something that happened."""
        ...


class _ViolationError(Exception):
    """A page has broken the rules: no page of ours does that."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Connection:
    """
    A face gives it what the socket received, and sends what is `outgoing` whenever *ready* was called.

    When `closing` is set, the face closes the socket with that code and reason once everything outgoing is sent. When
    the socket is gone, by whatever cause, it calls `lost`.
    """

    def __init__(self, reception: Reception, ready: Callable[[], None]) -> None:
        self._reception, self._ready = reception, ready
        self._urgent: list[str] = []
        self._ack: int | None = None
        self._cursor = 0
        self.closing: tuple[int, str] | None = None
        """A WebSocket close code and a reason; None while the connection goes on."""
        self.page: Page | None = None
        self.desk: Desk | None = None
        self.key: bytes | None = None
        self.deadline = SerialDisposable()
        """The timer that ends a connection on which nobody introduces himself."""

    # --- for a face ---

    def receive(self, data: str | bytes) -> None:
        """Take one message of the socket's. It does not raise: a page that breaks the rules is hung up on."""
        if self.closing is not None:
            return
        try:
            self._receive(data)
        except _ViolationError as violation:
            self._violated(violation.code, violation.reason)
        except GapError:
            self._violated(1008, "out of order")
        except Exception:
            # A defect of ours, or of the app's session: this page starts afresh, everything else goes on.
            _log.exception("a message of a page could not be handled")
            self._violated(1011, "internal error")

    def outgoing(self) -> list[str]:
        """What is to be sent now, in order; each text is given once."""
        texts, self._urgent = self._urgent, []
        if self._ack is not None:
            texts.append(_encode({"t": "ack", "a": self._ack}))
            self._ack = None
        if self.page is not None and self.page.line is self:
            texts += self.page.channel.after(self._cursor)
            self._cursor = self.page.channel.sent
        return texts

    def lost(self) -> None:
        """The socket is gone."""
        self.closing = self.closing or (1006, "")
        self._reception.leave(self)

    # --- for the bridge ---

    def welcome(self, desk: Desk, page: Page, *, seen: int, fresh: bool) -> None:
        """The page is in; it gets what comes after *seen*."""
        self.desk, self.page, self._cursor = desk, page, seen
        page.line = self
        self._say({"t": "welcome", "fresh": fresh, "seen": page.channel.seen})

    def wake(self) -> None:
        """There is something to send."""
        self._ready()

    def refuse(self, why: str) -> None:
        """Tell the page why it is not wanted, and hang up."""
        self._say({"t": "refused", "why": why})
        self.hang_up(REFUSALS[why], why)

    def hang_up(self, code: int, reason: str) -> None:
        """Close the socket when everything is sent; nothing more is heard."""
        if self.closing is None:
            self.closing = code, reason
            self._ready()

    # --- inside ---

    def _receive(self, text: str | bytes) -> None:
        if not isinstance(text, str):
            raise _ViolationError(1003, "text only")
        if len(text) > MESSAGE_CHARS:
            raise _ViolationError(1009, "too large")
        envelope = read_envelope(text)
        if envelope is None:
            raise _ViolationError(1007, "no message")
        message = read(envelope, text)
        if self.page is not None and self.desk is not None:
            self._take(self.page, self.desk, envelope, message)
        elif not isinstance(message, Hello):
            raise _ViolationError(1008, "say hello first")
        elif message.v != VERSION:
            self.refuse("version")
        else:
            self._reception.enter(message, self)

    def _take(self, page: Page, desk: Desk, envelope: Envelope, message: PageMessage | None) -> None:
        now = self._reception.now()
        if not (page.flood if isinstance(message, FrameSaid) else page.control).take(now):
            raise _ViolationError(1008, "too many messages")
        match message:
            case Hello():
                raise _ViolationError(1008, "said hello before")
            case Ack(a=number):
                page.channel.acknowledged(number)
            case Ping():
                self._acknowledge(page.channel.seen)
            case Bye():
                desk.drop(page)
                self.hang_up(1000, "bye")
            case _ if envelope.n is None:
                raise _ViolationError(1008, "not numbered")
            case _ if page.channel.accept(envelope.n):
                self._take_new(page, desk, message, now)
            case _:
                pass  # it was sent again, and had arrived

    def _take_new(self, page: Page, desk: Desk, message: PageMessage | None, now: float) -> None:
        if (seen := page.channel.due()) is not None:
            self._acknowledge(seen)
        if isinstance(message, FrameSaid):
            heard = page.frames.take(now)
            if (dropped := message.dropped + (not heard)) > 0:
                self._dropped(page, dropped)
            if not heard:
                return
        if message is None or not desk.take(page, message, now):
            self._reception.count("unusable")

    def _dropped(self, page: Page, messages: int) -> None:
        self._reception.count("dropped", messages)
        if not page.is_flooded:
            page.is_flooded = True
            _log.warning("the frames of a page say more than they may: the rest is dropped")

    def _violated(self, code: int, reason: str) -> None:
        """The page starts afresh, if it comes back at all."""
        self._reception.count("violations")
        if self.page is not None and self.desk is not None:
            self.desk.drop(self.page)
        self.hang_up(code, reason)

    def _say(self, message: dict[str, Any]) -> None:
        self._urgent.append(_encode(message))
        self._ready()

    def _acknowledge(self, seen: int) -> None:
        self._ack = seen  # the latest speaks for those before: a page that does not read piles nothing up
        self._ready()


def _encode(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()

"""The bridge between pages and sessions: one WebSocket a page, and no web framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from reactivex.abc import DisposableBase, SchedulerBase
from reactivex.disposable import Disposable

from ..context import ClientContext
from ..errors import InvalidOptionError, SessionDestroyedError
from ..log import logger
from ..typing import InstallIdStore
from .browser import BrowserHost
from .connection import Connection
from .desk import Desk
from .limits import WAITING
from .messages import Hello
from .origins import Origins
from .pages import Page
from .reports import PageConsent, PageInstallIds
from .seams import AdSession
from .tokens import Tokens

__all__ = ["Bridge", "BridgeStats"]

HELLO_S: Final = 10.0
"""Seconds a socket has to introduce its page. Source: ours."""

ORIGINS_TOLD: Final = 32
"""Origins whose refusal is logged, each once: whoever connects may send any. Source: ours."""


class BridgeStats(msgspec.Struct):
    """What has happened on a bridge since it was made."""

    pages: int = 0
    """Pages that were let in, those that had to start afresh included."""
    resumed: int = 0
    """Sockets that took a page up where its last one had left off."""
    refused: int = 0
    """Sockets sent away: another origin, no token that counts, a session that is over, too many of them."""
    violations: int = 0
    """Sockets closed on a page that broke the rules."""
    dropped: int = 0
    """Messages of frames that were too many or too large, as far as a page tells of those that it dropped itself."""
    unusable: int = 0
    """Messages that were well-formed and made no sense."""


class Bridge:
    """
    Lets the pages of a session show its ads. It lives on the loop of its sessions.

        bridge = Bridge(origins=["https://chat.example"])
        app.add_subapp("/kontext", kontext_rx.hosts.aiohttp.app(bridge))
        token = bridge.admit(session)          # into the page, which gives it to `mount({token})`

    A page can touch the ads of its own session and nothing else; the worst it can do is lie about its own ads, its
    device and its consent. Without a token at most 1,024 sockets are open, for ten seconds each; how many one address
    may open is for what stands before the app to say.

    Args:
        origins: Whose pages may connect, such as `["https://chat.example"]`. None: the pages of the very host that
            they connect to.
        token_ttl: Seconds that a token counts after it was issued or last in use; in an open page it does not expire.
        resume_ttl: Seconds that a page whose socket died may take to come back to its ads as it left them. Later, or
            after a restart, it starts afresh: its ads are shown anew.
        max_pages: Pages that a session may have; the oldest is let go for another one.
        max_slots: Places that a page may have; the oldest is emptied for another one.
        install_ids: Where the install ids that pages report are kept. Default: in memory.
        scheduler: Where time comes from. Default: the running asyncio loop.

    Raises `InvalidOptionError` for a value that cannot be used.
    """

    def __init__(
        self,
        *,
        origins: Iterable[str] | None = None,
        token_ttl: float = 3600.0,
        resume_ttl: float = 300.0,
        max_pages: int = 8,
        max_slots: int = 256,
        install_ids: InstallIdStore | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> None:
        for name, seconds in (("token_ttl", token_ttl), ("resume_ttl", resume_ttl)):
            if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds < 1e9:
                raise InvalidOptionError(name, seconds, "give seconds, more than 0")
        for name, most in (("max_pages", max_pages), ("max_slots", max_slots)):
            if not isinstance(most, int) or isinstance(most, bool) or most < 1:
                raise InvalidOptionError(name, most, "give a whole number, 1 or more")
        self.install_ids: InstallIdStore = PageInstallIds() if install_ids is None else install_ids
        """For `create_session(install_id_store=...)`: what the pages of a user have reported."""
        self.stats = BridgeStats()
        self._origins = Origins(origins)
        self._refused: set[str] = set()
        self._resume_ttl, self._max_pages, self._max_slots = resume_ttl, max_pages, max_slots
        self._scheduler = scheduler
        self._tokens = Tokens[Desk](token_ttl)
        self._desks: dict[AdSession, Desk] = {}
        """By session, until it is destroyed."""
        self._connections: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        """Those that have not introduced their page, the oldest first."""

    # --- for an app ---

    def admit(
        self,
        session: AdSession,
        *,
        consent: PageConsent | None = None,
        context: ClientContext | None = None,
        user_id: str | None = None,
    ) -> str:
        """
        A token that lets a page show the ads of *session*: a secret between the page and us, for one user's eyes.

        Every call gives another one; at most 32 count at a time. They are revoked when the session is destroyed.

        Args:
            session: Whose ads.
            consent: The provider that the session was created with, to be fed with what the page's consent platform
                says.
            context: What the app knows of the device; user agent, language, time zone and screen are the page's.
            user_id: Under whose id `install_ids` keeps the browser's install id; without one it is not kept.

        Raises:
            InvalidOptionError: When *session* is no session, or *consent* no `PageConsent`.
            SessionDestroyedError: After the session was destroyed.

        """
        if consent is not None and not isinstance(consent, PageConsent):
            raise InvalidOptionError("consent", f"<{type(consent).__name__}>", "give a PageConsent of kontext_rx.hosts")
        desk = self._desk(session, "admit")
        desk.consent, desk.context = consent or desk.consent, context or desk.context
        desk.user_id = user_id or desk.user_id
        return self._tokens.issue(desk, self.now())

    def revoke(self, session: AdSession) -> None:
        """End every token and every page of *session*; the session goes on."""
        if (desk := self._desks.get(session)) is not None:
            self._close(desk, "token")

    def slot(self, session: AdSession, name: str) -> BrowserHost:
        """
        A host for an app that mounts ads itself: `session.render(message_id=..., element=bridge.slot(session, "top"))`.

        It shows its ad in the page's `<div data-kontext-slot="top">`, also in one that comes later. Each name has one
        host; where several places have the name, the newest shows it.

        Raises:
            InvalidOptionError: When *session* is no session, or *name* is blank or longer than 256 characters.
            SessionDestroyedError: After the session was destroyed.

        """
        if not isinstance(name, str) or not name.strip() or len(name) > 256:
            raise InvalidOptionError("name", name, "give the value of a data-kontext-slot, up to 256 characters")
        return self._desk(session, "slot").named(name)

    def close(self) -> None:
        """Hang up on every page; a page that finds us again resumes. For the shutdown of a server."""
        for connection in tuple(self._connections):
            connection.hang_up(1001, "going away")

    # --- for a face ---

    def allows(self, origin: str | None, host: str | None) -> bool:
        """Whether a handshake with these two headers may become a connection; refuse it with a 403 otherwise."""
        if self._origins.allow(origin, host):
            return True
        self.count("refused")
        if origin and origin not in self._refused and len(self._refused) < ORIGINS_TOLD:
            self._refused.add(origin)
            shown = origin[:200]
            logger().warning(f"a page of {shown!r} was refused: if it is yours, Bridge(origins=[{shown!r}])", host=host)
        return False

    def connect(self, ready: Callable[[], None]) -> Connection:
        """A socket was opened, and its origin allowed: *ready* is called when there is something to send."""
        if len(self._waiting) >= WAITING:
            self._no_longer_waits(oldest := next(iter(self._waiting)))
            self.count("refused")
            oldest.hang_up(4408, "say hello")
        connection = Connection(self, ready)
        self._connections.add(connection)
        self._waiting[connection] = None
        connection.deadline.disposable = self._after(HELLO_S, lambda: connection.hang_up(4408, "say hello"))
        return connection

    # --- for a connection ---

    def enter(self, hello: Hello, connection: Connection) -> None:
        """Let a page in: where it left off if we still know it, and afresh otherwise."""
        self._no_longer_waits(connection)
        entered = self._tokens.enter(hello.token, self.now())
        if entered is None:
            self.count("refused")
            connection.refuse("token")
            return
        desk, connection.key = entered
        page = desk.pages.get(hello.page)
        if page is not None and page.channel.can_resume(hello.seen):
            line, page.line = page.line, None
            if line is not None:  # the page knows that its old socket is dead before we do
                line.hang_up(4409, "replaced")
            page.expiry.disposable = Disposable()
            page.channel.acknowledged(hello.seen)
            self.count("resumed")
            connection.welcome(desk, page, seen=hello.seen, fresh=False)
            return
        if not desk.entries.take(self.now()):
            self.count("refused")
            connection.hang_up(4429, "too often")  # it may come back later
            return
        if page is not None:
            desk.drop(page)
        self._make_room(desk)
        page = desk.pages[hello.page] = Page(hello.page)
        self.count("pages")
        connection.welcome(desk, page, seen=0, fresh=True)

    def leave(self, connection: Connection) -> None:
        """A socket is gone: its page has some time to come back."""
        self._connections.discard(connection)
        self._no_longer_waits(connection)
        if connection.key is not None:
            self._tokens.leave(connection.key, self.now())
            connection.key = None
        desk, page = connection.desk, connection.page
        connection.desk = connection.page = None
        if desk is None or page is None or page.line is not connection:
            return
        page.line = None
        if desk.pages.get(page.id) is page:
            page.expiry.disposable = self._after(self._resume_ttl, lambda: desk.drop(page))

    def now(self) -> float:
        """Seconds, by the scheduler."""
        return self._clock.to_seconds(self._clock.now)

    def count(self, what: str, times: int = 1) -> None:
        """Count something that happened."""
        setattr(self.stats, what, getattr(self.stats, what) + times)

    # --- inside ---

    def _desk(self, session: AdSession, call: str) -> Desk:
        if not all(hasattr(session, name) for name in ("events", "create_ad", "update_options", "is_destroyed")):
            raise InvalidOptionError("session", f"<{type(session).__name__}>", "give a session of create_session")
        known = self._desks.get(session)
        if known is not None:
            return known
        if session.is_destroyed:
            raise SessionDestroyedError(call)
        desk = self._desks[session] = Desk(session, max_slots=self._max_slots, install_ids=self.install_ids)

        def ended() -> None:
            self._close(desk, "session")
            del self._desks[session]

        session.events.subscribe(on_completed=ended)
        return desk

    def _no_longer_waits(self, connection: Connection) -> None:
        connection.deadline.dispose()
        self._waiting.pop(connection, None)

    def _close(self, desk: Desk, why: str) -> None:
        self._tokens.revoke(desk)
        for page in tuple(desk.pages.values()):
            self._send_away(desk, page, why)

    def _make_room(self, desk: Desk) -> None:
        while len(desk.pages) >= self._max_pages:
            waiting = (page for page in desk.pages.values() if page.line is None)
            self._send_away(desk, next(waiting, next(iter(desk.pages.values()))), "pages")

    def _send_away(self, desk: Desk, page: Page, why: str) -> None:
        line = page.line
        desk.drop(page)
        if line is not None:
            line.refuse(why)

    def _after(self, seconds: float, action: Callable[[], Any]) -> DisposableBase:
        return self._clock.schedule_relative(seconds, lambda _, __=None: action())

    @property
    def _clock(self) -> SchedulerBase:
        if self._scheduler is None:
            import asyncio

            from reactivex.scheduler.eventloop import AsyncIOScheduler

            try:
                self._scheduler = AsyncIOScheduler(asyncio.get_running_loop())
            except RuntimeError:
                wanted = "use the bridge inside a running asyncio loop (an async def), or pass a scheduler"
                raise InvalidOptionError("scheduler", None, wanted) from None
        return self._scheduler

"""One conversation: the `Session`, where the pure core meets the edges."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from reactivex.abc import ObserverBase, SchedulerBase

from . import wire
from .ad import Ad
from .backend import Backend
from .client import leave
from .clock import Clock, LoopScheduler
from .context import ClientContext
from .errors import InvalidMessageError, InvalidOptionError, SessionDestroyedError, WrongThreadError
from .event import AdError, AdEvent, Outcome
from .history import History
from .ledger import Funnel, Ledger
from .link import ServerLink
from .log import logger
from .message import Message, is_sendable
from .options import (
    ConsentProvider,
    Options,
    Regulatory,
    known_message_id,
    known_user_event,
    mutable,
    not_mutable,
    placement_code,
    refuse_unknown,
)
from .outlet import DebugCallback, EventCallback, Outlet
from .pairing import (
    Answered,
    Asked,
    Drop,
    Emit,
    Held,
    Input,
    Link,
    Output,
    Released,
    Replied,
    Settle,
    Silent,
    State,
    Tell,
    Tick,
    Trimmed,
    find,
    step,
)
from .preload import PacedTurn, Request, Submitted, Switch
from .stream import Stream
from .trace import Added, DebugEvent, Dropped, Ended, Linked, PreloadStep
from .typing import Host, Tap
from .wire import InitAnswer

if TYPE_CHECKING:
    from .explain import Explanation
    from .pacer import Pacer
    from .pacing import AnyRule

__all__ = ["Session"]

CALLBACK_GRACE_S: Final = 1.0
"""Seconds that `aclose` gives async callbacks to finish. Source: ours."""


class Internals(msgspec.Struct, frozen=True):
    """What the recorder and the diagrams see of a session. No API."""

    clock: Clock
    ledger: Ledger
    options: Options
    rule: AnyRule | None
    init: InitAnswer | None
    requests: int
    enabled: bool
    has_begun: bool


class Session:
    """
    The ads session of one conversation. Made by `create_session`.

    It lives on one event loop. `add_message`, `inbox`, `update_options`, `send_user_event` and `destroy` may be called
    from any thread: they check what they are given at the call and take effect on the loop. Nothing that goes wrong
    inside is raised into the app: it is an `AdError`, a debug event, a log line.
    """

    __slots__ = (
        "__weakref__",
        "_ads",
        "_backend",
        "_destroyed",
        "_history",
        "_link",
        "_lock",
        "_loop",
        "_outlet",
        "_pacer",
        "_preloads",
        "_rule",
        "_scheduler",
        "_state",
        "_thread",
        "_unsent",
    )

    def __init__(
        self,
        options: Options,
        *,
        install_id: str,
        backend: Backend | None,
        scheduler: SchedulerBase,
        loop: asyncio.AbstractEventLoop | None,
        pacing: AnyRule | None,
        consent: ConsentProvider | None,
        on_event: EventCallback | None,
        on_debug_event: DebugCallback | None,
    ) -> None:
        self._backend, self._scheduler, self._loop = backend, scheduler, loop
        self._thread = threading.get_ident()
        self._destroyed = False
        # Without ads there is nothing that belongs to a loop: any thread may use it, one at a time.
        self._lock = threading.RLock() if backend is None else None

        self._history = History(wire.encode_message)
        self._outlet = Outlet(options.conversation_id, scheduler, self._history, on_event, on_debug_event)
        self._rule = pacing
        self._pacer = None if pacing is None else self._make_pacer(pacing, options)
        self._link = ServerLink(
            options,
            install_id=install_id,
            backend=backend,
            history=self._history,
            outlet=self._outlet,
            consent=consent,
        )
        self._ads: dict[tuple[str, str], Ad] = {}
        self._state = State(ad_ttl=options.ad_ttl)
        self._preloads: _Preloads | None = None  # made when the first message needs it: an idle session is cheap
        self._unsent: str | None = None  # the user message that waits in the debounce

        if backend is not None:
            backend.tally.sessions += 1
        self._link.open()

    def __repr__(self) -> str:
        state = "destroyed" if self._destroyed else "disabled" if self.is_disabled else "open"
        return f"<Session {self._link.options.conversation_id!r} {state}>"

    # --- in ---

    def add_message(self, message: Message, *, track_only: bool = False) -> None:
        """
        Feed one message, in its final form; returns at once. From any thread.

        A user message preloads an ad, unless a newer one follows within 10 ms. *track_only* sends it for the context
        alone: no ad is asked for, and pacing does not count it. An id that was accepted before is ignored.

        Raises:
            InvalidMessageError: When *message* is not a `Message`.
            SessionDestroyedError: After `destroy`.

        """
        if not isinstance(message, Message):
            raise InvalidMessageError(
                "message", f"<{type(message).__name__}>", "give a kontext_rx.Message, such as Message.user('m1', 'Hi')"
            )
        self._mutate("add_message", self._accept, message, bool(track_only))

    @property
    def inbox(self) -> ObserverBase[Message]:
        """
        The session as an observer of messages: `messages.subscribe(session.inbox)`. It takes any number of sources.

        The end or the error of a source does not end the session. An invalid message, or one after `destroy`, is
        reported as a debug event and not raised into the source.
        """
        return _Inbox(self.add_message, self._refuse)

    @refuse_unknown(not_mutable)
    def update_options(
        self,
        *,
        variant_id: str | UnsetType | None = UNSET,
        regulatory: Regulatory | Mapping[str, Any] | UnsetType | None = UNSET,
        user_email: str | UnsetType | None = UNSET,
        advertising_id: str | UnsetType | None = UNSET,
        vendor_id: str | UnsetType | None = UNSET,
        context: ClientContext | Mapping[str, Any] | UnsetType | None = UNSET,
    ) -> None:
        """
        Change what the next preload carries, one that still waits in its debounce included. From any thread.

        What is left out stays as it is; None clears (ours: the official SDKs cannot clear); `regulatory` is replaced as
        a whole. A request in flight is not repeated.

        Raises:
            InvalidOptionError: For a value that cannot be used, and for an option that is fixed or does not exist.
            SessionDestroyedError: After `destroy`.

        """
        given = {
            "variant_id": variant_id,
            "regulatory": regulatory,
            "user_email": user_email,
            "advertising_id": advertising_id,
            "vendor_id": vendor_id,
            "context": context,
        }
        changes = mutable(**{name: value for name, value in given.items() if value is not UNSET})
        self._mutate("update_options", self._update, changes)

    def send_user_event(
        self, name: Literal["user.typing.started"], payload: Mapping[str, Any] | None = None, code: str = "inlineAd"
    ) -> None:
        """
        Tell the mounted ads of a placement what the user does. From any thread.

        Raises:
            InvalidOptionError: For a name that is not known, or a blank code.
            SessionDestroyedError: After `destroy`.

        """
        if payload is not None and not isinstance(payload, Mapping):
            raise InvalidOptionError("payload", f"<{type(payload).__name__}>", "give a dict, or None")
        self._mutate("send_user_event", self._user_event, known_user_event(name), payload, placement_code(code))

    # --- out ---

    @property
    def events(self) -> Stream[AdEvent]:
        """Every ad event, hot: from the subscription on. It never errors, and completes on `destroy`."""
        return self._outlet.events

    @property
    def preloads(self) -> Stream[PreloadStep]:
        """Every step of every preload with its time, hot, to look at coalescing, cancelling and latency."""
        return self._outlet.steps

    @property
    def debug_events(self) -> Stream[DebugEvent]:
        """Diagnostic records, hot. Their names and data are no API."""
        return self._outlet.debugs

    def for_message(self, message_id: str) -> Stream[AdEvent]:
        """
        Everything about one message, past and to come.

        An assistant message is found by its id, whichever of its preload and itself came first, and a user message by
        its own, with what became of its preload. What was told before a reply was there comes as a copy with
        `message_id` set. It completes when the message is trimmed from the history (30 messages) or the session ends.
        At most 256 events are kept to be replayed.
        """
        return self._outlet.journal.events(known_message_id(message_id), self._scheduler)

    def outcome(self, message_id: str) -> Stream[Outcome]:
        """
        The one `Filled`, `NoFill` or `AdError` that settles a message; `await` gives it.

        Once the message is fed it always settles; for an id that is never fed it waits until the session's end. Where
        no preload's word can come, a local `NoFill`, which `events` does not show, says why in its `skip_code`:
        `track_only`, `unlinked` (no preload can reach this message any more), `superseded` (by a newer user message),
        `session_disabled`, `session_destroyed`.
        """
        return self._outlet.journal.outcome(known_message_id(message_id), self._scheduler)

    def explain(self, message_id: str) -> Explanation:
        """
        Why there is an ad under a message, or none: the verdict, the reason in words, and the steps with their times.

        The stories of the last 60 messages are kept, also after `destroy`; they hold ids and times and no text.
        Raises `InvalidOptionError` for a blank id.
        """
        from .explain import explain

        known_message_id(message_id)
        now = self._outlet.now()
        _, over = step(self._state, Tick(now))  # only looked at: who asks changes nothing
        return explain(
            message_id,
            self._outlet.ledger.story,
            is_known=self._history.knew(message_id),
            stage=(self._outlet.ledger.stage(message_id) or "linked") if message_id in self._state.cache else None,
            disabled_by=self._disabled_by,
            ad_ttl=self._link.options.ad_ttl,
            now=now,
            expired=[
                _dropped(output, self._state.cache[output.message_id].expires_at)
                for output in over
                if isinstance(output, Drop)
            ],
        )

    @property
    def funnel(self) -> Stream[Funnel]:
        """How far this session's turns came, from the present on; it completes on `destroy`."""
        return self._outlet.funnel

    @property
    def session_id(self) -> str | None:
        """The server's id of this session; None until the first answer that carries one."""
        return self._link.session_id

    @property
    def is_disabled(self) -> bool:
        """Whether the server has switched this session off for good, or it was made with `enabled=False`."""
        return self._link.disabled

    @property
    def is_destroyed(self) -> bool:
        """True after `destroy`."""
        return self._destroyed

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages that are kept, at most 30, oldest first; empty after `destroy`."""
        return self._history.messages

    @property
    def preload_timeout_ms(self) -> int:
        """Milliseconds that an attempt at a preload may take: 16,000, unless the server said otherwise."""
        return self._link.timeout_ms

    # --- ads ---

    def create_ad(self, message_id: str, code: str = "inlineAd", theme: str | None = None) -> Ad:
        """
        The ad of an assistant message in a placement. It need not be there yet: the `Ad` resolves by itself.

        The same message and code give the same `Ad` until it is destroyed; *theme* is that of the first call.

        Raises:
            InvalidOptionError: For a blank id or code, or a theme that is not text.
            SessionDestroyedError: After `destroy`.
            WrongThreadError: Away from the session's loop.

        """
        if self._loop is not None and threading.get_ident() != self._thread:
            raise WrongThreadError("create_ad")
        if self._destroyed:
            raise SessionDestroyedError("create_ad")
        if theme is not None and not (isinstance(theme, str) and is_sendable(theme)):
            raise InvalidOptionError("theme", theme, "give a text, or None")
        key = (known_message_id(message_id), placement_code(code))
        if (known := self._ads.get(key)) is not None:
            return known
        server, sdk = self._link.options.ad_server_url, self._link.options.sdk.name
        ad = self._ads[key] = Ad(
            message_id,
            code,
            theme,
            server=server,
            sdk=sdk,
            outlet=self._outlet,
            emit=self._emit,
            on_destroy=self._release,
        )
        with self._outlet.door:
            if (tap := self._tap) is not None:
                tap.called(self._outlet.now(), "create_ad", message_id, code, theme)
            self._outlet.debug("Ad: mount", messageId=message_id, code=code, theme=theme)
            self._feed(Held(message_id, code, self._outlet.now()))
            if (found := find(self._state, message_id, code)) is not None:
                bid, cached = found
                ad._resolve(bid, cached.user_message_id, self._history.before(cached.fill.sent))  # pyright: ignore[reportPrivateUsage]  # ours: the two are one house
        return ad

    def render(self, *, message_id: str, element: Host, code: str = "inlineAd", theme: str | None = None) -> Ad:
        """
        `create_ad` and `mount` in one call.

        Raises:
            AdAlreadyMountedError: When the ad of this message and placement is mounted already.
            InvalidOptionError: As `create_ad` and `mount` do.
            SessionDestroyedError: After `destroy`.
            WrongThreadError: Away from the session's loop.

        """
        ad = self.create_ad(message_id, code, theme)
        ad.mount(element)
        return ad

    def _release(self, ad: Ad) -> None:
        del self._ads[ad.message_id, ad.code]
        with self._outlet.door:
            self._outlet.debug("Ad: destroy", messageId=ad.message_id, code=ad.code)
            self._feed(Released(ad.message_id, ad.code, self._outlet.now()))

    # --- the end ---

    def destroy(self) -> None:
        """
        End the session: cancel what is in flight, destroy every ad, complete every stream. From any thread; idempotent.

        Async callbacks that are still running are cancelled; `aclose` gives them a moment. Afterwards mutators raise
        `SessionDestroyedError` and readers still read.
        """
        if not self._destroyed:
            self._on_loop("destroy", self._destroy)

    close = destroy

    async def aclose(self, flush_timeout: float = 0.0) -> None:
        """
        `destroy`, and wait until nothing is left: no task, no timer, no request.

        *flush_timeout* gives reports to `/error` and `/debug` that many seconds to go out first; async callbacks get as
        long, but at least one second. The last session to close also closes the HTTP pool that the sessions of this
        loop share; a `client` of your own stays open.
        """
        if running_loop() is not self._loop:
            self.destroy()
            return
        door = self._outlet.door
        try:
            if flush_timeout > 0:
                await self._link.flush(flush_timeout)
            if door.tasks:
                await asyncio.wait(door.tasks, timeout=max(flush_timeout, CALLBACK_GRACE_S))
        finally:  # whoever cancels the wait wants it closed all the more
            self.destroy()
        if door.tasks:
            await asyncio.wait(door.tasks, timeout=CALLBACK_GRACE_S)
        if self._backend is not None and self._loop is not None:
            await leave(self._loop, self._backend)
        if isinstance(self._scheduler, LoopScheduler):
            self._scheduler.tidy()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.destroy()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _destroy(self) -> None:
        if self._destroyed:
            return
        with self._outlet.door:
            if (tap := self._tap) is not None:
                tap.called(self._outlet.now(), "destroy")
            for ad in tuple(self._ads.values()):
                ad._unmount()  # pyright: ignore[reportPrivateUsage]  # ours: the two are one house
            self._destroyed = True
            self._link.newest = None
            if self._unsent is not None:
                at = self._outlet.now()
                self._outlet.step(
                    PreloadStep(name="cancelled", user_message_id=self._unsent, at=at, reason="session_destroyed")
                )
            if self._preloads is not None:
                self._preloads.dispose()
            if self._pacer is not None:
                self._pacer.dispose()
            self._link.close()
            self._outlet.debug("Session: destroyed")
            self._outlet.trace(Ended(at=self._outlet.now()))
            self._outlet.door.publish(self._end, None)

    def _end(self, _: None) -> None:
        """The last thing that leaves: what was told before the end is told."""
        self._outlet.end()
        self._history.clear()
        self._state = State()
        self._preloads = self._unsent = None
        if self._backend is not None:
            self._backend.tally.sessions -= 1

    # --- inside: messages become inputs, and what follows from them is done and told ---

    def _accept(self, message: Message, track_only: bool) -> None:
        if (repeats := self._history.repeats(message)) is not None:
            if repeats == "changed":
                logger().warning(
                    "id repeated with another text: an edited message needs a new id", message_id=message.id
                )
            self._outlet.debug("Session: message-duplicate", messageId=message.id, changed=repeats == "changed")
            return
        outlet, message_id, is_user = self._outlet, message.id, message.role == "user"
        at = outlet.door.instant
        outlet.look()
        trimmed = self._history.add(message)
        added = Added(
            message_id=message_id,
            role=message.role,
            at=at,
            number=self._history.users,
            track_only=track_only and is_user,
            after=self._link.newest,
        )
        if is_user:
            outlet.ask(added)
        else:
            outlet.trace(added)
        if outlet.is_debugged:
            outlet.debug("Session: message-added", messageId=message_id, role=message.role)
        if is_user:
            self._submit(Submitted(message, self._history.users, track_only, at))
        else:
            self._feed(Replied(message_id, at))
        if trimmed is not None:
            if trimmed in self._state.cache:
                self._feed(Trimmed(trimmed, at))
            live = self._state.live
            pending = live is not None and live.ending is None and live.user_message_id == trimmed
            outlet.door.publish(outlet.journal.await_outcome if pending else outlet.journal.forget, trimmed)

    def _submit(self, submitted: Submitted) -> None:
        message_id, at, outlet = submitted.message.id, submitted.at, self._outlet
        self._link.newest = message_id
        if self._unsent is not None:
            outlet.step(PreloadStep(name="coalesced", user_message_id=self._unsent, at=at, by=message_id))
            if self._backend is not None:
                self._backend.tally.coalesced += 1
        self._feed(Asked(message_id, at))
        self._unsent = message_id  # before the older request is let go, which may be an occasion to say something newer
        if self._backend is not None:
            if self._preloads is None:
                self._preloads = _Preloads(self, outlet.door)
            # Also when disabled: a newer message still lets the request in flight go.
            self._preloads.on_next(submitted)
        if self._link.disabled:
            self._unsent = None
            outlet.debug("Session: preload-skipped-disabled", messageId=message_id)
            self._feed(Answered(message_id, Silent("session_disabled"), at))
        else:
            outlet.step(
                PreloadStep(name="scheduled", user_message_id=message_id, at=at, track_only=submitted.track_only)
            )

    def _request(self, settled: Submitted, preloads: Switch) -> Request | None:
        if self._unsent is None:  # it was declined when it was added, by a session that is disabled
            return None
        pacer = self._pacer
        paced = PacedTurn(settled, settled.track_only) if pacer is None else pacer.pace(settled)
        if self._link.newest != settled.message.id:  # a rule has said something: that is newer
            return None
        self._unsent = None
        return self._link.request(paced, preloads)

    def _feed(self, given: Input) -> None:
        """Fold one input: what follows is done before this returns, and what is told waits for the door."""
        try:
            self._state, outputs = step(self._state, given)
            if outputs:
                self._perform(outputs)
        except Exception as error:
            self._broken(error)

    def _perform(self, outputs: tuple[Output, ...]) -> None:
        outlet = self._outlet
        for output in outputs:
            match output:
                case Link(message_id=message_id, user_message_id=user_message_id, fill=fill):
                    if outlet.is_debugged:
                        outlet.debug("Session: bid-assigned", messageId=message_id)
                    outlet.reach(
                        Linked(
                            message_id=message_id,
                            user_message_id=user_message_id,
                            at=outlet.door.instant,
                            bids={bid.code: bid.bid_id for bid in fill.bids},
                        )
                    )
                    if self._ads:
                        for bid in fill.bids:
                            if (ad := self._ads.get((message_id, bid.code))) is not None:
                                ad._resolve(bid, user_message_id, self._history.before(fill.sent))  # pyright: ignore[reportPrivateUsage]  # ours: the two are one house
                case Emit(event=event):
                    if event.message_id is None and outlet.is_debugged:
                        outlet.debug("Session: no-last-message", userMessageId=event.user_message_id)
                    self._emit(event)
                case Tell():
                    outlet.tell(output)
                case Settle(message_id=message_id, event=event):
                    outlet.debug("Session: no-bid", messageId=message_id, reason=event.skip_code)
                    outlet.settle(output)
                case Drop(message_id=message_id, bids=bids, reason=reason):
                    if outlet.is_debugged:
                        ids = [bid.bid_id for bid in bids]
                        outlet.debug(f"Session: bid-{reason}", messageId=message_id, bidIds=ids)
                    outlet.trace(_dropped(output, outlet.door.instant))

    def _broken(self, error: Exception) -> None:
        """A defect of ours: the turn is lost, the session goes on with the next."""
        live = self._state.live
        if self._backend is not None:
            self._backend.tally.internal_errors += 1
        preloads, self._preloads, self._unsent = self._preloads, None, None
        if preloads is not None:
            preloads.dispose()
        self._state = msgspec.structs.replace(self._state, live=None, reply=None)
        self._outlet.report(error, "session")
        if live is not None and live.ending is None:
            self._outlet.step(
                PreloadStep(
                    name="resolved",
                    user_message_id=live.user_message_id,
                    at=self._outlet.now(),
                    outcome="error",
                    reason="internal_error",
                )
            )
        self._error("Internal error", "internal_error", user_message_id=live and live.user_message_id)

    def _error(self, message: str, err_code: str, user_message_id: str | None = None) -> None:
        at = self._outlet.now()
        self._emit(AdError(message=message, err_code=err_code, user_message_id=user_message_id, at=at))

    def _emit(self, event: AdEvent) -> None:
        if self._pacer is not None:
            self._pacer.notice(event)
        if isinstance(event, AdError) and event.bid_id is not None:
            self._link.report_frame(event)
        self._outlet.emit(event)

    @property
    def _disabled_by(self) -> str:
        if self._backend is None:
            return "enabled=False"
        init = self._link.init
        return "the server, at /init" if init is not None and not init.enabled else "an error of the server's, for good"

    def _make_pacer(self, rule: AnyRule, options: Options) -> Pacer:
        from .pacer import Pacer  # with the rules: a session without one does without

        return Pacer(
            rule,
            self._history,
            self._outlet,
            user_id=options.user_id,
            conversation_id=options.conversation_id,
            scheduler=self._scheduler,
            timezone=self._timezone,
        )

    def _timezone(self) -> str | None:
        context = self._link.options.context
        return None if context is None else context.timezone

    def _update(self, changes: dict[str, Any]) -> None:
        self._link.options = msgspec.structs.replace(self._link.options, **changes)
        self._outlet.debug("Session: options-updated", fields=sorted(changes))

    def _user_event(self, name: str, payload: Mapping[str, Any] | None, code: str) -> None:
        self._outlet.debug("Session: send-user-event", event=name, code=code)
        for ad in tuple(self._ads.values()):
            if ad.code == code:
                ad._send_user_event(name, payload)  # pyright: ignore[reportPrivateUsage]  # ours: the two are one house

    def _refuse(self, error: Exception) -> None:
        """Report what came in through the inbox and cannot be taken: the kind of error, and nothing of the message."""
        with contextlib.suppress(SessionDestroyedError):  # from another thread, after the loop was closed
            self._on_loop("inbox", lambda: self._outlet.debug("Session: inbox-error", error=type(error).__name__))

    @property
    def _tap(self) -> Tap | None:
        return self._outlet.door.tap

    def _internals(self) -> Internals:
        return Internals(
            clock=self._outlet.door,
            ledger=self._outlet.ledger,
            options=self._link.options,
            rule=self._rule,
            init=self._link.init,
            requests=self._link.requests,
            enabled=self._backend is not None,
            has_begun=bool(self._history.messages) or bool(self._ads),
        )

    # --- inside: threads ---

    def _mutate(self, call: str, change: Callable[..., None], *args: Any) -> None:
        if self._destroyed or (self._loop is not None and self._loop.is_closed()):
            raise SessionDestroyedError(call)
        if self._lock is None and threading.get_ident() == self._thread:
            self._change(call, change, args)
        else:
            self._on_loop(call, self._change, call, change, args)

    def _change(self, call: str, change: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self._destroyed:  # it came from another thread, and the end overtook it
            return
        with (door := self._outlet.door):
            if door.tap is not None:
                door.tap.called(door.instant, call, *args)
            change(*args)

    def _on_loop(self, call: str, function: Callable[..., None], *args: Any) -> None:
        if self._lock is not None:
            with self._lock:
                function(*args)
        elif threading.get_ident() == self._thread:
            function(*args)
        elif self._loop is not None:
            try:
                # A closure, because asyncio's debug log shows arguments.
                self._loop.call_soon_threadsafe(lambda: function(*args))
            except RuntimeError:  # the loop is closed, and the session with it
                raise SessionDestroyedError(call) from None
        else:
            self._scheduler.schedule(lambda _, __=None: function(*args))


def _dropped(drop: Drop, at: float) -> Dropped:
    codes = tuple([bid.code for bid in drop.bids])
    return Dropped(message_id=drop.message_id, at=at, codes=codes, reason=drop.reason)


class _Preloads(Switch):
    """A session's."""

    __slots__ = ("_session",)

    def __init__(self, session: Session, door: Clock) -> None:
        super().__init__(door)
        self._session = session

    def request(self, settled: Submitted) -> Request | None:
        return self._session._request(settled, self)  # pyright: ignore[reportPrivateUsage]  # ours: one house

    def tell(self, value: Answered) -> None:
        self._session._feed(value)  # pyright: ignore[reportPrivateUsage]  # ours: one house

    def fail(self, error: Exception) -> None:
        self._session._broken(error)  # pyright: ignore[reportPrivateUsage]  # ours: one house


class _Inbox(ObserverBase[Message]):
    """Messages in, from any number of sources; what a source does wrong stays with the session."""

    def __init__(self, add: Callable[[Message], None], refuse: Callable[[Exception], None]) -> None:
        self._add, self._refuse = add, refuse

    def on_next(self, value: Message) -> None:
        try:
            self._add(value)
        except (InvalidMessageError, SessionDestroyedError) as error:
            self._refuse(error)

    def on_error(self, error: Exception) -> None:
        self._refuse(error)

    def on_completed(self) -> None:
        pass


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs here, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

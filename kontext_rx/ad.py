"""One placement under one assistant message: `Ad`, the iframe protocol at work on a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from reactivex.abc import DisposableBase, SchedulerBase

from . import frame as protocol
from . import wire
from .door import Callback, Relay
from .errors import AdAlreadyMountedError, AdDestroyedError, InvalidOptionError
from .event import AdEvent
from .frame import Frame, FrameState
from .message import Message
from .outlet import Outlet
from .stream import Listen, Stream
from .trace import Mounted, Unmounted
from .typing import FrameMessage, Host
from .wire import Bid

__all__ = ["Ad", "AdState"]


_HOST: Final = tuple(name for name in vars(Host) if not name.startswith("_"))


class AdState(msgspec.Struct, frozen=True, kw_only=True):
    """What an ad looks like at a moment."""

    iframe_url: str | None = None
    is_mounted: bool = False
    is_visible: bool = False
    height: float = 0.0
    """CSS pixels that the creative asks for; kept while it is hidden."""
    is_modal_open: bool = False
    is_destroyed: bool = False


class Ad:
    """
    The ad of one message in one placement. Made by `Session.create_ad`, the same object for the same two.

    It resolves by itself: `iframe_url` is None until a bid is linked to the message, and never changes after. Mounted
    on a host, it shows its creative as soon as there is one, and what happens to it is told on the session's events.
    """

    __slots__ = (
        "_code",
        "_emit",
        "_events",
        "_frame",
        "_host",
        "_listening",
        "_message_id",
        "_modal_timer",
        "_on_destroy",
        "_outlet",
        "_sdk",
        "_server",
        "_state",
        "_states",
        "_theme",
        "_url",
    )  # fmt: skip

    def __init__(
        self,
        message_id: str,
        code: str,
        theme: str | None,
        *,
        server: str,
        sdk: str,
        outlet: Outlet,
        emit: Callable[[AdEvent], None],
        on_destroy: Callable[[Ad], None],
    ) -> None:
        self._message_id, self._code, self._theme = message_id, code, theme
        self._server, self._sdk = server, sdk
        self._outlet, self._emit = outlet, emit
        self._on_destroy: Callable[[Ad], None] | None = on_destroy
        self._frame: Frame | None = None
        self._url: str | None = None
        self._state = FrameState()
        self._host: Host | None = None
        self._listening: DisposableBase | None = None
        self._modal_timer: DisposableBase | None = None
        self._events: Relay[AdEvent] | None = None
        self._states: Relay[AdState] | None = None

    def __repr__(self) -> str:
        state = "destroyed" if self.is_destroyed else "resolved" if self._frame else "waiting"
        return f"<Ad {self.message_id!r} {self.code!r} {state}>"

    # --- reading ---

    @property
    def message_id(self) -> str:
        """The assistant message that it belongs to."""
        return self._message_id

    @property
    def code(self) -> str:
        """The placement."""
        return self._code

    @property
    def theme(self) -> str | None:
        """What the creative is told of the page's look, such as `dark`."""
        return self._theme

    @property
    def iframe_url(self) -> str | None:
        """The address of the creative's frame; None while there is no bid, and after `destroy`."""
        return self._url

    @property
    def bid_id(self) -> str | None:
        """The bid that is shown; None as for `iframe_url`."""
        return self._frame.bid_id if self._frame else None

    @property
    def height(self) -> float:
        """CSS pixels that the creative asks for; 0 until it has asked."""
        return self._state.height

    @property
    def is_visible(self) -> bool:
        """Whether the creative wants to be seen."""
        return self._state.visible

    @property
    def is_destroyed(self) -> bool:
        """True after `destroy`; the session's `create_ad` then makes a new one."""
        return self._on_destroy is None

    @property
    def state(self) -> Stream[AdState]:
        """What the ad looks like, from the present on; it completes on `destroy`."""

        def listen(callback: Callback[AdState], _: SchedulerBase) -> Relay[AdState]:
            self._states = self._states or self._relay("ad.state")
            with self._outlet.door:
                callback.on_next(self._look())
                return self._states.add(callback)

        return self._stream(listen, "ad.state")

    @property
    def events(self) -> Stream[AdEvent]:
        """What happens to this ad from now on: rendered, viewed, clicked, resized, failed."""

        def listen(callback: Callback[AdEvent], _: SchedulerBase) -> Relay[AdEvent]:
            self._events = self._events or self._relay("ad.events")
            return self._events.add(callback)

        return self._stream(listen, "ad.events")

    # --- doing ---

    def mount(self, element: Host) -> None:
        """
        Show the ad on a host: now, or as soon as there is one.

        Raises:
            AdAlreadyMountedError: The second time.
            InvalidOptionError: When *element* is no host.
            AdDestroyedError: After `destroy`, or the session's.

        """
        if self.is_destroyed:
            raise AdDestroyedError(self._message_id, self._code)
        if self._host is not None:
            raise AdAlreadyMountedError(self._message_id, self._code)
        if missing := [name for name in _HOST if not hasattr(element, name)]:
            lacks = f"it lacks {', '.join(missing)}; give a host, such as those of kontext_rx.hosts"
            raise InvalidOptionError("element", f"<{type(element).__name__}>", lacks)
        with self._outlet.door:
            self._tell_tap("mount")
            self._host = element
            self._listening = element.messages.subscribe(self._receive)
            if self._url is not None:
                self._load(element, self._url)
            self._changed()

    def destroy(self) -> None:
        """Release the host. The bid stays cached: a new `Ad` for the same message shows it again. Idempotent."""
        if self._on_destroy is None:
            return
        with self._outlet.door:
            self._tell_tap("destroy_ad")
            self._unmount()

    def _unmount(self) -> None:
        """Let go of everything; the door is open."""
        if self._on_destroy is None:
            return
        release, self._on_destroy = self._on_destroy, None
        if self._listening is not None:
            self._listening.dispose()
        self._stop_modal_timer()
        if self._host is not None:
            self._call(self._host.release)
            if self._url is not None:
                self._outlet.trace(Unmounted(message_id=self._message_id, code=self._code, at=self._outlet.now()))
        self._frame = self._url = self._host = None
        self._state = FrameState()
        self._changed()
        if self._states is not None or self._events is not None:
            self._outlet.door.publish(self._complete, None)
        release(self)

    def _resolve(self, bid: Bid, user_message_id: str, messages: tuple[Message, ...]) -> None:
        """The session has a bid for it. Only the first counts."""
        if self._frame is not None or self.is_destroyed:
            return
        where: dict[str, Any] = {
            "code": self._code,
            "message_id": self._message_id,
            "sdk": self._sdk,
            "theme": self._theme,
        }
        self._url = wire.frame_url(self._server, bid.bid_id, **where)
        self._frame = Frame(
            bid_id=bid.bid_id,
            code=self._code,
            message_id=self._message_id,
            user_message_id=user_message_id,
            revenue=bid.revenue,
            server=self._server,
            modal_url=wire.modal_url(self._url),
            update=lambda: wire.update_data(messages, **where),
        )
        if self._host is not None:
            self._load(self._host, self._url)
        self._changed()

    def _load(self, host: Host, url: str) -> None:
        # Before the host is called: a frame may speak at once.
        self._outlet.reach(Mounted(message_id=self._message_id, code=self._code, at=self._outlet.now()))
        self._call(host.load, url)

    def _send_user_event(self, name: str, payload: Mapping[str, Any] | None) -> None:
        """Tell the frame what the user does, if there is one."""
        if self._host is not None and self._frame is not None:
            self._call(self._host.post, protocol.user_event(self._code, name, payload).message)

    # --- inside ---

    def _receive(self, message: FrameMessage) -> None:
        with self._outlet.door:
            self._tell_tap("framed", message)
            self._outlet.door.call(self._take, message, where="host")  # a defect of ours is not the host's

    def _take(self, given: protocol.Input) -> None:
        """Take a step of the protocol; the door is open."""
        if self._frame is None:
            return
        before = self._state
        self._state, outputs = protocol.step(self._frame, before, given, self._outlet.now())
        for output in outputs:
            if self._host is not None:
                self._perform(self._host, output)
        if self._state is not before:
            self._changed()

    def _perform(self, host: Host, output: protocol.Output) -> None:
        match output:
            case protocol.Tell(event=event):
                self._emit(event)
                if self._events is not None:
                    self._outlet.door.publish(self._events.send, event)
            case protocol.Post(message=message):
                self._call(host.post, message)
            case protocol.Show():
                self._call(host.show)
            case protocol.Hide():
                self._call(host.hide)
            case protocol.Resize(height=height):
                self._call(host.resize, height)
            case protocol.Style(container=container, iframe=iframe):
                self._call(host.style, container, iframe)
            case protocol.OpenModal(modal=modal, url=url, timeout_s=timeout_s):
                self._stop_modal_timer()
                self._modal_timer = self._outlet.door.schedule_relative(
                    timeout_s, lambda _, __=None: self._take(protocol.ModalTimedOut(modal))
                )
                self._call(host.open_modal, url)
            case protocol.RevealModal():
                self._stop_modal_timer()
                self._call(host.reveal_modal)
            case protocol.CloseModal():
                self._stop_modal_timer()
                self._call(host.close_modal)
            case protocol.OpenLink(url=url, target=target, fallback=fallback):
                self._call(host.open_link, url, target, fallback)
            case protocol.Fail():
                self._unmount()
            case protocol.Strange(type=kind):
                self._outlet.debug("Ad: unknown-message", messageId=self._message_id, code=self._code, type=kind[:64])
            case protocol.Foreign(origin=origin):
                self._outlet.debug("Ad: foreign-origin", messageId=self._message_id, code=self._code, origin=origin)

    def _stop_modal_timer(self) -> None:
        timer, self._modal_timer = self._modal_timer, None
        if timer is not None:
            timer.dispose()

    def _call(self, function: Callable[..., object], *args: object) -> None:
        self._outlet.door.call(function, *args, where="host")

    def _tell_tap(self, what: str, *given: FrameMessage) -> None:
        tap = self._outlet.door.tap
        if tap is None:
            return
        if given:
            tap.framed(self._outlet.now(), self._message_id, self._code, *given)
        else:
            tap.called(self._outlet.now(), what, self._message_id, self._code)

    def _look(self) -> AdState:
        return AdState(
            iframe_url=self._url,
            is_mounted=self._host is not None,
            is_visible=self._state.visible,
            height=self._state.height,
            is_modal_open=self._state.modal is not None,
            is_destroyed=self.is_destroyed,
        )

    def _changed(self) -> None:
        if self._states is not None:
            self._outlet.door.publish(self._states.send, self._look())

    def _complete(self, _: None) -> None:
        for relay in (self._states, self._events):
            if relay is not None:
                relay.complete()

    def _relay(self, name: str) -> Relay[Any]:
        relay: Relay[Any] = Relay(name)
        relay.is_completed = self.is_destroyed
        return relay

    def _stream(self, listen: Listen[Any], name: str) -> Stream[Any]:
        return Stream(listen, door=self._outlet.door, scheduler=self._outlet.door.scheduler, name=name)

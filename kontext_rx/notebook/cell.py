"""The widget: a session's ad in the output of a notebook's cell, with its events beside it."""

# ipywidgets has no types of its own.
# pyright: reportMissingTypeStubs=false, reportUntypedBaseClass=false, reportUnknownMemberType=false

from __future__ import annotations

import contextlib
import weakref
from typing import Any, Final

import anywidget
import msgspec
import traitlets
from reactivex.disposable import CompositeDisposable

from ..ad import Ad, AdState
from ..errors import AdAlreadyMountedError
from ..event import AdError, AdEvent, NoFill, Outcome
from ..hosts.browser import BrowserHost
from ..session import Session, running_loop
from . import esm
from .rows import Row, as_html, row_of
from .views import Views

__all__ = ["AdCell"]

ROWS_KEPT: Final = 100
"""Events that a cell shows, the latest. Source: ours, all of them are sent with each new one."""


class AdCell(anywidget.AnyWidget):
    """
    An ad in the output of a cell, with its events beside it. It is made on the session's loop, as notebooks run code.

        cell = AdCell(session, "m2")
        cell                                   # the cell's last line: it is displayed

    The ad is mounted when the cell is first displayed, and shown as soon as there is one.

    - *Displayed twice*, in another tab too: the newest place shows the ad; the one before says so, and can take it
      back.
    - *Run again*: a newer `AdCell` for the same ad takes it over for good.
    - *Page reloaded, output cleared*: the ad goes on unseen, and the next place shows it as it is. Its frame is loaded
      anew, so it may be viewed once more.
    - *A later cell awaits* (ipykernel 7): the page may wait for ever for word that its message was handled; run the
      ad's cell again, or show it after the last cell that awaits.
    - *Kernel busy*: what happens in the ad waits in the page, up to 512 messages of its frames, and is told later.
    - *Session over, or `close`*: the ad is destroyed. The events stay to be read; the session is let go.

    Args:
        session: Whose ad.
        message_id: The assistant message that it belongs to; it need not be there yet.
        code: The placement.
        theme: What the creative is told of the page's look, such as `dark`.

    Raises:
        InvalidOptionError: For a blank id or code, or a theme that is not text.
        SessionDestroyedError: After the session was destroyed.
        WrongThreadError: Away from the session's loop.

    """

    _esm = esm.source()
    _css = esm.css()
    _title = traitlets.Unicode().tag(sync=True)
    _note = traitlets.Unicode().tag(sync=True)
    """What stands where the ad would; empty while the ad is to be seen."""
    _ended = traitlets.Bool(False).tag(sync=True)
    _rows: Any = traitlets.List(traitlets.Dict()).tag(sync=True)
    _start = traitlets.Float(0.0).tag(sync=True)
    _down: Any = traitlets.Dict().tag(sync=True)
    # Anything may be written here, so nothing is checked by the trait. Other pages need not hear of it.
    _up: Any = traitlets.Any().tag(sync=True, echo_update=False)

    def __init__(self, session: Session, message_id: str, code: str = "inlineAd", theme: str | None = None) -> None:
        self.ad: Ad | None = None
        """The ad, to be listened to; the cell mounts it, and destroys it when it is closed. None when it is over."""
        self._session: Session | None = None
        self._subscriptions = CompositeDisposable()
        self._loop = running_loop()
        self.message_id, self.code = message_id, code
        for older in tuple(_cells):
            if older._session is session and (older.message_id, older.code) == (message_id, code):
                older._end("A newer cell shows this ad.")
        self.ad = session.create_ad(message_id, code, theme)
        self._state, self._outcome, self._is_mounted = AdState(), None, False
        self._host = BrowserHost()
        self._views = Views(self._host, self._write, self._mount)
        super().__init__(_title=f"{message_id} · {code}", _down=self._views.value(), _note=self._look())
        self._session = session
        _cells.add(self)
        self.observe(self._read, "_up")
        self._subscriptions.add(session.for_message(message_id).subscribe(self._tell))
        self._subscriptions.add(session.outcome(message_id).subscribe(self._settle))
        self._subscriptions.add(self.ad.state.subscribe(self._follow))

    def __repr__(self) -> str:
        names = [row["name"] for row in self._rows]
        return f"<AdCell {self.message_id!r} {self.code!r} {', '.join(names[-3:]) or 'no events'}>"

    def _repr_html_(self) -> str:
        """What a saved notebook shows that is read without a kernel: the events up to when the cell was displayed."""
        return as_html(self._title, self._note, [Row(**row) for row in self._rows])

    def close(self) -> None:
        """Destroy the ad, and take the cell's output out of the notebook. Idempotent."""
        self._end("The cell is closed.")
        super().close()

    # --- the ad ---

    def _mount(self) -> None:
        if self.ad is None or self._is_mounted:
            return
        try:
            self.ad.mount(self._host)
            self._is_mounted = True
        except AdAlreadyMountedError:
            self._end("The app shows this ad elsewhere.", destroy=False)

    def _tell(self, event: AdEvent) -> None:
        if event.code not in (None, self.code):
            return  # the message's ad in another placement
        row = row_of(event)
        if not self._rows:
            self._start = row.at
        self._rows = [*self._rows, msgspec.to_builtins(row)][-ROWS_KEPT:]

    def _settle(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._note = self._look()

    def _follow(self, state: AdState) -> None:
        self._state = state
        self._note = self._look()
        if state.is_destroyed:
            self._end("The ad is over.")

    def _look(self) -> str:
        """What is to be read in the ad's place."""
        match self._outcome:
            case _ if self._state.is_visible:
                return ""
            case _ if self._state.iframe_url is not None:
                return "The ad is loading."
            case None:
                return f"Waiting for the ad of {self.message_id}."
            case NoFill(skip_code=why) | AdError(err_code=why):
                return f"No ad for {self.message_id}: {why}."
            case _:
                return f"No ad for {self.message_id} in the placement {self.code}."

    def _end(self, note: str, *, destroy: bool = True) -> None:
        """Let go of everything but of what is to be read."""
        ad, self.ad, self._session = self.ad, None, None
        if ad is None:
            return
        _cells.discard(self)
        self._subscriptions.dispose()
        if destroy:
            ad.destroy()
        self._views.leave()
        self._note, self._ended = note, True

    # --- the views ---

    def _read(self, change: Any) -> None:
        """A view has written. Jupyter's kernel may read it on another thread than the one that runs the cells."""
        if self._loop is None or self._loop is running_loop():
            self._take(change["new"])
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the session with it
                self._loop.call_soon_threadsafe(self._take, change["new"])

    def _take(self, written: object) -> None:
        before = self._down
        with self.hold_sync():  # one answer, however much there is to do
            self._views.take(written)
        if self._down == before:
            self.send_state("_down")  # the view writes again: it has not seen the answer

    def _write(self, value: dict[str, Any]) -> None:
        self._down = value


_cells: Final = weakref.WeakSet[AdCell]()
"""The cells that show an ad, so that a newer one can take it over."""

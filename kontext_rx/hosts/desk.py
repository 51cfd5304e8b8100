"""What the pages of one session may touch: its own ads, its context, its consent."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from ..context import ClientContext
from ..errors import KontextError, WrongThreadError
from ..options import Consent
from ..typing import InstallIdStore
from ..wire import is_uuid
from .browser import BrowserHost
from .limits import Allowance
from .messages import (
    ConsentSaid,
    ContextSaid,
    Dismissed,
    ForeignSaid,
    FrameSaid,
    Gone,
    InstallSaid,
    PageMessage,
    SlotShown,
)
from .pages import Page, Slot
from .reports import PageConsent, context_of
from .seams import AdSession

__all__ = ["Desk"]

_log = logging.getLogger("kontext_rx.hosts")


class Desk:
    """One session's end of the bridge. Everything that a page sends has been read and bounded before it comes here."""

    def __init__(self, session: AdSession, *, max_slots: int, install_ids: InstallIdStore) -> None:
        self.session = session
        self.pages: dict[str, Page] = {}
        self.consent: PageConsent | None = None
        self.context: ClientContext | None = None
        self.user_id: str | None = None
        self.entries = Allowance(rate=0.1, burst=32)
        """Pages that come in: each has an allowance of its own, so these have one too. Source: ours."""
        self._max_slots, self._install_ids = max_slots, install_ids
        self._shown: dict[tuple[str, str], Slot] = {}
        self._places: dict[str, Slot] = {}
        self._named: dict[str, BrowserHost] = {}

    def take(self, page: Page, message: PageMessage, now: float) -> bool:
        """Do what a page says; False when it makes no sense."""
        match message:
            case SlotShown():
                return self._show(page, message)
            case Gone(slot=slot_id):
                slot = page.slots.get(slot_id)
                if slot is not None:
                    self._remove(slot, gone=True)
            case FrameSaid():
                return self._heard(page, message)
            case ForeignSaid(slot=slot_id):
                slot = page.slots.get(slot_id)
                if slot is not None and slot.host is not None:
                    slot.host.hear_foreign(message.origin, message.source)
            case Dismissed(slot=slot_id):
                slot = page.slots.get(slot_id)
                if slot is not None and slot.host is not None:
                    slot.host.dismiss()
            case ContextSaid():
                self.session.update_options(context=context_of(message, self.context))
            case ConsentSaid():
                if self.consent is not None:
                    self.consent.latest = Consent(gdpr=message.gdpr, gdpr_consent=message.gdpr_consent)
            case InstallSaid(id=install_id):
                return page.installs.take(now) and self._install(install_id)
            case _:
                return False
        return True

    def named(self, name: str) -> BrowserHost:
        """The host for the places of this name, in whichever page there is one."""
        if (host := self._named.get(name)) is None:
            host = self._named[name] = BrowserHost()
            if (slot := self._places.get(name)) is not None:
                slot.host = host
                host.attach(slot.perform)
        return host

    def drop(self, page: Page) -> None:
        """Give a page up: its ads are let go, their bids stay cached."""
        if self.pages.get(page.id) is page:
            del self.pages[page.id]
        page.expiry.dispose()
        for slot in tuple(page.slots.values()):
            self._remove(slot, gone=True)

    # --- inside ---

    def _show(self, page: Page, said: SlotShown) -> bool:
        if said.slot in page.slots or (said.message_id is None) == (said.name is None):
            return False
        while len(page.slots) >= self._max_slots:
            self._remove(next(iter(page.slots.values())), gone=False)
        key = None if said.message_id is None else (said.message_id, said.code)
        slot = page.slots[said.slot] = Slot(page, said.slot, key=key, name=said.name)
        if key is not None:
            self._mount(slot, key, said.theme)
        else:
            self._place(slot, str(said.name))
        return True

    def _mount(self, slot: Slot, key: tuple[str, str], theme: str | None) -> None:
        """The newest place takes an ad over from an older one, in this page or another of the same session."""
        if (older := self._shown.pop(key, None)) is not None:
            self._empty(older)
        host = BrowserHost()
        host.attach(slot.perform)
        try:
            ad = self.session.create_ad(*key, theme)
            ad.mount(host)
        except KontextError as error:  # the app has mounted it elsewhere, or the session is over, or the id is no id
            level = logging.WARNING if isinstance(error, WrongThreadError) else logging.INFO
            _log.log(level, "a page's slot stays empty: %s", type(error).__name__)
            return
        slot.host, slot.ad = host, ad
        self._shown[key] = slot

    def _place(self, slot: Slot, name: str) -> None:
        if (older := self._places.get(name)) is not None:
            older.host = None
        self._places[name] = slot
        if (host := self._named.get(name)) is not None:
            slot.host = host
            host.attach(slot.perform)

    def _remove(self, slot: Slot, *, gone: bool) -> None:
        """Forget a place; *gone* when it is not in the page any more."""
        del slot.page.slots[slot.id]
        if slot.key is not None:
            if self._shown.get(slot.key) is slot:
                del self._shown[slot.key]
            if gone and slot.host is not None:
                slot.host.detach(gone=True)
            self._empty(slot)
        elif slot.name is not None and self._places.get(slot.name) is slot:
            del self._places[slot.name]
            if slot.host is not None:
                slot.host.detach(gone=gone)
        slot.host = None

    def _empty(self, slot: Slot) -> None:
        ad, slot.ad, slot.host = slot.ad, None, None
        if ad is not None:
            ad.destroy()

    def _heard(self, page: Page, said: FrameSaid) -> bool:
        slot = page.slots.get(said.slot)
        if slot is None or slot.host is None:
            return True  # it was on its way when the ad was let go
        try:
            data: Any = msgspec.json.decode(said.data)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return False
        slot.host.hear(data, said.source)
        return True

    def _install(self, install_id: str) -> bool:
        if not is_uuid(install_id):
            return False
        if self.user_id is not None:
            try:
                self._install_ids.save(self.user_id, install_id.lower())
            except Exception as error:  # the app's store: it must not cost the page its socket
                _log.warning("install id not stored: %s", type(error).__name__)
        return True

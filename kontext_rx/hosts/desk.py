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
from .pages import Page, Slot, Wanted
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
        self._places: dict[Wanted, list[Slot]] = {}
        """The places for the same, the oldest first: the newest shows it."""
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
            if places := self._places.get(name):
                self._fill(places[-1])
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
        wanted = said.name if said.message_id is None else (said.message_id, said.code)
        if said.slot in page.slots or wanted is None or (said.message_id is not None and said.name is not None):
            return False
        while len(page.slots) >= self._max_slots:
            self._remove(next(iter(page.slots.values())), gone=False)
        slot = page.slots[said.slot] = Slot(page, said.slot, wanted, said.theme)
        places = self._places.setdefault(wanted, [])
        if places:  # in this page, or in another one of the same session
            self._empty(places[-1])
        places.append(slot)
        self._fill(slot)
        return True

    def _fill(self, slot: Slot) -> None:
        """Show in a place what it is for, if that is there."""
        if isinstance(slot.wanted, str):
            if (host := self._named.get(slot.wanted)) is not None:
                slot.host = host
                host.attach(slot.perform)
            return
        host = BrowserHost()
        host.attach(slot.perform)
        try:
            ad = self.session.create_ad(*slot.wanted, slot.theme)
            ad.mount(host)
        except KontextError as error:  # the app has mounted it elsewhere, or the session is over, or the id is no id
            level = logging.WARNING if isinstance(error, WrongThreadError) else logging.INFO
            _log.log(level, "a page's slot stays empty: %s", type(error).__name__)
            return
        slot.host, slot.ad = host, ad

    def _remove(self, slot: Slot, *, gone: bool) -> None:
        """Forget a place; *gone* when it is not in the page any more. What it showed goes to the newest of the rest."""
        del slot.page.slots[slot.id]
        places = self._places[slot.wanted]
        was_newest = places[-1] is slot
        places.remove(slot)
        if slot.host is not None:
            slot.host.detach(gone=gone)
        self._empty(slot)
        if not places:
            del self._places[slot.wanted]
        elif was_newest:
            self._fill(places[-1])

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

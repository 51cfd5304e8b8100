"""What a page tells of its browser, in the shape in which a session takes it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import msgspec

from ..context import ClientContext, Screen
from ..options import Consent
from .messages import ContextSaid

__all__ = ["PageConsent", "PageInstallIds", "context_of"]


class PageConsent:
    """
    The consent that a page's consent platform (IAB TCF) has told: a provider for `create_session(consent=...)`.

        consent = PageConsent()
        session = kx.create_session(consent=consent, ...)
        token = bridge.admit(session, consent=consent)

    Until a page has said something it gives None, and `regulatory` is sent as it is. Sessions of a user may share one.
    """

    def __init__(self) -> None:
        self.latest: Consent | None = None

    def __call__(self) -> Consent | None:
        """What the next preload carries."""
        return self.latest


class PageInstallIds:
    """
    The install ids that pages have reported, by user: an `InstallIdStore` for `create_session(install_id_store=...)`.

    It lives in memory and keeps the *limit* users who came last. A session takes its install id when it is created, so
    an id counts from the user's next session on.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, str] = OrderedDict()

    def load(self, user_id: str) -> str | None:
        """The id of a user's browser; None while unknown."""
        return self._ids.get(user_id)

    def save(self, user_id: str, install_id: str) -> None:
        """Keep it."""
        self._ids[user_id] = install_id
        self._ids.move_to_end(user_id)
        while len(self._ids) > self._limit:
            self._ids.popitem(last=False)


_FIELDS: Final = {"user_agent": "user_agent", "language": "locale", "timezone": "timezone"}


def context_of(said: ContextSaid, known: ClientContext | None) -> ClientContext:
    """What a page told of its browser, over what the app *known* before."""
    fields: dict[str, Any] = {
        field: value for name, field in _FIELDS.items() if (value := getattr(said, name)) is not None
    }
    if said.screen is not None:
        fields["screen"] = Screen(**msgspec.structs.asdict(said.screen))
    return msgspec.structs.replace(known or ClientContext(), **fields)

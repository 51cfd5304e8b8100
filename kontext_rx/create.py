"""`create_session`: what the app asks for, checked, and made into a session."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import inspect
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from reactivex.abc import SchedulerBase
from reactivex.scheduler import VirtualTimeScheduler

from .client import Client, backend_of, shared_client
from .clock import loop_scheduler
from .context import ClientContext
from .errors import InvalidOptionError
from .install import install_id as load_install_id
from .log import logger
from .options import (
    DEFAULT_SERVER,
    DEFAULT_TTL_S,
    App,
    Character,
    ConsentProvider,
    Regulatory,
    Sdk,
    checked,
    no_such_option,
    refuse_unknown,
)
from .outlet import DebugCallback, EventCallback
from .session import Session, running_loop
from .started import STARTED_MS
from .typing import InstallIdStore

if TYPE_CHECKING:
    from .pacing import AnyRule

__all__ = ["create_session"]

CLOCK_SKEW_MS: Final = 60_000
"""How far in the future a start time may seem to be."""


@refuse_unknown(no_such_option)
def create_session(
    *,
    publisher_token: str | None = None,
    user_id: str | None = None,
    conversation_id: str | None = None,
    enabled_placement_codes: Iterable[str] | None = None,
    character: Character | Mapping[str, Any] | None = None,
    regulatory: Regulatory | Mapping[str, Any] | None = None,
    user_email: str | None = None,
    variant_id: str | None = None,
    advertising_id: str | None = None,
    vendor_id: str | None = None,
    install_id: str | None = None,
    install_id_store: InstallIdStore | None = None,
    ad_ttl: float | None = DEFAULT_TTL_S,
    context: ClientContext | Mapping[str, Any] | None = None,
    app: App | Mapping[str, Any] | None = None,
    ad_server_url: str = DEFAULT_SERVER,
    pacing: AnyRule | None = None,
    on_event: EventCallback | None = None,
    on_debug_event: DebugCallback | None = None,
    consent: ConsentProvider | None = None,
    sdk: Sdk | Mapping[str, Any] | None = None,
    enabled: bool = True,
    client: Client | None = None,
    scheduler: SchedulerBase | None = None,
) -> Session:
    """
    Open the ads session of one conversation of one user. It returns at once; `POST /init` goes out in the background.

    The first session of a process imports aiohttp, some 0.2 s; a `Client` made at start-up has that behind it. The
    rest is imported with `create_session`, and nothing inside a turn.

    Args:
        publisher_token: Your account, as issued by Kontext. Required, like the two ids, unless `enabled` is False.
        user_id: Stable for the user's lifetime: frequency caps and rewards go by it.
        conversation_id: Unique to this conversation; a new conversation is a new session.
        enabled_placement_codes: Where ads may appear; `["inlineAd"]` when left out or empty. Doubles are dropped.
        character: The persona the user talks to. Fixed for the session.
        regulatory: Privacy signals; `consent` wins over its `gdpr` and `gdpr_consent`.
        user_email: For deduplication of frequency caps; blank is left out.
        variant_id: The user's cohort, for A/B tests; blank is left out.
        advertising_id: The device's advertising id; blank and all-zero are left out.
        vendor_id: The vendor's id of the device; likewise.
        install_id: A UUID to use as it is. Default: one for this machine and user, kept in the user's data folder.
        install_id_store: Where install ids are kept instead; on a server, give each user their own.
        ad_ttl: Seconds that an ad nobody shows is kept; None keeps it. Default: one hour (ours).
        context: The end user's device. Without one the requests describe this process.
        app: Which app this is. Default: the main module's name and version.
        ad_server_url: Absolute http(s) address of the ad server.
        pacing: A pacing rule; turns it holds back are sent as `track_only`.
        on_event: Called with every ad event, before the subscribers of `events`; may be async.
        on_debug_event: Called with the name and the data of every debug event; may be async.
        consent: Asked for TCF values before every preload.
        sdk: How we name ourselves on the wire.
        enabled: False gives an inert session: it takes everything, sends nothing, and settles every message it is fed
            with `session_disabled`. It needs no token, no ids and no event loop.
        client: An HTTP pool to share. Default: one for each event loop.
        scheduler: A reactivex scheduler; all time comes from it. Default: the running asyncio loop.

    Raises:
        InvalidOptionError: At the first option that cannot be used, or without a running loop and a scheduler.

    """
    if not isinstance(enabled, bool):
        raise InvalidOptionError("enabled", enabled, "give True or False")
    options = checked(
        enabled=enabled,
        publisher_token=publisher_token,
        user_id=user_id,
        conversation_id=conversation_id,
        sdk=sdk,
        app=app,
        enabled_placement_codes=enabled_placement_codes,
        ad_server_url=ad_server_url,
        character=character,
        ad_ttl=ad_ttl,
        default_sdk=_default_sdk(),
        default_app=_default_app(),
        variant_id=variant_id,
        regulatory=regulatory,
        user_email=user_email,
        advertising_id=advertising_id,
        vendor_id=vendor_id,
        context=context,
    )
    started_ms = options.app.start_time
    if started_ms is None:
        options = msgspec.structs.replace(options, app=_started(options.app))
    elif started_ms > STARTED_MS and started_ms > time.time() * 1000 + CLOCK_SKEW_MS:
        raise InvalidOptionError("app.start_time", started_ms, "give epoch milliseconds, not in the future")
    for name, function in (("on_event", on_event), ("on_debug_event", on_debug_event), ("consent", consent)):
        if function is not None and not callable(function):
            raise InvalidOptionError(name, f"<{type(function).__name__}>", "give a function")
    if consent is not None and inspect.iscoroutinefunction(consent):
        raise InvalidOptionError("consent", "<async function>", "give a plain function that returns what is known now")
    if pacing is not None and not _is_rule(pacing):
        raise InvalidOptionError("pacing", pacing, "give a rule of kontext_rx.pacing")
    if client is not None and not isinstance(client, Client):
        raise InvalidOptionError("client", f"<{type(client).__name__}>", "give a kontext_rx.Client")
    if scheduler is not None and not isinstance(scheduler, SchedulerBase):
        raise InvalidOptionError("scheduler", f"<{type(scheduler).__name__}>", "give a reactivex scheduler")
    loop = running_loop()
    if enabled and loop is None and (scheduler is None or client is None):
        name = "scheduler" if scheduler is None else "client"
        raise InvalidOptionError(
            name, None, "create the session in an `async def`; for tests there is kontext_rx.testing.virtual_session"
        )
    logger()  # structlog is loaded here, and not inside a turn
    return Session(
        options,
        install_id=load_install_id(install_id, install_id_store, options.user_id) if enabled else "",
        backend=backend_of(client or shared_client(cast(asyncio.AbstractEventLoop, loop))) if enabled else None,
        scheduler=scheduler or (loop_scheduler(loop) if loop is not None else _NoTimers()),
        loop=loop,
        pacing=pacing,
        consent=consent,
        on_event=on_event,
        on_debug_event=on_debug_event,
    )


def _is_rule(given: object) -> bool:
    from .pacing import Rule  # whoever has made one has loaded it

    return isinstance(given, Rule)


class _NoTimers(VirtualTimeScheduler):
    """The time of a session without ads and without a loop: it has the hour, and nothing that would ring."""

    @property
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)


@functools.cache
def _default_sdk() -> Sdk:
    import importlib.metadata

    return Sdk(name="sdk-python", platform="web", version=importlib.metadata.version("kontext-rx"))


@functools.cache
def _default_app() -> App:
    import importlib.metadata

    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = spec.name.partition(".")[0] if spec is not None else "__main__"
    try:
        return App(bundle_id=name, version=importlib.metadata.version(name), start_time=STARTED_MS)
    except importlib.metadata.PackageNotFoundError:
        return App(bundle_id=name, start_time=STARTED_MS)


@functools.lru_cache
def _started(app: App) -> App:
    return msgspec.structs.replace(app, start_time=STARTED_MS)

"""Kontext ads for AI chat apps: messages in, ad events out, as reactive streams."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from . import started as started  # it notes the time

if TYPE_CHECKING:
    from . import ops, pacing
    from .ad import Ad, AdState
    from .client import Client, ClientStats
    from .context import ClientContext, Screen
    from .create import create_session
    from .errors import (
        AdAlreadyMountedError,
        AdDestroyedError,
        InvalidMessageError,
        InvalidOptionError,
        KontextError,
        SessionDestroyedError,
        WrongThreadError,
    )
    from .event import (
        AdError,
        AdEvent,
        AdHeight,
        Clicked,
        Filled,
        NoFill,
        Outcome,
        RenderCompleted,
        RenderStarted,
        RewardGranted,
        VideoCompleted,
        VideoStarted,
        Viewed,
    )
    from .explain import Explanation
    from .install import FileInstallIdStore
    from .ledger import Funnel
    from .message import Message, Turn
    from .options import App, Character, Consent, Regulatory, Sdk
    from .reader import Reader
    from .recording import Recording, RecordingError, record
    from .session import Session
    from .stream import Stream
    from .trace import DebugEvent, PreloadStep

__all__ = [
    "Ad",
    "AdAlreadyMountedError",
    "AdDestroyedError",
    "AdError",
    "AdEvent",
    "AdHeight",
    "AdState",
    "App",
    "Character",
    "Clicked",
    "Client",
    "ClientContext",
    "ClientStats",
    "Consent",
    "DebugEvent",
    "Explanation",
    "FileInstallIdStore",
    "Filled",
    "Funnel",
    "InvalidMessageError",
    "InvalidOptionError",
    "KontextError",
    "Message",
    "NoFill",
    "Outcome",
    "PreloadStep",
    "Reader",
    "Recording",
    "RecordingError",
    "Regulatory",
    "RenderCompleted",
    "RenderStarted",
    "RewardGranted",
    "Screen",
    "Sdk",
    "Session",
    "SessionDestroyedError",
    "Stream",
    "Turn",
    "VideoCompleted",
    "VideoStarted",
    "Viewed",
    "WrongThreadError",
    "create_session",
    "ops",
    "pacing",
    "record",
]

_HOMES = {
    "ad": "Ad AdState",
    "client": "Client ClientStats",
    "context": "ClientContext Screen",
    "create": "create_session",
    "errors": (
        "AdAlreadyMountedError AdDestroyedError InvalidMessageError InvalidOptionError KontextError "
        "SessionDestroyedError WrongThreadError"
    ),
    "event": (
        "AdError AdEvent AdHeight Clicked Filled NoFill Outcome RenderCompleted RenderStarted RewardGranted "
        "VideoCompleted VideoStarted Viewed"
    ),
    "explain": "Explanation",
    "install": "FileInstallIdStore",
    "ledger": "Funnel",
    "message": "Message Turn",
    "ops": "ops",
    "options": "App Character Consent Regulatory Sdk",
    "pacing": "pacing",
    "reader": "Reader",
    "recording": "Recording RecordingError record",
    "session": "Session",
    "stream": "Stream",
    "trace": "DebugEvent PreloadStep",
}
"""Which module has which names. Each is loaded when the first of its names is asked for."""

_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if (home := _HOME_OF.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    module = importlib.import_module(f".{home}", __name__)
    value = globals()[name] = module if name == home else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Kontext ads for AI chat apps: messages in, ad events out, as reactive streams."""

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

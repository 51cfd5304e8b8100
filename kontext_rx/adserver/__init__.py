"""A local ad server that speaks the real protocol, for development, demonstrations, tests and notebooks."""

from __future__ import annotations

from . import answers
from .answers import BIDS, SESSION_ID, Answer, Fault
from .app import AdServer
from .creatives import CREATIVES, KINDS, Creative, Kind
from .decide import Bid, Decision, decide
from .errors import AddressError, AdServerError, InvalidSettingError
from .latency import Fixed, Latency, Lognormal, Uniform, parse_latency
from .log import Ended, LoggedRequest, Stats
from .memory import Turn
from .read import Preload
from .settings import Settings

__all__ = [
    "BIDS",
    "CREATIVES",
    "KINDS",
    "SESSION_ID",
    "AdServer",
    "AdServerError",
    "AddressError",
    "Answer",
    "Bid",
    "Creative",
    "Decision",
    "Ended",
    "Fault",
    "Fixed",
    "InvalidSettingError",
    "Kind",
    "Latency",
    "LoggedRequest",
    "Lognormal",
    "Preload",
    "Settings",
    "Stats",
    "Turn",
    "Uniform",
    "answers",
    "decide",
    "parse_latency",
]

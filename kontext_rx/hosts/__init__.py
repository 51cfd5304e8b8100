"""
Hosts, which ads are mounted into: in a page (`Bridge`), in a test (`RecordingHost`), or your own (`CommandHost`).

The faces of the bridge are `kontext_rx.hosts.aiohttp` and `kontext_rx.hosts.asgi`; neither is imported here.
"""

from .bridge import Bridge, BridgeStats
from .browser import BrowserHost
from .commands import CommandHost
from .connection import Connection
from .recording import RecordingHost
from .reports import PageConsent, PageInstallIds

__all__ = [
    "Bridge",
    "BridgeStats",
    "BrowserHost",
    "CommandHost",
    "Connection",
    "PageConsent",
    "PageInstallIds",
    "RecordingHost",
]

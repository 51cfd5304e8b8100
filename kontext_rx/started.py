"""When the package was imported: for the ad server that is when the app started, unless the app says otherwise."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["STARTED_MS"]

STARTED_MS: Final = time.time_ns() // 1_000_000
"""Epoch milliseconds."""

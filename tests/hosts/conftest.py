from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chromium import Browser, open_browser

from kontext_rx.hosts import Bridge
from kontext_rx.testing import VirtualClock

from .stage import Stage, staged


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def stage(chromium: Browser) -> AsyncIterator[Stage]:
    async with staged(chromium) as made:
        yield made


@pytest.fixture
def bridge(clock: VirtualClock) -> Bridge:
    """A bridge in virtual time."""
    return Bridge(scheduler=clock)

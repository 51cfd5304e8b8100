from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chromium import Browser, open_browser

from .kernel import Notebook, running


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def notebook(chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Notebook]:
    async with running(chromium, monkeypatch) as made:
        yield made

"""One session in virtual time."""

from collections.abc import Callable
from typing import Any

import pytest
from watched import Watched

from kontext_rx.testing import VirtualAdServer


@pytest.fixture
def watch(server: VirtualAdServer) -> Callable[..., Watched]:
    """Open a session with options of one's own."""

    def make(**options: Any) -> Watched:
        return Watched(server, options)

    return make


@pytest.fixture
def watched(watch: Callable[..., Watched]) -> Watched:
    return watch()

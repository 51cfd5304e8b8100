"""Conversations to look at."""

from collections.abc import Callable
from typing import Any

import pytest

from kontext_rx.testing import VirtualClock

from .talk import Talk
from .talk import story as a_story


@pytest.fixture
def talk(clock: VirtualClock) -> Callable[..., Talk]:
    """Begin a conversation with options of one's own."""

    def make(**options: Any) -> Talk:
        return Talk(clock, **options)

    return make


@pytest.fixture
def story(clock: VirtualClock) -> Talk:
    return a_story(clock)

"""What every test can rely on: virtual time, marbles, and nothing that fails in silence."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from reactivex.scheduler import TimeoutScheduler

from kontext_rx.testing import Marbles, VirtualAdServer, VirtualClock


@pytest.fixture(autouse=True)
def _no_thread_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator that was given no scheduler would start a thread: it fails here instead."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a timer without the session's scheduler")

    for name in ("schedule", "schedule_relative", "schedule_absolute"):
        monkeypatch.setattr(TimeoutScheduler, name, refuse)


@pytest.fixture(autouse=True)
def _own_install_id(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test touches the data folder of whoever runs it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(autouse=True)
def reported(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What a session reports as an error fails the test, unless the test is marked `reports`."""
    yield
    errors = [
        record
        for record in caplog.get_records("call")
        if record.name == "kontext_rx" and record.levelno >= logging.ERROR
    ]
    expected = request.node.get_closest_marker("reports") is not None
    assert bool(errors) == expected, (
        f"reported: {[(e.getMessage(), getattr(e, 'where', None), e.exc_info) for e in errors]}"
    )


@pytest.fixture
def marbles() -> Marbles:
    return Marbles()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def server(clock: VirtualClock) -> VirtualAdServer:
    return VirtualAdServer(clock)

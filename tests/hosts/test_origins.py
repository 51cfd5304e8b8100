"""Whose pages may connect."""

from __future__ import annotations

import pytest

from kontext_rx import InvalidOptionError
from kontext_rx.hosts import Bridge
from kontext_rx.hosts.bridge import ORIGINS_TOLD
from kontext_rx.hosts.origins import Origins


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://chat.example", "chat.example"),
        ("http://localhost:8000", "localhost:8000"),
        ("https://chat.example", "chat.example:443"),
        ("https://CHAT.example", "chat.EXAMPLE"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_by_default_a_page_connects_to_its_own_host(origin: str, host: str) -> None:
    assert Origins(None).allow(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "chat.example"),
        ("https://chat.example.evil.example", "chat.example"),
        ("https://chat.example:8443", "chat.example"),
        ("http://localhost:8001", "localhost:8000"),
        ("null", "chat.example"),
        ("", "chat.example"),
        (None, "chat.example"),
        ("https://chat.example", None),
        ("https://chat.example", ""),
        ("file://", "chat.example"),
        ("https://chat.example@evil.example", "chat.example"),
        ("https://[", "["),
        ("https://chat.example:x", "chat.example:x"),
    ],
)
def test_and_no_other_page_does(origin: str | None, host: str | None) -> None:
    """Nor a client that does not say where it comes from: every browser does."""
    assert not Origins(None).allow(origin, host)


def test_named_origins_are_the_only_ones() -> None:
    """Exactly: scheme, host and port, as a browser writes them."""
    origins = Origins(["https://Chat.example:443/", "http://localhost:3000", "https://bücher.example"])
    assert origins.allow("https://chat.example", "bridge.example")
    assert origins.allow("http://localhost:3000", None)
    assert origins.allow("https://xn--bcher-kva.example", None)
    assert not origins.allow("http://chat.example", "bridge.example")
    assert not origins.allow("https://bridge.example", "bridge.example")
    assert not origins.allow("null", None)
    assert not Origins([]).allow("https://chat.example", "chat.example")


@pytest.mark.parametrize(
    "given",
    [
        "*",
        "null",
        "chat.example",
        "https://",
        "https://chat.example/app",
        "https://a@b",
        "ws://x",
        "https://x?y",
        7,
        "",
    ],
)
def test_what_is_no_origin_is_refused_at_once(given: object) -> None:
    with pytest.raises(InvalidOptionError, match="origins="):
        Origins([given])  # type: ignore[list-item]


def test_one_text_is_no_list() -> None:
    with pytest.raises(InvalidOptionError, match="give a list"):
        Origins("https://chat.example")


def test_a_refusal_is_logged_once_for_each_origin_with_the_cure(caplog: pytest.LogCaptureFixture) -> None:
    """And for no more origins than one could read: whoever connects may send any."""
    bridge = Bridge(origins=["https://chat.example"])
    for _ in range(3):
        assert not bridge.allows("http://localhost:8080", "localhost:8080")
    assert bridge.allows("https://chat.example", "localhost:8080")
    assert not bridge.allows(None, "localhost:8080")
    assert [record.getMessage() for record in caplog.records] == [
        "a page of 'http://localhost:8080' was refused: if it is yours, Bridge(origins=['http://localhost:8080'])"
    ]
    for number in range(1000):
        bridge.allows(f"https://{number}.example", "localhost:8080")
    assert len(caplog.records) == ORIGINS_TOLD
    assert bridge.stats.refused == 1004

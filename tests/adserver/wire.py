"""Requests as an SDK sends them."""

from __future__ import annotations

from typing import Any

from kontext_rx.adserver import Preload, Turn

HEADERS = {"Kontextso-Publisher-Token": "acme-dev", "Kontextso-Is-Disabled": "0"}
TRACK_ONLY = HEADERS | {"Kontextso-Is-Disabled": "1"}
SDK = {"name": "sdk-python", "platform": "web", "version": "0.1.0"}
OLDER_SDK = {"name": "sdk-react", "platform": "web", "version": "3.0.9"}


def init_body(**more: Any) -> dict[str, Any]:
    """A body for /init with all that is always sent."""
    return {
        "publisherToken": "acme-dev",
        "userId": "user-77",
        "installId": "01985b2e-3c11-7a4d-9f20-5c1e77aa0b31",
        "sdk": dict(SDK),
        "app": {"bundleId": "com.acme.chat", "version": "2.4.1"},
    } | more


def preload_body(*texts: str, **more: Any) -> dict[str, Any]:
    """A body for /preload with all that is always sent; *texts* are the user's messages, each with a reply between."""
    messages: list[dict[str, str]] = []
    for number, text in enumerate(texts or ("Any tent for two?",), start=1):
        messages.append(message(f"u{number}", "user", text))
        messages.append(message(f"a{number}", "assistant", "I see."))
    return (
        init_body()
        | {
            "conversationId": "thread-5",
            "enabledPlacementCodes": ["inlineAd"],
            "messages": messages[:-1],
            "device": {
                "hardware": {"type": "desktop"},
                "os": {"name": "linux", "version": "6.8", "locale": "en-GB", "timezone": "Europe/London"},
                "screen": {"width": 2560, "height": 1440, "dpr": 2.0, "darkMode": False},
            },
        }
        | more
    )


def message(message_id: str, role: str, content: str) -> dict[str, str]:
    """One message."""
    return {"id": message_id, "role": role, "content": content, "createdAt": "2026-03-02T08:15:00.250Z"}


def older_body(*texts: str, **more: Any) -> dict[str, Any]:
    """A body for /preload as an SDK before version 4 may send it."""
    body = preload_body(*texts) | {"sdk": OLDER_SDK, "sessionId": None, "somethingOld": {"x": 1}} | more
    del body["installId"], body["app"], body["device"]
    return body


def report_body(**more: Any) -> dict[str, Any]:
    """A body for /error or /debug, by what is in *more*."""
    return {"additionalData": {"publisherToken": "acme-dev", "sdk": dict(SDK)}} | more


def turn(number: int = 1, *, user: str = "user-77", conversation: str = "thread-5", **more: Any) -> Turn:
    """A turn for the pure decision; *more* goes to the turn or to its request, by name."""
    of_turn: dict[str, Any] = {key: more.pop(key) for key in ("attempt", "ads") if key in more}
    asked: dict[str, Any] = {
        "codes": ("inlineAd",),
        "contents": ("Any tent for two?",),
        "session_id": None,
        "track_only": False,
    } | more
    preload = Preload(user_id=user, conversation_id=conversation, user_message_ids=(f"u{number}",), **asked)
    return Turn(preload=preload, number=number, **of_turn)

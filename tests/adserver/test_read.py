from __future__ import annotations

from typing import Any

import pytest

from kontext_rx.adserver.read import (
    BadRequestError,
    check_init,
    check_report,
    is_older_sdk,
    read_object,
    read_preload,
)

from .wire import HEADERS, OLDER_SDK, TRACK_ONLY, init_body, message, older_body, preload_body, report_body


def refused(body: dict[str, Any], headers: dict[str, str] = HEADERS) -> BadRequestError:
    with pytest.raises(BadRequestError) as caught:
        read_preload(body, headers)
    return caught.value


def without(body: dict[str, Any], path: str) -> dict[str, Any]:
    """Take the key at *path* out of *body*."""
    inner: Any = body
    *way, last = path.split(".")
    for step in way:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    del inner[last]
    return body


def test_a_whole_request_is_read() -> None:
    """What the decision looks at, and no more."""
    asked = read_preload(preload_body("Any tent?", "For two.", enabledPlacementCodes=["a", "b", "a"]), HEADERS)
    assert asked.contents == ("Any tent?", "I see.", "For two.")
    assert asked.user_message_ids == ("u1", "u2")
    assert asked.codes == ("a", "b")
    assert asked.session_id is None
    assert asked.track_only is False
    assert read_preload(preload_body(), TRACK_ONLY).track_only is True


@pytest.mark.parametrize(
    "path",
    [
        "publisherToken",
        "userId",
        "installId",
        "conversationId",
        "enabledPlacementCodes",
        "messages",
        "sdk",
        "sdk.name",
        "device",
        "device.hardware.type",
        "device.os.name",
        "device.os.version",
        "device.os.locale",
        "device.os.timezone",
        "device.screen.width",
        "device.screen.height",
        "device.screen.dpr",
        "device.screen.darkMode",
        "app",
        "app.bundleId",
        "app.version",
        "messages.0.id",
        "messages.0.role",
        "messages.0.content",
        "messages.0.createdAt",
    ],
)
def test_what_is_always_sent_is_required_by_name(path: str) -> None:
    """The complaint names the field as the developer would write it."""
    error = refused(without(preload_body(), path))
    assert error.field == path.replace(".0.", "[0].")
    assert str(error) == f"{error.field}: is required"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", ""),
        ("enabledPlacementCodes", []),
        ("messages", []),
        ("messages", [message(f"m{number}", "user", "x") for number in range(31)]),
        ("sessionId", None),
        ("sessionId", "not-a-uuid"),
        ("regulatory", {"gdpr": 2}),
        ("regulatory", {"gppSid": ["7"]}),
        ("character", {"id": "c-9", "name": "Ranger"}),
        ("userEmail", None),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(field: str, value: object) -> None:
    """An absent value is left out, never null."""
    assert (refused(preload_body(**{field: value})).field or "").startswith(field)


def test_an_instant_is_written_in_one_way_only() -> None:
    """UTC, with milliseconds; the complaint shows one."""
    late = message("u1", "user", "x") | {"createdAt": "2026-03-02T08:15:00Z"}
    assert "2026-03-02T08:15:00.250Z" in str(refused(preload_body(messages=[late])))


def test_what_is_optional_is_taken_when_it_is_right() -> None:
    """And a known session id comes back in lower case."""
    asked = read_preload(
        preload_body(
            sessionId="6F1C0A52-8F0E-4C1B-9A77-2D3E4F5A6B7C",
            character={"id": "c-9", "name": "Ranger", "avatarUrl": "https://acme.example/r.png", "tags": []},
            regulatory={"gdpr": 1, "gdprConsent": "CPx-demo", "gppSid": [7]},
            variantId="blue",
            unheardOf=1,
        ),
        HEADERS,
    )
    assert asked.session_id == "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"


def test_the_headers_are_required_too() -> None:
    """The token, and 0 or 1 for whether the turn is only tracked."""
    assert refused(preload_body(), {}).field == "header Kontextso-Publisher-Token"
    assert refused(preload_body(), {"Kontextso-Publisher-Token": "t"}).field == "header Kontextso-Is-Disabled"
    assert refused(preload_body(), HEADERS | {"Kontextso-Is-Disabled": "no"}).field == "header Kontextso-Is-Disabled"


@pytest.mark.parametrize(
    ("sdk", "older"),
    [
        (OLDER_SDK, True),
        ({"name": "sdk", "version": "1"}, True),
        ({"name": "sdk-js", "version": "4.0.0"}, False),
        ({"name": "sdk-js", "version": "10.1.0"}, False),
        ({"name": "sdk-python", "version": "0.1.0"}, False),
        ({"name": "sdk-js", "version": "next"}, False),
        ({"name": "sdk-js"}, False),
        ({"version": "3.0.9"}, False),
        ("sdk-js", False),
        (None, False),
    ],
)
def test_an_older_sdk_is_known_by_its_version(sdk: object, older: bool) -> None:
    """Our own counts from 0 and is no older for it."""
    assert is_older_sdk(sdk) is older


def test_an_older_sdk_is_taken_as_it_is() -> None:
    """No install id, app, device, token or header; a null session id; keys that are unknown."""
    asked = read_preload(older_body("Any tent?"), {})
    assert asked.contents == ("Any tent?",)
    assert asked.session_id is None
    assert asked.track_only is False
    check_init({"publisherToken": "acme-dev", "sdk": OLDER_SDK}, {})
    check_report({"additionalData": {"sdk": OLDER_SDK}}, "error")


def test_an_older_sdks_session_id_is_used_when_it_is_a_uuid() -> None:
    """A good answer needs a real one."""
    known = "6f1c0a52-8f0e-4c1b-9a77-2d3e4f5a6b7c"
    assert read_preload(older_body(sessionId=known), {}).session_id == known
    assert read_preload(older_body(sessionId="session-1"), {}).session_id is None


def test_an_older_sdk_still_has_to_say_who_asks_for_what() -> None:
    """Without a conversation there is nothing to answer."""
    assert refused(without(older_body(), "conversationId"), {}).field == "conversationId"


def test_init_is_checked() -> None:
    """Body and token."""
    check_init(init_body(skan={"items": []}), HEADERS)
    with pytest.raises(BadRequestError, match="installId: is required"):
        check_init(without(init_body(), "installId"), HEADERS)
    with pytest.raises(BadRequestError, match="Publisher-Token: is required"):
        check_init(init_body(), {})


def test_reports_are_checked() -> None:
    """Each needs its text, and who sends it."""
    check_report(report_body(error="it broke"), "error")
    check_report(report_body(name="Session: bid-assigned", data="{}"), "name")
    with pytest.raises(BadRequestError, match="error: is required"):
        check_report(report_body(), "error")
    with pytest.raises(BadRequestError, match="additionalData: is required"):
        check_report({"name": "x"}, "name")
    with pytest.raises(BadRequestError, match=r"additionalData\.sdk: is required"):
        check_report({"name": "x", "additionalData": {}}, "name")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[1]", b'"x"', b"null", b'{"x": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(BadRequestError, match="the body is"):
        read_object(raw)


def test_half_a_surrogate_pair_is_text() -> None:
    """A browser may cut an emoji in two."""
    assert read_object(b'{"content": "\\ud83d"}') == {"content": "\ud83d"}

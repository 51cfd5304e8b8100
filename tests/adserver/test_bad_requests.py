from __future__ import annotations

import io
import json

import pytest

from .conftest import Caller
from .wire import HEADERS, OLDER_SDK, init_body, older_body, preload_body, report_body


@pytest.mark.parametrize("path", ["/init", "/preload", "/error", "/debug"])
async def test_a_body_that_is_not_json_is_a_400(caller: Caller, path: str) -> None:
    """Whoever sends it; the log has it, without a body."""
    answer = await caller.request("POST", path, data=b"not json", headers=HEADERS)
    assert answer.status == 400
    assert "not JSON" in answer.json["error"]
    (entry,) = caller.server.requests
    assert (entry.body, entry.size, entry.status) == (None, 8, 400)


async def test_a_missing_key_is_a_400_that_names_it(caller: Caller) -> None:
    """To help the developer who reads it."""
    body = preload_body()
    del body["device"]["os"]["locale"]
    answer = await caller.post("/preload", body)
    assert answer.status == 400
    assert answer.json == {"error": "device.os.locale: is required", "field": "device.os.locale"}


async def test_our_own_sdk_is_current_whatever_its_version(caller: Caller) -> None:
    """It counts from 0, and must send what is always sent."""
    body = preload_body(sdk={"name": "sdk-python", "platform": "web", "version": "0.0.1"}, sessionId=None)
    assert (await caller.post("/preload", body)).json["field"] == "sessionId"


@pytest.mark.parametrize("content_type", ["text/plain", "text/plain;charset=UTF-8", "application/octet-stream"])
async def test_any_content_type_is_taken(caller: Caller, content_type: str) -> None:
    """A browser leaves it at text/plain to spare a preflight."""
    data = json.dumps(preload_body()).encode()
    answer = await caller.request("POST", "/preload", data=data, headers=HEADERS | {"Content-Type": content_type})
    assert answer.json["bids"]


async def test_an_older_sdk_is_served_as_it_is(caller: Caller) -> None:
    """No install id, app, token or header, a null session id, unknown keys: it fills all the same."""
    answer = await caller.post("/preload", older_body("Any good coffee?"), headers={})
    assert answer.json["bids"][0]["value"] == answer.json["bids"][0]["revenue"]
    assert answer.json["sessionId"]
    older = init_body(sdk=OLDER_SDK)
    del older["installId"], older["app"]
    assert (await caller.post("/init", older, headers={})).json["enabled"] is True
    assert (await caller.post("/error", report_body(additionalData={"sdk": OLDER_SDK}), headers={})).status == 204
    unnamed = {"publisherToken": "acme-dev", "adServerUrl": caller.server.url, "messages": []}
    assert (await caller.post("/error", {"error": "x", "additionalData": unnamed}, headers={})).status == 204


async def test_a_body_that_is_too_large_is_a_413(caller: Caller) -> None:
    """It is not read to its end."""
    answer = await caller.request("POST", "/preload", data=io.BytesIO(b" " * (17 * 1024 * 1024)), headers=HEADERS)
    assert answer.status == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert [entry.status for entry in caller.server.requests] == [413]


async def test_what_fails_inside_is_a_500_and_logged(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours must not look like an answer."""

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("kontext_rx.adserver.endpoints.decide", fail)
    assert (await caller.preload()).status == 500
    assert "a mistake of ours" in caplog.text
    assert caller.server.requests[0].status == 500

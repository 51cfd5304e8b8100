from __future__ import annotations

import pytest

from kontext_rx.adserver import answers

from .conftest import Caller
from .wire import HEADERS, preload_body


def allowed(headers: str) -> set[str]:
    return {name.strip().lower() for name in headers.split(",")}


@pytest.mark.parametrize("path", ["/init", "/preload", "/error", "/debug", "/log", "/nowhere"])
async def test_a_preflight_allows_what_sdks_send(caller: Caller, path: str) -> None:
    """From anywhere, with the headers of the session API; it is not in the log."""
    answer = await caller.request(
        "OPTIONS", path, headers={"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    )
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert allowed(answer.headers["Access-Control-Allow-Headers"]) == {
        "content-type",
        "kontextso-publisher-token",
        "kontextso-is-disabled",
    }
    assert not caller.server.requests


async def test_a_preflight_allows_what_it_asks_for(caller: Caller) -> None:
    """Headers of an app's own, and a page of the internet calling this machine."""
    answer = await caller.request(
        "OPTIONS",
        "/preload",
        headers={
            "Access-Control-Request-Headers": "content-type, x-trace",
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert "x-trace" in allowed(answer.headers["Access-Control-Allow-Headers"])
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/preload", 400),
        ("POST", "/nowhere", 404),
        ("GET", "/preload", 405),
        ("POST", "/log", 204),
        ("GET", "/", 200),
    ],
)
async def test_every_answer_can_be_read_by_a_page_from_anywhere(
    caller: Caller, method: str, path: str, status: int
) -> None:
    """Errors too: a developer has to see them in the browser."""
    answer = await caller.request(method, path)
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_scripted_errors_can_be_read_as_well(caller: Caller) -> None:
    """With the pause that a 429 asks for."""
    caller.server.script("/preload", answers.status(500), answers.rate_limited(retry_after=1))
    for _ in range(2):
        answer = await caller.request("POST", "/preload", json=preload_body(), headers=HEADERS)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


async def test_a_script_may_take_it_away(caller: Caller) -> None:
    """So that an app's handling of that can be tried."""
    refuse = {"Access-Control-Allow-Origin": "https://elsewhere.example"}
    caller.server.script("/preload", answers.Answer(json={}, headers=refuse))
    assert (await caller.preload()).headers["Access-Control-Allow-Origin"] == "https://elsewhere.example"

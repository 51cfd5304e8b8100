"""The DevTools client, against a browser that is a few lines: commands, answers, and what goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from kontext_rx.demo import devtools as module
from kontext_rx.demo.chromium import ChromiumError
from kontext_rx.demo.devtools import DevTools, Tab

Answer = Callable[[dict[str, Any]], Any]


class Browser:
    """Answers what *answer* gives: a result, an exception for an error, None for silence."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.answer: Answer = lambda command: {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            command = json.loads(message.data)
            self.asked.append(command)
            try:
                result = self.answer(command)
            except LookupError as error:
                await socket.send_json({"id": command["id"], "error": {"code": -32000, "message": str(error)}})
                continue
            except ConnectionError:
                break
            await socket.send_json({"method": "Some.event", "params": {}})
            if result is not None:
                await socket.send_json({"id": command["id"], "result": result})
        return socket


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    made = Browser()
    app = web.Application()
    app.router.add_get("/", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.fixture
async def connection(browser: Browser) -> AsyncIterator[DevTools]:
    async with DevTools.connected(browser.url) as connected:
        yield connected


async def test_each_command_gets_its_own_answer(browser: Browser, connection: DevTools) -> None:
    """However many are out at once; events in between are nobody's answer."""
    browser.answer = lambda command: {"echo": command["params"]["n"]}
    answers = await asyncio.gather(*(connection.send("Echo", n=n) for n in range(20)))
    assert answers == [{"echo": n} for n in range(20)]


async def test_a_refusal_names_the_reason(browser: Browser, connection: DevTools) -> None:
    def refuse(command: dict[str, Any]) -> Any:
        raise LookupError("No target with given id")

    browser.answer = refuse
    with pytest.raises(ChromiumError, match="No target with given id"):
        await connection.send("Target.closeTarget", targetId="x")


async def test_a_browser_that_is_gone_answers_nobody(browser: Browser, connection: DevTools) -> None:
    def hang_up(command: dict[str, Any]) -> Any:
        raise ConnectionError

    browser.answer = hang_up
    with pytest.raises(ChromiumError, match="gone"):
        await connection.send("Browser.getVersion")
    with pytest.raises(ChromiumError, match="gone"):
        await connection.send("Browser.getVersion")


async def test_silence_has_an_end(browser: Browser, connection: DevTools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.05)
    browser.answer = lambda command: None
    with pytest.raises(ChromiumError, match=r"did not answer Browser.getVersion within 0.05 s"):
        await connection.send("Browser.getVersion")


async def test_nobody_there(unused_tcp_port: int) -> None:
    with pytest.raises(ChromiumError, match="cannot be reached"):
        async with DevTools.connected(f"ws://127.0.0.1:{unused_tcp_port}/"):
            pass


async def test_what_the_page_throws_is_told(browser: Browser, connection: DevTools) -> None:
    browser.answer = lambda command: {
        "result": {},
        "exceptionDetails": {"text": "Uncaught", "exception": {"description": "TypeError: x is not a function"}},
    }
    with pytest.raises(ChromiumError, match="TypeError: x is not a function"):
        await Tab(connection, "s", frozenset()).evaluate("x()")


async def test_waiting_for_what_does_not_come_says_what(browser: Browser, connection: DevTools) -> None:
    browser.answer = lambda command: {"result": {"value": False}}
    with pytest.raises(ChromiumError, match=r"the page did not come within 0.1 s"):
        await Tab(connection, "s", frozenset()).wait_for("ready", within=0.1, what="the page")


async def test_a_click_is_in_the_middle_of_what_it_is_for(browser: Browser, connection: DevTools) -> None:
    browser.answer = lambda command: {"result": {"value": {"x": 30.5, "y": 40}}}
    await Tab(connection, "s", frozenset()).click("#a1 iframe")
    _, pressed, released = browser.asked
    assert {command["sessionId"] for command in browser.asked} == {"s"}
    assert [pressed["params"]["type"], released["params"]["type"]] == ["mousePressed", "mouseReleased"]
    assert (pressed["params"]["x"], pressed["params"]["y"]) == (30.5, 40)


async def test_there_is_nothing_to_click(browser: Browser, connection: DevTools) -> None:
    browser.answer = lambda command: {"result": {"value": None}}
    with pytest.raises(ChromiumError, match="there is no #a9 in the page to click"):
        await Tab(connection, "s", frozenset()).click("#a9")


async def test_what_a_click_has_opened_is_closed_when_it_comes(browser: Browser, connection: DevTools) -> None:
    """It comes some time after the click; what was there before stays."""
    looks = iter([["ours", "blank"], ["ours", "blank"], ["ours", "blank", "shop"]])

    def answer(command: dict[str, Any]) -> Any:
        if command["method"] != "Target.getTargets":
            return {}
        return {"targetInfos": [{"type": "page", "targetId": name} for name in next(looks)]}

    browser.answer = answer
    tab = Tab(connection, "s", await connection.pages())
    await tab.close_opened()
    assert [command["params"] for command in browser.asked if command["method"] == "Target.closeTarget"] == [
        {"targetId": "shop"}
    ]
    assert browser.asked[-1]["method"] == "Page.bringToFront"

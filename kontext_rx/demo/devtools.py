"""The Chrome DevTools Protocol, as much of it as the demo needs: a tab that is looked at, typed into and clicked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeAlias

import aiohttp
import msgspec

from .chromium import ChromiumError

__all__ = ["DevTools", "Tab"]

ANSWER_S: Final = 20.0
"""Seconds for the answer to a command. Source: ours."""

LOOK_S: Final = 0.05
"""Seconds between two looks at a page that is not yet as it should be. Source: ours."""

OPENING_S: Final = 5.0
"""Seconds that a click may take to open a tab. Source: ours."""

Json: TypeAlias = dict[str, Any]


class DevTools:
    """A connection to a browser: commands out, each with its answer back."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, address: str) -> AsyncGenerator[DevTools]:
        """Connect to a browser's DevTools at a `ws:` *address*. Raises `ChromiumError`."""
        async with aiohttp.ClientSession() as http:
            try:
                socket = await http.ws_connect(address, max_msg_size=0)
            except (aiohttp.ClientError, OSError) as error:
                raise ChromiumError(f"the browser's DevTools cannot be reached: {error}") from error
            async with socket:
                devtools = cls(socket)
                reading = asyncio.create_task(devtools._read())
                try:
                    yield devtools
                finally:
                    reading.cancel()

    async def send(self, method: str, *, session: str | None = None, **params: Any) -> Json:
        """Have the browser do something; give what it answers. Raises `ChromiumError`."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._socket.send_str(msgspec.json.encode(command).decode())
                return await answer
        except TimeoutError:
            raise ChromiumError(f"the browser did not answer {method} within {ANSWER_S:g} s") from None
        except ConnectionError:
            raise ChromiumError("the browser is gone") from None
        finally:
            del self._waiting[number]

    async def open_tab(self, url: str, *, width: int = 1280, height: int = 800) -> Tab:
        """A new tab of this size, on its way to *url*."""
        opened = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=opened["targetId"], flatten=True)
        tab = Tab(self, attached["sessionId"], await self.pages())
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await tab.send("Emulation.setDeviceMetricsOverride", **size)
        await tab.send("Page.navigate", url=url)
        return tab

    async def pages(self) -> frozenset[str]:
        """The ids of the tabs that are open."""
        targets = (await self.send("Target.getTargets"))["targetInfos"]
        return frozenset(target["targetId"] for target in targets if target["type"] == "page")

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            said: Json = msgspec.json.decode(message.data)
            waiting = self._waiting.get(said.get("id", 0))
            if waiting is None or waiting.done():
                continue  # an event, or too late
            if "error" in said:
                waiting.set_exception(ChromiumError(f"the browser refused: {said['error'].get('message')}"))
            else:
                waiting.set_result(said.get("result", {}))
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ChromiumError("the browser is gone"))


class Tab:
    """One page in the browser, in the hands of a person made of code."""

    def __init__(self, devtools: DevTools, session: str, pages: frozenset[str]) -> None:
        """A tab that is attached to as *session*; *pages* are those that were there when it was opened, it included."""
        self._devtools, self._session, self._before = devtools, session, pages

    async def send(self, method: str, **params: Any) -> Json:
        """Have the browser do something in this tab."""
        return await self._devtools.send(method, session=self._session, **params)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON has it. Raises `ChromiumError` when it throws."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if (failure := answer.get("exceptionDetails")) is not None:
            thrown = failure.get("exception", {}).get("description") or failure.get("text")
            raise ChromiumError(f"the page failed: {thrown}")
        return answer["result"].get("value")

    async def wait_for(self, expression: str, *, within: float | None, what: str) -> Any:
        """Look until an expression is true, and give it. Raises `ChromiumError`, which names *what* did not come."""
        try:
            async with asyncio.timeout(within):
                while not (value := await self.evaluate(expression)):  # noqa: ASYNC110 - it is a page that we wait for
                    await asyncio.sleep(LOOK_S)
                return value
        except TimeoutError:
            raise ChromiumError(f"{what} did not come within {within or 0:g} s") from None

    async def type(self, text: str) -> None:
        """Type into whatever has the focus, and press Enter."""
        await self.send("Input.insertText", text=text)
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await self.send("Input.dispatchKeyEvent", type="keyDown", **key)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **key)

    async def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, a frame for instance. Raises `ChromiumError`."""
        quoted = msgspec.json.encode(selector).decode()
        middle = await self.evaluate(
            f"(() => {{ const found = document.querySelector({quoted}); if (!found) return null;"
            " found.scrollIntoView({block: 'nearest'}); const box = found.getBoundingClientRect();"
            " return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()"
        )
        if middle is None:
            raise ChromiumError(f"there is no {selector} in the page to click")
        mouse = {**middle, "button": "left", "clickCount": 1}
        await self.send("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        await self.send("Input.dispatchMouseEvent", type="mouseReleased", **mouse)

    async def close_opened(self) -> None:
        """Close what a click has opened, and come to the front again; a click that opens nothing costs a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPENING_S):
                while not (opened := await self._devtools.pages() - self._before):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(LOOK_S)
                for target in opened:
                    await self._devtools.send("Target.closeTarget", targetId=target)
        await self.send("Page.bringToFront")

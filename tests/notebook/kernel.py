"""A notebook without Jupyter: real traits here, anywidget's model in a page there, and a WebSocket between them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import comm
import pytest
from aiohttp import web
from comm.base_comm import BaseComm
from hosts.stage import served

from kontext_rx.notebook import AdCell

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

PAGE = """<!doctype html><meta charset="utf-8"><title>A notebook</title><link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark }
  body { margin: 12px; font-family: sans-serif; background: canvas; color: canvastext }
  pre { margin: 16px 0 4px; opacity: .6 }
</style>
<main></main>
<script type="module">
const socket = new WebSocket(`ws://${location.host}/kernel${location.search}`);
const models = {};
const outputs = [];

// As ipywidgets does it: one message at a time is under way, and what changes meanwhile is sent as it is in the end.
class Model {
  constructor(id, state) {
    Object.assign(this, { id, state, changed: {}, listeners: [], busy: false, held: false, writes: 0 });
  }
  get(name) { return this.state[name]; }
  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = this.changed[name] = value;
    this.tell(name);
  }
  save_changes() {
    if (this.busy || this.held || !Object.keys(this.changed).length) return;
    this.busy = true;
    this.writes++;
    socket.send(JSON.stringify({ id: this.id, data: { method: "update", state: this.changed } }));
    this.changed = {};
  }
  on(event, listener) { this.listeners.push({ event, listener }); }
  off(event, listener) {
    this.listeners = this.listeners.filter((one) => one.event !== event || one.listener !== listener);
  }
  tell(name) { for (const { event, listener } of [...this.listeners]) if (event === `change:${name}`) listener(); }
  take(state) {
    for (const name in state) {
      if (name in this.changed) continue;
      this.state[name] = state[name];
      this.tell(name);
    }
  }
}

socket.onmessage = ({ data }) => {
  const said = JSON.parse(data);
  if (said.open) models[said.id] ??= new Model(said.id, said.open);
  const model = models[said.id];
  if (!model) return;
  if (said.state) model.take(said.state);
  if (said.idle) { model.busy = false; model.save_changes(); }
};

window.models = models;
window.display = async (id) => {
  while (!models[id]) await new Promise((done) => setTimeout(done, 5));
  const model = models[id];
  const widget = await import(URL.createObjectURL(new Blob([model.get("_esm")], { type: "text/javascript" })));
  const style = document.createElement("style");
  style.textContent = model.get("_css");
  const prompt = document.createElement("pre");
  prompt.textContent = "cell";
  const el = document.createElement("div");
  el.className = "output";
  document.querySelector("main").append(style, prompt, el);
  const clear = await widget.default.render({ model, el });
  return outputs.push(() => { clear(); el.remove(); }) - 1;
};
window.clear = (output) => outputs[output]();
socket.onopen = () => (window.ready = true);
</script>"""


class PageComm(BaseComm):
    """What a widget sends goes to every page, as from a kernel."""

    def __init__(self, notebook: Notebook, **given: Any) -> None:
        self._notebook = notebook
        super().__init__(**given)

    def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **__: Any) -> None:
        if msg_type == "comm_msg" and data["method"] == "update":
            self._notebook.send({"id": self.comm_id, "state": data["state"]})


class Notebook:
    """A kernel with its pages. `is_busy` is a kernel that runs a long cell: what comes in waits for `work`."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.comms: dict[str, PageComm] = {}
        self.sent: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.is_busy = False
        self.url = ""
        self.app = web.Application()
        self.app.router.add_get("/", self._page)
        self.app.router.add_get("/kernel", self._kernel)
        self._outgoing: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._incoming: list[tuple[str, dict[str, Any]]] = []
        self._numbers = itertools.count(1)

    def create_comm(self, **given: Any) -> PageComm:
        made = PageComm(self, **given)
        self.comms[made.comm_id] = made
        return made

    def send(self, message: dict[str, Any]) -> None:
        """To every page."""
        self.sent.append(message)
        for queue in self._outgoing.values():
            queue.put_nowait(message)

    def work(self) -> None:
        """Handle what has come in."""
        self.is_busy = False
        while self._incoming:
            page, said = self._incoming.pop(0)
            self.comms[said["id"]].handle_msg({"content": {"data": said["data"]}, "buffers": []})
            self._outgoing[page].put_nowait({"id": said["id"], "idle": True})

    async def page(self, **context: Any) -> Page:
        """One more tab of the notebook."""
        profile = await self.browser.new_context(**{"viewport": {"width": 1000, "height": 900}, **context})
        page = await profile.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.problems.append(said.text))
        await self.open(page)
        return page

    async def open(self, page: Page) -> None:
        """Load the notebook in a page: anew, when it was open there."""
        await page.goto(f"{self.url}/?{next(self._numbers)}")
        await page.wait_for_function("window.ready")

    async def display(self, page: Page, cell: AdCell) -> int:
        """Show a cell in one more output; gives the output's number."""
        self._outgoing[page.url.partition("?")[2]].put_nowait({"id": cell.model_id, "open": cell.get_state()})
        return await page.evaluate("id => display(id)", cell.model_id)

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def _kernel(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        page = request.query_string
        queue = self._outgoing[page] = asyncio.Queue()
        sending = asyncio.create_task(self._send(socket, queue))
        async for message in socket:
            self._incoming.append((page, json.loads(message.data)))
            if not self.is_busy:
                self.work()
        sending.cancel()
        return socket

    @staticmethod
    async def _send(socket: web.WebSocketResponse, queue: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            await socket.send_json(await queue.get())


@asynccontextmanager
async def running(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Notebook]:
    """A notebook; what goes wrong in its pages' scripts fails the test in the end."""
    notebook = Notebook(browser)
    monkeypatch.setattr(comm, "create_comm", notebook.create_comm)
    known = list(browser.contexts)
    async with served(notebook.app, "localhost") as notebook.url:
        yield notebook
        for context in browser.contexts:
            if context not in known:
                await context.close()
    assert notebook.problems == []

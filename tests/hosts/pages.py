"""A page without a browser: the other end of a bridge, for tests of what is said between the two."""

from __future__ import annotations

import json
from typing import Any

from kontext_rx.hosts import Bridge, Connection

PAGE_ID = "page-0123456789abcdef"


class FakePage:
    """Numbers, keeps and resends as `browser.js` does."""

    def __init__(
        self, bridge: Bridge, token: str, page_id: str = PAGE_ID, version: int = 1, ack_every: int = 1
    ) -> None:
        self.bridge, self.token, self.id, self.version = bridge, token, page_id, version
        self.ack_every = ack_every
        self.connection: Connection | None = None
        self.sent = self.seen = 0
        self.waiting: list[tuple[int, str]] = []
        self.done: list[tuple[Any, ...]] = []
        """What it was told to do: slot, call, arguments."""
        self.welcomes: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.closed: list[int] = []

    # --- sockets ---

    def connect(self) -> FakePage:
        self.connection = self.bridge.connect(lambda: None)
        self.raw(json.dumps({"t": "hello", "v": self.version, "token": self.token, "page": self.id, "seen": self.seen}))
        self.pump()
        return self

    def drop(self) -> None:
        """The socket dies; what was outgoing is lost."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.outgoing()
            connection.lost()

    def raw(self, text: str | bytes) -> None:
        if self.connection is not None:
            self.connection.receive(text)

    # --- messages ---

    def say(self, kind: str, **fields: Any) -> None:
        self.sent += 1
        text = json.dumps({"t": kind, "n": self.sent, **fields})
        self.waiting.append((self.sent, text))
        if self.welcomes:
            self.raw(text)
        self.pump()

    def frame(self, slot: int, kind: str, source: str = "inline", **data: Any) -> None:
        self.say("frame", slot=slot, source=source, data=json.dumps({"type": kind, "data": data}))

    def pump(self, most: int | None = None) -> None:
        """Take what the bridge has for the page; *most* messages, after which the socket dies."""
        if self.connection is None:
            return
        texts = self.connection.outgoing()
        for text in texts if most is None else texts[:most]:
            self._take(json.loads(text))
        if most is not None and len(texts) > most:
            self.drop()
        elif self.connection is not None and self.connection.closing is not None:
            self.closed.append(self.connection.closing[0])
            self.drop()

    def _take(self, message: dict[str, Any]) -> None:
        match message["t"]:
            case "welcome":
                self.welcomes.append(message)
                if message["fresh"]:
                    self.sent = self.seen = 0
                    self.waiting = []
                else:
                    self._acknowledged(message["seen"])
                    for _, text in self.waiting:
                        self.raw(text)
            case "do":
                assert message["n"] == self.seen + 1, "lost or doubled"
                self.seen = message["n"]
                if self.seen % self.ack_every == 0:
                    self.raw(json.dumps({"t": "ack", "a": self.seen}))
                self.done.append((message["slot"], message["call"], *message["args"]))
            case "ack":
                self._acknowledged(message["a"])
            case "refused":
                self.refused.append(message["why"])
            case other:
                raise AssertionError(other)

    def _acknowledged(self, number: int) -> None:
        self.waiting = [(n, text) for n, text in self.waiting if n > number]

    def calls(self, slot: int) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.done if call[0] == slot]

    def names(self, slot: int) -> list[str]:
        return [call[1] for call in self.done if call[0] == slot]

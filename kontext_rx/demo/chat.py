"""One page's conversation: what is said goes to the session, and what the session does goes to the page."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from ..adserver import AdServer
from ..context import ClientContext
from ..create import create_session
from ..event import Filled, Outcome
from ..hosts import Bridge, PageConsent
from ..message import Message
from ..session import Session
from ..trace import PreloadStep
from . import marks
from .marks import Mark
from .model import ChatModel, ModelError
from .replies import OPENERS, reply_to, tokens
from .scripts import Script
from .switches import PACING, SwitchedPacing, switched

__all__ = ["Chat", "Sent"]

TOKEN_S: Final = 0.045
"""Seconds between two words of a reply. Source: ours."""

REPLY_S: Final = 3.0
"""Seconds that a reply takes at most, however long it is. Source: ours."""

PIECES: Final = 60
"""Pieces in which a text arrives at most. Source: ours."""

TYPING_S: Final = 1.5
"""Seconds that a played user takes to type at most. Source: ours."""

READING_S: Final = 3.0
"""Seconds between a reply and the played user's next message: an ad needs one of them in view. Source: ours."""

FIRST_S: Final = 0.8
"""Seconds before the played user begins. Source: ours."""

LONGEST_TEXT: Final = 4_000
"""Characters of a message that the page may send."""

Sent: TypeAlias = dict[str, Any]
"""A message to the page."""


class Chat:
    """A conversation with a session of its own; `async with` ends it."""

    def __init__(
        self,
        ads: AdServer,
        bridge: Bridge,
        context: ClientContext,
        *,
        model: ChatModel | None = None,
        speed: float = 1.0,
        tell: Callable[[Mark], object] = lambda mark: None,
    ) -> None:
        self._ads, self._model, self._speed, self._tell = ads, model, speed, tell
        self._outgoing: asyncio.Queue[Sent] = asyncio.Queue()
        self._questions = itertools.count(1)
        self._writing: asyncio.Task[None] | None = None
        self._playing: asyncio.Task[None] | None = None
        self._pacing = SwitchedPacing()
        self._conversation_id = f"demo-{secrets.token_hex(4)}"
        consent = PageConsent()
        self.session: Session = create_session(
            publisher_token="demo",
            user_id=f"visitor-{secrets.token_hex(4)}",
            conversation_id=self._conversation_id,
            ad_server_url=ads.url,
            context=context,
            consent=consent,
            pacing=self._pacing.rule,
        )
        self._token = bridge.admit(self.session, consent=consent)
        self.session.events.subscribe(lambda event: self._mark(marks.told(event)))
        self.session.preloads.subscribe(self._on_step)

    async def __aenter__(self) -> Chat:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in (self._playing, self._writing):
            if task is not None:
                task.cancel()
        await self.session.aclose()

    def greet(self, *, bridge: str, script: str, played: Mapping[str, Any] | None = None) -> None:
        """Say what the page needs to begin: where the bridge and its script are, and which conversation is *played*."""
        openers = OPENERS if played is None else ()
        hello = {"token": self._token, "bridge": bridge, "script": script, "openers": openers, "played": played}
        facts = {"lanes": marks.LANES, "pacing": list(PACING), "model": self._model and self._model.name}
        self._put("hello", now=time.time(), **facts, **hello)

    async def send_to(self, send: Callable[[str], Any]) -> None:
        """Send what is to be sent, until the connection is lost."""
        with contextlib.suppress(ConnectionError):
            while True:
                message = await self._outgoing.get()
                await send(msgspec.json.encode(message).decode())

    def receive(self, text: str) -> None:
        """Do what the page asks; what makes no sense is ignored."""
        try:
            asked = msgspec.json.decode(text, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        match asked:
            case {"type": "set", **switches}:
                self._ads.settings = switched(self._ads.settings, switches)
                if switches.get("pacing") in PACING:
                    self._pacing.chosen = switches["pacing"]
            case {"type": "say", "text": said} if said.strip():
                self._stop_playing()
                self._say(said[:LONGEST_TEXT])
            case {"type": "take over"}:
                self._stop_playing()
            case _:
                pass

    # --- a person, and who answers ---

    def _say(self, text: str) -> None:
        number = self._ask(text)
        source = self._model.reply(self.session.messages) if self._model else _paced(reply_to(text), self._speed)
        self._writing = asyncio.create_task(self._write(f"a{number}", source))

    def _ask(self, text: str) -> int:
        if self._writing is not None:
            self._writing.cancel()
        number = next(self._questions)
        question = Message.user(f"q{number}", text)
        self._put("message", id=question.id, role="user", content=text)
        self._mark(marks.asked(question, time.time()))
        self.session.add_message(question)
        return number

    async def _write(self, message_id: str, source: AsyncGenerator[str]) -> None:
        """Show a reply as it comes and feed it when it is complete: what was never finished is never fed."""
        self._put("message", id=message_id, role="assistant", content="")
        pieces: list[str] = []
        try:
            async with contextlib.aclosing(source) as reply:
                async for piece in reply:
                    pieces.append(piece)
                    self._put("token", id=message_id, text=piece)
        except asyncio.CancelledError:
            self._break_off(marks.interrupted(_reply(message_id, pieces), time.time()))
            raise
        except ModelError as error:
            self._put("problem", id=message_id, text=f"No reply: {error}{'' if str(error).endswith('?') else '.'}")
            self._break_off(marks.failed(_reply(message_id, pieces), time.time(), str(error)))
            return
        self._feed(_reply(message_id, pieces))

    def _feed(self, reply: Message) -> None:
        self._mark(marks.replied(reply, time.time()))
        self.session.outcome(reply.id).subscribe(self._on_outcome)
        self.session.add_message(reply)
        self._put("done", id=reply.id, interrupted=False)

    def _break_off(self, mark: Mark) -> None:
        self._mark(mark)
        self._put("done", id=mark.label, interrupted=True)

    # --- a script ---

    def play(self, script: Script) -> None:
        """Play a conversation in the page, until it ends or a person takes over."""
        self._playing = asyncio.create_task(self._play(script))

    def _stop_playing(self) -> None:
        if self._playing is not None and not self._playing.done():
            self._playing.cancel()
            self._put("played", stopped=True)

    async def _play(self, script: Script) -> None:
        number, more = 0, itertools.count(1)
        for place, line in enumerate(script.lines):
            if line.role == "user":
                await asyncio.sleep((READING_S if place else FIRST_S) / self._speed)
                async for typed in _pieces(list(line.text), TYPING_S / self._speed / PIECES):
                    self._put("typing", text=typed)
                number, more = self._ask(line.text), itertools.count(1)
            else:
                again = next(more)
                message_id = f"a{number}" if again == 1 else f"a{number}-{again}"
                await self._write(message_id, _paced(line.text, self._speed))
        self._put("played", stopped=False)

    # --- what the session does ---

    def _on_step(self, step: PreloadStep) -> None:
        for mark in marks.stepped(step):
            self._mark(mark)
        if step.name == "resolved" and (body := self._received(step.user_message_id)) is not None:
            self._mark(marks.carried(step.user_message_id, step.at, body))

    def _received(self, asker: str) -> Mapping[str, Any] | None:
        """The preload as it came to the ad server, for the message that was its last of the user's."""
        for request in reversed(self._ads.requests):
            body = request.body
            if request.path == "/preload" and body and body.get("conversationId") == self._conversation_id:
                return body if any(message["id"] == asker for message in body["messages"]) else None
        return None

    def _on_outcome(self, outcome: Outcome) -> None:
        if isinstance(outcome, Filled):
            self._mark(marks.linked(outcome, time.time()))

    def _mark(self, mark: Mark) -> None:
        self._tell(mark)
        self._put("mark", mark=msgspec.to_builtins(mark))

    def _put(self, kind: str, **fields: Any) -> None:
        self._outgoing.put_nowait({"type": kind, **fields})


def _reply(message_id: str, pieces: list[str]) -> Message:
    return Message.assistant(message_id, "".join(pieces))


def _paced(text: str, speed: float) -> AsyncGenerator[str]:
    """A text as a model would write it: word by word."""
    words = tokens(text)
    return _pieces(words, min(TOKEN_S, REPLY_S / max(1, len(words))) / speed)


async def _pieces(parts: list[str], pause_s: float) -> AsyncGenerator[str]:
    """The parts with a pause before each, several at a time where there are many."""
    at_once = -(-len(parts) // PIECES)
    for place in range(0, len(parts), max(1, at_once)):
        await asyncio.sleep(pause_s * at_once)
        yield "".join(parts[place : place + at_once])

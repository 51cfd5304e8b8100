"""`record`: everything that enters a session and everything it does, written down as it happens."""

from __future__ import annotations

import hashlib
import importlib.metadata
import secrets
from typing import Any

import msgspec

from ..errors import InvalidOptionError
from ..message import Message
from ..session import Session
from ..trace import Trace
from ..typing import FrameMessage, HttpResponse, Tap
from .entries import Answered, Called, Framed, Header, Init, MessageAdded, Rang
from .recording import Recording

__all__ = ["record"]


def record(session: Session, *, texts: bool = False) -> Recording:
    """
    Write down what enters *session* and what it does, from now until its end.

    The recording grows as the session lives: some 3 KB a turn. It keeps ids, times, what the ad server answered and
    what ads did; of the messages a hash of their text, under a key that is made for this recording and not kept, unless
    *texts* is True; nothing of tokens, e-mail addresses, consent and devices but the time zone; of the user id a hash.

    Raises:
        InvalidOptionError: When *session* is no session, is recorded already, is destroyed, or has a message already:
            what happened before could not be replayed.

    """
    if not isinstance(session, Session):
        raise InvalidOptionError("session", f"<{type(session).__name__}>", "give a session")
    if session.is_destroyed:
        raise InvalidOptionError("session", "destroyed", "record a session while it lives")
    house = session._internals()  # pyright: ignore[reportPrivateUsage]  # ours: it is the session's other side
    if house.clock.tap is not None:
        raise InvalidOptionError("session", "recorded", "a session has one recording: use that one")
    if house.has_begun:
        raise InvalidOptionError("session", "in use", "record it before its first message and its first ad")
    options = house.options
    recording = Recording(
        Header(
            kontext_rx=importlib.metadata.version("kontext-rx"),
            at=house.clock.at,
            conversation_id=options.conversation_id,
            user=hashlib.blake2b(options.user_id.encode(), digest_size=8, person=b"kontext_rx user").hexdigest(),
            enabled=house.enabled,
            enabled_placement_codes=options.enabled_placement_codes,
            ad_server_url=options.ad_server_url,
            ad_ttl=options.ad_ttl,
            timezone=None if options.context is None else options.context.timezone,
            rule=None if house.rule is None else str(house.rule),
            texts=bool(texts),
            init=None
            if house.init is None
            else Init(
                enabled=house.init.enabled,
                preload_timeout_ms=house.init.preload_timeout_ms,
                report_errors=house.init.report_errors,
                report_debug=house.init.report_debug,
            ),
            requests=house.requests,
        )
    )
    house.clock.tap = Recorder(recording, keeps_texts=bool(texts))
    return recording


class Recorder(Tap):
    """Appends to a recording."""

    def __init__(self, recording: Recording, *, keeps_texts: bool) -> None:
        self._append = recording.entries.append
        self._key = None if keeps_texts else secrets.token_bytes(32)

    def called(self, at: float, name: str, /, *args: Any) -> None:
        if name == "add_message":
            message, track_only = args
            self._append(self._added(at, message, track_only))
        elif name in ("create_ad", "mount", "destroy_ad"):
            message_id, code, theme = (*args, None)[:3]
            self._append(Called(at=at, name=name, message_id=message_id, code=code, theme=theme))
        elif name == "send_user_event":
            self._append(Called(at=at, name=name, code=args[2]))
        elif name in ("destroy", "update_options"):
            self._append(Called(at=at, name=name))

    def rang(self, at: float, due: float, /) -> None:
        self._append(Rang(at=at, due=due))

    def answered(self, at: float, number: int, answer: HttpResponse | Exception | None, /) -> None:
        match answer:
            case HttpResponse(status=status, body=body, headers=headers):
                text = _text(body)
                self._append(
                    Answered(
                        at=at,
                        number=number,
                        status=status,
                        headers=dict(headers),
                        text=text,
                        body=body if text is None else None,
                    )
                )
            case Exception():
                network = isinstance(answer, OSError)
                self._append(
                    Answered(at=at, number=number, error=str(answer) or type(answer).__name__, is_network=network)
                )
            case None:
                self._append(Answered(at=at, number=number))

    def framed(self, at: float, message_id: str, code: str, message: FrameMessage, /) -> None:
        data = _json_ready(message.data)
        self._append(Framed(at=at, message_id=message_id, code=code, data=data, source=message.source))

    def traced(self, trace: Trace, /) -> None:
        self._append(trace)

    def _added(self, at: float, message: Message, track_only: bool) -> MessageAdded:
        return MessageAdded(
            at=at,
            id=message.id,
            role=message.role,
            content=message.content if self._key is None else _hashed(message.content, self._key),
            created_at=message.created_at,
            track_only=track_only,
        )


def _hashed(text: str, key: bytes) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return "" if not text else hashlib.blake2b(data, key=key, digest_size=8).hexdigest()


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _json_ready(data: object) -> Any:
    """A frame's message as JSON can hold it; what JSON cannot hold says its type."""
    try:
        return msgspec.json.decode(msgspec.json.encode(data))
    except (TypeError, ValueError, RecursionError):
        return {"unrecordable": type(data).__name__}

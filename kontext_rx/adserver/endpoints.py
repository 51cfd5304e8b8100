"""From a request to a decision: the endpoints of the session API, without a socket."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from . import answers
from .answers import Answer
from .decide import Decision, complete, decide, decide_init, scripted_bids
from .draw import uuid
from .errors import InvalidSettingError
from .memory import Memory
from .read import BadRequestError, check_init, check_report, read_object, read_preload
from .settings import Settings

__all__ = ["PATHS", "Endpoints", "Incoming"]

_log = logging.getLogger(__name__)

PATHS = ("/init", "/preload", "/error", "/debug", "/log")
"""Where SDKs post to; /log is an address of older ones."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came, and what its body holds."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Mapping[str, Any] | None
    """The JSON object of the body; `None` when there is none."""
    problem: BadRequestError | None
    """Why there is none."""

    @classmethod
    def of(cls, method: str, path: str, headers: Mapping[str, str], raw: bytes) -> Incoming:
        """Decode the body, whatever its content type says."""
        body, problem = None, None
        try:
            body = read_object(raw)
        except BadRequestError as error:
            problem = error
        return cls(method=method, path=path, headers=headers, raw=raw, body=body, problem=problem)


class Endpoints:
    """What each request is answered with: by the script first, then by what the endpoint does."""

    def __init__(self) -> None:
        self.memory = Memory()
        self._scripts: dict[str, deque[Answer]] = {path: deque() for path in PATHS}
        self._served: dict[str, Callable[[Settings, Incoming], Decision]] = {
            "/init": _init,
            "/preload": self._preload,
            "/error": lambda _, asked: _report(asked, "error"),
            "/debug": lambda _, asked: _report(asked, "name"),
            "/log": lambda _settings, _asked: Decision(answer=answers.no_content()),
        }

    def script(self, path: str, script: tuple[Answer, ...]) -> None:
        """Queue answers for *path*. Raises InvalidSettingError for a path that is no endpoint."""
        if path not in self._scripts:
            raise InvalidSettingError("path", path, f"give one of {', '.join(PATHS)}")
        self._scripts[path].extend(script)

    def decide(self, settings: Settings, asked: Incoming) -> Decision:
        """Decide what *asked* is answered with. Never raises: what fails in here is a 500, and logged."""
        if asked.path not in self._served:
            known = ", ".join(f"POST {path}" for path in PATHS)
            return _refusal(404, f"nothing is served at {asked.path}: there is {known}")
        if asked.method != "POST":
            return _refusal(405, f"{asked.method} {asked.path} is not served: use POST", {"Allow": "POST, OPTIONS"})
        try:
            if self._scripts[asked.path]:
                return self._scripted(settings, self._scripts[asked.path].popleft(), asked)
            return self._served[asked.path](settings, asked)
        except BadRequestError as error:
            return _refusal(400, str(error), field=error.field)
        except Exception:
            _log.exception("a request to %s could not be answered", asked.path)
            return _refusal(500, "the ad server failed; its log says why")

    def _preload(self, settings: Settings, asked: Incoming) -> Decision:
        return decide(settings, self.memory.turn(read_preload(_body(asked), asked.headers)))

    def _scripted(self, settings: Settings, answer: Answer, asked: Incoming) -> Decision:
        if asked.path == "/preload":
            try:
                turn = self.memory.turn(read_preload(_body(asked), asked.headers))
            except BadRequestError:
                pass  # the script says what is answered, even to this
            else:
                return complete(settings, answer, turn)
        nobody = uuid(settings.seed, "session")
        return Decision(
            answer=answers.complete(answer, session_id=nobody, bids=[]), scripted=scripted_bids(settings, answer)
        )


def _init(settings: Settings, asked: Incoming) -> Decision:
    body = _body(asked)
    check_init(body, asked.headers)
    return decide_init(settings, str(body.get("userId")), str(body.get("installId")))


def _report(asked: Incoming, key: Literal["error", "name"]) -> Decision:
    check_report(_body(asked), key)
    return Decision(answer=answers.no_content())


def _body(asked: Incoming) -> Mapping[str, Any]:
    if asked.body is None:
        raise asked.problem or BadRequestError("the body is missing")
    return asked.body


def _refusal(
    status: int, problem: str, headers: Mapping[str, str] | None = None, *, field: str | None = None
) -> Decision:
    json = {"error": problem} if field is None else {"error": problem, "field": field}
    return Decision(answer=Answer(status=status, json=json, headers=headers or {}))

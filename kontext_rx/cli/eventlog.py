"""The event log of a replay: every ad event and every preload step, a JSON object a line."""

from __future__ import annotations

import os
import stat
from typing import Any

import msgspec

from .player import Happening, Stepped, Told, user_of

__all__ = ["EventLog", "entry", "is_same_file"]


def entry(happening: Happening) -> dict[str, Any] | None:
    """
    What is logged of a happening; None for what is not.

    `at` is epoch seconds. A step has its facts as fields, an event its wire form (`name`, `code`, ids, `payload`).
    """
    match happening:
        case Stepped(conversation=conversation, step=step):
            facts = {field: value for field in step.__struct_fields__ if (value := getattr(step, field)) is not None}
            at, kind = facts.pop("at"), "step"
        case Told(conversation=conversation, event=event):
            at, kind, facts = event.at, "event", event.to_dict()
        case _:
            return None
    return {"at": at, "kind": kind, "conversation_id": conversation.id, "user_id": user_of(conversation), **facts}


def is_same_file(path: str, descriptor: int) -> bool:
    """Whether *path* is the very file that *descriptor* reads: a log there would wipe out what is to be read."""
    try:
        there, here = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False
    return stat.S_ISREG(here.st_mode) and os.path.samestat(there, here)


class EventLog:
    """
    Writes the log. Opening raises `OSError`; a write that fails later ends the log and is kept as `error`.

    It replaces what was in the file. Each line is written at once, so that the log can be followed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.error: OSError | None = None
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 - it lives as long as the replay
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, happening: Happening) -> None:
        """Log what is to be logged."""
        if self.error is None and (logged := entry(happening)) is not None:
            try:
                self._file.write(self._encode(logged) + b"\n")
            except OSError as error:
                self.error = error

    def close(self) -> None:
        """Write no more."""
        self._file.close()

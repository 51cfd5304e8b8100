"""`Recording`: a conversation as it happened, to look at, to keep, and to run again."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..event import AdEvent
from ..explain import Explanation, explain
from ..ledger import Funnel, Ledger
from ..pacing import AnyRule
from ..trace import Added, PreloadStep, Trace
from .entries import (
    VERSION,
    Answered,
    Called,
    End,
    Entry,
    Framed,
    Header,
    Input,
    MessageAdded,
    Rang,
    RecordingError,
    decode,
    encode,
    fields_of,
    subject_of,
)

if TYPE_CHECKING:
    import polars

__all__ = ["Recording"]


class Recording:
    """
    What entered a session, and what the session did, in the order in which it happened. Made by `record` and `load`.

    It is live: while the session lives, it grows.
    """

    def __init__(self, header: Header, entries: Sequence[Entry] = ()) -> None:
        self.header = header
        self.entries: list[Entry] = list(entries)

    def __repr__(self) -> str:
        turns = sum(isinstance(entry, Added) and entry.role == "user" for entry in self.entries)
        return f"<Recording {self.header.conversation_id!r} {turns} turns, {len(self.entries)} entries>"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What entered: messages, calls, timers, answers, messages of frames."""
        return tuple(entry for entry in self.entries if isinstance(entry, _INPUTS))

    @property
    def traces(self) -> tuple[Trace, ...]:
        """What the session did: preload steps, pairings, settled outcomes, mounts, ad events, each with its time."""
        return tuple(entry for entry in self.entries if not isinstance(entry, _INPUTS))

    @property
    def events(self) -> tuple[AdEvent, ...]:
        """The ad events, as `session.events` told them."""
        return tuple(entry for entry in self.entries if isinstance(entry, AdEvent))

    @property
    def preloads(self) -> tuple[PreloadStep, ...]:
        """The preload steps, as `session.preloads` told them."""
        return tuple(entry for entry in self.entries if isinstance(entry, PreloadStep))

    # --- asking ---

    def explain(self, message_id: str) -> Explanation:
        """
        Why there was an ad under a message, or none; as `Session.explain`, for every message of the recording.

        Time that went by after its last entry is not in it.
        """
        now = max((entry.at for entry in self.entries[-1:]), default=self.header.at)
        return explain(message_id, self._ledger().story, is_known=False, ad_ttl=self.header.ad_ttl, now=now)

    @property
    def funnel(self) -> Funnel:
        """How far the turns came."""
        return self._ledger().funnel

    def _ledger(self) -> Ledger:
        ledger = Ledger(stories=None)
        for trace in self.traces:
            ledger.note(trace)
        return ledger

    def to_polars(self) -> polars.DataFrame:
        """
        One row an entry: `at` (UTC), `since_s` (seconds from the start), `kind`, the ids, and the rest as JSON.

        Raises `ImportError`, with the cure, where polars is not installed.
        """
        try:
            import polars as pl
        except ImportError as error:
            raise ImportError("to_polars() needs polars: pip install 'kontext-rx[notebook]'") from error
        rows: list[dict[str, Any]] = []
        for entry in self.entries:
            fields = fields_of(entry)
            kind, at = fields.pop("kind"), fields.pop("at")
            message_id, user_message_id = subject_of(entry)
            rows.append(
                {
                    "at": dt.datetime.fromtimestamp(at, dt.UTC),
                    "since_s": at - self.header.at,
                    "kind": kind,
                    "is_input": isinstance(entry, _INPUTS),
                    "message_id": message_id,
                    "user_message_id": user_message_id,
                    "code": fields.pop("code", None),
                    "name": fields.pop("name", None),
                    "detail": msgspec.json.encode(
                        {key: value for key, value in fields.items() if key not in ("message_id", "user_message_id")}
                    ).decode(),
                }
            )
        schema: dict[str, Any] = {
            "at": pl.Datetime("us", "UTC"),
            "since_s": pl.Float64,
            "kind": pl.String,
            "is_input": pl.Boolean,
            "message_id": pl.String,
            "user_message_id": pl.String,
            "code": pl.String,
            "name": pl.String,
            "detail": pl.String,
        }
        return pl.DataFrame(rows, schema=schema)

    # --- keeping ---

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSONL, a header, one line an entry, and their count, replacing the file. Raises `OSError`."""
        target = Path(path)
        entries = tuple(self.entries)
        lines = [encode(self.header), *map(encode, entries), encode(End(entries=len(entries)))]
        part = target.with_name(target.name + ".part")
        try:
            part.write_bytes(b"\n".join(lines) + b"\n")
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """
        Read what `save` wrote.

        Raises:
            RecordingError: With the number of the line that is broken, and what is wrong with it; and when lines are
                missing or doubled, or a later kontext_rx has written it.
            OSError: When the file cannot be read.

        """
        source = Path(path)
        header: Header | None = None
        end: End | None = None
        entries: list[Entry] = []
        with source.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = decode(line)
                    if (header is None) != isinstance(value, Header):
                        raise RecordingError("expected a header" if header is None else "a second header")
                    if end is not None:
                        raise RecordingError("nothing comes after the end")
                    if isinstance(value, Header) and value.version > VERSION:
                        raise RecordingError(f"version {value.version} needs a later kontext_rx than this")
                except RecordingError as error:
                    raise RecordingError(f"{source.name}, line {number}: {error}") from None
                if isinstance(value, Header):
                    header = value
                elif isinstance(value, End):
                    end = value
                else:
                    entries.append(value)
        if header is None:
            raise RecordingError(f"{source.name} is empty: give a file that Recording.save has written")
        if end is None or end.entries != len(entries):
            wanted = "its end" if end is None else f"{end.entries} entries"
            raise RecordingError(f"{source.name} is not whole: it has {len(entries)} entries and lacks {wanted}")
        return cls(header, entries)

    # --- running again ---

    def replay(self, rules: AnyRule | None = None) -> Recording:
        """
        Run what entered through a real session in virtual time, and give the recording of that.

        Without *rules*, pacing decides as it did, and `replay().traces == traces`. With *rules* it decides anew; the
        answers stay those of the ad server then, so a turn that had been held back gets what the server said to it.

        Raises:
            RecordingError: When *rules* read the text of messages and the recording has none.
            InvalidOptionError: When *rules* is no rule.

        """
        from .replay import replay

        return replay(self, rules)


_INPUTS = (MessageAdded, Called, Rang, Answered, Framed)

"""The work that a simulation hands out, and what whoever does it hands back."""

from __future__ import annotations

import functools
import importlib
import io
import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from ..errors import InvalidOptionError
from ..pacing import AnyRule
from ..pacing.reading import Kept
from .account import Account
from .house import Shelf
from .models import Models
from .ranges import Stretch, read
from .shard import Engine, Shard, run_shard
from .sources import chunks
from .spool import Bucket, Spool
from .talk import Talk, decode, encode, of_conversation

__all__ = ["Job", "Part", "hand_out", "pack", "run_packed"]

Part: TypeAlias = "list[Talk] | Stretch | Bucket"
"""What is handed out: conversations, or where they are in files, or where those of some users are put together."""

SESSION: Final = 32
"""How many times the session engine takes as long, about. Source: measured; it makes parts of files smaller."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with every shard."""

    rules: dict[str, AnyRule]
    seeds: tuple[int, ...]
    models: Models
    engine: Engine
    keep_turns: bool
    spool: Path | None = None
    """Where conversations of users wait for the others of theirs, while files are read; None where they need not."""

    @property
    def effort(self) -> int:
        """How much more work a conversation is than in the pure engine, once."""
        return len(self.seeds) * (SESSION if self.engine == "session" else 1)

    def run(self, talks: Sequence[Talk]) -> Shard:
        """Do it with conversations."""
        return run_shard(talks, self.rules, self.seeds, self.models, self.engine, keep_turns=self.keep_turns)

    def run_part(self, part: Part) -> Shard:
        """Do it with whatever was handed out."""
        match part:
            case list():
                return self.run(part)
            case Bucket():
                return self._run_all(chunks(part.talks(), by_user=True))
            case _:
                return self._run_stretch(part)

    def _run_stretch(self, stretch: Stretch) -> Shard:
        account = Account()
        spool = None if self.spool is None else Spool(self.spool, (stretch[0].file, stretch[0].begin))
        needs_number = False

        def talks() -> Iterator[Talk]:
            nonlocal needs_number
            for part, conversation in read(stretch, account):
                needs_number = needs_number or (conversation.is_numbered and part.after is None)
                if needs_number:
                    continue  # the rest is only counted
                talk = of_conversation(conversation)
                if spool is None or talk.user_id is None:
                    yield talk
                else:
                    spool.put(talk)

        total = self._run_all(chunks(talks(), by_user=False))
        if needs_number:
            total = Shard()
        elif spool is not None:
            spool.save()
        total.account, total.needs_number = account, needs_number
        return total

    def _run_all(self, parts: Iterable[list[Talk]]) -> Shard:
        total = Shard()
        for talks in parts:
            total.add(self.run(talks))
        return total


def run_packed(job: bytes, part: bytes | Stretch | Bucket) -> Shard:
    """`Job.run_part` in another process, or on another machine: what is there goes as plain bytes."""
    return _unpacked(job).run_part(decode(part) if isinstance(part, bytes) else part)


def hand_out(part: Part) -> bytes | Stretch | Bucket:
    """A part as it is sent: conversations as bytes, and of those in files nothing but where they are."""
    return encode(part) if isinstance(part, list) else part


def pack(job: Job) -> bytes:
    """
    A job as bytes. Rules are functions, an app's own among them: cloudpickle carries them.

    What they keep of users stays here, as it does in any simulation. Raises `InvalidOptionError` for a rule that
    cannot travel.
    """
    stores = {id(reading.store) for rule in job.rules.values() for reading in rule.reads if isinstance(reading, Kept)}
    pickler: Any = importlib.import_module("cloudpickle").Pickler

    class Packer(pickler):
        def reducer_override(self, obj: object) -> Any:
            return (Shelf, ()) if id(obj) in stores else pickler.reducer_override(self, obj)

    buffer = io.BytesIO()
    try:
        Packer(buffer).dump(msgspec.structs.asdict(job))
    except Exception as error:
        raise InvalidOptionError(
            "rules", list(job.rules), f"leave workers out: a rule cannot be sent to another process ({error})"
        ) from error
    return buffer.getvalue()


@functools.lru_cache(maxsize=4)
def _unpacked(job: bytes) -> Job:
    return Job(**pickle.loads(job))

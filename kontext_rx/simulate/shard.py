"""A shard: some conversations under all rules and seeds, by one engine. What a worker is given and hands back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec
import numpy as np

from ..pacing import AnyRule
from .account import Account
from .columns import Columns
from .crowd import Crowd
from .house import Failures
from .live import perform
from .models import Models
from .pure import play
from .sums import summed, weights
from .talk import Talk
from .timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENGINES", "Brief", "Engine", "Shard", "run_shard"]

Engine: TypeAlias = Literal["pure", "session"]
ENGINES: Final = ("pure", "session")


class Shard:
    """What some conversations came to. It pickles, and two add up."""

    def __init__(self) -> None:
        self.sums: dict[str, NDArray[np.int64]] = {}
        """Of each rule: a row a replicate, a column a `Sum`, then the histogram of waits."""
        self.conversations = 0
        self.turns = 0
        """User messages of the conversations, whoever left before them."""
        self.users = Crowd()
        """Whose conversations they are."""
        self.failures: dict[tuple[str, int], tuple[int, str]] = {}
        """How often a rule failed under a seed, and how it did first."""
        self.account = Account()
        """What was found in files that were read for it."""
        self.needs_number = False
        """Whether conversations were only counted: they go by their number, and how many are before is not known."""
        self.names: list[tuple[str, str]] = []
        """The id and the user of each conversation, where the turns are kept."""
        self.columns: list[tuple[str, int, int, Columns]] = []
        """The turns of a rule and a seed, where they are kept; the number is that of their first conversation."""

    def add(self, other: Shard) -> None:
        """Take in what *other* came to, after what is here."""
        for rule, sums in other.sums.items():
            known = self.sums.get(rule)
            self.sums[rule] = sums if known is None else known + sums
        for where, (count, first) in other.failures.items():
            before, known = self.failures.get(where, (0, ""))
            self.failures[where] = (before + count, known or first)
        base = len(self.names)
        self.names += other.names
        self.columns += [(rule, seed, base + first, columns) for rule, seed, first, columns in other.columns]
        self.conversations += other.conversations
        self.turns += other.turns
        self.users.join(other.users)
        self.account.add(other.account)

    @property
    def brief(self) -> Brief:
        """As much of it as one must know to go on."""
        return Brief(self.conversations, self.turns, dict(self.account.conversations), self.needs_number)


class Brief(msgspec.Struct, frozen=True):
    """How far a shard has come, in a few bytes."""

    conversations: int
    turns: int
    counted: dict[int, int]
    """Conversations of each file."""
    needs_number: bool


def run_shard(
    talks: Sequence[Talk],
    rules: Mapping[str, AnyRule],
    seeds: Sequence[int],
    models: Models,
    engine: Engine = "pure",
    *,
    keep_turns: bool = False,
) -> Shard:
    """
    Simulate *talks* under each rule and seed. It is pure: the same again gives the same.

    Conversations of one user belong into one shard where a rule remembers users (`per_user`).
    """
    shard = Shard()
    shard.conversations = len(talks)
    shard.users.add(talks)
    shard.turns = sum(line.role == "user" for talk in talks for line in talk.messages)
    weight = weights(talks)
    if keep_turns:
        shard.names = [(talk.id, talk.owner) for talk in talks]
    for seed in seeds:
        script = timeline(talks, models, seed) if engine == "pure" else None
        for name, rule in rules.items():
            failures = Failures()
            if script is None:
                columns = perform(talks, rule, models, seed, failures)
            else:
                columns = play(talks, rule, models, script, failures)
            sums = summed(columns, weight)
            shard.sums[name] = shard.sums[name] + sums if name in shard.sums else sums
            if failures.count:
                shard.failures[name, seed] = (failures.count, failures.first)
            if keep_turns:
                shard.columns.append((name, seed, 0, columns))
    return shard

"""A shard: some conversations under all rules and seeds, by one engine. What a worker is given and hands back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from ..pacing import AnyRule
from .columns import Columns
from .house import Failures
from .live import perform
from .models import Models
from .pure import play
from .sums import summed, weights
from .talk import Talk
from .timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ENGINES", "Engine", "Shard", "run_shard"]

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
        self.users = 0
        """Conversations that are no other's user's; exact where a user's are all in one shard."""
        self.failures: dict[str, tuple[int, str]] = {}
        """How often a rule failed, and how it did first."""
        self.names: list[tuple[str, str]] = []
        """The id and the user of each conversation, where the turns are kept."""
        self.columns: list[tuple[str, int, int, Columns]] = []
        """The turns of a rule and a seed, where they are kept; the number is that of their first conversation."""

    def add(self, other: Shard) -> None:
        """Take in what *other* came to, after what is here."""
        for rule, sums in other.sums.items():
            known = self.sums.get(rule)
            self.sums[rule] = sums if known is None else known + sums
        for rule, (count, first) in other.failures.items():
            before, known = self.failures.get(rule, (0, ""))
            self.failures[rule] = (before + count, known or first)
        base = len(self.names)
        self.names += other.names
        self.columns += [(rule, seed, base + first, columns) for rule, seed, first, columns in other.columns]
        self.conversations += other.conversations
        self.turns += other.turns
        self.users += other.users


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
    shard.users = len({talk.owner for talk in talks})
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
                count, first = shard.failures.get(name, (0, ""))
                shard.failures[name] = (count + failures.count, first or failures.first)
            if keep_turns:
                shard.columns.append((name, seed, 0, columns))
    return shard

"""What was found while files were read: how much there is, and what was wrong with it. Accounts of parts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from ..conversations import BadLine, Conversation

__all__ = ["NAMED", "Account"]

NAMED: Final = 20
"""Bad lines that are named, of those that are counted. Source: ours."""


class Account:
    """Of some parts of some files. A file is known by its place among those that were given, from 0."""

    def __init__(self) -> None:
        self.lines: Counter[int] = Counter()
        """Lines of each file, blank ones too, as far as they were read; the next part is numbered from there."""
        self.conversations: Counter[int] = Counter()
        """Conversations of each file."""
        self.bad_lines = 0
        """Lines that were no conversation."""
        self.skipped = 0
        """Messages that were left out: of another role, without text, or with an id that was there before."""
        self._problems: list[tuple[int, BadLine]] = []

    def take(self, file: int, item: Conversation | BadLine) -> None:
        """Note what stood in a line; a bad one is numbered from the beginning of what this account is of."""
        if isinstance(item, BadLine):
            self.bad_lines += 1
            if len(self._problems) < NAMED:
                self._problems.append((file, item))
        else:
            self.conversations[file] += 1
            self.skipped += sum(item.skipped.values())

    def add(self, other: Account) -> None:
        """Take in what was found in the parts that follow."""
        moved = [
            (file, msgspec.structs.replace(bad, number=bad.number + self.lines[file])) for file, bad in other._problems
        ]
        self._problems = sorted([*self._problems, *moved], key=lambda one: (one[0], one[1].number))[:NAMED]
        self.lines.update(other.lines)
        self.conversations.update(other.conversations)
        self.bad_lines += other.bad_lines
        self.skipped += other.skipped

    def problems(self, names: Mapping[int, str]) -> tuple[str, ...]:
        """The first bad lines in words, by the names of the files."""
        return tuple(f"{names[file]}, {bad}" for file, bad in self._problems)

"""
Pacing: whether a turn may have an ad, and why.

A rule is a pure step, `(state, turn) -> (state, decision)`: everything it may look at is in the `Turn`. A turn that is
held back is still sent, as `track_only`, so that the server keeps the context.

    from kontext_rx import Clicked, pacing

    pacing.skip_first(3) & pacing.every(5) & pacing.cooldown(60) & ~pacing.after(Clicked, 120)

`&`, `|` and `~` compose, and `>>` is `&`. Pass the rule as `create_session(pacing=...)`, use it as an operator on a
stream of turns, or fold it yourself with `decide`.
"""

from ..message import Seen, Turn
from .asking import only_if, when
from .base import AnyRule, Rule
from .capping import at_most, cooldown
from .counting import every, sample, skip_first
from .decision import Decision, Go, Hold
from .events import after
from .fold import Standing, decide
from .hours import WEEKDAYS, WEEKEND, schedule
from .own import rule
from .pace import Pace, Paced
from .parse import RuleTextError, parse
from .store import MemoryStore, Store, UserRecord
from .users import per_user

__all__ = [
    "WEEKDAYS",
    "WEEKEND",
    "AnyRule",
    "Decision",
    "Go",
    "Hold",
    "MemoryStore",
    "Pace",
    "Paced",
    "Rule",
    "RuleTextError",
    "Seen",
    "Standing",
    "Store",
    "Turn",
    "UserRecord",
    "after",
    "at_most",
    "cooldown",
    "decide",
    "every",
    "only_if",
    "parse",
    "per_user",
    "rule",
    "sample",
    "schedule",
    "skip_first",
    "when",
]

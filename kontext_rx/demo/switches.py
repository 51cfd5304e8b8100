"""The switches of the page: how the ad server behaves, and which turns may have an ad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..adserver import KINDS, Fixed, Settings
from ..event import Clicked
from ..message import Turn
from ..pacing import AnyRule, Decision, Go, Hold, Rule, after, at_most, cooldown, every, skip_first

__all__ = ["PACING", "SERVERS", "SwitchedPacing", "switched"]

SERVERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "fast": {"latency": Fixed(0.15), "fill_rate": 1.0, "error_rate": 0.0},
    "slow": {"latency": Fixed(2.0), "fill_rate": 1.0, "error_rate": 0.0},
    "empty": {"latency": Fixed(0.15), "fill_rate": 0.0, "error_rate": 0.0},
    "broken": {"latency": Fixed(0.15), "fill_rate": 1.0, "error_rate": 1.0},
}
"""What the switch for the ad server sets."""


def switched(settings: Settings, switches: Mapping[str, str]) -> Settings:
    """The ad server's settings as the switches want them; what they do not name, or nobody knows, stays."""
    changes = dict(SERVERS.get(switches.get("server", ""), {}))
    if "kind" in switches:
        kind = switches["kind"]
        changes["kinds"] = (kind,) if kind in KINDS else None
    return msgspec.structs.replace(settings, **changes)


def _always(state: None, turn: Turn) -> tuple[None, Decision]:
    return state, Go(f"turn {turn.number}, as every turn")


def _never(state: None, turn: Turn) -> tuple[None, Decision]:
    return state, Hold(f"turn {turn.number} is none that may have an ad")


PACING: Final[Mapping[str, AnyRule]] = {
    "every turn": Rule(_always, start=None),
    **{
        str(one): one
        for one in (skip_first(2), every(3), cooldown(20), at_most(2), ~after(Clicked, 60), skip_first(1) & every(2))
    },
    "no turn": Rule(_never, start=None),
}
"""What the switch for pacing offers, by its name in the page: a rule's name is the expression that makes it."""


class SwitchedPacing:
    """The rule that the switch has chosen, as one rule: each keeps its own state while another one decides."""

    def __init__(self) -> None:
        self.chosen = next(iter(PACING))
        self.rule: Rule[dict[str, Any]] = Rule(self._step, start={name: rule.start for name, rule in PACING.items()})

    def _step(self, states: dict[str, Any], turn: Turn) -> tuple[dict[str, Any], Decision]:
        state, decision = PACING[self.chosen].ask(states[self.chosen], turn)
        return {**states, self.chosen: state}, decision

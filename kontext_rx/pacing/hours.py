"""`schedule`: a rule that goes by the user's own clock."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterable
from typing import Final, cast

from ..errors import InvalidOptionError
from ..message import Turn
from .base import Rule
from .checks import number, shown
from .decision import Decision, Go, Hold

__all__ = ["WEEKDAYS", "WEEKEND", "schedule"]

WEEKDAYS: Final = (1, 2, 3, 4, 5)
"""Monday to Friday, as ISO 8601 numbers them."""

WEEKEND: Final = (6, 7)
"""Saturday and Sunday."""

_DAYS: Final = ("", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def schedule(start: float, end: float, *, days: Iterable[int] | None = None) -> Rule[None]:
    """
    Pass from *start* to *end* o'clock where the user is: hours from 0 to 24, 9.5 being half past nine.

    `schedule(9, 17)` passes from 9:00:00 on, and no more at 17:00:00. When *end* is the smaller one the window goes
    over midnight: `schedule(22, 6)`. *days* are ISO weekdays, 1 for Monday to 7 for Sunday, `WEEKDAYS` or `WEEKEND`; a
    window over midnight belongs to the day on which it begins.

    The time zone is that of the session's `ClientContext` (`turn.timezone`), `Etc/UTC` where it is unknown. The hours
    are those of the clock on the wall: the night in which summer time begins is shorter by the hour that it skips.

    Raises `InvalidOptionError` for hours out of range or equal ones, and for days that are none.
    """
    wanted = "give an hour from 0 to 24, such as 9 or 17.5"
    start, end = number("schedule.start", start, wanted, most=24), number("schedule.end", end, wanted, most=24)
    if start == end or start == 24:
        raise InvalidOptionError(
            "schedule", f"{shown(start)}, {shown(end)}", "give two different hours; the whole day is schedule(0, 24)"
        )
    on = None if days is None else _weekdays(days)
    text = f"schedule({shown(start)}, {shown(end)}{'' if on is None else f', days={_days_shown(on)}'})"

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        zone = _zone(turn.timezone)
        local = dt.datetime.fromtimestamp(turn.at, zone or dt.UTC)
        hour = local.hour + (local.minute * 60 + local.second) / 3600 + local.microsecond / 3.6e9
        day = local.isoweekday()
        if start < end:
            inside = start <= hour < end
        else:
            inside = hour >= start or hour < end
            if hour < end:  # the window began the day before
                day = (day - 2) % 7 + 1
        where = turn.timezone if zone is not None else f"Etc/UTC ({turn.timezone!r} is not known)"
        said = f"{text}: it is {_DAYS[local.isoweekday()]} {local:%H:%M} in {where}"
        return state, Go(said) if inside and (on is None or day in on) else Hold(said)

    return Rule(step, None, text=text)


@functools.lru_cache(maxsize=256)  # a page says where its user is: names are bounded, and unknown ones cost a look-up
def _zone(name: str) -> dt.tzinfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (LookupError, ValueError, OSError, TypeError):
        return None


def _weekdays(given: object) -> tuple[int, ...]:
    wanted = "give WEEKDAYS, WEEKEND, or ISO weekdays such as (1, 3, 5): 1 is Monday, 7 Sunday"
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidOptionError("schedule.days", given, wanted)
    days = tuple(cast("Iterable[object]", given))
    if not days or any(not isinstance(day, int) or isinstance(day, bool) or not 1 <= day <= 7 for day in days):
        raise InvalidOptionError("schedule.days", days, wanted)
    return tuple(sorted(set(cast("tuple[int, ...]", days))))


def _days_shown(days: tuple[int, ...]) -> str:
    return "WEEKDAYS" if days == WEEKDAYS else "WEEKEND" if days == WEEKEND else repr(days)

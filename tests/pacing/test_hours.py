"""`schedule`: the user's own clock."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from kontext_rx.pacing import WEEKDAYS, WEEKEND, AnyRule, schedule

from .turns import START, reasons, says, turn


def said(rule: AnyRule, when: str, timezone: str = "Etc/UTC") -> str:
    """What *rule* says at a moment of that zone's clock."""
    moment = dt.datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(timezone))
    return says(rule, [turn(at=moment.timestamp() - START, timezone=timezone)])


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("08:59:59.999", "h"), ("09:00", "g"), ("12:00", "g"), ("16:59:59.999", "g"), ("17:00", "h"), ("00:00", "h")],
)
def test_it_passes_from_the_first_hour_until_the_last(clock: str, expected: str) -> None:
    assert said(schedule(9, 17), f"2026-03-02 {clock}") == expected


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("21:59:59", "h"), ("22:00", "g"), ("23:59:59.999", "g"), ("00:00", "g"), ("05:59:59", "g"), ("06:00", "h")],
)
def test_a_window_may_go_over_midnight(clock: str, expected: str) -> None:
    assert said(schedule(22, 6), f"2026-03-02 {clock}") == expected


def test_midnight_is_both_0_and_24() -> None:
    for rule in (schedule(22, 24), schedule(22, 0)):
        assert [said(rule, f"2026-03-02 {clock}") for clock in ("21:59", "22:00", "23:59:59", "00:00")] == list("hggh")
    assert said(schedule(0, 24), "2026-03-02 00:00") == said(schedule(0, 24), "2026-03-02 23:59:59.999") == "g"


def test_half_hours_are_fractions() -> None:
    assert [said(schedule(9.5, 17.25), f"2026-03-02 {c}") for c in ("09:29", "09:30", "17:14", "17:15")] == list("hggh")


def test_the_hours_are_those_where_the_user_is() -> None:
    moment = "2026-03-02T08:15+00:00"
    at = dt.datetime.fromisoformat(moment).timestamp() - START
    zones = ("Etc/UTC", "Europe/Prague", "America/New_York", "Asia/Kolkata")
    assert [says(schedule(9, 17), [turn(at=at, timezone=zone)]) for zone in zones] == ["h", "g", "h", "g"]


@pytest.mark.parametrize(
    "unknown", ["Mars/Base", "", "../../etc/passwd", "Europe", "/etc/localtime", "a\0b", "x" * 9999]
)
def test_a_zone_that_is_not_known_is_utc(unknown: str) -> None:
    """A page may say anything of where its user is."""
    (reason,) = reasons(schedule(9, 17), [turn(at=0, timezone=unknown)])
    assert reason == f"schedule(9, 17): it is Mon 08:15 in Etc/UTC ({unknown!r} is not known)"


def test_summer_time_moves_the_window_with_the_clock_on_the_wall() -> None:
    """In Prague nine o'clock is 08:00 UTC on the Saturday, and 07:00 UTC from that Sunday on."""
    rule = schedule(9, 17)
    assert said(rule, "2026-03-28 09:00", "Europe/Prague") == said(rule, "2026-03-29 09:00", "Europe/Prague") == "g"
    utc = [
        dt.datetime.fromisoformat(f"2026-03-{day}T07:30+00:00").timestamp() - START for day in (28, 29)
    ]  # 08:30 in Prague, then 09:30
    assert says(rule, [turn(at=at, timezone="Europe/Prague") for at in utc]) == "hg"


def test_an_hour_that_the_clock_skips_never_comes_and_one_it_repeats_comes_twice() -> None:
    def open_minutes(day: str, rule: AnyRule) -> int:
        noon = dt.datetime.fromisoformat(f"{day} 12:00").replace(tzinfo=ZoneInfo("Europe/Prague")).timestamp()
        minutes = [turn(at=noon - START - 60 * minute, timezone="Europe/Prague") for minute in range(12 * 60)]
        return says(rule, minutes).count("g")

    assert [open_minutes(day, schedule(2, 3)) for day in ("2026-03-28", "2026-03-29", "2026-10-25")] == [60, 0, 120]


def test_days_are_those_of_the_user_s_calendar() -> None:
    """It is Sunday in Auckland while it is Saturday in New York."""
    at = dt.datetime.fromisoformat("2026-03-07T20:00+00:00").timestamp() - START
    sunday = schedule(0, 24, days=(7,))
    assert says(sunday, [turn(at=at, timezone="Pacific/Auckland")]) == "g"
    assert says(sunday, [turn(at=at, timezone="America/New_York")]) == "h"


def test_weekdays_and_the_weekend_are_all_days() -> None:
    days = [f"2026-03-{day:02}" for day in range(2, 9)]
    assert "".join(said(schedule(9, 17, days=WEEKDAYS), f"{day} 12:00") for day in days) == "ggggghh"
    assert "".join(said(schedule(9, 17, days=WEEKEND), f"{day} 12:00") for day in days) == "hhhhhgg"


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday night ends on Saturday morning; Thursday's ends on Friday's."""
    friday_night = schedule(22, 6, days=[5])
    nights = ["2026-03-06 05:00", "2026-03-06 23:00", "2026-03-07 05:00", "2026-03-07 23:00"]
    assert "".join(said(friday_night, night) for night in nights) == "hggh"
    sunday_night = schedule(22, 6, days=[7])
    assert said(sunday_night, "2026-03-09 05:00") == "g"  # Monday


def test_its_expression_and_reasons_can_be_read() -> None:
    assert str(schedule(9, 17.5)) == "schedule(9, 17.5)"
    assert str(schedule(9, 17, days={5, 1, 2, 4, 3})) == "schedule(9, 17, days=WEEKDAYS)"
    assert str(schedule(9, 17, days=[6, 7])) == "schedule(9, 17, days=WEEKEND)"
    assert str(schedule(9, 17, days=[3])) == "schedule(9, 17, days=(3,))"
    assert reasons(schedule(9, 17), [turn(at=0, timezone="Asia/Kolkata")]) == [
        "schedule(9, 17): it is Mon 13:45 in Asia/Kolkata"
    ]

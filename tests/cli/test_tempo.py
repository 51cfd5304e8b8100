from __future__ import annotations

import datetime as dt

from kontext_rx.cli.tempo import Tempo, paced
from kontext_rx.conversations import Conversation, Utterance

START = dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC)


def recorded(*at: float | None) -> Conversation:
    """The user and the assistant in turn, said so many seconds after the start."""
    return Conversation(
        "c",
        1,
        tuple(
            Utterance(
                f"m{n}",
                "assistant" if n % 2 else "user",
                "",
                None if seconds is None else START + dt.timedelta(seconds=seconds),
            )
            for n, seconds in enumerate(at)
        ),
    )


def pauses(conversation: Conversation, tempo: Tempo) -> list[float]:
    return [pause_s for pause_s, _ in paced(conversation, tempo)]


def test_without_times_a_turn_takes_a_second_and_a_reply_half_of_one() -> None:
    assert pauses(recorded(None, None, None, None), Tempo()) == [1.0, 0.5, 1.0, 0.5]


def test_recorded_times_count() -> None:
    """The first message comes at once, and a clock that went backwards is no pause."""
    assert pauses(recorded(0, 2.5, 2.0, 7200), Tempo()) == [0.0, 2.5, 0.0, 7198.0]


def test_where_a_time_is_missing_the_usual_pause_is_made() -> None:
    """Before the message without a time, and before the next, which has nothing to be after."""
    assert pauses(recorded(0, None, 9, 10), Tempo()) == [0.0, 0.5, 1.0, 1.0]


def test_delays_that_are_given_win_each_for_its_own_role() -> None:
    assert pauses(recorded(0, 2.5, 5, 6), Tempo(turn_delay_s=0.0)) == [0.0, 2.5, 0.0, 1.0]
    assert pauses(recorded(0, 2.5, 5, 6), Tempo(reply_delay_s=0.25)) == [0.0, 0.25, 2.5, 0.25]
    assert pauses(recorded(None, None), Tempo(turn_delay_s=3, reply_delay_s=4)) == [3.0, 4.0]


def test_speed_divides_every_pause() -> None:
    assert pauses(recorded(0, 2.5, 5, None), Tempo(turn_delay_s=1, speed=10)) == [0.1, 0.25, 0.1, 0.05]

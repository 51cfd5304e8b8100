from __future__ import annotations

from collections.abc import Callable

import pytest

from kontext_rx.adserver import CREATIVES, Creative
from kontext_rx.adserver.choose import choose, words

by_id: Callable[[str], float] = lambda creative_id: float(sum(map(ord, creative_id)))  # noqa: E731 - a draw for tests


def topics(*contents: str, codes: int = 1) -> list[str]:
    chosen = choose(CREATIVES, contents, [f"code-{number}" for number in range(codes)], by_id)
    return [creative.topic for creative in chosen]


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("Can you book me a table for dinner?", "restaurants"),
        ("A LATTE, please!", "coffee"),
        ("When does the flight leave?", "flights"),
        ("Which hotels are near the station?", "hotels"),
        ("We are planning a vacation", "travel"),
        ("My car makes a noise", "cars"),
        ("Play that song again", "music"),
        ("Is the movie any good?", "movies"),
        ("Two seats for the concert", "events"),
        ("Will it rain tomorrow?", "weather gear"),
        ("What is my bank balance?", "finance"),
        ("How do I reverse a list in python?", "tech"),
    ],
)
def test_the_creative_fits_the_words(said: str, topic: str) -> None:
    """Each topic is called for by its words, in any case, in the plural too."""
    assert topics(said) == [topic]


def test_where_nothing_fits_the_creative_is_a_generic_one() -> None:
    """Nothing said, or nothing with a keyword in it, still gets an ad."""
    assert topics("Good morning!") == topics("") == topics() == ["generic"]


def test_the_latest_message_outweighs_all_before_it() -> None:
    """One word now counts more than one word in each of the messages before."""
    assert topics("a hotel", "a hotel", "a hotel", "a flight") == ["flights"]


def test_a_last_message_that_says_nothing_leaves_the_topic() -> None:
    """Thanks are no change of subject."""
    assert topics("any good restaurant?", "Try Sino.", "Thanks!") == ["restaurants"]


def test_each_placement_gets_the_next_best_fit() -> None:
    """With fewer fits than placements, it starts again from the best."""
    assert topics("a hotel", "a flight", codes=3) == ["flights", "hotels", "flights"]


def test_the_draw_decides_between_equals() -> None:
    """Two that fit alike are told apart by the draw, not by their place in the list."""
    equals = [creative(name, "tea") for name in ("one", "two")]
    assert choose(equals, ["tea"], ["x"], {"one": 0.1, "two": 0.2}.__getitem__)[0].id == "one"
    assert choose(equals, ["tea"], ["x"], {"one": 0.2, "two": 0.1}.__getitem__)[0].id == "two"


def test_words_are_letters_of_any_script_without_a_plural_s() -> None:
    """Digits and signs part words."""
    assert words("Cafés, 2 Dishes!") >= {"café", "dish"}


def test_the_creatives_are_a_small_set_of_every_kind() -> None:
    """Ids are unique, every kind is there, and some fit any conversation."""
    assert len({creative.id for creative in CREATIVES}) == len(CREATIVES)
    assert {creative.kind for creative in CREATIVES} == {
        "text",
        "image",
        "video",
        "banner",
        "interstitial",
        "rewarded",
    }
    assert any(not creative.keywords for creative in CREATIVES)
    assert all(creative.revenue > 0 and creative.text for creative in CREATIVES)


def test_keywords_are_such_as_words_can_be() -> None:
    """A keyword that no message could match would never be noticed."""
    assert all(words(keyword) >= {keyword} for creative in CREATIVES for keyword in creative.keywords)


def creative(name: str, *keywords: str) -> Creative:
    return Creative(id=name, topic=name, kind="text", brand=name, text=name, keywords=frozenset(keywords), revenue=0.01)

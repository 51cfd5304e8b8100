"""What the demo's assistant says: canned replies chosen by the words of the question. No model is asked."""

from __future__ import annotations

import hashlib
import re

__all__ = ["OPENERS", "reply_to", "tokens"]

_REPLIES: tuple[tuple[str, str], ...] = (
    (
        "restaurant dinner eat food cook recipe soup lunch table reservation hungry",
        "For a quiet evening I would look a street or two away from the square: smaller rooms, shorter menus, and "
        "usually a table at seven. Ask for the corner by the window, and let them choose the wine.",
    ),
    (
        "trip travel train night sea holiday vacation weekend city visit",
        "Take the night train: you leave after dinner, sleep past the dull part, and have breakfast with a view of "
        "the water. Pack light, and keep the first morning free for getting pleasantly lost.",
    ),
    (
        "tent camp hike hiking mountain rain boots backpack outdoor stove",
        "For two people in summer, a tent of about two kilograms is the sweet spot. Look at the height of the inner "
        "tent and at two doors rather than one; you will thank yourself at three in the morning.",
    ),
    (
        "music song concert album jazz band playlist guitar",
        "Start with a live recording: you hear the room, the mistakes, and why people fell in love with it. Then go "
        "back to the studio album and notice what they left out.",
    ),
    (
        "movie film watch series cinema show tonight",
        "Something short and warm for tonight: under a hundred minutes, no one saves the world, and the last scene is "
        "worth staying awake for.",
    ),
    (
        "money bank save savings card invest budget insurance",
        "Begin with the boring part: three months of expenses somewhere you can reach. After that, small and "
        "automatic beats clever and rare, nearly every time.",
    ),
    (
        "coffee tea espresso beans breakfast",
        "Grind right before brewing, use water just off the boil, and weigh both. It sounds fussy; it takes a minute, "
        "and it is most of the difference.",
    ),
    (
        "computer laptop phone code python programming keyboard app",
        "Make it work in the smallest way that could possibly be called working, and look at it running. The next step "
        "is usually obvious from there, and it is rarely the one you had planned.",
    ),
)

_FALLBACKS: tuple[str, ...] = (
    "Good question. I would split it in two: what you need this week, and what would be nice to have. The first half "
    "usually answers itself, and then the second is a pleasure.",
    "There are two schools of thought, and both are right on different days. Tell me a little more about where you are "
    "starting from, and I can be more exact.",
    "Let me put it the short way: start small, look at the result, and keep what works. I am happy to go through it "
    "with you, step by step.",
)

OPENERS: tuple[str, ...] = (
    "Any tent for two?",
    "Where should we eat tonight?",
    "Is there a night train to the sea?",
)
"""What a visitor may ask first."""


def reply_to(text: str) -> str:
    """The reply to a question: the one that shares most words with it, the same every time."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    keywords, reply = max(_REPLIES, key=lambda entry: len(words & set(entry[0].split())))
    if words & set(keywords.split()):
        return reply
    return _FALLBACKS[hashlib.blake2b(text.encode("utf-8", "replace")).digest()[0] % len(_FALLBACKS)]


def tokens(reply: str) -> list[str]:
    """A reply as it streams in: words with the space before them."""
    return re.findall(r"\s*\S+", reply)

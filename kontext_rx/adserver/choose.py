"""Which creatives fit a conversation, judged by its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from .creatives import Creative

__all__ = ["choose", "words"]

_WORD = re.compile(r"[^\W\d_]+")
_DECAY = 0.5  # so that one word in the latest message outweighs one word in every message before it


def words(text: str) -> frozenset[str]:
    """Give the words of *text* in lower case, each also without a plural's "s" or "es"."""
    found = {word.lower() for word in _WORD.findall(text)}
    return frozenset(found | set(_singulars(found)))


def choose(
    creatives: Sequence[Creative],
    contents: Sequence[str],
    codes: Sequence[str],
    draw: Callable[[str], float],
) -> list[Creative]:
    """
    Choose a creative for each placement code from the *contents* of the messages, oldest first.

    The later a message, the more its words weigh. The first code gets the best fit, the second the next
    best, and so on, from the start again when there are fewer fits than codes. Where nothing fits, one
    without keywords is taken, and any where there is none such. *draw* gives a creative's id a number, the
    same each time: it decides ties.
    """
    scores = {creative.id: 0.0 for creative in creatives}
    weight = 1.0
    for content in reversed(contents):
        said = words(content)
        for creative in creatives:
            scores[creative.id] += weight * len(creative.keywords & said)
        weight *= _DECAY
    fitting = [creative for creative in creatives if scores[creative.id] > 0]
    pool = fitting or [creative for creative in creatives if not creative.keywords] or list(creatives)
    pool.sort(key=lambda creative: (-scores[creative.id], draw(creative.id)))
    return [pool[place % len(pool)] for place in range(len(codes))]


def _singulars(found: Iterable[str]) -> Iterable[str]:
    for word in found:
        if len(word) > 3 and word.endswith("s"):
            yield word[:-1]
            if word.endswith("es"):
                yield word[:-2]

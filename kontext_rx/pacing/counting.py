"""Rules that go by the number of the turn."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from ..errors import InvalidOptionError
from ..message import Turn
from .base import Rule
from .checks import number, shown, whole
from .decision import Decision, Go, Hold

__all__ = ["every", "sample", "skip_first"]


def skip_first(n: int) -> Rule[None]:
    """
    Hold the first *n* turns back, by `turn.number`: a restored history counts.

        --1--2--3--4--5--|
        [ skip_first(2)  ]
        --h--h--g--g--g--|

    Raises `InvalidOptionError` when *n* is no whole number of 0 or more.
    """
    n = whole("skip_first", n, least=0)
    text = f"skip_first({n})"

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        if turn.number <= n:
            return state, Hold(f"{text}: turn {turn.number} is among the first {n}")
        return state, Go(f"{text}: turn {turn.number} is past the first {n}")

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        return state, turn.number > n

    return Rule(step, None, text=text, quick=quick)


def every(n: int) -> Rule[int]:
    """
    Let each *n*-th turn pass, by `turn.number`: with 5 the 5th, the 10th and so on.

    When a burst jumps over one that was due, the next turn that is sent stands in for it. So does the next one after an
    explicit `track_only`, which counts in the number and is seen by no rule.

        --1--2--3--4--6--7--8--|   (4 and 5 were one burst, and so on)
        [       every(5)       ]
        --h--h--h--h--g--h--h--|

    Raises `InvalidOptionError` when *n* is no whole number of 1 or more.
    """
    n = whole("every", n, least=1)
    text = f"every({n})"

    def step(last: int, turn: Turn) -> tuple[int, Decision]:
        due = turn.number // n * n
        if due <= last:
            return turn.number, Hold(f"{text}: turn {turn.number} is not due, turn {due + n} is")
        if due == turn.number:
            return turn.number, Go(f"{text}: turn {due} is due")
        return turn.number, Go(f"{text}: turn {turn.number} stands in for turn {due}")

    def quick(last: int, turn: Turn) -> tuple[int, bool]:
        number = turn.number
        return number, number // n * n > last

    return Rule(step, 0, text=text, quick=quick)


_HASHES: Final = 2**64


def sample(p: float, seed: int = 0) -> Rule[None]:
    """
    Let a share *p* of all turns pass: 0 none, 1 all. The same turn has the same answer every time.

    The answer is a hash (BLAKE2b) of the seed, the conversation's id and the turn's number, so it needs no memory, and
    another *seed* is another draw.

    Raises `InvalidOptionError` when *p* is not between 0 and 1, or *seed* no whole number.
    """
    p = number("sample", p, "give a share from 0 to 1, such as 0.1", most=1)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InvalidOptionError("sample.seed", seed, "give a whole number")
    text = f"sample({shown(p)})" if seed == 0 else f"sample({shown(p)}, seed={seed})"

    def quick(state: None, turn: Turn) -> tuple[None, bool]:
        key = f"{seed}:{turn.number}:{turn.conversation_id}".encode(errors="surrogatepass")
        return state, int.from_bytes(blake2b(key, digest_size=8).digest(), "big") / _HASHES < p

    def step(state: None, turn: Turn) -> tuple[None, Decision]:
        if quick(state, turn)[1]:
            return state, Go(f"{text}: turn {turn.number} was drawn")
        return state, Hold(f"{text}: turn {turn.number} was not drawn")

    return Rule(step, None, text=text, quick=quick)

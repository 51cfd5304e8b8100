"""Tokens: unguessable, hashed, expiring, revoked."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from kontext_rx.hosts.tokens import TOKENS_EACH, Tokens


def test_a_token_is_its_owners_and_nobody_elses() -> None:
    tokens = Tokens[str](ttl=60)
    ann, ben = tokens.issue("ann", 0), tokens.issue("ben", 0)
    assert len(ann) >= 43
    assert ann != ben
    assert tokens.enter(ann, 1) is not None
    entered = tokens.enter(ben, 1)
    assert entered is not None
    assert entered[0] == "ben"
    for wrong in ("", ann[:-1], ann + "x", ann.swapcase(), "\ud800"):
        assert tokens.enter(wrong, 1) is None


def test_only_its_hash_is_kept() -> None:
    tokens = Tokens[str](ttl=60)
    text = tokens.issue("ann", 0)
    assert text not in repr([vars(tokens), [(t.digest, t.owner) for t in tokens._tokens.values()]])


def test_it_expires_when_it_is_not_used_and_not_while_it_is() -> None:
    tokens = Tokens[str](ttl=60)
    text = tokens.issue("ann", 0)
    entered = tokens.enter(text, 59)
    assert entered is not None
    assert tokens.enter(text, 10_000) is not None  # a second tab, the first is still open
    tokens.leave(entered[1], 10_001)
    tokens.leave(entered[1], 10_002)
    assert tokens.enter(text, 10_061) is not None
    tokens.leave(entered[1], 10_061)
    assert tokens.enter(text, 10_121) is None
    assert len(tokens) == 0


def test_expired_ones_are_not_kept() -> None:
    tokens = Tokens[str](ttl=60)
    for moment in range(0, 600, 10):
        tokens.issue(f"user-{moment}", moment)
    assert len(tokens) == 6


def test_an_owner_has_a_bounded_number_and_those_in_use_stay() -> None:
    tokens = Tokens[str](ttl=60)
    first = tokens.issue("ann", 0)
    tokens.enter(first, 0)
    others = [tokens.issue("ann", 0) for _ in range(TOKENS_EACH + 3)]
    assert len(tokens) == TOKENS_EACH
    assert tokens.enter(first, 1) is not None
    assert tokens.enter(others[0], 1) is None
    assert tokens.enter(others[-1], 1) is not None


def test_revoking_ends_an_owners_and_leaves_the_others() -> None:
    tokens = Tokens[str](ttl=60)
    ann, ben = tokens.issue("ann", 0), tokens.issue("ben", 0)
    tokens.revoke("ann")
    assert tokens.enter(ann, 1) is None
    assert tokens.enter(ben, 1) is not None


def test_every_answer_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known or not, one comparison of two digests of one length."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def compare(a: Any, b: Any) -> bool:
        compared.append((len(a), len(b)))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    tokens = Tokens[str](ttl=60)
    text = tokens.issue("ann", 0)
    tokens.enter(text, 1)
    tokens.enter("guess", 1)
    assert compared == [(32, 32), (32, 32)]

"""Who may come in: tokens that cannot be guessed, kept as hashes, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Generic, TypeVar

__all__ = ["TOKENS_EACH", "Tokens"]

T = TypeVar("T")

TOKENS_EACH = 32
"""Tokens an owner may have; another one ends the oldest that nobody uses. Source: ours."""


class _Token(Generic[T]):
    __slots__ = ("digest", "expires_at", "owner", "users")

    def __init__(self, digest: bytes, owner: T, expires_at: float) -> None:
        self.digest, self.owner, self.expires_at = digest, owner, expires_at
        self.users = 0


class Tokens(Generic[T]):
    """
    Tokens and whose they are. Times are seconds of any clock.

    A token expires *ttl* seconds after it was issued or last used; as long as it is in use it does not.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._tokens: dict[bytes, _Token[T]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def issue(self, owner: T, now: float) -> str:
        """A new token for *owner*: 256 random bits."""
        for old in [token for token in self._tokens.values() if self._is_over(token, now)]:
            del self._tokens[old.digest]
        own = [token for token in self._tokens.values() if token.owner is owner]
        if len(own) >= TOKENS_EACH:
            del self._tokens[next((token for token in own if not token.users), own[0]).digest]
        text = secrets.token_urlsafe(32)
        digest = _digest(text)
        self._tokens[digest] = _Token(digest, owner, now + self._ttl)
        return text

    def enter(self, text: str, now: float) -> tuple[T, bytes] | None:
        """Whose token *text* is, and the key to `leave` with; None when it is nobody's, or over."""
        digest = _digest(text)
        token = self._tokens.get(digest)
        # The look-up is by hash, of which a guess tells nothing; the comparison takes the same time for every answer.
        if not hmac.compare_digest(digest, token.digest if token else b"\0" * len(digest)) or token is None:
            return None
        if self._is_over(token, now):
            del self._tokens[digest]
            return None
        token.users += 1
        return token.owner, digest

    def leave(self, key: bytes, now: float) -> None:
        """One use of a token has ended."""
        if (token := self._tokens.get(key)) is not None:
            token.users -= 1
            token.expires_at = now + self._ttl

    def revoke(self, owner: T) -> None:
        """End every token of *owner*."""
        self._tokens = {digest: token for digest, token in self._tokens.items() if token.owner is not owner}

    def _is_over(self, token: _Token[T], now: float) -> bool:
        return not token.users and now >= token.expires_at


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

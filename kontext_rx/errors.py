"""
The mistakes an app can make, raised at the call that makes them.

    KontextError
    ├── SessionDestroyedError        a session was used after destroy()
    ├── AdAlreadyMountedError        an ad was mounted a second time
    ├── AdDestroyedError             an ad was mounted after it was destroyed
    ├── WrongThreadError             create_ad() or render() away from the session's loop
    ├── InvalidMessageError          (also a ValueError) a message that cannot be fed
    └── InvalidOptionError           (also a ValueError) an option that cannot be used

What goes wrong in the world (a timeout, a 503, a body that is not JSON) is never raised: it is an
`AdError` on the session's events, a debug event and a log line.
"""

from typing import Any

__all__ = [
    "AdAlreadyMountedError",
    "AdDestroyedError",
    "InvalidMessageError",
    "InvalidOptionError",
    "KontextError",
    "SessionDestroyedError",
    "WrongThreadError",
]


class KontextError(Exception):
    """The root of everything that kontext_rx raises."""


class SessionDestroyedError(KontextError):
    """A session was asked to change after it was destroyed; readers still read."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call

    def __str__(self) -> str:
        return f"{self.call}: this session was destroyed; create a new one for the next conversation"


class AdAlreadyMountedError(KontextError):
    """An ad can be mounted once: destroy it and create another to show it elsewhere."""

    def __init__(self, message_id: str, code: str) -> None:
        super().__init__(message_id, code)
        self.message_id, self.code = message_id, code

    def __str__(self) -> str:
        return (
            f"the ad of message {self.message_id!r} in {self.code!r} is mounted already: "
            "destroy() it, and mount the one that create_ad() gives then"
        )


class AdDestroyedError(KontextError):
    """An ad was asked to show itself after it was destroyed."""

    def __init__(self, message_id: str, code: str) -> None:
        super().__init__(message_id, code)
        self.message_id, self.code = message_id, code

    def __str__(self) -> str:
        return f"the ad of message {self.message_id!r} in {self.code!r} was destroyed: create_ad() gives a new one"


class WrongThreadError(KontextError):
    """A call that hands an object back was made away from the session's event loop."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.call = call

    def __str__(self) -> str:
        return f"{self.call} belongs on the session's event loop: use loop.call_soon_threadsafe(...) to get there"


class _InvalidFieldError(KontextError, ValueError):
    """One field, what was given for it, and what to give instead."""

    def __init__(self, field: str, given: object, wanted: str) -> None:
        super().__init__(field, given, wanted)
        self.field, self.given, self.wanted = field, given, wanted

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.given, self.wanted)

    def __str__(self) -> str:
        return f"{self.field}={_shown(self.given)} cannot be used: {self.wanted}"


class InvalidMessageError(_InvalidFieldError):
    """A message that cannot be fed: `field` is what is wrong, `given` what it was, `wanted` what to do."""


class InvalidOptionError(_InvalidFieldError):
    """An option that cannot be used: `field` names it, `given` is what it was, `wanted` what to do."""

    @property
    def option(self) -> str:
        """The option's name, the same as `field`."""
        return self.field


def _shown(given: object, limit: int = 80) -> str:
    try:
        text = repr(given)
    except Exception:  # a repr of the app's own that raises must not hide what is wrong
        text = f"<{type(given).__name__}>"
    return text if len(text) <= limit else text[: limit - 1] + "…"

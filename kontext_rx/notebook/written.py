"""What a view of a cell may write, and how it is read: like what a page says, and nothing is believed."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from ..hosts.limits import MESSAGE_CHARS

__all__ = ["AT_ONCE", "Written", "read_written"]

AT_ONCE: Final = 64
"""Messages that a view writes at once; the rest waits until these are heard. Source: ours."""


class Written(msgspec.Struct, frozen=True):
    """The whole of a view's side, each time anew: what it wrote before may never have arrived."""

    view: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9-]{8,64}\Z")]
    """Its own id: another one for each time that it asks for the ad."""
    done: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    """The number of the last command that it has performed."""
    said: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=MESSAGE_CHARS)], ...], msgspec.Meta(max_length=AT_ONCE)
    ] = ()
    """Messages that it does not know to be heard, in order, each with its number."""
    gone: bool = False
    """Whether it is not there any more."""


def read_written(given: object) -> Written | None:
    """What a view has written; None for what is nothing of the kind."""
    try:
        return msgspec.convert(given, Written)
    except (msgspec.ValidationError, RecursionError, UnicodeError):
        return None

"""The body of `POST /preload` in one go, as a session makes it in two parts."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from kontext_rx.options import Options
from kontext_rx.wire import envelope


def preload_body(options: Options, *, messages: Iterable[Raw], **more: Any) -> bytes:
    return envelope(options, **more).around(messages)

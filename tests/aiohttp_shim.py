"""What `aioresponses` 0.7.9 leaves out for aiohttp 3.14: a response knows the writer that sent its request."""

from typing import Any

import aiohttp


class Writer:
    """A request that was sent, as far as a response asks for it."""

    output_size = 0


class ShimmedResponse(aiohttp.ClientResponse):
    """Pass it as `response_class`; older versions of aiohttp do not know the keyword, newer ones insist on it."""

    def __init__(self, *args: Any, **more: Any) -> None:
        try:
            super().__init__(*args, **more, stream_writer=Writer())  # type: ignore[call-arg]
        except TypeError:
            super().__init__(*args, **more)

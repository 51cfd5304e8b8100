"""A host without a screen: it writes down what an ad does, and plays what its frames would say."""

from __future__ import annotations

from typing import Any, TypeAlias

from .commands import CommandHost

__all__ = ["Call", "RecordingHost"]

Call: TypeAlias = tuple[Any, ...]
"""The name of a call and its arguments, such as `("load", "https://...")`."""


class RecordingHost(CommandHost):
    """
    For tests and simulations: `calls` is everything that the ad asked for, `say` is the frame's voice.

        host = RecordingHost()
        session.render(message_id="m2", element=host)
        host.say("resize-iframe", height=250)
        assert ("resize", 250.0) in host.calls

    What is said before the ad has loaded a frame, or after it was released, is not heard: there is no frame. It opens
    nothing: `links` are where it would have gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.released = False

    def command(self, call: str, *arguments: Any) -> None:
        """Write it down."""
        self.released = call == "release"
        self.calls.append((call, *arguments))

    @property
    def posted(self) -> list[dict[str, Any]]:
        """The messages that were posted into the frame."""
        return [call[1] for call in self.calls if call[0] == "post"]

    @property
    def links(self) -> list[str]:
        """The addresses that were clicked, resolved against the ad server."""
        return [call[1] for call in self.calls if call[0] == "open_link"]

    def say(self, type: str, /, **data: Any) -> None:  # noqa: A002 - the protocol's word
        """Be the inline frame: post a message of this *type* with this *data*."""
        self.hear({"type": type, "data": data})

    def say_from_modal(self, type: str, /, **data: Any) -> None:  # noqa: A002
        """Be the modal."""
        self.hear({"type": type, "data": {"component": "modal", **data}}, "modal")

    def say_raw(self, message: object) -> None:
        """Be a frame that posts anything at all."""
        self.hear(message)

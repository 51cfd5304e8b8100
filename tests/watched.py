"""A session in virtual time, and everything it tells."""

from typing import Any

from kontext_rx import AdEvent, DebugEvent, PreloadStep, Session
from kontext_rx.testing import VirtualAdServer, virtual_session


class Watched:
    """A session, its clock and server, and what it has told so far."""

    def __init__(self, server: VirtualAdServer, options: dict[str, Any]) -> None:
        self.server, self.clock = server, server.clock
        self.session: Session = virtual_session(server, **options)
        self.events: list[AdEvent] = []
        self.steps: list[PreloadStep] = []
        self.debug: list[DebugEvent] = []
        self.completed: list[str] = []
        self.session.events.subscribe(self.events.append, on_completed=lambda: self.completed.append("events"))
        self.session.preloads.subscribe(self.steps.append, on_completed=lambda: self.completed.append("preloads"))
        self.session.debug_events.subscribe(self.debug.append, on_completed=lambda: self.completed.append("debug"))

    @property
    def told(self) -> list[tuple[str, str | None, str | None]]:
        """(name, message, user message) of each event."""
        return [(event.name, event.message_id, event.user_message_id) for event in self.events]

    @property
    def life(self) -> list[str]:
        """The preload steps in short, such as `sent u1`."""
        return [f"{step.name} {step.user_message_id}" for step in self.steps]

    @property
    def debug_names(self) -> list[str]:
        return [event.name for event in self.debug]

    def settled(self, message_id: str) -> str | None:
        """The outcome's skip code or name; None while it is open."""
        words: list[str] = []
        self.session.outcome(message_id).subscribe(
            lambda outcome: words.append(getattr(outcome, "skip_code", outcome.name))
        )
        return words[0] if words else None

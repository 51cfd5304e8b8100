"""A session in virtual time, and what it has done so far."""

from typing import Any

from kontext_rx import Message, Session
from kontext_rx.hosts import RecordingHost
from kontext_rx.testing import VirtualAdServer, VirtualClock, no_fill, virtual_session
from kontext_rx.trace import Trace

__all__ = ["Talk", "story"]


class Talk:
    """One conversation."""

    def __init__(self, clock: VirtualClock, **options: Any) -> None:
        self.clock = clock
        self.server = VirtualAdServer(clock)
        self.session: Session = virtual_session(self.server, **options)
        self.began = clock.at

    @property
    def traces(self) -> list[Trace]:
        return self.session._outlet.ledger.traces

    def ask(self, message_id: str, then: float = 0.0, **options: Any) -> None:
        """A user message, and *then* seconds pass."""
        self.session.add_message(Message.user(message_id, "x"), **options)
        self.clock.advance(then)

    def reply(self, message_id: str, then: float = 0.0) -> None:
        self.session.add_message(Message.assistant(message_id, "y"))
        self.clock.advance(then)

    def show(self, message_id: str) -> RecordingHost:
        """Mount the ad of a message."""
        host = RecordingHost()
        self.session.render(message_id=message_id, element=host)
        host.say("init-iframe")
        host.say("show-iframe")
        return host

    def say(self, host: RecordingHost, name: str, then: float = 0.0, **payload: str) -> None:
        """The ad tells an event."""
        host.say("event-iframe", name=name, payload=payload)
        self.clock.advance(then)


def story(clock: VirtualClock) -> Talk:
    """An ad that is seen and clicked; a burst, and a request that is let go of; a turn without an ad."""
    talk = Talk(clock)
    talk.ask("u1", 0.4)
    talk.reply("a1", 0.1)
    host = talk.show("a1")
    talk.clock.advance(0.1)
    talk.say(host, "ad.render-started", 0.5)
    talk.say(host, "ad.render-completed", 1.0)
    talk.say(host, "ad.viewed", 1.0, content="c", format="inline")
    talk.say(host, "ad.clicked", 28, content="c", format="inline", url="https://x.test", area="card")
    talk.ask("u2", 0.004)
    talk.ask("u3", 0.030)
    talk.server.plan("/preload", no_fill("frequency_cap"))
    talk.ask("u4", 0.2)
    talk.reply("a4", 5)
    return talk

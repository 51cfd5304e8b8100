"""Draw the picture of `explanation/life-of-a-turn.md` from turns that really happened, in virtual time."""

from pathlib import Path

import kontext_rx as kx
from kontext_rx import Message
from kontext_rx.hosts import RecordingHost
from kontext_rx.marbles import marbles
from kontext_rx.testing import VirtualAdServer, VirtualClock, fill, no_fill, virtual_session

PICTURE = Path(__file__).parent / "explanation" / "life-of-a-turn.svg"


def drawn() -> str:
    """An ad that waits for its reply, a question that interrupts another, and a turn without an ad."""
    clock = VirtualClock()
    server = VirtualAdServer(clock, latency=0.3)
    bids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(1, 4)]
    server.plan("/preload", fill(bid_id=bids[0]), fill(bid_id=bids[1]).in_(2), fill(bid_id=bids[2]), no_fill())
    session = virtual_session(server)
    recording = kx.record(session)

    def ask(message_id: str, wait_s: float) -> None:
        session.add_message(Message.user(message_id, "?"))
        clock.advance(wait_s)

    def reply(message_id: str) -> None:
        session.add_message(Message.assistant(message_id, "!"))
        host = RecordingHost()
        ad = session.render(message_id=message_id, element=host)
        payload = {"id": ad.bid_id, "messageId": message_id, "content": "text", "format": "inline"}
        for wait_s, name in ((0.1, "ad.render-started"), (1.0, "ad.viewed")):
            clock.advance(wait_s)
            host.say("event-iframe", name=name, payload=payload)
        clock.advance(5)

    ask("u1", 1.2)
    reply("a1")
    ask("u2", 0.8)
    ask("u3", 1.2)
    reply("a3")
    ask("u4", 0.9)
    reply("a4")
    return marbles(recording).svg(theme="auto")


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")

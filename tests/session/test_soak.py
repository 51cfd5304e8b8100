"""An hour of one conversation, in virtual time: whatever it goes through, it holds no more at the end than early on."""

import gc
import random
import tracemalloc

from kontext_rx import Message, Session, pacing
from kontext_rx.hosts.recording import RecordingHost
from kontext_rx.testing import VirtualAdServer, fill, network_error, no_fill, silence, status, virtual_session

TURN_S = 10.0
WARM_UP = 60
HOUR = 360
"""Turns: the first ten minutes fill what has a limit, and an hour shows what has none."""


class Life:
    """A conversation with everything in it: bursts, superseded questions, failures, ads that are shown and go."""

    def __init__(self, server: VirtualAdServer) -> None:
        self.server, self.clock, self.dice = server, server.clock, random.Random(7)
        self.session: Session = virtual_session(server, pacing=pacing.every(2) | pacing.cooldown(60))
        self.shown: list[str] = []
        self.number = self.said = 0

    def turns(self, count: int) -> None:
        for _ in range(count):
            self._turn()

    def _turn(self) -> None:
        self.number += 1
        number, session, dice = self.number, self.session, self.dice
        answers = [fill(), no_fill(), status(503), status(429), network_error(), silence()]
        self.server.plan("/preload", dice.choices(answers, [6, 1, 1, 1, 1, 1])[0].in_(dice.uniform(0, 3)))
        for part in range(dice.choice([1, 1, 1, 3])):
            session.add_message(Message.user(f"u{number}.{part}", f"question {number} {part}"))
            self.said += 1
            self.clock.advance(dice.choice([0.001, 0.5]))
        reply = f"a{number}"
        outcome = session.outcome(reply).subscribe()
        told = session.for_message(reply).subscribe()
        session.add_message(Message.assistant(reply, f"answer {number}"))
        self.said += 1
        host = RecordingHost()
        session.render(message_id=reply, element=host)
        self.shown.append(reply)
        self.clock.advance(TURN_S)
        for height in range(20):
            host.hear({"type": "resize-iframe", "data": {"height": height, "code": "inlineAd"}})
        if len(self.shown) > 3:
            session.create_ad(self.shown.pop(0)).destroy()
        outcome.dispose()
        told.dispose()
        session.explain(reply)


def held(life: Life) -> tuple[int, int]:
    """Bytes, and objects that the garbage collector tracks; the requests that the virtual server has noted aside."""
    life.server.requests.clear()
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(gc.get_objects())


def test_an_hour_holds_no_more_than_ten_minutes(server: VirtualAdServer) -> None:
    life = Life(server)
    tracemalloc.start()
    try:
        life.turns(WARM_UP)
        said_early, (bytes_early, objects_early) = life.said, held(life)
        life.turns(HOUR - WARM_UP)
        bytes_late, objects_late = held(life)
    finally:
        tracemalloc.stop()
    assert life.number == HOUR
    assert objects_late - objects_early < 20
    # The ids of the last 10,000 messages are remembered, with a number that stands for their text: some 160 bytes each.
    assert bytes_late - bytes_early < 200 * (life.said - said_early)
    life.session.destroy()
    assert life.session.messages == ()

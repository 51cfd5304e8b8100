"""
A soak: a process full of conversations, for minutes, with everything that goes wrong; and whether its memory is flat.

    python tests/benchmarks/soak.py [--minutes 10] [--sessions 1000] [--every 10] [--tracemalloc]

Each session has a turn every ten seconds, against a server that answers in 50 ms, and of ten requests one with a 503,
of fifteen one with a dropped connection, which is tried again. One turn in ten is overtaken while its request is in
flight. A session lives for 12 to 24 turns, most of them until their history is full; then it is destroyed and another
opened. So after 24 turns there are sessions of every age, and memory has no reason to grow: from there on it is judged,
by a line fitted through what was seen every half minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from processes import Server, started
from sides import INSTALL_ID, TEXT

import kontext_rx as kx
from kontext_rx import Message

OVERTAKEN_EVERY: Final = 10
OVERTAKEN_AFTER_S: Final = 0.03
"""After the debounce, and before the answer."""
REPLY_AFTER: Final = 0.4
"""Share of the time between two turns."""
LONGEST_LIFE: Final = 24
"""Turns. Source: ours; the history is full after 15."""
LOOK_EVERY_S: Final = 30.0
FLAT: Final = 0.03
"""Growth over the whole of what is judged, as a share, that is still called flat. Source: ours."""
LOOKS: Final = 4
"""Fewer than these give no line."""


class Look(NamedTuple):
    """What was seen at one moment."""

    at: float
    rss: float
    """Bytes of memory the process has."""
    objects: float
    """That the collector walks, after a collection."""
    traced: float
    """Bytes by `tracemalloc`; 0 when it is off."""


class Speaker:
    """One place in the crowd: a session, and when it has lived long enough another."""

    def __init__(self, soak: Soak, number: int) -> None:
        self._soak, self._life = soak, 12 + number % (LONGEST_LIFE - 11)
        self._turn = 0
        self._open()

    def ask(self) -> None:
        """The next turn."""
        if self._turn == self._life:
            self.session.destroy()
            self._soak.happened["destroyed"] += 1
            self._open()
        self._turn += 1
        self._soak.happened["turns"] += 1
        self._add(self.session, Message.user(f"u{self._turn}", f"{TEXT} {self._turn}"))
        loop, session = asyncio.get_running_loop(), self.session
        if self._soak.happened["turns"] % OVERTAKEN_EVERY == 0:
            more = Message.user(f"more{self._turn}", f"{TEXT} Or {self._turn}.")
            loop.call_later(OVERTAKEN_AFTER_S, self._add, session, more)
        reply = Message.assistant(f"a{self._turn}", f"{TEXT} {self._turn}!")
        loop.call_later(self._soak.every_s * REPLY_AFTER, self._add, session, reply)

    def _open(self) -> None:
        soak, self._turn = self._soak, 0
        number = soak.happened["opened"] = soak.happened["opened"] + 1
        self.session = kx.create_session(
            publisher_token="t",
            user_id=f"user-{number}",
            conversation_id=f"c-{number}",
            ad_server_url=soak.server.faulty,
            install_id=INSTALL_ID,
            client=soak.client,
        )
        self.session.events.subscribe(soak.hear)

    @staticmethod
    def _add(session: kx.Session, message: Message) -> None:
        if not session.is_destroyed:
            session.add_message(message)


class Soak:
    """The crowd, and what happens in it."""

    def __init__(self, server: Server, client: kx.Client, sessions: int, every_s: float) -> None:
        self.server, self.client, self.every_s = server, client, every_s
        self.happened: Counter[str] = Counter()
        self._speakers = [Speaker(self, number) for number in range(sessions)]
        self.looks: list[Look] = []

    def hear(self, event: kx.AdEvent) -> None:
        self.happened[event.name] += 1

    async def speak(self) -> None:
        """Every speaker in turn, for ever."""
        pause, at = self.every_s / len(self._speakers), time.monotonic()
        while True:
            for one in self._speakers:
                at += pause
                await asyncio.sleep(max(0.0, at - time.monotonic()))  # also when late: the loop has more to do
                one.ask()

    async def look(self, seconds: float) -> None:
        """Print what there is, every half minute."""
        start, before = time.monotonic(), (time.monotonic(), time.process_time())
        print("     s   CPU   RSS MB    objects  traced MB  tasks sessions  what happened")
        while (at := time.monotonic() - start) < seconds:
            await asyncio.sleep(min(LOOK_EVERY_S, seconds - at))
            now = time.monotonic(), time.process_time()
            busy, before = (now[1] - before[1]) / (now[0] - before[0]), now
            gc.collect()
            seen = Look(time.monotonic() - start, rss(), len(gc.get_objects()), tracemalloc.get_traced_memory()[0])
            self.looks.append(seen)
            happened = ", ".join(f"{name} {count:,}" for name, count in sorted(self.happened.items()))
            print(
                f"{seen.at:>6.0f} {busy:>5.0%} {seen.rss / 1e6:>8.1f} {seen.objects:>10,} {seen.traced / 1e6:>10.1f}"
                f" {len(asyncio.all_tasks()):>6} {self.client.stats.sessions:>8}  {happened}",
                flush=True,
            )

    def close(self) -> None:
        for one in self._speakers:
            one.session.destroy()


def rss() -> float:
    """Bytes of memory this process has; where the system does not say, the most it ever had."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmRSS:")[2].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def verdict(looks: list[Look]) -> list[str]:
    """A sentence for each number that is looked at; those that grow say so."""
    if len(looks) < LOOKS:
        return [f"too short to say: give it {LOOKS * LOOK_EVERY_S:.0f} s more than {LONGEST_LIFE} turns take"]
    times = [look.at for look in looks]
    said: list[str] = []
    for name, values in (
        ("memory (RSS)", [look.rss for look in looks]),
        ("objects", [look.objects for look in looks]),
        ("memory (tracemalloc)", [look.traced for look in looks]),
    ):
        if not any(values):
            continue
        slope = statistics.linear_regression(times, values).slope
        grown = slope * (times[-1] - times[0]) / statistics.fmean(values)
        word = "flat" if grown <= FLAT else "GROWS"
        said.append(f"{name}: {word}, {grown:+.1%} in {times[-1] - times[0]:.0f} s ({slope * 60:+,.0f} a minute)")
    return said


async def soak(server: Server, given: argparse.Namespace) -> int:
    async with kx.Client() as client:
        crowd = Soak(server, client, given.sessions, given.every)
        speaking = asyncio.create_task(crowd.speak())
        watching = asyncio.create_task(crowd.look(given.minutes * 60))
        await asyncio.wait([speaking, watching], return_when=asyncio.FIRST_COMPLETED)
        speaking.cancel()
        watching.cancel()
        for task in (speaking, watching):
            if task.done() and not task.cancelled():
                task.result()  # raises what ended it
        crowd.close()
    said = verdict([look for look in crowd.looks if look.at > LONGEST_LIFE * given.every])
    print("\n".join(said))
    return int(any("GROWS" in one for one in said))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--sessions", type=int, default=1000)
    options.add_argument("--every", type=float, default=10, help="seconds from one turn of a session to the next")
    options.add_argument("--tracemalloc", action="store_true", help="count what Python has allocated, too: slow")
    given = options.parse_args()
    if given.tracemalloc:
        tracemalloc.start()
    with started() as server:
        raise SystemExit(asyncio.run(soak(server, given)))


if __name__ == "__main__":
    main()

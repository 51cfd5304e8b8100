"""`kontext-rx demo --text`: conversations and their ads, turn by turn, on a terminal."""

from __future__ import annotations

import asyncio
import time
from importlib import resources
from typing import Final

import msgspec
from rich.text import Text

import kontext_rx as kx
from kontext_rx.adserver import AdServer, Fixed, Latency, Lognormal, Settings

from ..conversations import Conversation, Reader
from .player import Happening, Player
from .screen import FRAME_S, Screen, repeated, report
from .stopping import stopped_by_signals
from .summary import Tally
from .tempo import REPLY_DELAY_S, TURN_DELAY_S, Tempo
from .timeline import PLAIN_WIDTH, Row, Timeline, line

__all__ = ["SCENES", "Scene", "play_one", "play_sample", "sample"]

PAUSE_S: Final = 0.4
"""Seconds between two conversations, to read. Source: ours."""


class Scene(msgspec.Struct, frozen=True):
    """What a conversation of the sample is there to show, and how the ad server behaves meanwhile."""

    title: str
    note: str
    latency: Latency = Lognormal(0.15, 0.5)
    """Seconds until an answer."""
    every: int = 1

    def settings(self, speed: float) -> Settings:
        """The ad server's settings, *speed* times as fast."""
        return Settings(latency=_faster(self.latency, speed), every=self.every, seed=7)


SCENES: Final = {
    "leek-soup": Scene("The usual case", "The ad is there before the reply, and waits for it."),
    "night-train": Scene("Three messages at once", "A burst becomes one request, for the newest message."),
    "wet-tent": Scene(
        "The user interrupts", "A newer message cancels the request in flight, at once.", latency=Fixed(1.1)
    ),
    "jazz-trio": Scene("A quick reply", "The reply is there first; the ad still finds it.", latency=Fixed(0.9)),
    "stiff-lock": Scene("No ad this time", "A turn without an ad ends in one word, too: why.", every=2),
}
"""By conversation, in the order of the sample."""

OWN: Final = Scene("Your conversation", "Its ads are chosen by what is said.")
"""For any other."""


def sample() -> tuple[Conversation, ...]:
    """The bundled conversations, all of them invented."""
    data = resources.files("kontext_rx.cli").joinpath("sample.jsonl").read_bytes()
    return tuple(item for item in Reader([data]) if isinstance(item, Conversation))


async def play_sample(screen: Screen, speed: float) -> int:
    """Play the sample *speed* times as fast as it was recorded, show it, and give the exit code."""
    return await _play(screen, "five invented conversations, real sessions", sample(), Tempo(speed=speed))


async def play_one(screen: Screen, conversation: Conversation, speed: float) -> int:
    """Play a conversation with the usual pauses, *speed* times as fast, show it, and give the exit code."""
    tempo = Tempo(turn_delay_s=TURN_DELAY_S, reply_delay_s=REPLY_DELAY_S, speed=speed)
    return await _play(screen, "a conversation of yours, a real session", (conversation,), tempo)


async def _play(screen: Screen, what: str, conversations: tuple[Conversation, ...], tempo: Tempo) -> int:
    tally = Tally()
    started = time.monotonic()
    with stopped_by_signals() as stop:
        async with AdServer() as server, kx.Client() as client:
            stage = _Stage(screen, server, tally, tempo.speed)
            player = Player(stage.tell, client=client, ad_server_url=server.url, publisher_token="demo", tempo=tempo)
            stage.curtain(what)
            for conversation in conversations:
                await stage.show(player, conversation)
                await asyncio.sleep(PAUSE_S / tempo.speed)
    screen.out.print()
    screen.out.print(report(tally.summary(time.monotonic() - started), tally))
    return stop.exit_code


class _Stage:
    """Shows one conversation after the other."""

    def __init__(self, screen: Screen, server: AdServer, tally: Tally, speed: float) -> None:
        self._screen, self._server, self._tally, self._speed = screen, server, tally, speed
        self._timeline = Timeline()

    def tell(self, happening: Happening) -> None:
        self._tally(happening)
        self._timeline(happening)

    def curtain(self, what: str) -> None:
        out = self._screen.out
        out.print()
        out.print(Text.assemble(("kontext-rx demo", "bold"), (f"  {what}", "dim")))
        out.print(Text(f"an embedded ad server at {self._server.url}", "dim"))

    async def show(self, player: Player, conversation: Conversation) -> None:
        out, scene = self._screen.out, SCENES.get(conversation.id, OWN)
        self._server.settings = scene.settings(self._speed)
        out.print()
        out.print(Text.assemble((f"{scene.title}  ", "bold cyan"), (f"{conversation.id}", "dim")))
        out.print(Text(scene.note, "dim"))
        if not out.is_interactive:
            self._timeline = Timeline(on_end=self._print, brand=self._brand)
            await player.play(conversation)
            return
        self._timeline = timeline = Timeline(brand=self._brand)

        def draw(now: float | None = None) -> Text:
            lines = [line(row, out.width, now=now) for row in timeline.rows]
            return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)

        with self._screen.live(lambda: draw(time.time()), out) as shown:
            async with repeated(FRAME_S, shown.refresh):
                await player.play(conversation)
        out.print(draw())

    def _print(self, row: Row) -> None:
        self._screen.out.print(line(row, PLAIN_WIDTH), soft_wrap=True)

    def _brand(self, bid_id: str) -> str | None:
        bid = self._server.bid(bid_id)
        return None if bid is None else bid.creative.brand


def _faster(latency: Latency, speed: float) -> Latency:
    match latency:
        case Fixed(seconds):
            return Fixed(seconds / speed)
        case Lognormal(median, sigma):
            return Lognormal(median / speed, sigma)
        case _:
            raise NotImplementedError(latency)

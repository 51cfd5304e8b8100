"""`kontext-rx adserver`: the embedded ad server on its own, a line for each request."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final, cast

from rich.table import Table
from rich.text import Text

from kontext_rx.adserver import AdServer, LoggedRequest, Settings, Stats

from .screen import Screen
from .stopping import stopped_by_signals

__all__ = ["outcome", "serve"]

WIDE_OPEN: Final = ("0.0.0.0", "::")
"""Hosts that mean every network. Source: sockets."""

REFUSED: Final = 400
"""An HTTP status from here on is no answer. Source: HTTP."""


async def serve(settings: Settings, screen: Screen, *, host: str, port: int, quiet: bool) -> None:
    """Serve until Ctrl-C or SIGTERM, then print what was served. Raises `AddressError` when it cannot listen."""

    def on_request(entry: LoggedRequest) -> None:
        screen.out.print(_line(entry, server), soft_wrap=True)

    server = AdServer(settings, host=host, port=port, on_request=None if quiet else on_request)
    with stopped_by_signals():
        async with server:
            everywhere = " and on every other network of this machine" if host in WIDE_OPEN else ""
            screen.out.print(
                Text.assemble("The ad server listens on ", (server.url, "bold"), everywhere), soft_wrap=True
            )
            screen.out.print(Text(f'    kx.create_session(..., ad_server_url="{server.url}")', "dim"), soft_wrap=True)
            screen.out.print(Text("Ctrl-C stops it.", "dim"))
            await asyncio.Event().wait()
    screen.out.print()
    screen.out.print(_stats(server.stats))


def outcome(entry: LoggedRequest) -> tuple[str, str]:
    """What a request was answered with, in a few words, and the style for them."""
    if entry.ended != "answered":
        return {"aborted": "the client went away", "closed": "cut off by the end"}.get(entry.ended, entry.ended), "red"
    answer = _object(entry.answer)
    if (entry.status or 0) >= REFUSED:
        return str(answer.get("error") or "refused"), "red"
    if entry.path == "/init":
        return ("enabled", "green") if answer.get("enabled", True) else ("disabled", "yellow")
    if entry.path in ("/error", "/debug"):
        return str((entry.body or {}).get("error" if entry.path == "/error" else "name", "")), "dim"
    if entry.path != "/preload":
        return "", ""
    if (code := answer.get("errCode")) is not None:
        return f"error: {code}", "red"
    if answer.get("skip"):
        return f"no fill: {answer.get('skipCode')}", "yellow"
    if answer.get("bids"):
        return "filled", "green"
    return "no content" if entry.status == 204 else "an answer without bids", "yellow"


def _line(entry: LoggedRequest, server: AdServer) -> Text:
    said, style = outcome(entry)
    took_ms = (time.time() - entry.at) * 1000
    line = Text.assemble(
        (time.strftime("%H:%M:%S", time.localtime(entry.at)), "dim"),
        f"  {entry.method:<4} {entry.path:<9} {entry.status or '---'}  ",
        (said, style),
    )
    if brands := _brands(entry, server):
        line.append(f" with {brands}")
    line.append(f"  {took_ms:.0f} ms", "dim")
    if (conversation := (entry.body or {}).get("conversationId")) is not None:
        line.append(f"  {conversation}", "dim")
    return line


def _brands(entry: LoggedRequest, server: AdServer) -> str:
    bids: object = _object(entry.answer).get("bids")
    found = [
        bid.creative.brand
        for wire in (cast("list[dict[str, object]]", bids) if isinstance(bids, list) else [])
        if (bid := server.bid(str(wire.get("bidId")))) is not None
    ]
    return ", ".join(found)


def _object(given: object) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _stats(stats: Stats) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim")
    requests = sorted(stats.paths.items())
    skips = sorted(stats.skips.items())
    broken = [(f"HTTP {status}", count) for status, count in sorted(stats.statuses.items()) if status >= REFUSED]
    broken += [(ended, count) for ended, count in sorted(stats.ended.items()) if ended != "answered"]
    for name, total, parts in (
        ("requests", stats.requests, requests),
        ("filled", stats.fills, []),
        ("no fill", sum(stats.skips.values()), skips),
        ("refused or broken", sum(count for _, count in broken), broken),
    ):
        table.add_row(name, str(total), Text(", ".join(f"{part} {count}" for part, count in parts)))
    return table

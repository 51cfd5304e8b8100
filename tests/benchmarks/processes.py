"""Where things run: the ad server in a process and on a core of its own, the client on another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from server import MANNERS

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list[int]()
"""That this process may use, as it was started; none where a system does not say."""


class Server:
    """The server's addresses, for whoever started it."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.fast, self.slow, self.faulty = (f"http://127.0.0.1:{ports[name]}" for name in MANNERS)

    @staticmethod
    def preloads(url: str) -> int:
        """How many have come to this address."""
        with urllib.request.urlopen(f"{url}/count") as response:
            return int(response.read())


@contextmanager
def started() -> Generator[Server, None, None]:
    """The server, as long as the block lasts; this process keeps to another core meanwhile."""
    theirs, ours = (CORES[:1], CORES[-1:]) if len(CORES) > 1 else ([], [])
    program = [sys.executable, str(Path(__file__).with_name("server.py")), *map(str, theirs)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with kept_to(ours):
                yield Server(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


@contextmanager
def kept_to(cores: list[int]) -> Generator[None, None, None]:
    """Run on these cores for a while, and what is started meanwhile too; no matter where a system cannot say that."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

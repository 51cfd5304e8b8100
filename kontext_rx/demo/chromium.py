"""A headless Chromium of our own: found, started with an empty profile, and gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Final

__all__ = ["ARGUMENTS", "ChromiumError", "find_chromium", "running_chromium"]

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""What the program is called. Source: the packages of Debian, Fedora, Google and Microsoft."""

ARGUMENTS: Final = (
    "--headless=new", "--remote-debugging-port=0", "--disable-gpu", "--no-first-run", "--no-default-browser-check",
    "--mute-audio", "--hide-scrollbars", "--password-store=basic", "--use-mock-keychain",
    # Else it looks for updates and accounts at every start: nothing is to leave the machine.
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-extensions", "--disable-domain-reliability", "--disable-quic",
    # A small /dev/shm, as containers have it, would crash it.
    "--disable-dev-shm-usage",
)  # fmt: skip

START_S: Final = 30.0
"""Seconds until it listens; a cold one on a small machine needs several. Source: ours."""

END_S: Final = 5.0
"""Seconds that it may take to end when it is asked to. Source: ours."""


class ChromiumError(Exception):
    """The browser is not there, did not start, or did not do what it was told: one sentence says which."""


def find_chromium(which: Callable[[str], str | None] = shutil.which) -> str | None:
    """The path of a Chromium, or of a browser made from it; None when there is none on the PATH."""
    return next((path for name in NAMES if (path := which(name)) is not None), None)


@contextlib.asynccontextmanager
async def running_chromium(program: str) -> AsyncGenerator[str]:
    """Run it, give the address of its DevTools, and end it with everything it has started. Raises `ChromiumError`."""
    # A short name: Chromium makes a socket below it, and the path of a socket has about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="krx-", ignore_cleanup_errors=True) as folder:
        # As root it does not start inside its sandbox. The page that it is to show is our own.
        as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            process = await asyncio.create_subprocess_exec(
                program, *ARGUMENTS, *as_root, f"--user-data-dir={folder}/profile", "about:blank",
                env={**os.environ, "TMPDIR": folder},  # it leaves things there
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in a terminal is for us: we end it ourselves
            )  # fmt: skip
        except OSError as error:
            raise ChromiumError(f"{program} does not start: {error.strerror or error}") from error
        assert process.stderr is not None
        reading: asyncio.Task[None] | None = None
        try:
            address = await _address(process.stderr, program)
            reading = asyncio.create_task(_drain(process.stderr))
            yield address
        finally:
            await _end(process)
            if reading is not None:
                reading.cancel()


async def _address(stderr: asyncio.StreamReader, program: str) -> str:
    """Where it listens, from its own words."""
    last = deque[str](maxlen=1)
    try:
        async with asyncio.timeout(START_S):
            async for line in stderr:
                text = line.decode(errors="replace").strip()
                if text.startswith("DevTools listening on "):
                    return text.removeprefix("DevTools listening on ")
                if text:
                    last.append(text)
    except TimeoutError:
        raise ChromiumError(f"{program} did not start within {START_S:g} s") from None
    raise ChromiumError(f"{program} ended as it started: {last[0] if last else 'it did not say why'}")


async def _drain(stderr: asyncio.StreamReader) -> None:
    """Read what it goes on to say, or it would wait for a reader one day."""
    while await stderr.read(4096):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    for one in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.terminate()
            else:
                os.killpg(process.pid, one)  # its renderers and helpers are in its group
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)

"""`kontext-rx demo --no-browser`: it serves, says where, and stops when it is told to."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

COMMAND = (sys.executable, "-m", "kontext_rx", "demo", "--no-browser", "--port")


async def test_serves_the_page_until_it_is_stopped() -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, "0", stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    said = (await process.stdout.readline()).decode()
    url = said.split()[-1]
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        assert response.status == 200
        assert "kontext_rx demo" in await response.text()
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


async def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(*COMMAND, str(port), stderr=asyncio.subprocess.PIPE)
        _, error = await process.communicate()
    assert process.returncode == 1
    assert error.decode().count("\n") == 1
    assert f"port {port}" in error.decode()
    assert "give another --port" in error.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are made here")
def test_on_a_terminal_with_a_screen_the_browser_is_opened(tmp_path: Path) -> None:
    """No flag is needed."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "kontext_rx", "demo", "--port", "0"],
        stdout=theirs,
        env={**os.environ, "DISPLAY": ":0", "BROWSER": str(browser)},
    )
    os.close(theirs)
    said = b""
    try:
        for _ in range(300):
            if opened.exists() and opened.read_text().endswith("\n"):
                break
            time.sleep(0.1)
        said = os.read(ours, 4096)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        os.close(ours)
    assert opened.read_text().strip() in said.decode()

"""`kontext-rx demo --page`: it serves, says where, and stops when it is told to."""

import asyncio
import signal
import socket
import sys

import aiohttp

COMMAND = (sys.executable, "-m", "kontext_rx", "demo", "--page", "--no-browser", "--port")


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

"""A browser of our own: found by name, started, and gone with everything that it left."""

import asyncio
import sys
import tempfile
from pathlib import Path

import pytest
from chromium import chromium_program

from kontext_rx.demo import chromium
from kontext_rx.demo.chromium import ChromiumError, find_chromium, running_chromium
from kontext_rx.demo.devtools import DevTools

posix = pytest.mark.skipif(sys.platform == "win32", reason="programs of a few lines")


def program(folder: Path, script: str) -> str:
    path = folder / "chromium"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_it_is_found_by_any_of_its_names() -> None:
    there = {"google-chrome": "/opt/google/chrome"}
    assert find_chromium(there.get) == "/opt/google/chrome"
    assert find_chromium({**there, "chromium": "/usr/bin/chromium"}.get) == "/usr/bin/chromium"
    assert find_chromium({}.get) is None


async def test_it_runs_shows_a_page_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one: it types and clicks, and its folder is gone with it, as is what it listened on."""
    with tempfile.TemporaryDirectory(prefix="k") as scratch:
        monkeypatch.setattr(tempfile, "tempdir", scratch)
        async with running_chromium(chromium_program()) as address, DevTools.connected(address) as devtools:
            tab = await devtools.open_tab("data:text/html,<title>Hi</title><input>", width=500, height=400)
            await tab.wait_for(
                "document.title === 'Hi' && !!document.querySelector('input')", within=20, what="the page"
            )
            assert await tab.evaluate("[innerWidth, innerHeight]") == [500, 400]
            await tab.click("input")
            await tab.type("text")
            assert await tab.evaluate("document.querySelector('input').value") == "text"
            assert list(Path(scratch).iterdir()) != []
        assert list(Path(scratch).iterdir()) == []
    with pytest.raises(ChromiumError, match="cannot be reached"):
        async with DevTools.connected(address):
            pass


@posix
async def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChromiumError, match="ended as it started: cannot open display"):
        async with running_chromium(program(tmp_path, "echo 'cannot open display' >&2; exit 1")):
            pass
    with pytest.raises(ChromiumError, match="does not start: No such file"):
        async with running_chromium(str(tmp_path / "nowhere")):
            pass


@posix
async def test_one_that_is_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "START_S", 0.2)
    with pytest.raises(ChromiumError, match=r"did not start within 0.2 s"):
        async with running_chromium(program(tmp_path, "exec sleep 60")):
            pass


@posix
async def test_one_that_does_not_want_to_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "END_S", 0.3)
    script = (
        "trap '' TERM",
        f"echo $$ > {tmp_path}/pid",
        "echo 'DevTools listening on ws://127.0.0.1:1/' >&2",
        "while :; do sleep 1; done",
    )
    async with running_chromium(program(tmp_path, "\n".join(script))) as address:
        assert address == "ws://127.0.0.1:1/"
        pid = int((tmp_path / "pid").read_text())
    check = await asyncio.create_subprocess_exec("kill", "-0", str(pid), stderr=asyncio.subprocess.DEVNULL)
    assert await check.wait() != 0

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-W", "error", "-m", "kontext_rx"]

UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
"""The environment of a process that is interrupted: coverage's tracer may hold its lock just then, and keeps it."""
FAST = ("--turn-delay", "0.05", "--reply-delay", "0.02")
BURST = ("--turn-delay", "0", "--reply-delay", "0")

Say = tuple[str, str]


class Ran:
    """What a command did."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def summary(self) -> dict[str, Any]:
        """Standard output, which has to be one JSON object and nothing else."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def run(
    *arguments: str, stdin: str | bytes | None = None, env: dict[str, str] | None = None, timeout: float = 30
) -> Ran:
    """Run a command to its end, in at most *timeout* seconds."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *arguments], input=given, capture_output=True, timeout=timeout, env={**os.environ, **(env or {})}
    )
    return Ran(subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode()))


class Running:
    """A command that runs until it is told to stop."""

    def __init__(self, *arguments: str, **more: Any) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
        )

    def line(self) -> str:
        """Wait for the next line on standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self, by: signal.Signals = signal.SIGINT) -> Ran:
        self.process.send_signal(by)
        out, err = self.process.communicate(timeout=10)
        return Ran(subprocess.CompletedProcess(self.process.args, self.process.returncode, out, err))


def conversation(name: str, *said: Say) -> dict[str, Any]:
    """`conversation("c1", ("user", "Hi"), ("assistant", "Hello"))`, as exports have it."""
    return {"id": name, "messages": [{"role": role, "content": content} for role, content in said]}


def turns(name: str, count: int) -> dict[str, Any]:
    """A conversation of *count* turns, each with its reply."""
    return conversation(name, *[(role, f"{role} {n}") for n in range(count) for role in ("user", "assistant")])


Export = Callable[[Sequence[object]], str]


@pytest.fixture
def export(tmp_path: Path) -> Export:
    """Write a JSONL export; a text or bytes among the lines is written as it is."""

    def write(lines: Sequence[object]) -> str:
        path = tmp_path / "export.jsonl"
        path.write_bytes(
            b"".join(
                (line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode())
                + b"\n"
                for line in lines
            )
        )
        return str(path)

    return write

"""
What `import kontext_rx` takes, beside what it stands on: CPU, in fresh interpreters.

The package loads a name's module when the name is asked for; what a session needs is loaded with `create_session`.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from measure import OURS, Cell, Measure, Row

BELOW: Final = "asyncio + msgspec + reactivex"
A_SESSION: Final = "what a session needs"
TIMED: Final = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def _importing(modules: str) -> Measure:
    program = [sys.executable, "-c", TIMED.format(modules)]
    return lambda _: {"cpu": float(subprocess.run(program, capture_output=True, check=True).stdout) * 1e3}


CELLS: Final = [
    Cell(
        name="import",
        kinds={
            OURS: _importing("kontext_rx"),
            A_SESSION: _importing("kontext_rx.create"),
            BELOW: _importing("asyncio, msgspec, reactivex, reactivex.operators"),
        },
        rows=[
            Row(what="import kontext_rx", number="cpu", unit="ms", over=BELOW, at_most=1.15),
            Row(what="from kontext_rx import create_session", number="cpu", unit="ms", of=A_SESSION, over=BELOW),
        ],
        rounds=20,
    )
]

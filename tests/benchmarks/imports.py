"""What `import kontext_rx` takes, beside what it stands on: CPU, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from measure import OURS, Cell, Measure, Row

BELOW: Final = "asyncio + msgspec + reactivex"
TIMED: Final = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"


def _importing(modules: str) -> Measure:
    program = [sys.executable, "-c", TIMED.format(modules)]
    return lambda _: {"cpu": float(subprocess.run(program, capture_output=True, check=True).stdout) * 1e3}


CELLS: Final = [
    Cell(
        name="import",
        kinds={OURS: _importing("kontext_rx"), BELOW: _importing("asyncio, msgspec, reactivex")},
        rows=[Row(what="import kontext_rx", number="cpu", unit="ms", over=BELOW, at_most=1.15)],
        rounds=20,
    )
]
